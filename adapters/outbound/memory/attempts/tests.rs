use futures::FutureExt as _;
use futures::future::join_all;
use gateway_core::ports::Attempts as _;
use tokio::time::advance;

use super::*;

fn peer(text: &str) -> IpAddr {
    text.parse().expect("is an address")
}

/// T13: an address fails so often and no more; time makes up for it.
#[tokio::test(start_paused = true)]
async fn an_address_may_fail_so_often_and_no_more() {
    let attempts = Attempts::new(10);
    let one = Some(peer("192.0.2.1"));
    for _ in 0..5 {
        drop(attempts.begin(one).await.expect("may try"));
        attempts.fail(one).expect("may fail");
    }

    let refused = attempts.begin(one).await.expect_err("may not");
    assert_eq!(refused.retry_after, Duration::from_secs(6));
    assert_eq!(refused.full_after, Duration::from_mins(1));
    assert!(refused.newly, "told once");
    let refused = attempts.fail(one).expect_err("may not");
    assert!(!refused.newly, "told once");
    attempts
        .begin(Some(peer("192.0.2.2")))
        .await
        .expect("is another");

    advance(Duration::from_secs(6)).await;
    drop(attempts.begin(one).await.expect("may try again"));
    attempts.begin(one).await.expect_err("may not");
    for _ in 0..20 {
        advance(Duration::from_secs(3)).await;
        let _refused = attempts.fail(one);
    }
    let refused = attempts.fail(one).expect_err("may not");
    assert!(!refused.newly, "told again within {TELL_AGAIN:?}");
    advance(TELL_AGAIN * 2).await;
    for _ in 0..10 {
        attempts.fail(one).expect("all is forgotten");
    }
    assert!(attempts.fail(one).expect_err("may not").newly);
}

/// T13: whoever tries nothing takes no leave from others, and has an end of it, too.
#[tokio::test(start_paused = true)]
async fn saying_nothing_has_a_budget_of_its_own() {
    let attempts = Attempts::new(10);
    for _ in 0..1_000 {
        attempts.say_nothing(None).expect("may say nothing");
    }
    assert!(attempts.say_nothing(None).expect_err("may not").newly);

    for _ in 0..10 {
        drop(attempts.begin(None).await.expect("may try"));
    }
    attempts.begin(None).await.expect_err("may not");
}

#[tokio::test(start_paused = true)]
async fn what_is_forgiven_costs_nothing() {
    let attempts = Attempts::new(2);
    for _ in 0..100 {
        attempts.begin(None).await.expect("may try").forgive();
    }
    attempts.fail(None).expect("may fail");
    attempts.fail(None).expect("may fail");
    attempts.fail(None).expect_err("may not");
}

#[tokio::test(start_paused = true)]
async fn no_more_are_at_it_than_may_fail_and_the_others_wait() {
    let attempts = Attempts::new(2);
    let first = attempts.begin(None).await.expect("may try");
    let second = attempts.begin(None).await.expect("may try");

    let mut third = Box::pin(attempts.begin(None));
    assert!(third.as_mut().now_or_never().is_none(), "waits");
    first.forgive();
    let third = third.await.expect("has leave that was given back");
    let mut fourth = Box::pin(attempts.begin(None));
    assert!(fourth.as_mut().now_or_never().is_none(), "waits");
    drop(second);
    assert!(fourth.as_mut().now_or_never().is_none(), "one is left");
    drop(third);
    let refused = fourth.await.expect_err("nothing is left to wait for");
    assert!(refused.newly);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_long_nor_among_too_many() {
    let attempts = Attempts::new(1);
    let _kept = attempts.begin(None).await.expect("may try");
    let begun = Instant::now();
    let waiting = join_all((0..=MAX_WAITING).map(|_| async {
        attempts.begin(None).await.expect_err("is busy");
        begun.elapsed()
    }));
    let mut waited = waiting.await;
    waited.sort();
    assert_eq!(waited[0], Duration::ZERO, "one is too many");
    assert!(waited[1..].iter().all(|waited| *waited >= PATIENCE));
    assert_eq!(attempts.address(None).state.lock().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_stops_waiting_holds_nobody_up() {
    let attempts = Attempts::new(1);
    let kept = attempts.begin(None).await.expect("may try");
    let mut gone = Box::pin(attempts.begin(None));
    assert!(gone.as_mut().now_or_never().is_none(), "waits");
    let mut stays = Box::pin(attempts.begin(None));
    assert!(stays.as_mut().now_or_never().is_none(), "waits");

    kept.forgive();
    drop(gone);
    stays.await.expect("has leave that was given back");
}

/// T13: whoever is given a whole site has no more than ten times the failures of one network.
#[tokio::test(start_paused = true)]
async fn the_networks_of_a_site_share_ten_times_as_many() {
    let attempts = Attempts::new(10);
    let of = |site: u16, network: u16| Some(peer(&format!("2001:db8:{site:x}:{network:x}::1")));
    let mut failed = 0;
    for network in 0..1000 {
        for host in 0..10 {
            let failing = match host % 2 {
                0 => attempts.begin(of(1, network)).await.map(drop),
                _ => attempts.fail(of(1, network)),
            };
            failed += u32::from(failing.is_ok());
        }
    }
    assert_eq!(failed, 100);
    assert_eq!(
        attempts.addresses.lock().len(),
        10,
        "no more are remembered"
    );
    let refused = attempts.begin(of(1, 1000)).await.expect_err("may not");
    assert!(!refused.newly, "told once for all of them");
    attempts.fail(of(2, 0)).expect("is another site");

    // What comes back comes back to all of them.
    advance(Duration::from_millis(600)).await;
    attempts.fail(of(1, 1000)).expect("may fail again");
    attempts.fail(of(1, 1001)).expect_err("may not");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_site_in_vain_costs_its_network_nothing() {
    let attempts = Attempts::new(1);
    let of = |network: u16| Some(peer(&format!("2001:db8:0:{network:x}::1")));
    let all = (0..10).map(|network| attempts.begin(of(network)));
    let kept = join_all(all).await;
    assert!(kept.iter().all(Result::is_ok));
    attempts.begin(of(10)).await.expect_err("is busy");

    assert_eq!(attempts.address(of(10)).state.lock().lent, 0);
}

/// T28: addresses are forgotten, the one that tried longest ago first.
#[test]
fn the_addresses_are_bounded() {
    let attempts = Attempts::new(1);
    for number in 0..70_000_u32 {
        let peer = Ipv4Addr::from_bits(number).into();
        attempts.fail(Some(peer)).expect("may fail");
    }
    assert_eq!(attempts.addresses.lock().len(), MAX_ADDRESSES.get());
    let last = Ipv4Addr::from_bits(69_999).into();
    attempts.fail(Some(last)).expect_err("is remembered");
}
