//! The contract of `Nonces`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gateway_core::ports::Nonces;

use super::worker;
use crate::support::servers::until;

/// A backend that remembers what was used once.
pub(super) trait Once {
    fn nonces(&self) -> Arc<dyn Nonces>;
}

contract!(memory, memory_live, redis, cluster => {
    a_nonce_is_used_once,
    a_nonce_is_a_workers_own,
    of_many_who_use_it_at_once_one_is_the_first,
    it_is_remembered_for_its_time_and_then_forgotten,
});

const KEEP: Duration = Duration::from_mins(10);

async fn a_nonce_is_used_once(bench: &impl Once) {
    let (nonces, a) = (bench.nonces(), worker("a"));
    for nonce in ["n", "QUJD+/8=", "~n"] {
        assert!(nonces.first(&a, nonce, KEEP).await.expect("is told"));
        for _ in 0..2 {
            assert!(!nonces.first(&a, nonce, KEEP).await.expect("is told"));
        }
    }
}

async fn a_nonce_is_a_workers_own(bench: &impl Once) {
    let nonces = bench.nonces();
    for (name, nonce) in [("a", "b.n"), ("b", "b.n"), ("a.b", "n"), ("a", "n")] {
        let first = nonces.first(&worker(name), nonce, KEEP).await;
        assert!(first.expect("is told"), "{name} {nonce}");
    }
}

async fn of_many_who_use_it_at_once_one_is_the_first(bench: &impl Once) {
    let (nonces, a) = (bench.nonces(), worker("a"));
    let told = join_all((0..50).map(|_| nonces.first(&a, "n", KEEP))).await;
    let first = told.into_iter().map(|first| first.expect("is told"));
    assert_eq!(first.filter(|first| *first).count(), 1);
}

async fn it_is_remembered_for_its_time_and_then_forgotten(bench: &impl Once) {
    let (nonces, a) = (bench.nonces(), worker("a"));
    let keep = Duration::from_millis(300);
    let begun = tokio::time::Instant::now();
    assert!(nonces.first(&a, "n", keep).await.expect("is told"));
    until("it is forgotten", || async {
        let first = nonces.first(&a, "n", keep).await;
        first.expect("is told").then_some(())
    })
    .await;
    assert!(begun.elapsed() >= keep * 9 / 10, "{:?}", begun.elapsed());
}
