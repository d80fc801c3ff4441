//! Floods of frames: each ends its own connection, or costs no more than itself.

use futures::future::join_all;

use super::attacks::{self, Seen};
use super::raw::{ENHANCE_YOUR_CALM, kind};
use super::site::attacked;

// T4
#[tokio::test]
async fn calls_that_make_the_gateway_reset_them_end_the_connection() {
    attacked(
        |_| {},
        async |site| {
            let seen = attacks::made_you_reset(site.connect().await).await;
            assert_eq!(seen.goaway(), Some(ENHANCE_YOUR_CALM));
            let resets = seen.count(kind::RST_STREAM);
            assert!(resets <= 1100, "{resets} resets");
        },
    )
    .await;
}

// T5
#[tokio::test]
async fn calls_that_are_taken_back_at_once_end_the_connection() {
    attacked(
        |_| {},
        async |site| {
            let seen = attacks::rapid_reset(site.connect().await).await;
            assert_eq!(seen.goaway(), Some(ENHANCE_YOUR_CALM));
        },
    )
    .await;
}

// T6
#[tokio::test]
async fn headers_without_end_end_the_connection() {
    attacked(
        |_| {},
        async |site| {
            for seen in [
                attacks::continuations(site.connect().await).await,
                attacks::empty_continuations(site.connect().await).await,
            ] {
                assert!(is_error(&seen), "{:?}", seen.goaway());
            }
        },
    )
    .await;
}

// T6
#[tokio::test]
async fn few_bytes_that_stand_for_many_headers_are_refused() {
    attacked(
        |_| {},
        async |site| {
            let answer = attacks::header_bomb(site.connect().await).await;
            assert_eq!(answer.code(), Some(ENHANCE_YOUR_CALM), "{answer:?}");
        },
    )
    .await;
}

// T7
#[tokio::test]
async fn frames_with_nothing_in_them_end_the_connection() {
    attacked(
        |_| {},
        async |site| {
            let seen = attacks::empty_data(site.connect().await).await;
            assert!(is_error(&seen), "{:?}", seen.goaway());
        },
    )
    .await;
}

#[tokio::test]
async fn frames_larger_than_was_agreed_end_the_connection() {
    attacked(
        |_| {},
        async |site| {
            let seen = attacks::large_frames(site.connect().await).await;
            assert!(is_error(&seen), "{:?}", seen.goaway());
        },
    )
    .await;
}

// T8
#[tokio::test]
async fn floods_of_pings_and_settings_harm_nobody_else() {
    attacked(
        |_| {},
        async |site| {
            let flooded = async |_| attacks::pings(site.connect().await, 2_000).await;
            let changed = async |_| attacks::settings(site.connect().await, 500).await;
            tokio::join!(
                join_all((0..10).map(flooded)),
                join_all((0..10).map(changed))
            );
        },
    )
    .await;
}

/// Whether the gateway ended the connection because of what was said.
fn is_error(seen: &Seen) -> bool {
    seen.goaway().is_some_and(|code| code != 0)
}
