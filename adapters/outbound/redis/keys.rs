//! The name of every key, channel and group: those that the Master shares with us, and our own.
//!
//! A key of our own that goes with a shared key carries that one's whole name in braces, as its
//! hash tag: so both are in one slot of a cluster, and one script can work on both.

use gateway_core::domain::id::{RequestId, RunId, WorkerId};

/// Names within one namespace.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    namespace: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
        }
    }

    /// What a worker has signed once.
    pub(super) fn nonces(&self, worker: &WorkerId) -> String {
        format!("{}:gateway:nonces:{worker}", self.namespace)
    }

    /// The tasks of a worker.
    pub(super) fn ready(&self, worker: &WorkerId) -> String {
        format!("{}{worker}", self.ready_prefix())
    }

    /// What the name of every task stream begins with.
    pub(super) fn ready_prefix(&self) -> String {
        format!("{}:task:ready:", self.namespace)
    }

    /// The consumer group on every task stream.
    pub(super) fn task_group(&self) -> String {
        format!("{}-workers", self.namespace)
    }

    /// What we know of a worker's tasks beyond its stream.
    pub(super) fn queue(&self, worker: &WorkerId) -> String {
        format!(
            "{}:gateway:queue:{{{}}}",
            self.namespace,
            self.ready(worker)
        )
    }

    /// The commands for one worker.
    pub(super) fn control(&self, worker: &WorkerId) -> String {
        format!("{}{worker}", self.control_prefix())
    }

    /// What the name of every command stream begins with, and that of every reply stream.
    pub(super) fn control_prefix(&self) -> String {
        format!("{}:control:", self.namespace)
    }

    /// The commands for every worker.
    pub(super) fn control_global(&self) -> String {
        format!("{}global", self.control_prefix())
    }

    /// The consumer group on every command stream.
    pub(super) fn control_group(&self) -> String {
        format!("{}-control", self.namespace)
    }

    /// What we know of a worker's commands beyond its stream: its place among those for everyone.
    pub(super) fn mailbox(&self, worker: &WorkerId) -> String {
        let stream = self.control(worker);
        format!("{}:gateway:mailbox:{{{stream}}}", self.namespace)
    }

    /// Who was asked a runtime request, and where the reply goes.
    pub(super) fn asked(&self, request: &RequestId) -> String {
        format!("{}:gateway:asked:{request}", self.namespace)
    }

    /// Where the reply to a request goes that names no stream.
    pub(super) fn reply(&self, request: &RequestId) -> String {
        format!("{}reply:{request}", self.control_prefix())
    }

    /// The live lines of a run.
    pub(super) fn log_lines(&self, run: &RunId) -> String {
        format!("{}:log:stream:{run}", self.namespace)
    }

    /// The batches of lines that came last, so that one that is sent twice is kept once.
    pub(super) fn log_batches(&self, run: &RunId) -> String {
        let stream = self.log_lines(run);
        format!("{}:gateway:batches:{{{stream}}}", self.namespace)
    }

    /// The pieces of a run's log files.
    pub(super) fn log_chunks(&self, run: &RunId) -> String {
        format!("{}:log:chunk:{run}", self.namespace)
    }

    /// Which bytes of a run's log files have come.
    pub(super) fn log_extents(&self, run: &RunId) -> String {
        let stream = self.log_chunks(run);
        format!("{}:gateway:extents:{{{stream}}}", self.namespace)
    }

    /// Whose a run is.
    pub(super) fn owner(&self, run: &RunId) -> String {
        format!("{}{run}", self.owner_prefix())
    }

    /// What the name of every key begins with that says whose a run is.
    pub(super) fn owner_prefix(&self) -> String {
        format!("{}:gateway:owner:", self.namespace)
    }

    /// How a worker is.
    pub(super) fn heartbeat(&self, worker: &WorkerId) -> String {
        format!("{}{worker}", self.heartbeat_prefix())
    }

    /// What the name of every heartbeat begins with.
    pub(super) fn heartbeat_prefix(&self) -> String {
        format!("{}:heartbeat:", self.namespace)
    }

    /// What was given up.
    pub(super) fn dead(&self) -> String {
        format!("{}:gateway:dead", self.namespace)
    }

    /// That an entry is among the dead letters already.
    pub(super) fn buried(&self, stream: &str, entry: &str) -> String {
        let dead = self.dead();
        format!(
            "{}:gateway:buried:{stream}/{entry}:{{{dead}}}",
            self.namespace
        )
    }

    /// What became of runs, for the Master.
    pub(super) fn result(&self) -> String {
        format!("{}:task:result", self.namespace)
    }

    /// What happened that somebody may ask for later.
    pub(super) fn audit(&self) -> String {
        format!("{}:gateway:audit", self.namespace)
    }

    /// Results that wait for their store.
    pub(super) fn spool(&self) -> String {
        format!("{}:gateway:spool", self.namespace)
    }

    /// The consumer group on them.
    pub(super) fn spool_group(&self) -> String {
        format!("{}-gateway", self.namespace)
    }

    /// What one call took of them, so that it is answered the same again.
    pub(super) fn spool_taken(&self, call: &str) -> String {
        let spool = self.spool();
        format!("{}:gateway:taken:{call}:{{{spool}}}", self.namespace)
    }

    /// That a call has added its reports to a stream.
    pub(super) fn told(&self, stream: &str, call: &str) -> String {
        format!("{}:gateway:told:{call}:{{{stream}}}", self.namespace)
    }

    /// How a run ended by a report in a stream.
    pub(super) fn ended(&self, stream: &str, run: &RunId) -> String {
        format!("{}:gateway:ended:{run}:{{{stream}}}", self.namespace)
    }

    /// The channel on which gateways wake each other's waiting polls.
    pub(super) fn bell(&self) -> String {
        format!("{}:gateway:bell", self.namespace)
    }

    /// What a worker has spent of what it may ask of all gateways together.
    pub(super) fn limit(&self, worker: &WorkerId) -> String {
        format!("{}:gateway:limit:{worker}", self.namespace)
    }

    /// A key or channel that one gateway tells by whether it is told of what happens.
    pub(super) fn probe(&self, gateway: &str) -> String {
        format!("{}:gateway:probe:{gateway}", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_names_are_those_of_the_contract() {
        let keys = Keys::new("antcode");
        let worker = WorkerId::parse("w-1").expect("is an identifier");
        let run = RunId::parse("r-1").expect("is an identifier");
        let request = RequestId::parse("q-1").expect("is an identifier");

        for (key, name) in [
            (keys.ready(&worker), "antcode:task:ready:w-1"),
            (keys.task_group(), "antcode-workers"),
            (keys.control(&worker), "antcode:control:w-1"),
            (keys.control_global(), "antcode:control:global"),
            (keys.control_group(), "antcode-control"),
            (keys.reply(&request), "antcode:control:reply:q-1"),
            (keys.log_lines(&run), "antcode:log:stream:r-1"),
            (keys.log_chunks(&run), "antcode:log:chunk:r-1"),
            (keys.heartbeat(&worker), "antcode:heartbeat:w-1"),
            (keys.dead(), "antcode:gateway:dead"),
            (keys.result(), "antcode:task:result"),
            (keys.spool(), "antcode:gateway:spool"),
        ] {
            assert_eq!(key, name);
        }
    }

    #[test]
    fn what_goes_together_has_one_hash_tag() {
        let keys = Keys::new("antcode");
        let worker = WorkerId::parse("w-1").expect("is an identifier");

        let queue = keys.queue(&worker);
        assert!(queue.starts_with("antcode:gateway:"), "{queue}");
        assert!(queue.ends_with("{antcode:task:ready:w-1}"), "{queue}");
        for key in [
            keys.spool_taken("0a"),
            keys.told(&keys.spool(), "0a"),
            keys.ended(&keys.spool(), &RunId::parse("r").expect("is an identifier")),
        ] {
            assert!(key.ends_with("{antcode:gateway:spool}"), "{key}");
        }
    }
}
