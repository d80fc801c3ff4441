use std::collections::BTreeMap;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::time::{self, Timestamp};
use gateway_core::domain::worker::{Heartbeat, Load, Os, Percent, Registration, WorkerStatus};
use gateway_core::ports::{self, RegistryError, WorkerView};

use super::Shared;
use super::script::Script;
use super::time::{iso, millis};

/// Fields and their values at the most, and what comes before them.
const MAX_ARGS: usize = 1 + 2 * 13;

/// How workers are, in a hash for each that goes when the worker is silent.
pub struct WorkerRegistry {
    shared: Shared,
    note: Script,
}

impl WorkerRegistry {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            note: Script::new(include_str!("lua/worker_note.lua")),
        }
    }

    async fn note(&self, worker: &WorkerId, note: Note) -> Result<(), RegistryError> {
        let mut args = note.0;
        args[0] = millis(self.shared.settings.heartbeat_timeout).into();
        let keys = vec![self.shared.keys.heartbeat(worker)];
        let noted = self.shared.link.eval(&self.note, keys, args).await;
        noted
            .map(drop)
            .map_err(|error| RegistryError::Unavailable(error.into()))
    }
}

#[async_trait]
impl ports::WorkerRegistry for WorkerRegistry {
    async fn register(&self, registration: &Registration) -> Result<(), RegistryError> {
        let mut note = Note::new(WorkerStatus::Online, registration.at);
        note.os(&registration.os);
        note.capabilities(&registration.capabilities);
        self.note(&registration.worker, note).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), RegistryError> {
        let mut note = Note::new(heartbeat.status, heartbeat.at);
        if let Some(load) = &heartbeat.load {
            note.load(load);
        }
        if !heartbeat.version.is_empty() {
            note.text("version", &heartbeat.version);
        }
        if let Some(os) = &heartbeat.os {
            note.os(os);
        }
        if let Some(capabilities) = &heartbeat.capabilities {
            note.capabilities(capabilities);
        }
        self.note(&heartbeat.worker, note).await
    }
}

/// What the script is called with: room for the time that it is known, then fields and their values.
struct Note(Vec<Value>);

impl Note {
    fn new(status: WorkerStatus, at: Timestamp) -> Self {
        let mut args = Vec::with_capacity(MAX_ARGS);
        args.push(Value::Null);
        let mut note = Self(args);
        note.field("status", Value::from_static_str(status.as_str()));
        note.field("timestamp", iso(at).into());
        note
    }

    fn field(&mut self, name: &'static str, value: Value) {
        self.0.extend([Value::from_static_str(name), value]);
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.field(name, text.into());
    }

    fn load(&mut self, load: &Load) {
        for (name, share) in [
            ("cpu_percent", load.cpu),
            ("memory_percent", load.memory),
            ("disk_percent", load.disk),
        ] {
            self.field(name, share.get().to_string().into());
        }
        self.field("running_tasks", load.running.into());
        self.field("max_concurrent_tasks", load.capacity.into());
    }

    fn os(&mut self, os: &Os) {
        self.text("os_type", &os.kind);
        self.text("os_version", &os.version);
        self.text("python_version", &os.python);
        self.text("machine_arch", &os.arch);
    }

    fn capabilities(&mut self, capabilities: &BTreeMap<String, String>) {
        let object = serde_json::json!(capabilities);
        self.field("capabilities", object.to_string().into());
    }
}

/// The worker `id` as the fields of its hash have it. Others write there, too: what cannot be read
/// counts as left out.
pub(super) fn view(id: WorkerId, fields: Vec<(String, String)>) -> WorkerView {
    let fields: BTreeMap<_, _> = fields.into_iter().collect();
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let share = |name: &str| Percent::nearest(text(name).parse().unwrap_or_default());
    let count = |name: &str| text(name).parse().unwrap_or_default();
    WorkerView {
        id,
        status: text("status").parse().unwrap_or(WorkerStatus::Online),
        load: Load {
            cpu: share("cpu_percent"),
            memory: share("memory_percent"),
            disk: share("disk_percent"),
            running: count("running_tasks"),
            capacity: count("max_concurrent_tasks"),
        },
        version: text("version"),
        os: Os {
            kind: text("os_type"),
            version: text("os_version"),
            python: text("python_version"),
            arch: text("machine_arch"),
        },
        capabilities: capabilities(&text("capabilities")),
        at: time::parse("timestamp", &text("timestamp"))
            .ok()
            .flatten()
            .unwrap_or_default(),
    }
}

/// Values that are no texts are taken as their JSON text.
fn capabilities(object: &str) -> BTreeMap<String, String> {
    let object: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(object).unwrap_or_default();
    let text = |value: serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let entries = object.into_iter();
    entries.map(|(name, value)| (name, text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_read_as_far_as_it_makes_sense() {
        let id = WorkerId::parse("w").expect("is an identifier");
        let fields = [
            ("status", "asleep"),
            ("cpu_percent", "much"),
            ("running_tasks", "3"),
            ("timestamp", "2026-11-22T12:00:00"),
            ("capabilities", r#"{"spider": true, "kind": "fast"}"#),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));

        let view = view(id, fields.into());
        assert_eq!(view.status, WorkerStatus::Online);
        assert_eq!((view.load.running, view.load.cpu.get().to_bits()), (3, 0));
        assert_eq!(view.at.to_string(), "2026-11-22T12:00:00Z");
        let expected = [("spider", "true"), ("kind", "fast")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(view.capabilities, expected.into());
    }
}
