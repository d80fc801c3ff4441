use gateway_core::domain::control::Reply;
use serde_json::json;

use super::*;
use crate::inbound::admin::testing::{Port, run, worker};

#[tokio::test]
async fn a_cancel_that_names_no_task_names_the_run() {
    for control_type in ["cancel", "kill"] {
        let body = json!({"control_type": control_type, "worker_id": "w", "run_id": "r", "reason": "late"});

        let (to, command) = sent(&Port::with_master(), &body).await;

        assert_eq!(to, Recipient::Worker(worker("w")));
        let wanted = Command::Cancel {
            task: TaskId::parse("r").expect("is an identifier"),
            run: Some(run("r")),
            reason: "late".to_owned(),
        };
        assert_eq!(command, wanted);
    }
}

#[tokio::test]
async fn a_cancel_of_a_run_goes_to_its_worker() {
    let port = Port::with_master();
    port.master.open("r");

    let (to, _) = sent(&port, &json!({"control_type": "cancel", "run_id": "r"})).await;
    assert_eq!(to, Recipient::Worker(worker("worker-1")));

    let unknown = json!({"control_type": "cancel", "run_id": "x"});
    let (status, error) = port.refusal("/api/control", &unknown).await;
    assert_eq!((status, error.as_str()), (404, "run x is unknown"));
}

#[tokio::test]
async fn where_runs_are_not_known_a_cancel_needs_the_worker() {
    let port = Port::with_master();
    port.master.with(|books| books.runs_unknown = true);

    let body = json!({"control_type": "cancel", "run_id": "r"});
    let (status, error) = port.refusal("/api/control", &body).await;
    assert_eq!(status, 400);
    assert!(error.starts_with("worker_id: needed"), "{error}");

    let body = json!({"control_type": "cancel", "run_id": "r", "worker_id": "w"});
    let (to, _) = sent(&port, &body).await;
    assert_eq!(to, Recipient::Worker(worker("w")));
}

#[tokio::test]
async fn a_cancel_of_a_task_goes_to_everyone() {
    let body = json!({"control_type": "cancel", "task_id": "t"});

    let (to, command) = sent(&Port::with_master(), &body).await;

    assert_eq!(to, Recipient::Everyone);
    let wanted = Command::Cancel {
        task: TaskId::parse("t").expect("is an identifier"),
        run: None,
        reason: String::new(),
    };
    assert_eq!(command, wanted);
}

#[tokio::test]
async fn settings_are_texts() {
    let body = json!({"control_type": "config_update", "config": {"a": "1", "b": 2}});

    let (to, command) = sent(&Port::with_master(), &body).await;

    assert_eq!(to, Recipient::Everyone);
    let config = [("a", "1"), ("b", "2")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(command, Command::Configure(config.into()));
}

#[tokio::test]
async fn a_runtime_request_says_where_to_reply() {
    let port = Port::with_master();
    let body = json!({
        "control_type": "runtime_manage", "worker_id": "w", "action": "list_envs",
        "request_id": "q", "payload": {"a": [1]},
    });

    let (to, command) = sent(&port, &body).await;

    assert_eq!(to, Recipient::Worker(worker("w")));
    let wanted = Command::Runtime {
        request: RequestId::parse("q").expect("is an identifier"),
        action: "list_envs".to_owned(),
        reply_stream: "antcode:control:reply:q".to_owned(),
        payload: r#"{"a":[1]}"#.to_owned(),
    };
    assert_eq!(command, wanted);
}

#[tokio::test]
async fn a_request_without_a_name_gets_one() {
    let port = Port::with_master();
    let body = json!({"control_type": "runtime_manage", "action": "list_envs"});

    let (status, answer) = port.post("/api/control", &body).await;

    assert_eq!(status, StatusCode::ACCEPTED);
    let answer: Value = answer.parse().expect("is JSON");
    let (_, command) = port.master.with(|books| books.sent[0].clone());
    let Command::Runtime {
        request, payload, ..
    } = command
    else {
        panic!("{command:?}");
    };
    assert_eq!(answer, json!({"request_id": request.as_str()}));
    assert_eq!(payload, "{}");
}

#[tokio::test]
async fn nonsense_is_refused_by_name() {
    let port = Port::with_master();

    for (body, wanted) in [
        (json!({"control_type": "cancel"}), "task_id: "),
        (
            json!({"control_type": "cancel", "worker_id": "", "run_id": "r"}),
            "worker_id: ",
        ),
        (
            json!({"control_type": "explode"}),
            "unknown variant `explode`",
        ),
        (json!({"run_id": "r"}), "control_type"),
        (
            json!({"control_type": "cancel", "run_di": "r"}),
            "unknown field `run_di`",
        ),
        (
            json!({"control_type": "cancel", "run_id": "r", "config": {}}),
            "unknown field `config`",
        ),
        (
            json!({"control_type": "config_update"}),
            "missing field `config`",
        ),
        (
            json!({"control_type": "runtime_manage"}),
            "missing field `action`",
        ),
        (
            json!({"control_type": "runtime_manage", "action": ""}),
            "action: ",
        ),
        (
            json!({"control_type": "runtime_manage", "action": "a", "payload": [1]}),
            "expected a map",
        ),
        (
            json!({"control_type": "runtime_manage", "action": "a", "request_id": "a*"}),
            "request_id: ",
        ),
    ] {
        let (status, error) = port.refusal("/api/control", &body).await;
        assert_eq!(status, 400, "{body}: {error}");
        assert!(error.contains(wanted), "{body}: {error}");
    }
    port.master.with(|books| assert!(books.sent.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn replies_are_waited_for_and_shown_as_what_they_are() {
    let port = Port::with_master();

    let none = port.read("/api/control/replies/q?wait_ms=5000").await;
    assert_eq!(none, json!({"replies": []}));

    for (who, success, data, error) in [
        ("a", true, r#"{"x": 1}"#, ""),
        ("b", false, "", "no"),
        ("c", true, "plain", ""),
    ] {
        let reply = Reply {
            request: RequestId::parse("q").expect("is an identifier"),
            success,
            data: data.to_owned(),
            error: error.to_owned(),
            reply_stream: None,
        };
        port.master
            .with(|books| books.replies.push((worker(who), reply)));
    }
    assert_eq!(
        port.read("/api/control/replies/q").await,
        json!({"replies": [
            {"worker_id": "a", "request_id": "q", "success": true, "data": {"x": 1}, "error": ""},
            {"worker_id": "b", "request_id": "q", "success": false, "data": null, "error": "no"},
            {"worker_id": "c", "request_id": "q", "success": true, "data": "plain", "error": ""},
        ]})
    );
    assert_eq!(
        port.get("/api/control/replies/q?wait=1").await.0.as_u16(),
        400
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_reply_once_the_port_closes() {
    let port = Port::with_master();
    port.stop.cancel();

    let (status, _) = port.get("/api/control/replies/q?wait_ms=60000").await;

    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

/// What the Master was given to send.
async fn sent(port: &Port, body: &Value) -> (Recipient, Command) {
    let (status, text) = port.post("/api/control", body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{text}");
    port.master.with(|books| books.sent.remove(0))
}
