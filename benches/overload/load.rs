//! Whoever asks too much.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, interval};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::process::Process;
use crate::proto::gateway_service_client::GatewayServiceClient;
use crate::proto::{SendHeartbeatRequest, SendLogRequest};
use crate::{Outcome, PHASE};

const CONNECTIONS: u16 = 16;
/// More than one, since a worker has [`PER_WORKER`] calls under way at most.
const WORKERS_PER_CONNECTION: usize = 16;
/// Between two moments at which calls begin.
const TICK: Duration = Duration::from_millis(10);

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    Heartbeat,
    Log,
}

/// What became of calls.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long each took that was let in.
    pub(crate) admitted: Vec<Duration>,
    /// How long each took that was refused.
    pub(crate) refused: Vec<Duration>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.admitted.extend(other.admitted);
        self.refused.extend(other.refused);
    }
}

/// Begins so many calls a second, whether or not those before have ended.
pub(crate) async fn evenly(gateway: &Process, call: Call, a_second: u32) -> Outcome<Tally> {
    let each_tick = f64::from(a_second) * TICK.as_secs_f64() / f64::from(CONNECTIONS);
    on_all_connections(gateway, |channel, connection| async move {
        let (mut tally, mut calls) = (Tally::default(), JoinSet::new());
        let (begun, mut ticks, mut owed) = (Instant::now(), interval(TICK), 0.0);
        let mut workers = (0..WORKERS_PER_CONNECTION).cycle();
        while begun.elapsed() < PHASE {
            ticks.tick().await;
            owed += each_tick;
            while owed >= 1.0 {
                owed -= 1.0;
                let worker = name(connection, workers.next().unwrap_or_default());
                calls.spawn(make(channel.clone(), call, worker));
            }
            while let Some(ended) = calls.try_join_next() {
                take_down(&mut tally, ended)?;
            }
        }
        while let Some(ended) = calls.join_next().await {
            take_down(&mut tally, ended)?;
        }
        Ok(tally)
    })
    .await
}

/// Has so many calls under way all the time: for each that ends the next begins at once, whatever
/// became of it.
pub(crate) async fn pressing(gateway: &Process, call: Call, at_once: usize) -> Outcome<Tally> {
    on_all_connections(gateway, |channel, connection| async move {
        let (mut tally, mut calls) = (Tally::default(), JoinSet::new());
        let begun = Instant::now();
        for number in 0..at_once / usize::from(CONNECTIONS) {
            let worker = name(connection, number % WORKERS_PER_CONNECTION);
            let channel = channel.clone();
            calls.spawn(async move {
                let mut own = Tally::default();
                while begun.elapsed() < PHASE {
                    let ended = make(channel.clone(), call, worker.clone()).await;
                    take_down(&mut own, Ok(ended))?;
                }
                Ok::<_, Status>(own)
            });
        }
        while let Some(ended) = calls.join_next().await {
            tally.add(ended.map_err(|error| Status::internal(error.to_string()))??);
        }
        Ok(tally)
    })
    .await
}

async fn on_all_connections<F>(
    gateway: &Process,
    calls: impl Fn(Channel, usize) -> F,
) -> Outcome<Tally>
where
    F: Future<Output = Result<Tally, Status>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    for connection in 0..usize::from(CONNECTIONS) {
        let endpoint = Endpoint::from_shared(format!("http://{}", gateway.address))?;
        connections.spawn(calls(endpoint.connect().await?, connection));
    }
    let mut tally = Tally::default();
    while let Some(part) = connections.join_next().await {
        tally.add(part??);
    }
    Ok(tally)
}

fn name(connection: usize, worker: usize) -> String {
    format!("w-{connection}-{worker}")
}

type Ended = Result<(Duration, bool), Status>;

fn take_down(tally: &mut Tally, ended: Result<Ended, JoinError>) -> Result<(), Status> {
    let ended = ended.map_err(|error| Status::internal(error.to_string()))?;
    match ended? {
        (time, true) => tally.admitted.push(time),
        (time, false) => tally.refused.push(time),
    }
    Ok(())
}

/// One call; how long it took, and whether it was let in.
async fn make(channel: Channel, call: Call, worker: String) -> Ended {
    let header = worker
        .parse()
        .map_err(|_| Status::internal("is a header"))?;
    let mut client = GatewayServiceClient::new(channel);
    let begun = Instant::now();
    let answer = match call {
        Call::Heartbeat => {
            let mut request = Request::new(SendHeartbeatRequest {
                worker_id: worker,
                status: "online".into(),
                ..Default::default()
            });
            request.metadata_mut().insert("x-worker-id", header);
            client.send_heartbeat(request).await.map(drop)
        }
        Call::Log => {
            let mut request = Request::new(SendLogRequest {
                run_id: format!("run-of-{worker}"),
                log_type: "stdout".into(),
                content: "a line".into(),
                ..Default::default()
            });
            request.metadata_mut().insert("x-worker-id", header);
            client.send_log(request).await.map(drop)
        }
    };
    match answer {
        Ok(()) => Ok((begun.elapsed(), true)),
        Err(refused) if refused.code() == Code::ResourceExhausted => Ok((begun.elapsed(), false)),
        Err(error) => Err(error),
    }
}
