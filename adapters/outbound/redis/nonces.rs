use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::{self, AuthError, Room, Spent};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::Shared;
use super::link::LinkError;
use super::reply;
use super::script::Script;
use super::time::millis;

/// Replays that are recalled, and for how long.
const MAX_REPLAYS: u64 = 100_000;
const RECALLED: Duration = Duration::from_mins(10);

/// What was used once, as all gateways know it.
pub struct Nonces {
    shared: Shared,
    spend: Script,
    /// What was used again at this gateway.
    replays: Cache<Print, ()>,
}

/// Enough of a hash to tell one from another.
type Print = [u8; 16];

impl Nonces {
    pub(super) fn new(shared: &Shared) -> Self {
        let replays = Cache::builder().max_capacity(MAX_REPLAYS);
        Self {
            shared: shared.clone(),
            spend: Script::new(include_str!("lua/nonce_spend.lua")),
            replays: replays.time_to_live(RECALLED).build(),
        }
    }

    async fn ask(&self, worker: &WorkerId, print: Print, room: Room) -> Result<i64, LinkError> {
        let keys = vec![self.shared.keys.nonces(worker)];
        let args = vec![
            Value::Bytes(print.to_vec().into()),
            millis(room.keep).into(),
            i64::from(room.most).into(),
        ];
        // Sent again after a lost answer, it would find itself.
        let answer = self.shared.link.eval_once(&self.spend, keys, args).await?;
        reply::number(&answer)
    }
}

#[async_trait]
impl ports::Nonces for Nonces {
    fn recalls(&self, worker: &WorkerId, nonce: &str) -> bool {
        self.replays.contains_key(&print(worker, nonce))
    }

    async fn spend(&self, worker: &WorkerId, nonce: &str, room: Room) -> Result<Spent, AuthError> {
        let print = print(worker, nonce);
        let spent = self.ask(worker, print, room).await;
        match spent.map_err(|error| AuthError::Unavailable(error.into()))? {
            0 => {
                self.replays.insert(print, ());
                Ok(Spent::Again)
            }
            1 => Ok(Spent::First),
            _ => Ok(Spent::Full),
        }
    }
}

/// An identifier has no colon.
fn print(worker: &WorkerId, nonce: &str) -> Print {
    let hash = Sha256::digest(format!("{worker}:{nonce}"));
    let mut print = Print::default();
    print.copy_from_slice(&hash[..16]);
    print
}
