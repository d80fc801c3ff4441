//! Floods of frames: each ends its own connection, or costs no more than itself.

use futures::future::join_all;

use super::attacks::{self, Seen};
use super::raw::{ENHANCE_YOUR_CALM, kind};
use super::{Neighbour, connect, gateway};
use crate::support::Gateway;

// T4
#[tokio::test]
async fn calls_that_make_the_gateway_reset_them_end_the_connection() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    let seen = attacks::made_you_reset(connect(&gateway).await).await;
    assert_eq!(seen.goaway(), Some(ENHANCE_YOUR_CALM));
    let resets = seen.count(kind::RST_STREAM);
    assert!(resets <= 1100, "{resets} resets");
    leave(gateway, neighbour).await;
}

// T5
#[tokio::test]
async fn calls_that_are_taken_back_at_once_end_the_connection() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    let seen = attacks::rapid_reset(connect(&gateway).await).await;
    assert_eq!(seen.goaway(), Some(ENHANCE_YOUR_CALM));
    leave(gateway, neighbour).await;
}

// T6
#[tokio::test]
async fn headers_without_end_end_the_connection() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    for seen in [
        attacks::continuations(connect(&gateway).await).await,
        attacks::empty_continuations(connect(&gateway).await).await,
    ] {
        assert!(is_error(&seen), "{:?}", seen.goaway());
    }
    leave(gateway, neighbour).await;
}

// T6
#[tokio::test]
async fn few_bytes_that_stand_for_many_headers_are_refused() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    let answer = attacks::header_bomb(connect(&gateway).await).await;
    // Never a call that was served: those are answered with headers and more to come.
    let refused = answer.code().is_some_and(|code| code != 0) || answer.flags & 1 != 0;
    assert!(refused, "{answer:?}");
    leave(gateway, neighbour).await;
}

// T7
#[tokio::test]
async fn frames_with_nothing_in_them_end_the_connection() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    let seen = attacks::empty_data(connect(&gateway).await).await;
    assert!(is_error(&seen), "{:?}", seen.goaway());
    leave(gateway, neighbour).await;
}

#[tokio::test]
async fn frames_larger_than_was_agreed_end_the_connection() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    let seen = attacks::large_frames(connect(&gateway).await).await;
    assert!(is_error(&seen), "{:?}", seen.goaway());
    leave(gateway, neighbour).await;
}

// T8
#[tokio::test]
async fn floods_of_pings_and_settings_harm_nobody_else() {
    let gateway = gateway(|_| {}).await;
    let neighbour = Neighbour::of(&gateway).await;

    let pings = (0..10).map(async |_| attacks::pings(connect(&gateway).await, 2_000).await);
    let settings = (0..10).map(async |_| attacks::settings(connect(&gateway).await, 500).await);
    tokio::join!(join_all(pings), join_all(settings));
    leave(gateway, neighbour).await;
}

/// Whether the gateway ended the connection because of what was said.
fn is_error(seen: &Seen) -> bool {
    seen.goaway().is_some_and(|code| code != 0)
}

async fn leave(gateway: Gateway, neighbour: Neighbour) {
    neighbour.was_served().await;
    gateway.stop().await;
}
