//! The contract of `RunOwners`.

use std::sync::Arc;

use gateway_core::domain::id::WorkerId;
use gateway_core::ports::{Claim, OwnerError, RunOwners};

use super::{run, worker};

/// A backend that remembers whose runs are.
pub(super) trait Owners {
    fn owners(&self) -> Arc<dyn RunOwners>;
}

contract!(memory, memory_live, redis, guarded, cluster => {
    a_run_that_nobody_owns_is_the_first_claimants,
    a_run_that_was_handed_over_is_its_workers,
    a_run_may_be_moved,
    a_claim_is_taken_back_by_the_one_who_made_it,
    of_many_who_claim_at_once_one_owns_it,
});

async fn is_refused(owners: &dyn RunOwners, id: &str, to: &WorkerId) -> bool {
    let refused = owners.claim(&run(id), to).await;
    matches!(refused, Err(OwnerError::NotTheirs { run, worker })
        if run.as_str() == id && worker == *to)
}

async fn a_run_that_nobody_owns_is_the_first_claimants(bench: &impl Owners) {
    let (owners, a, b) = (bench.owners(), worker("a"), worker("b"));

    for claim in [Claim::First, Claim::Known] {
        let claimed = owners.claim(&run("r"), &a).await;
        assert_eq!(claimed.expect("is its own"), claim);
    }
    assert!(is_refused(&*owners, "r", &b).await);
    owners.claim(&run("r-2"), &b).await.expect("is nobody's");
    owners.claim(&run("r"), &a).await.expect("is still its own");
}

async fn a_run_that_was_handed_over_is_its_workers(bench: &impl Owners) {
    let (owners, a, b) = (bench.owners(), worker("a"), worker("b"));
    owners.assign(&run("r"), &a).await.expect("assigns");

    assert!(is_refused(&*owners, "r", &b).await);
    owners.claim(&run("r"), &a).await.expect("is its own");
}

async fn a_run_may_be_moved(bench: &impl Owners) {
    let (owners, a, b) = (bench.owners(), worker("a"), worker("b"));
    owners.claim(&run("r"), &a).await.expect("is nobody's");
    owners.assign(&run("r"), &b).await.expect("assigns");

    assert!(is_refused(&*owners, "r", &a).await);
    owners.claim(&run("r"), &b).await.expect("is its own");
}

async fn a_claim_is_taken_back_by_the_one_who_made_it(bench: &impl Owners) {
    let (owners, a, b) = (bench.owners(), worker("a"), worker("b"));
    owners.claim(&run("r"), &a).await.expect("is nobody's");

    owners
        .disown(&run("r"), &b)
        .await
        .expect("comes to nothing");
    assert!(is_refused(&*owners, "r", &b).await);
    owners.disown(&run("r"), &a).await.expect("is taken back");
    owners
        .disown(&run("never"), &a)
        .await
        .expect("comes to nothing");
    let claimed = owners.claim(&run("r"), &b).await;
    assert_eq!(claimed.expect("is nobody's"), Claim::First);
}

async fn of_many_who_claim_at_once_one_owns_it(bench: &impl Owners) {
    let claims: Vec<_> = (0..20)
        .map(|place| {
            let owners = bench.owners();
            let claimant = worker(&format!("w-{place}"));
            tokio::spawn(async move { owners.claim(&run("r"), &claimant).await })
        })
        .collect();

    let mut granted = 0;
    for claim in claims {
        granted += usize::from(claim.await.expect("does not panic").is_ok());
    }
    assert_eq!(granted, 1);
}
