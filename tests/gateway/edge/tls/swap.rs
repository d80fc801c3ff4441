//! Certificates that change under a thousand connections, each of which is at work.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::folder;
use super::reload::{LONG, start, until_serves};
use crate::support::papers::{Ca, Wanted, client};
use crate::support::{Program, Worker};

const CONNECTIONS: usize = 1000;

/// Workers at the same time at work; each goes round on connections of its own.
const LOAD: usize = 20;

/// From how many addresses the connections come: no address may have too many.
const ADDRESSES: usize = 8;

/// What the load has come to.
#[derive(Default)]
struct Tally {
    connected: AtomicUsize,
    calls: AtomicUsize,
    /// How often each part of the load has gone round since the last change.
    rounds: watch::Sender<[usize; LOAD]>,
    over: AtomicBool,
}

#[tokio::test]
async fn certificates_are_swapped_under_a_thousand_connections_and_no_call_fails() {
    let ca = Ca::new("ca");
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], 7))]);
    let program = start(&folder, &[("RATE_LIMIT_ENABLED", "false")]).await;
    let paper = ca.issue(&Wanted::worker("local"));
    let config = Arc::new(client(&ca, Some(&paper), rustls::ALL_VERSIONS));
    let tally = Arc::new(Tally::default());
    let workers = workers(&program, &config, &tally);
    let parts = workers.into_iter().enumerate();
    let load: Vec<_> = parts
        .map(|(part, some)| tokio::spawn(work(part, some, tally.clone())))
        .collect();
    wait(&tally, 1).await;

    // Once the certificate alone, then all that there is.
    for other in ["", "other"] {
        let new = ca.issue(&Wanted::server());
        if !other.is_empty() {
            let other = Ca::new(other);
            folder.put("ca.pem", &format!("{}{}", ca.pem, other.pem));
            let lists = ca.crl(&[], 8) + &other.crl(&[], 8);
            folder.put("crl.pem", &lists);
        }
        folder.put("server.key", &new.key);
        folder.put("server.pem", &new.pem);
        until_serves(program.grpc, &config, &new).await;
        // Every connection makes calls after the change.
        tally.rounds.send_replace([0; LOAD]);
        wait(&tally, 2).await;
    }

    tally.over.store(true, Ordering::SeqCst);
    for some in load {
        some.await.expect("not one call fails");
    }
    assert_eq!(tally.connected.load(Ordering::SeqCst), CONNECTIONS);
    assert!(tally.calls.load(Ordering::SeqCst) >= 5 * CONNECTIONS);
    program.stop().await;
}

/// Waits until all connections have been used so many times.
async fn wait(tally: &Tally, rounds: usize) {
    let mut seen = tally.rounds.subscribe();
    let enough = |seen: &[usize; LOAD]| seen.iter().all(|&times| times >= rounds);
    let waited = timeout(LONG, seen.wait_for(enough)).await;
    waited.expect("the load goes on").expect("is told");
}

/// Calls over each of `workers` in turn.
async fn work(part: usize, workers: Vec<Worker>, tally: Arc<Tally>) {
    while !tally.over.load(Ordering::SeqCst) {
        for worker in &workers {
            worker.beat(0).await.expect("is answered");
            tally.calls.fetch_add(1, Ordering::SeqCst);
        }
        tally.rounds.send_modify(|rounds| rounds[part] += 1);
    }
}

fn workers(program: &Program, config: &Arc<ClientConfig>, tally: &Arc<Tally>) -> Vec<Vec<Worker>> {
    let key = std::fs::read_to_string(program.folder().join(".antcode-local-key"));
    let key = key.expect("is there");
    let worker = |number| {
        let endpoint = Endpoint::from_shared(format!("http://{}", program.grpc)).expect("is a URI");
        let channel = channel(&endpoint, config, tally, number % ADDRESSES);
        Worker::over(channel, endpoint, "local", Some(key.trim()))
    };
    let all: Vec<_> = (0..CONNECTIONS).map(worker).collect();
    all.chunks(CONNECTIONS / LOAD)
        .map(<[Worker]>::to_vec)
        .collect()
}

/// A connection that is counted each time it is made.
fn channel(
    endpoint: &Endpoint,
    config: &Arc<ClientConfig>,
    tally: &Arc<Tally>,
    from: usize,
) -> Channel {
    let (config, tally) = (config.clone(), tally.clone());
    endpoint.connect_with_connector_lazy(service_fn(move |uri: Uri| {
        let (config, tally) = (config.clone(), tally.clone());
        async move {
            tally.connected.fetch_add(1, Ordering::SeqCst);
            let to = uri.authority().map(ToString::to_string).unwrap_or_default();
            let socket = TcpSocket::new_v4()?;
            let from = u8::try_from(from).expect("are few");
            socket.bind(SocketAddr::from(([127, 0, 0, 10 + from], 0)))?;
            let to = to.parse().map_err(io::Error::other)?;
            let socket = socket.connect(to).await?;
            let name = "localhost".try_into().map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, socket).await?;
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    }))
}
