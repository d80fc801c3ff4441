use std::sync::Arc;
use std::time::Duration;

use gateway_core::ports::{self, Room, Spent};

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
    let room = Room {
        keep: Duration::from_mins(10),
        most: 10,
    };

    let first = here.spend(&worker("a"), "n", room).await;
    assert_eq!(first.expect("is told"), Spent::First);
    let again = ports::Nonces::spend(&*there, &worker("a"), "n", room).await;
    assert_eq!(again.expect("is told"), Spent::Again);
    let left = redis
        .command(&["PTTL", &redis.key("gateway:nonces:a")])
        .await;
    assert!((1..=600_000).contains(&left.int()), "{left:?}");
}
