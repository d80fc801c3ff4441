//! What becomes of a gateway that is asked five times what it may do.
//!
//! ```text
//! cargo bench --bench overload
//! ```
//!
//! The gateway runs in a process of its own and lets in so many calls a second of all workers
//! together; that it can do them is measured first. Then five times as many are made, evenly, and
//! counted: those that were let in, those that were refused, how long a refusal took, and how much
//! memory the gateway has before and after.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::inbound::{Readiness, grpc};
use gateway_adapters::outbound::{Overall, SystemClock, memory};
use gateway_core::app::{Gateway, Ports};
use gateway_core::domain::limit::{Limits, Rate};
use gateway_core::domain::task::Patience;
use gateway_core::ports::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use proto::SendHeartbeatRequest;
use proto::gateway_service_client::GatewayServiceClient;

mod proto {
    #![expect(
        clippy::allow_attributes,
        clippy::large_enum_variant,
        clippy::pedantic,
        unreachable_pub,
        reason = "generated"
    )]
    tonic::include_proto!("antcode.v1");
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Calls a second that the gateway lets in.
const CAPACITY: u32 = 3_000;
const CONNECTIONS: u32 = 16;
const PHASE: Duration = Duration::from_secs(15);
/// Between two calls that begin together on all connections.
const TICK: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Outcome<()> {
    if env::args().nth(1).as_deref() == Some("serve") {
        return serve().await;
    }
    let gateway = Process::start()?;
    println!("asked/s   let in/s   refused/s   refused after: p50, p99   memory, MiB");
    for times in [1, 5] {
        let tally = gateway.load(CAPACITY * times).await?;
        let seconds = PHASE.as_secs_f64();
        let count = |calls: usize| f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / seconds;
        println!(
            "{:7}   {:8.0}   {:9.0}   {:8.2} ms, {:7.2} ms   {:.1}",
            CAPACITY * times,
            count(tally.admitted),
            count(tally.refused.len()),
            tally.percentile(50),
            tally.percentile(99),
            gateway.memory()?,
        );
    }
    Ok(())
}

/// What became of calls.
#[derive(Default)]
struct Tally {
    admitted: usize,
    /// How long each that was refused took.
    refused: Vec<Duration>,
}

impl Tally {
    fn percentile(&self, percent: usize) -> f64 {
        let index = self.refused.len() * percent / 100;
        let time = self.refused.get(index).copied().unwrap_or_default();
        time.as_secs_f64() * 1e3
    }
}

/// A gateway in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start() -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { child, address })
    }

    /// Makes so many calls a second, for one phase.
    async fn load(&self, a_second: u32) -> Outcome<Tally> {
        let mut connections = JoinSet::new();
        for number in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
            let channel = endpoint.connect().await?;
            connections.spawn(call(channel, number, a_second / CONNECTIONS / 100));
        }
        let mut tally = Tally::default();
        while let Some(part) = connections.join_next().await {
            let part = part??;
            tally.admitted += part.admitted;
            tally.refused.extend(part.refused);
        }
        tally.refused.sort_unstable();
        Ok(tally)
    }

    /// What it holds in memory, in MiB.
    fn memory(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let kib: f64 = line
            .and_then(|line| line.split_whitespace().nth(1))
            .ok_or("status has no VmRSS")?
            .parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Begins so many calls each tick, whether or not those before have ended.
async fn call(channel: Channel, worker: u32, each_tick: u32) -> Result<Tally, Status> {
    let (mut tally, mut calls) = (Tally::default(), JoinSet::new());
    let (begun, mut ticks) = (Instant::now(), interval(TICK));
    while begun.elapsed() < PHASE {
        ticks.tick().await;
        for _ in 0..each_tick.max(1) {
            calls.spawn(beat(channel.clone(), worker));
        }
        while let Some(ended) = calls.try_join_next() {
            take_down(&mut tally, ended)?;
        }
    }
    while let Some(ended) = calls.join_next().await {
        take_down(&mut tally, ended)?;
    }
    Ok(tally)
}

type Ended = Result<Result<Option<Duration>, Status>, tokio::task::JoinError>;

fn take_down(tally: &mut Tally, ended: Ended) -> Result<(), Status> {
    match ended.map_err(|error| Status::internal(error.to_string()))?? {
        Some(time) => tally.refused.push(time),
        None => tally.admitted += 1,
    }
    Ok(())
}

/// One call; how long it took, if it was refused.
async fn beat(channel: Channel, worker: u32) -> Result<Option<Duration>, Status> {
    let id = format!("w-{worker}");
    let mut request = Request::new(SendHeartbeatRequest {
        worker_id: id.clone(),
        status: "online".into(),
        ..Default::default()
    });
    let header = id.parse().map_err(|_| Status::internal("is a header"))?;
    request.metadata_mut().insert("x-worker-id", header);
    let begun = Instant::now();
    match GatewayServiceClient::new(channel)
        .send_heartbeat(request)
        .await
    {
        Ok(_) => Ok(None),
        Err(refused) if refused.code() == Code::ResourceExhausted => Ok(Some(begun.elapsed())),
        Err(error) => Err(error),
    }
}

async fn serve() -> Outcome<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let limits = Limits {
        overall: Some(Rate::new(f64::from(CAPACITY), CAPACITY)?),
        ..Limits::even(Rate::new(1e6, 1_000_000)?)
    };
    let (_set, seen) = watch::channel(Some(limits));
    let each = Arc::new(memory::Limiter::new(seen.clone(), 1_000));
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: Arc::new(memory::Open),
        clock,
        control_channel: backend.control_channel,
        limiter: Arc::new(Overall::new(each, seen)),
        log_sink: backend.log_sink,
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let settings = grpc::Settings {
        open: true,
        ..grpc::Settings::default()
    };
    let gateway = Gateway::new(&ports, Patience::default());
    let (ready, forever) = (Readiness::always(), std::future::pending());
    grpc::serve(listener, gateway, settings, ready, forever).await?;
    Ok(())
}
