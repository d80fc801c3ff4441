use std::sync::Arc;

use gateway_core::ports::{self, Claim, OwnerError, RunOwners as _};

use super::super::run_owners::Owners;
use super::super::{run, worker};
use super::{Redis, on_one};
use crate::support::servers::until;

impl Owners for Redis {
    fn owners(&self) -> Arc<dyn ports::RunOwners> {
        if self.guarded {
            return self.guard(&self.backend.run_owners);
        }
        self.backend.run_owners.clone()
    }
}

#[tokio::test]
async fn another_gateway_notices_that_a_run_was_moved() {
    let redis = on_one().await;
    let (here, there) = (redis.owners(), redis.another().await.run_owners);
    let (run, a, b) = (run("r"), worker("a"), worker("b"));
    here.assign(&run, &a).await.expect("assigns");
    there.claim(&run, &a).await.expect("is its own");

    here.assign(&run, &b).await.expect("assigns");
    until("the old owner is refused", || async {
        let refused = there.claim(&run, &a).await;
        matches!(refused, Err(OwnerError::NotTheirs { .. })).then_some(())
    })
    .await;
    let claimed = there.claim(&run, &b).await.expect("is its own");
    assert_eq!(claimed, Claim::Known);
}

#[tokio::test]
async fn what_is_known_costs_no_question() {
    let redis = on_one().await;
    let (owners, run, a) = (redis.owners(), run("r"), worker("a"));
    let key = redis.key("gateway:owner:r");

    // A gateway that begins to listen forgets what it may have missed, once or twice.
    until("it is known without a question", async || {
        owners.claim(&run, &a).await.expect("is its own");
        // Nobody tells of this.
        redis.command(&["DEL", &key]).await;
        let claimed = owners.claim(&run, &a).await.expect("is its own");
        let kept = redis.command(&["EXISTS", &key]).await.int();
        (claimed == Claim::Known && kept == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_owner_is_forgotten_in_the_end() {
    let redis = on_one().await;
    let (owners, run, a) = (redis.owners(), run("r"), worker("a"));
    owners.assign(&run, &a).await.expect("assigns");

    let key = redis.key("gateway:owner:r");
    let ttl = redis.command(&["PTTL", &key]).await.int();
    assert!((1..=7 * 24 * 3_600_000).contains(&ttl), "{ttl}");
    // A claim that is not known here renews it.
    redis.command(&["PEXPIRE", &key, "60000"]).await;
    let there = redis.another().await.run_owners;
    there.claim(&run, &a).await.expect("is its own");
    let renewed = redis.command(&["PTTL", &key]).await.int();
    assert!(renewed > 60_000, "{renewed}");
}

#[tokio::test]
async fn however_many_ask_at_once_none_is_refused_for_that() {
    let redis = on_one().await;
    let (owners, a) = (redis.owners(), worker("a"));

    // On this one thread all of them ask before the first is answered.
    let runs: Vec<_> = (0..20_000)
        .map(|count| run(&format!("r-{count}")))
        .collect();
    let claims = runs.iter().map(|run| owners.claim(run, &a));
    for claimed in futures::future::join_all(claims).await {
        assert_eq!(claimed.expect("is nobody's"), Claim::First);
    }
}
