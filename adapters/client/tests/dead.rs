use std::time::Duration;

use gateway_core::domain::id::{RunId, TaskId};
use gateway_core::domain::run::{Data, Report, RunStatus};
use gateway_core::domain::task::{Content, DeadLetter};
use gateway_core::ports::QueueView;

use super::gateway::Gateway;
use super::*;
use crate::inbound::admin::testing::{at, dead_task, letter, worker};

fn letters() -> [DeadLetter; 2] {
    let unreadable = DeadLetter {
        content: Content::Unreadable([("task".to_owned(), "\u{1b}".to_owned())].into()),
        reason: "task_id: missing\nby far".to_owned(),
        deliveries: 1,
        ..dead_task("22-0", "t")
    };
    let mut task = dead_task("1-0", "t");
    if let Content::Task(task) = &mut task.content {
        task.params.insert("0".to_owned(), "-c".to_owned());
    }
    [task, unreadable]
}

fn result() -> DeadLetter {
    let run = RunId::parse("r").expect("is an identifier");
    let report = Report {
        task: Some(TaskId::parse("t").expect("is an identifier")),
        exit_code: Some(-9),
        error_message: "boom".to_owned(),
        duration: Some(Duration::from_millis(1500)),
        data: Data::parse(r#"{"rows": 3}"#).expect("is an object"),
        ..Report::new(run, worker("w"), RunStatus::Failed, at(0))
    };
    DeadLetter {
        content: Content::Result(Box::new(report)),
        reason: "unknown run".to_owned(),
        deliveries: 0,
        ..dead_task("33-0", "t")
    }
}

#[tokio::test]
async fn queues_are_a_table_with_their_ages_or_json() {
    let gateway = Gateway::start().await;
    gateway.master.with(|books| {
        for (name, oldest) in [("worker-1", Some(at(0))), ("w", None)] {
            books.queues.push(QueueView {
                worker: worker(name),
                waiting: 12,
                held: 1,
                oldest,
            });
        }
        books.dead.extend(letters());
    });
    let queue = |json| gateway.tool(Command::Queue(Queue { json }));

    let table = "\
WORKER    WAITING  HELD  OLDEST
worker-1  12       1     2m05s
w         12       1
dead letters: 2
";
    assert_eq!(queue(false).await.out, table);
    let json: Value = queue(true).await.out.parse().expect("is JSON");
    assert_eq!(json["queues"][0]["waiting"], 12);
    assert_eq!(json["dead"][1]["id"], "1-0");

    let more = (0..100).map(|number| dead_task(&format!("{number}-0"), "t"));
    gateway.master.with(|books| books.dead.extend(more));
    let seen = queue(false).await;
    assert!(
        seen.out.ends_with("dead letters: 100 or more\n"),
        "{}",
        seen.out
    );
    gateway.stop().await;
}

#[tokio::test]
async fn letters_are_a_table_or_json_the_newest_first() {
    let gateway = Gateway::start().await;
    gateway.master.with(|books| books.dead.extend(letters()));
    gateway.master.with(|books| books.dead.push(result()));
    let list = |limit, json| gateway.tool(dead(Dead::List(DeadList { limit, json })));

    let table = "\
ID    HOLDS           WORKER  TASK  RUN  TRIES  GIVEN UP              REASON
33-0  result: failed  w       t     r    0      2026-11-22T10:00:00Z  unknown run
22-0  -               w       -     -    1      2026-11-22T10:00:00Z  task_id: missing…
1-0   task            w       t     t    5      2026-11-22T10:00:00Z  no slot
";
    assert_eq!(list(100, false).await.out, table);
    let json: Value = list(1, true).await.out.parse().expect("is JSON");
    assert_eq!(json["dead"][0]["id"], "33-0");
    assert_eq!(json["dead"].as_array().map(Vec::len), Some(1));
    gateway.stop().await;
}

#[tokio::test]
async fn a_letter_is_shown_with_all_that_is_in_it() {
    let gateway = Gateway::start().await;
    gateway.master.with(|books| books.dead.extend(letters()));
    let show = |id: &str, json| {
        let id = id.to_owned();
        dead(Dead::Show(DeadShow { id, json }))
    };

    let whole = "\
id            1-0
worker        w
reason        no slot
deliveries    5
given up      2026-11-22T10:00:00Z
is_compressed false
params        {
                \"0\": \"-c\"
              }
priority      0
project_type  code
run_id        t
task_id       t
timeout       3600
";
    assert_eq!(gateway.tool(show("1-0", false)).await.out, whole);
    let raw = gateway.terminal(show("22-0", false)).await.out;
    assert!(raw.contains("\"task\": \"\\u001b\""), "{raw}");
    let json = gateway.tool(show("22-0", true)).await.out;
    let json: Value = json.parse().expect("is JSON");
    assert_eq!(json["fields"], json!({"task": "\u{1b}"}));
    gateway.stop().await;
}

#[tokio::test]
async fn a_result_is_shown_with_all_that_it_says() {
    let gateway = Gateway::start().await;
    gateway.master.with(|books| books.dead.push(result()));
    let show = Dead::Show(DeadShow {
        id: "33-0".to_owned(),
        json: false,
    });

    let whole = "\
id            33-0
worker        w
reason        unknown run
deliveries    0
given up      2026-11-22T10:00:00Z
data          {
                \"rows\": 3
              }
duration_ms   1500
error_message boom
exit_code     -9
reported_at   2026-11-22T10:00:00Z
run_id        r
status        failed
task_id       t
";
    assert_eq!(gateway.tool(dead(show)).await.out, whole);
    gateway.stop().await;
}

#[tokio::test]
async fn a_letter_is_queued_again_or_dropped_once() {
    let gateway = Gateway::start().await;
    gateway.master.with(|books| books.dead.extend(letters()));
    let requeue = dead(Dead::Requeue("1-0".to_owned()));
    let discard = dead(Dead::Drop("22-0".to_owned()));

    for (command, told) in [
        (&requeue, "queued again: 1-0\n"),
        (&discard, "dropped: 22-0\n"),
    ] {
        let seen = gateway.tool(command.clone()).await;
        assert_eq!(
            (seen.code, seen.out.as_str()),
            (Ok(ExitCode::SUCCESS), told)
        );
    }
    let (left, queued) = gateway
        .master
        .with(|books| (books.dead.len(), books.requeued.clone()));
    assert_eq!((left, queued), (0, vec![letter("1-0")]));

    for (command, told) in [
        (requeue, "there is no dead letter 1-0"),
        (discard, "there is no dead letter 22-0"),
        (dead(Dead::Drop("../x".to_owned())), "id: 1 to 64"),
    ] {
        let refused = gateway.tool(command).await.code.expect_err("is refused");
        assert!(refused.contains(told), "{refused}");
    }
    gateway.stop().await;
}

fn dead(what: Dead) -> Command {
    Command::Dead(what)
}
