//! What comes over connections, byte by byte and frame by frame.
//!
//! An [attack](attacks) takes any stream; a [site] is attacked in plain and over TLS.

mod attacks;
mod barred;
pub(in crate::edge) mod calls;
mod crowd;
mod descriptors;
mod floods;
mod opening;
pub(in crate::edge) mod proxy;
pub(in crate::edge) mod raw;
pub(in crate::edge) mod site;
mod staying;

use std::panic::Location;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{Gateway, Options, Worker};

/// A gateway whose port goes by other settings.
async fn gateway(adjust: fn(&mut gateway_adapters::inbound::grpc::Settings)) -> Gateway {
    Gateway::start_with(Options {
        adjust,
        ..Options::default()
    })
    .await
}

pub(in crate::edge) async fn connect(gateway: &Gateway) -> TcpStream {
    let connected = TcpStream::connect(gateway.address).await;
    connected.expect("connects")
}

/// What comes of `work`, which is a matter of seconds.
#[track_caller]
pub(in crate::edge) fn soon<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let asked = Location::caller();
    async move {
        let done = timeout(Duration::from_secs(30), work).await;
        done.unwrap_or_else(|_| panic!("takes for ever at {asked}"))
    }
}

/// A worker that behaves, beside those that do not: it calls all the time.
struct Neighbour {
    stop: oneshot::Sender<()>,
    calls: JoinHandle<u32>,
}

impl Neighbour {
    /// Moves in, once it has been served.
    async fn moves_in(worker: Worker) -> Self {
        worker.beat(0).await.expect("is served before");
        let (stop, mut stopped) = oneshot::channel();
        let calls = tokio::spawn(async move {
            let mut calls = 0;
            while stopped.try_recv().is_err() {
                worker.beat(0).await.expect("is served beside them");
                calls += 1;
            }
            calls
        });
        Self { stop, calls }
    }

    /// Moves out; it has never been refused anything.
    async fn was_served(self) {
        // It has ended only if a call has failed, which is told below.
        let _failed = self.stop.send(());
        let calls = soon(self.calls).await.expect("has seen no failure");
        assert!(calls > 0, "has been served");
    }
}
