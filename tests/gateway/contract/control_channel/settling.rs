//! Settled, undone, or neither.

use gateway_core::domain::control::Lane;
use gateway_core::domain::task::Settled;
use gateway_core::ports::ControlError;
use tokio::time::Instant;

use super::super::{receipt, worker};
use super::{Controls, cancel, look, look_on, next, send};

contract!(memory, memory_live, redis, cluster => {
    a_command_that_is_not_settled_is_delivered_again,
    whoever_waits_is_told_what_another_did_not_settle,
    a_command_is_not_delivered_again_for_ever,
    a_settled_command_is_not_delivered_again,
    another_workers_receipt_is_refused,
    a_released_command_comes_again_at_once_and_uncounted,
});

async fn a_command_that_is_not_settled_is_delivered_again(bench: &impl Controls) {
    let w = worker("w");
    send(bench, &w, cancel("t")).await;
    let begun = Instant::now();
    next(bench, &w).await;

    let again = next(bench, &w).await;
    assert_eq!(again.command, cancel("t"));
    assert!(begun.elapsed() >= bench.command_lease());
}

async fn whoever_waits_is_told_what_another_did_not_settle(bench: &impl Controls) {
    let w = worker("w");
    let sends = send(bench, &w, cancel("t"));

    let (one, other, ()) = tokio::join!(next(bench, &w), next(bench, &w), sends);
    assert_eq!((one.command, other.command), (cancel("t"), cancel("t")));
}

async fn a_command_is_not_delivered_again_for_ever(bench: &impl Controls) {
    let w = worker("w");
    send(bench, &w, cancel("t")).await;

    let mut deliveries = 0;
    let wait = bench.command_lease() * 3;
    while let Some(delivery) = {
        let taken = bench.channel().take(&w, wait, Lane::Poll).await;
        taken.expect("takes")
    } {
        assert_eq!(delivery.command, cancel("t"));
        deliveries += 1;
        assert!(deliveries <= 10);
    }
    assert!(deliveries >= 2);
}

async fn a_settled_command_is_not_delivered_again(bench: &impl Controls) {
    let w = worker("w");
    send(bench, &w, cancel("t")).await;
    let delivery = next(bench, &w).await;

    let channel = bench.channel();
    let settled = channel.settle(&w, &delivery.receipt).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    let settled = channel.settle(&w, &delivery.receipt).await;
    assert_eq!(settled.expect("settles"), Settled::Before);
    let wait = bench.command_lease() * 2;
    let nothing = channel.take(&w, wait, Lane::Poll).await.expect("waits");
    assert_eq!(nothing, None);
}

async fn another_workers_receipt_is_refused(bench: &impl Controls) {
    let (a, b, channel) = (worker("a"), worker("b"), bench.channel());
    send(bench, &a, cancel("t")).await;
    let delivery = next(bench, &a).await;

    let refused = channel.settle(&b, &delivery.receipt).await;
    let refused = refused.expect_err("is refused");
    assert!(matches!(refused, ControlError::ReceiptNotTheirs(id) if id == delivery.receipt));
    let unknown = channel.settle(&b, &receipt("12345-0")).await;
    assert_eq!(unknown.expect("settles"), Settled::Before);
    channel
        .release(&b, &delivery.receipt)
        .await
        .expect("answers");
    assert_eq!(look(bench, &a).await, None);
    let settled = channel.settle(&a, &delivery.receipt).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
}

async fn a_released_command_comes_again_at_once_and_uncounted(bench: &impl Controls) {
    let (w, channel) = (worker("w"), bench.channel());
    send(bench, &w, cancel("t-1")).await;
    send(bench, &w, cancel("t-2")).await;

    for _ in 0..20 {
        let delivery = look_on(Lane::Poll, bench, &w).await;
        let delivery = delivery.expect("comes again");
        assert_eq!(delivery.command, cancel("t-1"));
        channel
            .release(&w, &delivery.receipt)
            .await
            .expect("releases");
    }
    assert_eq!(look(bench, &w).await, Some(cancel("t-1")));
    assert_eq!(look(bench, &w).await, Some(cancel("t-2")));
}
