use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::id::LetterId;
use gateway_core::domain::task::DeadLetter;
use gateway_core::ports::{self, MasterError};

use super::{ResultStore, TaskQueue};

/// What the queues of this process gave up. Beyond a bound the oldest letter makes room.
pub struct DeadLetters {
    pub(super) result_store: Arc<ResultStore>,
    pub(super) task_queue: Arc<TaskQueue>,
}

#[async_trait]
impl ports::DeadLetters for DeadLetters {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, MasterError> {
        Ok(self
            .task_queue
            .dead(|dead| dead.letters().take(limit).collect()))
    }

    async fn find(&self, id: &LetterId) -> Result<Option<DeadLetter>, MasterError> {
        Ok(self.task_queue.dead(|dead| dead.letter(id)))
    }

    async fn requeue(&self, id: &LetterId) -> Result<bool, MasterError> {
        self.task_queue.exhume(id, |worker, task, at| {
            self.result_store.reopen(&task.run, &task.id, worker, at);
        })
    }

    async fn discard(&self, id: &LetterId) -> Result<bool, MasterError> {
        Ok(self.task_queue.dead(|dead| dead.discard(id)))
    }
}
