//! Calls of one script that come together go to Redis together: what a command costs on its way
//! there and back, it costs but once for all of them.

use std::sync::{Arc, Weak};

use dashmap::DashMap;
use fred::error::{Error, ErrorKind};
use fred::types::Value;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::super::reply;
use super::super::script::Script;
use super::{Inner, Link, LinkError, MAX_QUEUED};

/// Calls that go together at the most: Redis does nothing else meanwhile.
const MAX_TOGETHER: usize = 32;

/// What the arguments of a call may weigh that goes with others, in bytes.
const MAX_LIGHT: usize = 4 * 1024;

/// Batches of one script that are on their way at once. Meanwhile the next one fills: the more
/// there is to do, the less each call costs.
const IN_FLIGHT: usize = 1;

/// Who waits for which script.
#[derive(Default)]
pub(super) struct Gatherers(DashMap<String, mpsc::Sender<Call>>);

struct Call {
    keys: Vec<String>,
    args: Vec<Value>,
    answer: oneshot::Sender<Result<Value, LinkError>>,
}

/// Whether a call may go with others.
pub(super) fn is_light(args: &[Value]) -> bool {
    let weight: usize = args.iter().map(weight).sum();
    weight <= MAX_LIGHT
}

fn weight(value: &Value) -> usize {
    match value.as_bytes() {
        Some(bytes) => bytes.len(),
        None => size_of::<Value>(),
    }
}

impl Gatherers {
    /// Runs `script` with whatever other calls of it come meanwhile.
    pub(super) async fn run(
        &self,
        link: &Link,
        script: &Script,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let (answer, answered) = oneshot::channel();
        let call = Call { keys, args, answer };
        let calls = self.of(link, script);
        if calls.try_send(call).is_err() {
            let full = "too many commands wait for Redis";
            return Err(Error::new(ErrorKind::Backpressure, full).into());
        }
        // Only a batch whose task was ended with the runtime gives no answer.
        answered.await.unwrap_or_else(|_| {
            let ended = "the runtime is about to end";
            Err(Error::new(ErrorKind::Canceled, ended).into())
        })
    }

    fn of(&self, link: &Link, script: &Script) -> mpsc::Sender<Call> {
        let name = &script.alone.digest;
        if let Some(calls) = self.0.get(name) {
            return calls.clone();
        }
        let begin = || {
            let (calls, waiting) = mpsc::channel(MAX_QUEUED);
            tokio::spawn(gather(Arc::downgrade(&link.0), script.clone(), waiting));
            calls
        };
        self.0.entry(name.clone()).or_insert_with(begin).clone()
    }
}

/// Sends what waits, as long as anybody holds the link.
async fn gather(link: Weak<Inner>, script: Script, mut waiting: mpsc::Receiver<Call>) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    while let Some(first) = waiting.recv().await {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        // Whoever is about to call gets the chance to come along.
        tokio::task::yield_now().await;
        let mut calls = vec![first];
        while calls.len() < MAX_TOGETHER
            && let Ok(call) = waiting.try_recv()
        {
            calls.push(call);
        }
        let Some(link) = link.upgrade().map(Link) else {
            return;
        };
        let script = script.clone();
        tokio::spawn(async move {
            send(&link, &script, calls).await;
            drop(place);
        });
    }
}

async fn send(link: &Link, script: &Script, mut calls: Vec<Call>) {
    if calls.len() == 1
        && let Some(Call { keys, args, answer }) = calls.pop()
    {
        let answered = link.run_source(&script.alone, keys, args).await;
        // Whoever has gone away does not want to know.
        let _gone = answer.send(answered);
        return;
    }
    let (mut all_keys, mut all_args) = (Vec::new(), vec![count(calls.len())]);
    let mut answers = Vec::with_capacity(calls.len());
    for Call { keys, args, answer } in calls {
        all_args.extend([count(keys.len()), count(args.len())]);
        all_keys.extend(keys);
        all_args.extend(args);
        answers.push(answer);
    }
    let answered = link.run_source(&script.gathered, all_keys, all_args).await;
    let each = answered.and_then(|all| split(all, answers.len()));
    match each {
        Ok(each) => {
            for (answer, answered) in answers.into_iter().zip(each) {
                let _gone = answer.send(answered);
            }
        }
        Err(error) => {
            for answer in answers {
                let _gone = answer.send(Err(error.clone()));
            }
        }
    }
}

fn count(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// The answer to each call.
fn split(all: Value, calls: usize) -> Result<Vec<Result<Value, LinkError>>, LinkError> {
    let all = reply::list(all)?;
    if all.len() != calls {
        let text = format!("{} answers to {calls} calls", all.len());
        return Err(LinkError::Nonsense(text));
    }
    let each = all.into_iter().map(|one| {
        let mut parts = reply::list(one)?.into_iter();
        let ran = reply::number(&parts.next().unwrap_or(Value::Null))?;
        // What answers nothing leaves nothing behind the number.
        let answer = parts.next().unwrap_or(Value::Null);
        if ran == 1 {
            return Ok(answer);
        }
        Err(Error::new(ErrorKind::Unknown, reply::text(&answer)?).into())
    });
    Ok(each.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_gets_its_own_answer_or_error() {
        let all = Value::Array(vec![
            Value::Array(vec![1.into(), "one".into()]),
            Value::Array(vec![0.into(), "OOM no memory".into()]),
            Value::Array(vec![1.into()]),
        ]);

        let each = split(all, 3).expect("has three answers");
        assert!(matches!(&each[0], Ok(one) if *one == Value::from("one")));
        assert!(matches!(&each[1], Err(error) if error.is_full()));
        assert!(matches!(&each[2], Ok(nothing) if nothing.is_null()));
    }

    #[test]
    fn answers_to_other_calls_are_nonsense() {
        assert!(split(Value::Array(vec![]), 1).is_err());
        let one = Value::Array(vec![Value::from("x")]);
        assert!(split(one, 1).is_ok_and(|each| each[0].is_err()));
    }
}
