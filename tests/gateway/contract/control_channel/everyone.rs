//! Commands for every worker.

use gateway_core::domain::control::{Command, Lane, Recipient};

use super::super::worker;
use super::{Controls, cancel, look, look_on, next, runtime, send};

contract!(memory, memory_live, redis, cluster => {
    everyone_hears_it_once,
    all_who_wait_hear_it_at_once,
    a_worker_that_is_new_hears_what_comes_after,
    a_worker_that_joined_hears_what_comes_after,
    a_command_of_its_own_does_not_make_a_worker_hear_more,
    what_comes_to_everyone_and_to_one_keeps_its_order,
    a_lane_that_cannot_carry_it_leaves_it_for_another,
    a_broadcast_is_settled_by_each_for_itself,
    a_released_broadcast_comes_again,
});

async fn broadcast(bench: &impl Controls, command: Command) {
    bench.send(&Recipient::Everyone, command).await;
}

async fn everyone_hears_it_once(bench: &impl Controls) {
    let (a, b) = (worker("a"), worker("b"));
    for known in [&a, &b] {
        assert_eq!(look(bench, known).await, None);
    }
    broadcast(bench, cancel("t-1")).await;
    broadcast(bench, cancel("t-2")).await;

    for known in [&a, &b] {
        assert_eq!(look(bench, known).await, Some(cancel("t-1")));
        assert_eq!(look(bench, known).await, Some(cancel("t-2")));
        assert_eq!(look(bench, known).await, None);
    }
}

async fn all_who_wait_hear_it_at_once(bench: &impl Controls) {
    let (a, b) = (worker("a"), worker("b"));
    let comes = async {
        for known in [&a, &b] {
            assert_eq!(look(bench, known).await, None);
        }
        broadcast(bench, cancel("t")).await;
    };

    let (one, other, ()) = tokio::join!(next(bench, &a), next(bench, &b), comes);
    assert_eq!(one.command, cancel("t"));
    assert_eq!(other.command, cancel("t"));
}

async fn a_worker_that_joined_hears_what_comes_after(bench: &impl Controls) {
    let w = worker("w");
    broadcast(bench, cancel("before")).await;
    bench.channel().join(&w).await.expect("joins");
    broadcast(bench, cancel("after")).await;

    bench.channel().join(&w).await.expect("stays as it is");
    assert_eq!(look(bench, &w).await, Some(cancel("after")));
    assert_eq!(look(bench, &w).await, None);
}

async fn a_worker_that_is_new_hears_what_comes_after(bench: &impl Controls) {
    let w = worker("w");
    broadcast(bench, cancel("before")).await;

    assert_eq!(look(bench, &w).await, None);
    broadcast(bench, cancel("after")).await;
    assert_eq!(look(bench, &w).await, Some(cancel("after")));
}

async fn a_command_of_its_own_does_not_make_a_worker_hear_more(bench: &impl Controls) {
    let w = worker("w");
    send(bench, &w, cancel("own")).await;
    broadcast(bench, cancel("before")).await;

    assert_eq!(look(bench, &w).await, Some(cancel("own")));
    assert_eq!(look(bench, &w).await, None);
}

async fn what_comes_to_everyone_and_to_one_keeps_its_order(bench: &impl Controls) {
    let w = worker("w");
    assert_eq!(look(bench, &w).await, None);
    send(bench, &w, cancel("t-1")).await;
    broadcast(bench, cancel("t-2")).await;
    send(bench, &w, cancel("t-3")).await;
    broadcast(bench, cancel("t-4")).await;

    for expected in ["t-1", "t-2", "t-3", "t-4"] {
        assert_eq!(look(bench, &w).await, Some(cancel(expected)));
    }
}

async fn a_lane_that_cannot_carry_it_leaves_it_for_another(bench: &impl Controls) {
    let w = worker("w");
    assert_eq!(look(bench, &w).await, None);
    broadcast(bench, runtime("q-1")).await;
    broadcast(bench, cancel("t-1")).await;
    broadcast(bench, runtime("q-2")).await;
    broadcast(bench, cancel("t-2")).await;

    for expected in ["t-1", "t-2"] {
        let delivery = look_on(Lane::Stream, bench, &w).await;
        assert_eq!(delivery.expect("passes by").command, cancel(expected));
    }
    assert_eq!(look_on(Lane::Stream, bench, &w).await, None);
    for expected in ["q-1", "q-2"] {
        assert_eq!(look(bench, &w).await, Some(runtime(expected)));
    }
    assert_eq!(look(bench, &w).await, None);
}

async fn a_broadcast_is_settled_by_each_for_itself(bench: &impl Controls) {
    let (a, b, channel) = (worker("a"), worker("b"), bench.channel());
    for known in [&a, &b] {
        assert_eq!(look(bench, known).await, None);
    }
    broadcast(bench, cancel("t")).await;
    let first = next(bench, &a).await;
    next(bench, &b).await;
    let settled = channel.settle(&a, &first.receipt).await;
    settled.expect("settles");

    // The other one has not settled, and is told again.
    assert_eq!(next(bench, &b).await.command, cancel("t"));
    assert_eq!(look(bench, &a).await, None);
}

async fn a_released_broadcast_comes_again(bench: &impl Controls) {
    let (w, channel) = (worker("w"), bench.channel());
    assert_eq!(look(bench, &w).await, None);
    broadcast(bench, cancel("t-1")).await;
    broadcast(bench, cancel("t-2")).await;
    let first = next(bench, &w).await;
    channel.release(&w, &first.receipt).await.expect("releases");

    assert_eq!(look(bench, &w).await, Some(cancel("t-1")));
    assert_eq!(look(bench, &w).await, Some(cancel("t-2")));
    assert_eq!(look(bench, &w).await, None);
}
