//! The queue as the Master has it: entries of a stream, field for field.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_core::domain::audit::Action;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::{DeadLetter, Task};
use gateway_core::ports;

use super::super::dead_letters::Morgue;
use super::super::task_queue::{Queues, Terms};
use super::Redis;

mod entries;
mod losses;
mod scripts;
mod trouble;

impl Queues for Redis {
    fn queue(&self) -> Arc<dyn ports::TaskQueue> {
        if self.guarded {
            return self.guard(&self.backend.task_queue);
        }
        self.backend.task_queue.clone()
    }

    async fn enqueue(&self, worker: &WorkerId, task: Task) {
        let (priority, timeout) = (
            task.priority.to_string(),
            task.timeout.as_secs().to_string(),
        );
        let (params, environment) = (json(&task.params), json(&task.environment));
        self.add(
            worker,
            &[
                ("task_id", task.id.as_str()),
                ("run_id", task.run.as_str()),
                ("project_id", &task.project_id),
                ("project_type", &task.project_type),
                ("priority", &priority),
                ("params", &params),
                ("environment", &environment),
                ("timeout", &timeout),
                ("download_url", &task.download_url),
                ("file_hash", &task.file_hash),
                ("entry_point", &task.entry_point),
                (
                    "is_compressed",
                    if task.is_compressed { "true" } else { "false" },
                ),
            ],
        )
        .await;
    }

    async fn dead(&self) -> Vec<DeadLetter> {
        let letters = ports::DeadLetters::list(&*self.backend.dead_letters, usize::MAX).await;
        let mut letters = letters.expect("lists");
        letters.reverse();
        letters
    }

    fn terms(&self) -> Terms {
        Terms {
            heartbeat_interval: self.settings.heartbeat_interval,
            heartbeat_timeout: self.settings.heartbeat_timeout,
            lease_grace: self.settings.lease_grace,
        }
    }
}

impl Morgue for Redis {
    fn dead_letters(&self) -> Arc<dyn ports::DeadLetters> {
        self.backend.dead_letters.clone()
    }
}

impl Redis {
    /// The name of a worker's stream.
    fn ready(&self, worker: &WorkerId) -> String {
        self.key(&format!("task:ready:{worker}"))
    }

    /// What is in the worker's hands, and what is in its stream.
    async fn depths(&self, worker: &WorkerId) -> (i64, i64) {
        let (stream, group) = (self.ready(worker), self.group());
        let pending = self.command(&["XPENDING", &stream, &group]).await;
        let length = self.command(&["XLEN", &stream]).await;
        (pending.array()[0].int(), length.int())
    }

    fn group(&self) -> String {
        format!("{}-workers", self.settings.namespace)
    }

    /// What was written down, the oldest first.
    fn audited(&self) -> Vec<Action> {
        let events = self.audit.latest();
        events.into_iter().map(|event| event.action).collect()
    }

    /// Adds an entry to the worker's stream, whatever it is; its id.
    async fn add(&self, worker: &WorkerId, fields: &[(&str, &str)]) -> String {
        let stream = self.ready(worker);
        let mut words = vec!["XADD", &stream, "*"];
        words.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
        let id = self.command(&words).await;
        assert_eq!(id.error(), None, "adds no entry");
        id.text()
    }
}

fn json(texts: &BTreeMap<String, String>) -> String {
    serde_json::to_string(texts).expect("has text keys")
}
