use std::collections::BTreeMap;
use std::time::Duration;

use gateway_core::domain::control::{Command, Lane, Recipient};
use gateway_core::ports::{ControlChannel as _, Master as _, MasterError};

use super::super::Settings;
use super::{backend, worker};

fn configure() -> Command {
    Command::Configure(BTreeMap::new())
}

#[tokio::test]
async fn a_worker_that_does_not_listen_is_not_told_for_ever() {
    let backend = backend(&Settings::default());
    let (to, channel) = (Recipient::Worker(worker("w")), &backend.control_channel);
    for _ in 0..1000 {
        backend
            .master
            .send(&to, configure())
            .await
            .expect("has room");
    }
    let full = backend.master.send(&to, configure()).await;
    assert!(
        matches!(full, Err(MasterError::Full("commands"))),
        "{full:?}"
    );

    let taken = channel.take(&worker("w"), Duration::ZERO, Lane::Poll).await;
    let receipt = taken.expect("takes").expect("is there").receipt;
    channel
        .settle(&worker("w"), &receipt)
        .await
        .expect("settles");
    backend
        .master
        .send(&to, configure())
        .await
        .expect("has room again");
}

#[tokio::test]
async fn a_worker_that_was_away_for_long_hears_the_latest_commands() {
    let backend = backend(&Settings::default());
    let (w, channel) = (worker("w"), &backend.control_channel);
    let nothing = channel.take(&w, Duration::ZERO, Lane::Poll).await;
    assert_eq!(nothing.expect("looks"), None);
    for _ in 0..1500 {
        let sent = backend.master.send(&Recipient::Everyone, configure()).await;
        sent.expect("has room");
    }

    let mut heard = 0;
    while let Some(delivery) = {
        let taken = channel.take(&w, Duration::ZERO, Lane::Poll).await;
        taken.expect("takes")
    } {
        channel
            .settle(&w, &delivery.receipt)
            .await
            .expect("settles");
        heard += 1;
    }
    assert_eq!(heard, 1024);
}
