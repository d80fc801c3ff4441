use std::future::pending;
use std::time::Duration;

use gateway_core::app::Access;
use gateway_core::domain::identity::{Caller, Credential, Presented};
use gateway_core::ports::AuthError;
use tokio::time::sleep;
use tonic::Status;

use crate::inbound::grpc::status::status;

/// Waits until the credentials that a channel was opened with are certain not to be valid any more;
/// what the worker is told then. It looks again and again, a little less than so long after it did
/// before.
pub(super) async fn revoked(
    access: &Access,
    caller: &Caller,
    mut presented: Presented,
    every: Duration,
) -> Status {
    let all = presented.credentials.len();
    // They count once, so that they tell nothing any more.
    let lasts = |credential: &Credential| !matches!(credential, Credential::Signature(_));
    presented.credentials.retain(lasts);
    let rejected = async || {
        let renewed = access.renew(caller, &presented).await;
        matches!(renewed, Err(AuthError::Rejected))
    };
    let signed = all > presented.credentials.len();
    if presented.credentials.is_empty() || signed && rejected().await {
        // It was opened by a signature, whatever came beside it.
        return pending().await;
    }
    loop {
        // Channels that were opened together are not looked at together.
        sleep(every.mul_f64(rand::random_range(0.75..=1.0))).await;
        if rejected().await {
            access.note_revoked(&presented);
            return status(&AuthError::Rejected.into());
        }
    }
}
