use std::sync::Arc;
use std::time::Duration;

use gateway_core::ports;

use super::super::nonces::Once;
use super::super::worker;
use super::{Redis, on_one};

impl Once for Redis {
    fn nonces(&self) -> Arc<dyn ports::Nonces> {
        self.backend.nonces.clone()
    }
}

#[tokio::test]
async fn what_was_used_at_one_gateway_was_used_at_all_and_leaves_by_itself() {
    let redis = on_one().await;
    let (here, there) = (redis.nonces(), redis.another().await.nonces);
    let keep = Duration::from_mins(10);

    assert!(here.first(&worker("a"), "n", keep).await.expect("is told"));
    let again = ports::Nonces::first(&*there, &worker("a"), "n", keep).await;
    assert!(!again.expect("is told"));
    let left = redis
        .command(&["PTTL", &redis.key("gateway:nonce:a:n")])
        .await;
    assert!((1..=600_000).contains(&left.int()), "{left:?}");
}
