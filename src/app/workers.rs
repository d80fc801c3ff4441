use std::sync::Arc;

use super::{Error, Journal};
use crate::domain::audit::Action;
use crate::domain::identity::Caller;
use crate::domain::task::Sign;
use crate::domain::worker::{Heartbeat, Registration};
use crate::ports::{ControlChannel, TaskQueue, WorkerRegistry};

/// Knowing which workers there are, and how they are.
pub struct Workers {
    pub(super) registry: Arc<dyn WorkerRegistry>,
    pub(super) queue: Arc<dyn TaskQueue>,
    pub(super) channel: Arc<dyn ControlChannel>,
    pub(super) journal: Journal,
}

impl Workers {
    /// A process of `caller` starts: whatever the one before it held is to be offered again.
    pub async fn register(
        &self,
        caller: &Caller,
        registration: &Registration,
    ) -> Result<(), Error> {
        self.registry.register(registration).await?;
        self.queue.note(&caller.worker, &Sign::Restarted).await?;
        self.channel.join(&caller.worker).await?;
        self.journal.note(caller, Action::Registered);
        Ok(())
    }

    /// `caller` lives. If it says how many tasks it runs, the queue is told.
    pub async fn heartbeat(&self, caller: &Caller, heartbeat: &Heartbeat) -> Result<(), Error> {
        self.registry.heartbeat(heartbeat).await?;
        if let Some(load) = heartbeat.load {
            let sign = Sign::Running(load.running);
            self.queue.note(&caller.worker, &sign).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mockall::predicate::eq;

    use super::*;
    use crate::app::testing::{audited, caller, journal, silent, worker};
    use crate::domain::time::Timestamp;
    use crate::domain::worker::{Load, Os, WorkerStatus};
    use crate::ports::{MockControlChannel, MockTaskQueue, MockWorkerRegistry, RegistryError};

    fn registration() -> Registration {
        Registration {
            worker: worker("w-1"),
            os: Os::default(),
            capabilities: std::collections::BTreeMap::default(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn heartbeat(load: Option<Load>) -> Heartbeat {
        Heartbeat {
            worker: worker("w-1"),
            status: WorkerStatus::Online,
            load,
            version: String::new(),
            os: None,
            capabilities: None,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[pollster::test]
    async fn a_new_process_has_forgotten_what_it_held() {
        let mut registry = MockWorkerRegistry::new();
        registry.expect_register().once().returning(|_| Ok(()));
        let mut queue = MockTaskQueue::new();
        queue
            .expect_note()
            .with(eq(worker("w-1")), eq(Sign::Restarted))
            .once()
            .returning(|_, _| Ok(()));

        let mut channel = MockControlChannel::new();
        channel
            .expect_join()
            .with(eq(worker("w-1")))
            .once()
            .returning(|_| Ok(()));

        let (journal, events) = journal();
        let workers = Workers {
            registry: Arc::new(registry),
            queue: Arc::new(queue),
            channel: Arc::new(channel),
            journal,
        };
        workers
            .register(&caller("w-1"), &registration())
            .await
            .expect("registers");
        assert_eq!(audited(&events), vec![Action::Registered]);
    }

    #[pollster::test]
    async fn a_registration_that_failed_redelivers_nothing() {
        let mut registry = MockWorkerRegistry::new();
        registry
            .expect_register()
            .returning(|_| Err(RegistryError::Unavailable("away".into())));
        let mut queue = MockTaskQueue::new();
        queue.expect_note().never();

        let workers = Workers {
            registry: Arc::new(registry),
            queue: Arc::new(queue),
            channel: Arc::new(MockControlChannel::new()),
            journal: silent(),
        };
        let failed = workers.register(&caller("w-1"), &registration()).await;
        assert!(matches!(failed, Err(Error::Registry(_))));
    }

    #[pollster::test]
    async fn a_heartbeat_that_names_no_load_does_not_say_that_nothing_runs() {
        let mut registry = MockWorkerRegistry::new();
        registry.expect_heartbeat().times(2).returning(|_| Ok(()));
        let mut queue = MockTaskQueue::new();
        queue
            .expect_note()
            .with(eq(worker("w-1")), eq(Sign::Running(0)))
            .once()
            .returning(|_, _| Ok(()));

        let workers = Workers {
            registry: Arc::new(registry),
            queue: Arc::new(queue),
            channel: Arc::new(MockControlChannel::new()),
            journal: silent(),
        };
        for load in [None, Some(Load::default())] {
            workers
                .heartbeat(&caller("w-1"), &heartbeat(load))
                .await
                .expect("is taken");
        }
    }
}
