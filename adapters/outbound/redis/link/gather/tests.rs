use super::*;

fn call() -> (Call, oneshot::Receiver<Result<Value, LinkError>>) {
    let (answer, answered) = oneshot::channel();
    let call = Call {
        keys: vec![],
        args: vec![],
        since: Instant::now(),
        answer,
    };
    (call, answered)
}

#[test]
fn a_call_whose_caller_is_gone_is_not_sent() {
    let (calls, mut waiting) = mpsc::channel(2);
    let ((first, gone), (second, waits)) = (call(), call());
    let (third, also_gone) = call();
    calls.try_send(second).expect("has room");
    calls.try_send(third).expect("has room");
    drop((gone, also_gone));

    let mut batch = vec![first];
    fill(&mut batch, &mut waiting);
    assert_eq!(batch.len(), 1);
    assert!(!batch[0].answer.is_closed());
    drop(waits);
    fill(&mut batch, &mut waiting);
    assert!(batch.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_an_answer_holds_the_next_up_for_a_moment() {
    let begun = Instant::now();
    let mut slow = JoinSet::new();

    assert!(until_next(&mut slow, std::future::pending()).await);
    assert_eq!(begun.elapsed(), SLOW);
    assert!(until_next(&mut slow, async { true }).await);
    assert_eq!(begun.elapsed(), SLOW);
    assert!(!until_next(&mut slow, async { false }).await);
}

#[tokio::test(start_paused = true)]
async fn slow_batches_are_told_of_and_not_without_number() {
    let silent = || async {
        tokio::time::sleep(SLOW * 100).await;
        false
    };
    let begun = Instant::now();
    let mut slow = JoinSet::new();
    for _ in 1..MAX_SLOW {
        assert!(until_next(&mut slow, silent()).await);
    }
    assert!(begun.elapsed() < SLOW * 100);

    assert!(!until_next(&mut slow, silent()).await);
    assert!(begun.elapsed() >= SLOW * 100);
    assert!(slow.len() < MAX_SLOW);
}

#[tokio::test(start_paused = true)]
async fn behind_a_silent_redis_those_are_told_who_have_waited_as_long() {
    let (calls, mut waiting) = mpsc::channel(2);
    let patience = Duration::from_secs(2);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let (call, answered) = call();
        calls.try_send(call).expect("has room");
        answers.push(answered);
        tokio::time::advance(patience / 2).await;
    }

    let left = give_up(&mut waiting, patience);
    let told = answers[0].try_recv().expect("is told");
    assert!(matches!(told, Err(LinkError::Overdue(_))), "{told:?}");
    answers[1].try_recv().expect_err("still waits");
    assert!(left.is_some());
}

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
