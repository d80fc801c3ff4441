use async_trait::async_trait;
use gateway_core::domain::id::{LetterId, TaskId};
use gateway_core::domain::task::{Content, DeadLetter, Task};
use gateway_core::ports::{DeadLetters, MasterError};

use super::{FakeMaster, at, worker};

#[async_trait]
impl DeadLetters for FakeMaster {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, MasterError> {
        Ok(self.with(|books| books.dead.iter().rev().take(limit).cloned().collect()))
    }

    async fn find(&self, id: &LetterId) -> Result<Option<DeadLetter>, MasterError> {
        Ok(self.with(|books| books.dead.iter().find(|letter| letter.id == *id).cloned()))
    }

    async fn requeue(&self, id: &LetterId) -> Result<bool, MasterError> {
        let was_there = self.discard(id).await?;
        if was_there {
            self.with(|books| books.requeued.push(id.clone()));
        }
        Ok(was_there)
    }

    async fn discard(&self, id: &LetterId) -> Result<bool, MasterError> {
        Ok(self.with(|books| {
            let before = books.dead.len();
            books.dead.retain(|letter| letter.id != *id);
            books.dead.len() < before
        }))
    }
}

/// A task of the worker w that was given up at ten o'clock.
pub(crate) fn dead_task(id: &str, task: &str) -> DeadLetter {
    let task = Task::new(TaskId::parse(task).expect("is an identifier"));
    DeadLetter {
        id: letter(id),
        content: Content::Task(Box::new(task)),
        worker: worker("w"),
        reason: "no slot".to_owned(),
        deliveries: 5,
        at: at(0),
    }
}

pub(crate) fn letter(name: &str) -> LetterId {
    LetterId::parse(name).expect("is an identifier")
}
