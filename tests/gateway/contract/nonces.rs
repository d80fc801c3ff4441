//! The contract of `Nonces`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gateway_core::ports::{Nonces, Room, Spent};

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
    what_a_worker_has_no_room_for_is_its_own_matter,
    what_was_used_again_may_be_recalled_and_nothing_else,
    it_is_remembered_for_its_time_and_then_forgotten,
});

const ROOM: Room = Room {
    keep: Duration::from_mins(10),
    most: 1000,
};

/// Whether it is used for the first time; there is room for it.
async fn first(nonces: &dyn Nonces, name: &str, nonce: &str, room: Room) -> bool {
    match nonces
        .spend(&worker(name), nonce, room)
        .await
        .expect("is told")
    {
        Spent::First => true,
        Spent::Again => false,
        Spent::Full => panic!("there is no room"),
    }
}

async fn a_nonce_is_used_once(bench: &impl Once) {
    let nonces = bench.nonces();
    for nonce in ["n", "QUJD+/8=", "~n"] {
        assert!(first(&*nonces, "a", nonce, ROOM).await);
        for _ in 0..2 {
            assert!(!first(&*nonces, "a", nonce, ROOM).await);
        }
    }
}

async fn a_nonce_is_a_workers_own(bench: &impl Once) {
    let nonces = bench.nonces();
    for (name, nonce) in [("a", "b.n"), ("b", "b.n"), ("a.b", "n"), ("a", "n")] {
        assert!(first(&*nonces, name, nonce, ROOM).await, "{name} {nonce}");
    }
}

async fn of_many_who_use_it_at_once_one_is_the_first(bench: &impl Once) {
    let nonces = bench.nonces();
    let told = join_all((0..50).map(|_| first(&*nonces, "a", "n", ROOM))).await;
    assert_eq!(told.into_iter().filter(|first| *first).count(), 1);
}

async fn what_a_worker_has_no_room_for_is_its_own_matter(bench: &impl Once) {
    let nonces = bench.nonces();
    let small = Room { most: 5, ..ROOM };
    for number in 0..5 {
        assert!(first(&*nonces, "a", &number.to_string(), small).await);
    }
    for number in 5..20 {
        let full = nonces.spend(&worker("a"), &number.to_string(), small).await;
        assert_eq!(full.expect("is told"), Spent::Full);
    }
    assert!(!first(&*nonces, "a", "0", small).await, "is used");
    assert!(first(&*nonces, "b", "5", small).await, "is another");
    // What was refused was not used.
    assert!(first(&*nonces, "a", "5", ROOM).await);
}

async fn what_was_used_again_may_be_recalled_and_nothing_else(bench: &impl Once) {
    let (nonces, a, b) = (bench.nonces(), worker("a"), worker("b"));
    assert!(first(&*nonces, "a", "n", ROOM).await);
    assert!(!first(&*nonces, "a", "n", ROOM).await);
    assert!(nonces.recalls(&a, "n"));
    assert!(!nonces.recalls(&a, "m") && !nonces.recalls(&b, "n"));
}

async fn it_is_remembered_for_its_time_and_then_forgotten(bench: &impl Once) {
    let nonces = bench.nonces();
    let short = Room {
        keep: Duration::from_millis(300),
        most: 2,
    };
    let begun = tokio::time::Instant::now();
    assert!(first(&*nonces, "a", "n", short).await);
    assert!(first(&*nonces, "a", "m", short).await);
    until("it is forgotten", || async {
        let again = nonces.spend(&worker("a"), "n", short).await;
        (again.expect("is told") == Spent::First).then_some(())
    })
    .await;
    let passed = begun.elapsed();
    assert!(passed >= short.keep * 9 / 10, "{passed:?}");
    // And so is the room that it took.
    until("there is room", || async {
        let third = nonces.spend(&worker("a"), "o", short).await;
        (third.expect("is told") == Spent::First).then_some(())
    })
    .await;
}
