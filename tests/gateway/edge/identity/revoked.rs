//! Who is let in no more, and has a live channel open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::audit::Action;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Credential;
use gateway_core::ports::{AuthError, Authenticator, Recall};
use tonic::{Code, Request, Status, Streaming};

use crate::edge::wire::soon;
use crate::support::{Gateway, Options, proto, worker_id};

/// What is told of any credential.
#[derive(Clone, Copy)]
enum Told {
    Good,
    Away,
    Rejected,
}

/// Changes its mind, and counts how often it was asked.
struct Fickle {
    told: Mutex<Told>,
    asked: AtomicUsize,
}

impl Fickle {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            told: Mutex::new(Told::Good),
            asked: AtomicUsize::new(0),
        })
    }

    fn tells(&self, told: Told) {
        *self.told.lock().expect("is not poisoned") = told;
    }

    /// Waits until it was asked a few times more.
    async fn is_asked(&self) {
        let enough = self.asked.load(Ordering::Relaxed) + 3;
        soon(async {
            while self.asked.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[async_trait]
impl Authenticator for Fickle {
    fn recall(&self, _: &Credential) -> Recall {
        Recall::Unknown
    }

    async fn authenticate(&self, _: &Credential) -> Result<WorkerId, AuthError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match *self.told.lock().expect("is not poisoned") {
            Told::Good => Ok(worker_id("w-1")),
            Told::Away => Err(AuthError::Unavailable("is away".into())),
            Told::Rejected => Err(AuthError::Rejected),
        }
    }
}

async fn gateway(who: &Arc<Fickle>) -> Gateway {
    Gateway::start_with(Options {
        authenticator: Some(who.clone()),
        adjust: |port| port.credential_cache = Duration::from_millis(20),
        ..Options::default()
    })
    .await
}

type Heard = Streaming<proto::MasterMessage>;

async fn opened(gateway: &Gateway, headers: &[(&'static str, &str)]) -> Heard {
    let mut request = Request::new(tokio_stream::pending());
    for (name, value) in headers {
        let value = value.parse().expect("is a header");
        request.metadata_mut().insert(*name, value);
    }
    let mut client = gateway.worker("w-1").client();
    let opened = client.worker_stream(request).await;
    opened.expect("is opened").into_inner()
}

async fn end(mut heard: Heard) -> Status {
    let end = async {
        loop {
            match heard.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ends without a word"),
                Err(status) => return status,
            }
        }
    };
    soon(end).await
}

const KEY: &[(&str, &str)] = &[("x-api-key", "k")];
const SIGNED: &[(&str, &str)] = &[
    ("x-worker-id", "w-1"),
    ("x-signature", "00"),
    ("x-timestamp", "1"),
    ("x-nonce", "n"),
];

/// T17: a credential that is revoked does not live on in a channel.
#[tokio::test]
async fn a_revoked_credential_ends_its_channels() {
    let who = Fickle::new();
    let gateway = gateway(&who).await;
    let heard = opened(&gateway, KEY).await;
    who.is_asked().await;

    who.tells(Told::Rejected);
    let told = end(heard).await;
    assert_eq!(told.code(), Code::Unauthenticated);
    assert!(told.metadata().contains_key("x-request-id"));
    let events = gateway.audit.latest();
    let rejected = |action: &Action| matches!(action, Action::Rejected { credentials, .. } if credentials == &["api key"]);
    assert!(events.iter().any(|event| rejected(&event.action)));
    gateway.stop().await;
}

#[tokio::test]
async fn an_outage_ends_no_channel() {
    let who = Fickle::new();
    let gateway = gateway(&who).await;
    let heard = opened(&gateway, KEY).await;

    who.tells(Told::Away);
    who.is_asked().await;
    who.tells(Told::Good);
    who.is_asked().await;
    gateway.begin_stop();
    assert_eq!(end(heard).await.code(), Code::Unavailable, "by the stop");
    gateway.stop().await;
}

/// A signature counts once, so it is not asked for again, but a key beside it is.
#[tokio::test]
async fn a_signature_lasts_as_long_as_its_channel() {
    let who = Fickle::new();
    let gateway = gateway(&who).await;
    let signed = opened(&gateway, SIGNED).await;
    let keyed = opened(&gateway, &[KEY, SIGNED].concat()).await;
    who.is_asked().await;

    who.tells(Told::Rejected);
    assert_eq!(end(keyed).await.code(), Code::Unauthenticated);
    gateway.begin_stop();
    assert_eq!(end(signed).await.code(), Code::Unavailable, "by the stop");
    gateway.stop().await;
}
