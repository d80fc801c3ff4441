use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::ports::AuthError;

/// Who remembers what was used once and must not be used again.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Nonces: Send + Sync {
    /// Whether it is known here and now, without asking anybody, that `worker` has used `nonce`.
    /// Once somebody was told that it was used [again](Spent::Again) it should be.
    fn recalls(&self, worker: &WorkerId, nonce: &str) -> bool;

    /// Takes down that `worker` uses `nonce`, and tells whether it did so before.
    ///
    /// What a worker has used takes nothing of the room of another.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] if that cannot be told now, and no other.
    async fn spend(&self, worker: &WorkerId, nonce: &str, room: Room) -> Result<Spent, AuthError>;
}

/// What is remembered of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For how long each nonce is.
    pub keep: Duration,
    /// How many are, at the most.
    pub most: u32,
}

/// What became of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It was used for the first time, and is remembered.
    First,
    /// It was used before.
    Again,
    /// There is no room left to remember it in, so that it was not used.
    Full,
}
