use std::collections::BTreeMap;

use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::Task;

use super::super::link::LinkError;
use super::Master;

impl Master {
    /// Adds `task` to the stream of `worker`. It is sent once: after a failure it may be there.
    pub(super) async fn add(&self, worker: &WorkerId, task: Task) -> Result<(), LinkError> {
        let stream = self.shared.keys.ready(worker);
        let mut args = vec![Value::from(stream), Value::from_static_str("*")];
        for (name, value) in fields(task) {
            args.extend([Value::from_static_str(name), value.into()]);
        }
        self.shared.link.write_once("XADD", args).await.map(drop)
    }
}

/// The entry of a task, as the Master writes it.
pub(in super::super) fn fields(task: Task) -> [(&'static str, String); 12] {
    [
        ("task_id", task.id.to_string()),
        ("run_id", task.run.to_string()),
        ("project_id", task.project_id),
        ("project_type", task.project_type),
        ("priority", task.priority.to_string()),
        ("params", object(&task.params)),
        ("environment", object(&task.environment)),
        ("timeout", task.timeout.as_secs().to_string()),
        ("download_url", task.download_url),
        ("file_hash", task.file_hash),
        ("entry_point", task.entry_point),
        ("is_compressed", task.is_compressed.to_string()),
    ]
}

fn object(entries: &BTreeMap<String, String>) -> String {
    serde_json::json!(entries).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_core::domain::id::{RunId, TaskId};

    use super::*;

    #[test]
    fn the_entry_is_that_of_the_contract() {
        let task = Task {
            run: RunId::parse("r-1").expect("is an identifier"),
            project_id: "p".into(),
            priority: -3,
            params: [("a".to_owned(), "\"1\"".to_owned())].into(),
            timeout: Duration::from_secs(90),
            download_url: "https://example.org/code".into(),
            file_hash: "abc".into(),
            entry_point: "main.py".into(),
            is_compressed: true,
            ..Task::new(TaskId::parse("t-1").expect("is an identifier"))
        };

        let expected = [
            ("task_id", "t-1"),
            ("run_id", "r-1"),
            ("project_id", "p"),
            ("project_type", "code"),
            ("priority", "-3"),
            ("params", r#"{"a":"\"1\""}"#),
            ("environment", "{}"),
            ("timeout", "90"),
            ("download_url", "https://example.org/code"),
            ("file_hash", "abc"),
            ("entry_point", "main.py"),
            ("is_compressed", "true"),
        ];
        assert_eq!(
            fields(task),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }
}
