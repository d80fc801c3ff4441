use gateway_core::domain::audit::Action;
use gateway_core::domain::task::{Content, DeadLetter};
use gateway_core::ports::QueueView;
use serde_json::{Value, json};

use super::super::testing::{Port, at, dead_task, letter, worker};

/// Something that could not be read as a task.
fn unreadable(id: &str) -> DeadLetter {
    DeadLetter {
        content: Content::Unreadable([("task".to_owned(), "\u{1b}".to_owned())].into()),
        reason: "task_id: missing".to_owned(),
        deliveries: 1,
        ..dead_task(id, "t")
    }
}

#[tokio::test]
async fn queues_show_what_waits_and_what_was_given_up() {
    let port = Port::with_master();
    port.master.with(|books| {
        for oldest in [None, Some(at(0))] {
            books.queues.push(QueueView {
                worker: worker("w"),
                waiting: 2,
                held: 1,
                oldest,
            });
        }
        books.dead.push(dead_task("1-0", "t"));
        books.dead.push(unreadable("2-0"));
    });

    let wanted = json!({
        "queues": [
            {"worker_id": "w", "waiting": 2, "held": 1},
            {"worker_id": "w", "waiting": 2, "held": 1, "oldest": "2026-11-22T10:00:00Z"},
        ],
        "dead": [
            {
                "id": "2-0", "fields": {"task": "\u{1b}"}, "worker_id": "w",
                "reason": "task_id: missing", "deliveries": 1, "at": "2026-11-22T10:00:00Z",
            },
            {
                "id": "1-0", "task_id": "t", "run_id": "t", "worker_id": "w", "reason": "no slot",
                "deliveries": 5, "at": "2026-11-22T10:00:00Z",
            },
        ],
    });
    assert_eq!(port.read("/api/queue").await, wanted);
    assert_eq!(port.read("/api/dead").await["dead"], wanted["dead"]);
}

#[tokio::test]
async fn so_many_letters_are_listed_as_are_asked_for() {
    let port = Port::with_master();
    port.master.with(|books| {
        let letters = (0..1100).map(|number| dead_task(&format!("{number}-0"), "t"));
        books.dead.extend(letters);
    });

    for (path, count) in [
        ("/api/queue", 100),
        ("/api/dead", 100),
        ("/api/dead?limit=2", 2),
        ("/api/dead?limit=5000", 1000),
    ] {
        let dead = &port.read(path).await["dead"];
        assert_eq!(dead.as_array().map(Vec::len), Some(count), "{path}");
        assert_eq!(dead[0]["id"], "1099-0");
    }
    for path in ["/api/dead?limit=-1", "/api/dead?limti=1"] {
        assert_eq!(port.get(path).await.0.as_u16(), 400, "{path}");
    }
}

#[tokio::test]
async fn a_letter_is_shown_with_everything_in_it() {
    let port = Port::with_master();
    port.master.with(|books| {
        let mut letter = dead_task("1-0", "t");
        if let Content::Task(task) = &mut letter.content {
            task.params.insert("0".to_owned(), "-c".to_owned());
            task.entry_point = "sh".to_owned();
        }
        books.dead.push(letter);
        books.dead.push(unreadable("2-0"));
    });

    let whole = json!({
        "id": "1-0", "worker_id": "w", "reason": "no slot", "deliveries": 5,
        "at": "2026-11-22T10:00:00Z", "task_id": "t", "run_id": "t", "project_id": "",
        "project_type": "code", "priority": 0, "params": {"0": "-c"}, "environment": {},
        "timeout": 3600, "download_url": "", "file_hash": "", "entry_point": "sh",
        "is_compressed": false,
    });
    assert_eq!(port.read("/api/dead/1-0").await, whole);
    let raw = port.read("/api/dead/2-0").await;
    assert_eq!(raw["fields"], json!({"task": "\u{1b}"}));
    assert_eq!(raw.get("task_id"), None::<&Value>);
}

#[tokio::test]
async fn a_letter_is_queued_again_once() {
    let port = Port::with_master();
    port.master
        .with(|books| books.dead.push(dead_task("1-0", "t")));

    let (status, text) = port.post("/api/dead/1-0/requeue", &json!({})).await;
    assert_eq!((status.as_u16(), text.as_str()), (204, ""));
    let queued = port.master.with(|books| books.requeued.clone());
    assert_eq!(queued, [letter("1-0")]);

    let again = port.refusal("/api/dead/1-0/requeue", &json!({})).await;
    assert_eq!(again, (404, "there is no dead letter 1-0".to_owned()));
    let requeue = |failure: Option<&str>| Action::Administered {
        what: "requeue",
        subject: "1-0".to_owned(),
        failure: failure.map(ToOwned::to_owned),
    };
    let noted = [requeue(None), requeue(Some("there is no dead letter 1-0"))];
    assert_eq!(port.noted(), noted);
}

#[tokio::test]
async fn a_letter_is_dropped_once() {
    let port = Port::with_master();
    port.master
        .with(|books| books.dead.push(dead_task("1-0", "t")));

    assert_eq!(port.delete("/api/dead/1-0").await.0.as_u16(), 204);
    let left = port
        .master
        .with(|books| (books.dead.len(), books.requeued.len()));
    assert_eq!(left, (0, 0));
    assert_eq!(port.delete("/api/dead/1-0").await.0.as_u16(), 404);
}

#[tokio::test]
async fn what_names_no_letter_is_refused() {
    let port = Port::with_master();

    assert_eq!(port.get("/api/dead/1-0").await.0.as_u16(), 404);
    assert_eq!(port.get("/api/dead/a%20b").await.0.as_u16(), 400);
    assert_eq!(port.delete("/api/dead/a%20b").await.0.as_u16(), 400);
    let said_more = port
        .refusal("/api/dead/1-0/requeue", &json!({"a": 1}))
        .await;
    assert_eq!(said_more.0, 400);
}

#[tokio::test]
async fn a_web_page_cannot_queue_a_letter_again() {
    let port = Port::with_master();
    port.master
        .with(|books| books.dead.push(dead_task("1-0", "t")));

    // All that a form can send to another's host.
    let request = axum::http::Request::post("/api/dead/1-0/requeue")
        .header("host", "localhost")
        .header("content-type", "text/plain")
        .body(axum::body::Body::from("{}"));
    let answer = port.send(request.expect("is a request")).await;
    assert_eq!(answer.status().as_u16(), 415);
    port.master.with(|books| assert_eq!(books.dead.len(), 1));
}
