//! Calls of one script that come together go to Redis together: what a command costs on its way
//! there and back, it costs but once for all of them.
//!
//! However many come at once, none fails for that: a call's time runs from when it is sent. Only if
//! Redis gives no answer, whoever has waited as long behind that is told, too.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use fred::error::{Error, ErrorKind};
use fred::types::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::super::reply;
use super::super::script::Script;
use super::{Inner, Link, LinkError};

/// Calls that go together at the most: Redis does nothing else meanwhile.
const MAX_TOGETHER: usize = 32;

/// What the arguments of a call may weigh that goes with others, in bytes.
const MAX_LIGHT: usize = 4 * 1024;

/// Calls of one script that may wait to be sent; whoever comes then waits for room.
const MAX_WAITING: usize = 10_000;

/// How long the next batch waits for the answer to the one before; then it goes over another
/// connection, as one that gives no answer may be to blame.
const SLOW: Duration = Duration::from_millis(100);

/// Slow batches under way at the most: so many go within the time for one command, about, so that a
/// connection that gives no answer never has them all.
const MAX_SLOW: usize = 20;

/// Who waits for which script, by its digest.
#[derive(Default)]
pub(super) struct Gatherers(DashMap<String, mpsc::Sender<Call>>);

struct Call {
    keys: Vec<String>,
    args: Vec<Value>,
    since: Instant,
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

/// Runs `script` with whatever other calls of it come meanwhile.
pub(super) async fn run(
    link: &Link,
    script: &Script,
    keys: Vec<String>,
    args: Vec<Value>,
) -> Result<Value, LinkError> {
    let (answer, answered) = oneshot::channel();
    let call = Call {
        keys,
        args,
        since: Instant::now(),
        answer,
    };
    let calls = link.0.gatherers.of(link, script);
    // Only a task that was ended with the runtime takes no call, or gives no answer.
    let ended = || Error::new(ErrorKind::Canceled, "the runtime is about to end");
    calls.send(call).await.map_err(|_| ended())?;
    answered.await.unwrap_or_else(|_| Err(ended().into()))
}

impl Gatherers {
    fn of(&self, link: &Link, script: &Script) -> mpsc::Sender<Call> {
        let name = &script.alone.digest;
        if let Some(calls) = self.0.get(name) {
            return calls.clone();
        }
        let begin = || {
            let (calls, waiting) = mpsc::channel(MAX_WAITING);
            tokio::spawn(gather(Arc::downgrade(&link.0), script.clone(), waiting));
            calls
        };
        self.0.entry(name.clone()).or_insert_with(begin).clone()
    }
}

/// Sends what waits, one batch after the other, as long as anybody holds the link. While a batch is
/// on its way the next one fills: the more there is to do, the less each call costs.
async fn gather(link: Weak<Inner>, script: Script, mut waiting: mpsc::Receiver<Call>) {
    let mut slow = JoinSet::new();
    let mut calls = Vec::new();
    while !calls.is_empty() || waiting.recv_many(&mut calls, MAX_TOGETHER).await > 0 {
        // Whoever is about to call gets the chance to come along.
        tokio::task::yield_now().await;
        fill(&mut calls, &mut waiting);
        let Some(link) = link.upgrade().map(Link) else {
            return;
        };
        let patience = link.timeout();
        let batch = send(link, script.clone(), std::mem::take(&mut calls));
        let answered = until_next(&mut slow, batch).await;
        if !answered {
            calls.extend(give_up(&mut waiting, patience));
        }
    }
}

/// Adds what waits, and leaves out those whose callers are gone.
fn fill(calls: &mut Vec<Call>, waiting: &mut mpsc::Receiver<Call>) {
    calls.retain(|call| !call.answer.is_closed());
    while calls.len() < MAX_TOGETHER
        && let Ok(call) = waiting.try_recv()
    {
        if !call.answer.is_closed() {
            calls.push(call);
        }
    }
}

/// Sees to a batch until the next may go: when it is answered, or is one of the slow. Whether Redis
/// gave an answer to all that ended meanwhile.
async fn until_next(
    slow: &mut JoinSet<bool>,
    batch: impl Future<Output = bool> + Send + 'static,
) -> bool {
    let mut batch = Box::pin(batch);
    let mut answered = true;
    match timeout(SLOW, batch.as_mut()).await {
        Ok(ended) => answered = ended,
        Err(_) => drop(slow.spawn(batch)),
    }
    while let Some(ended) = slow.try_join_next() {
        answered &= ended.unwrap_or(false);
    }
    while slow.len() >= MAX_SLOW
        && let Some(ended) = slow.join_next().await
    {
        answered &= ended.unwrap_or(false);
    }
    answered
}

/// Tells those who have waited for so long, and returns the first who has not.
fn give_up(waiting: &mut mpsc::Receiver<Call>, patience: Duration) -> Option<Call> {
    while let Ok(call) = waiting.try_recv() {
        if call.since.elapsed() < patience {
            return Some(call);
        }
        // Whoever has gone away does not want to know, here and below.
        let _gone = call.answer.send(Err(LinkError::Overdue(patience)));
    }
    None
}

/// Sends a batch, and tells each what came of it. Whether Redis gave any answer.
async fn send(link: Link, script: Script, mut calls: Vec<Call>) -> bool {
    if calls.is_empty() {
        return true;
    }
    if calls.len() == 1
        && let Some(call) = calls.pop()
    {
        let outcome = link.run(&script.alone, call.keys, call.args).await;
        let answered = is_answer(&outcome);
        let _gone = call.answer.send(outcome);
        return answered;
    }
    let (mut keys, mut args) = (Vec::new(), vec![count(calls.len())]);
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        args.extend([count(call.keys.len()), count(call.args.len())]);
        keys.extend(call.keys);
        args.extend(call.args);
        answers.push(call.answer);
    }
    let outcome = link.run(&script.gathered, keys, args).await;
    let answered = is_answer(&outcome);
    let each = outcome.and_then(|all| split(all, answers.len()));
    let each = each.unwrap_or_else(|error| vec![Err(error); answers.len()]);
    for (answer, outcome) in answers.into_iter().zip(each) {
        let _gone = answer.send(outcome);
    }
    answered
}

fn is_answer(outcome: &Result<Value, LinkError>) -> bool {
    !outcome.as_ref().is_err_and(LinkError::is_silence)
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
mod tests;
