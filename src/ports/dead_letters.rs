use async_trait::async_trait;

use crate::domain::id::LetterId;
use crate::domain::task::DeadLetter;
use crate::ports::MasterError;

/// What was given up, for an operator who would do something about it.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// The letters, the newest first, at most `limit` of them.
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, MasterError>;

    /// The letter of this name.
    async fn find(&self, id: &LetterId) -> Result<Option<DeadLetter>, MasterError>;

    /// Queues what the letter holds for the same worker again, as if it were new, and takes the
    /// letter away; says whether there was one. Repeated after a failure, it may queue it twice.
    async fn requeue(&self, id: &LetterId) -> Result<bool, MasterError>;

    /// Takes the letter away for good; says whether there was one.
    async fn discard(&self, id: &LetterId) -> Result<bool, MasterError>;
}
