//! Commands as the Master writes them, and as we do in its place.

use std::collections::BTreeMap;

use gateway_core::domain::control::Command;
use gateway_core::domain::id::{RequestId, RunId, TaskId};
use serde_json::{Map, Value};

use super::super::keys::Keys;

/// Why an entry is no command.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Unreadable {
    /// Nobody here knows this kind.
    #[error("its type {0:?} is unknown")]
    Type(String),
    /// A field is missing, or has a form that nobody knows.
    #[error("its {field} is {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads a command from the fields of an entry.
pub(in super::super) fn read(
    keys: &Keys,
    fields: &[(String, String)],
) -> Result<Command, Unreadable> {
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    match field("control_type") {
        "cancel" | "kill" => cancel(field("task_id"), field("run_id"), field("reason")),
        "config_update" => Ok(Command::Configure(settings(field("config"))?)),
        "runtime_manage" => {
            let request = RequestId::parse(field("request_id"));
            let request = request.map_err(|_| bad("request_id", "no identifier"))?;
            let payload = field("payload");
            object("payload", payload)?;
            Ok(Command::Runtime {
                action: field("action").to_owned(),
                reply_stream: or(field("reply_stream"), || keys.reply(&request)),
                payload: or(payload, || "{}".to_owned()),
                request,
            })
        }
        other => Err(Unreadable::Type(other.chars().take(64).collect())),
    }
}

/// The fields of an entry for `command`.
pub(in super::super) fn write(keys: &Keys, command: Command) -> Vec<(&'static str, String)> {
    match command {
        Command::Cancel { task, run, reason } => vec![
            ("control_type", "cancel".to_owned()),
            ("task_id", task.to_string()),
            ("run_id", run.map(|run| run.to_string()).unwrap_or_default()),
            ("reason", reason),
        ],
        Command::Configure(settings) => {
            let settings = settings.into_iter();
            let settings: Map<_, _> = settings
                .map(|(name, value)| (name, Value::String(value)))
                .collect();
            vec![
                ("control_type", "config_update".to_owned()),
                ("config", Value::Object(settings).to_string()),
            ]
        }
        Command::Runtime {
            request,
            action,
            reply_stream,
            payload,
        } => vec![
            ("control_type", "runtime_manage".to_owned()),
            ("action", action),
            ("request_id", request.to_string()),
            ("reply_stream", or(&reply_stream, || keys.reply(&request))),
            ("payload", payload),
        ],
    }
}

fn cancel(task: &str, run: &str, reason: &str) -> Result<Command, Unreadable> {
    let task = TaskId::parse_optional(task).map_err(|_| bad("task_id", "no identifier"))?;
    let run = RunId::parse_optional(run).map_err(|_| bad("run_id", "no identifier"))?;
    let task = task.or_else(|| run.clone().map(TaskId::from));
    Ok(Command::Cancel {
        task: task.ok_or(bad("task_id", "missing, and so is its run_id"))?,
        run,
        reason: reason.to_owned(),
    })
}

fn settings(config: &str) -> Result<BTreeMap<String, String>, Unreadable> {
    let settings = object("config", config)?.into_iter();
    let text = |value: Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    Ok(settings.map(|(name, value)| (name, text(value))).collect())
}

/// Reads the text of a JSON object; an empty one is empty.
fn object(field: &'static str, text: &str) -> Result<Map<String, Value>, Unreadable> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text).map_err(|_| bad(field, "no JSON object"))
}

fn or(text: &str, other: impl FnOnce() -> String) -> String {
    match text {
        "" => other(),
        text => text.to_owned(),
    }
}

fn bad(field: &'static str, problem: &'static str) -> Unreadable {
    Unreadable::Field { field, problem }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read_pairs(fields: &[(&str, &str)]) -> Result<Command, Unreadable> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let fields: Vec<_> = fields.iter().map(owned).collect();
        read(&Keys::new("antcode"), &fields)
    }

    fn cancel(task: &str, run: Option<&str>, reason: &str) -> Command {
        Command::Cancel {
            task: TaskId::parse(task).expect("is an identifier"),
            run: run.map(|run| RunId::parse(run).expect("is an identifier")),
            reason: reason.to_owned(),
        }
    }

    fn runtime(request: &str, stream: &str, payload: &str) -> Command {
        Command::Runtime {
            request: RequestId::parse(request).expect("is an identifier"),
            action: "list_envs".into(),
            reply_stream: stream.into(),
            payload: payload.into(),
        }
    }

    #[test]
    fn a_kill_is_a_cancel_and_a_run_stands_in_for_its_task() {
        let fields = [("control_type", "kill"), ("run_id", "r"), ("reason", "停")];
        assert_eq!(read_pairs(&fields), Ok(cancel("r", Some("r"), "停")));

        let fields = [("control_type", "cancel"), ("task_id", "t"), ("run_id", "")];
        assert_eq!(read_pairs(&fields), Ok(cancel("t", None, "")));
    }

    #[test]
    fn settings_that_are_text_are_passed_as_they_are_and_others_as_json() {
        let config = r#"{"level":"DEBUG","max":3,"on":true,"deep":{"a":[1]}}"#;
        let read = read_pairs(&[("control_type", "config_update"), ("config", config)]);

        let expected = [
            ("level", "DEBUG"),
            ("max", "3"),
            ("on", "true"),
            ("deep", r#"{"a":[1]}"#),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, Ok(Command::Configure(expected.into())));
    }

    #[test]
    fn a_request_that_names_no_stream_gets_the_usual_one() {
        let fields = [
            ("control_type", "runtime_manage"),
            ("action", "list_envs"),
            ("request_id", "q-1"),
        ];
        let expected = runtime("q-1", "antcode:control:reply:q-1", "{}");
        assert_eq!(read_pairs(&fields), Ok(expected));
    }

    #[test]
    fn what_is_no_command_is_refused_with_the_reason() {
        for (fields, reason) in [
            (vec![], r#"its type "" is unknown"#),
            (
                vec![("control_type", "dance")],
                r#"its type "dance" is unknown"#,
            ),
            (
                vec![("control_type", "cancel")],
                "its task_id is missing, and so is its run_id",
            ),
            (
                vec![("control_type", "cancel"), ("task_id", "a b")],
                "its task_id is no identifier",
            ),
            (
                vec![("control_type", "config_update"), ("config", "[]")],
                "its config is no JSON object",
            ),
            (
                vec![("control_type", "runtime_manage"), ("action", "x")],
                "its request_id is no identifier",
            ),
            (
                vec![
                    ("control_type", "runtime_manage"),
                    ("request_id", "q"),
                    ("payload", "3"),
                ],
                "its payload is no JSON object",
            ),
        ] {
            let refused = read_pairs(&fields).expect_err("is refused");
            assert_eq!(refused.to_string(), reason);
        }
    }

    #[test]
    fn what_we_write_is_read_the_same() {
        let settings = BTreeMap::from([("名".to_owned(), "值\n".to_owned())]);
        for command in [
            cancel("t", Some("r"), "用户取消"),
            cancel("t", None, ""),
            Command::Configure(settings),
            runtime("q", "antcode:control:reply:q", r#"{"名":"值"}"#),
        ] {
            let keys = Keys::new("antcode");
            let fields = write(&keys, command.clone()).into_iter();
            let fields: Vec<_> = fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            assert_eq!(read(&keys, &fields), Ok(command));
        }
    }

    proptest! {
        #[test]
        fn no_entry_is_too_odd(
            kind in "cancel|kill|config_update|runtime_manage|.*",
            fields in vec(("task_id|run_id|config|request_id|payload|.*", ".*"), 0..6),
        ) {
            let mut fields = fields;
            fields.push(("control_type".to_owned(), kind));
            let _command = read(&Keys::new("antcode"), &fields);
        }
    }
}
