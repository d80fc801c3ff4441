use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::{self, AuthError};

use super::Shared;
use super::time::millis;

/// What was used once, as all gateways know it.
pub struct Nonces {
    shared: Shared,
}

impl Nonces {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
        }
    }
}

#[async_trait]
impl ports::Nonces for Nonces {
    async fn first(
        &self,
        worker: &WorkerId,
        nonce: &str,
        keep: Duration,
    ) -> Result<bool, AuthError> {
        let key = self.shared.keys.nonce(worker, nonce);
        let args = [
            key.into(),
            "".into(),
            "PX".into(),
            millis(keep).into(),
            "NX".into(),
        ];
        // Sent again after a lost answer, it would find itself.
        let set = self.shared.link.write_once("SET", args.into()).await;
        let set = set.map_err(|error| AuthError::Unavailable(error.into()))?;
        Ok(!matches!(set, Value::Null))
    }
}
