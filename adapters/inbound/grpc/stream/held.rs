use std::future::pending;

use metrics::gauge;
use tokio::time::{Instant, sleep_until};

use crate::inbound::grpc::proto;
use crate::metrics::LIVE_CHANNELS;

/// A message that came too soon, and when it is tried again.
pub(super) type Held = (proto::WorkerMessage, Instant);

/// Waits until what is held back may be tried again; for ever, if nothing is.
pub(super) async fn again(held: Option<&Held>) {
    match held {
        Some((_, at)) => sleep_until(*at).await,
        None => pending().await,
    }
}

/// A live channel that is open.
pub(super) struct Counted;

impl Counted {
    pub(super) fn new() -> Self {
        gauge!(LIVE_CHANNELS).increment(1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(LIVE_CHANNELS).decrement(1);
    }
}
