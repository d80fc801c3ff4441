//! What a heartbeat costs, beside a bare tonic handler that answers the same message.
//!
//! ```text
//! cargo bench --bench heartbeat
//! ```
//!
//! Each server runs in a process of its own, so that its CPU time, user and system, is its own and
//! not the client's. They take turns, so that whatever else the machine does hits both alike.
//! Authentication, limits and metrics are on; a third server shows what metrics add.

use std::convert::Infallible;
use std::env;
use std::fs;
use std::future::{Ready, ready};
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use gateway_adapters::host::metrics;
use gateway_adapters::inbound::{Readiness, grpc};
use gateway_adapters::outbound::{SystemClock, memory, metered};
use gateway_core::app::{Gateway, Ports};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::{Limits, Rate};
use gateway_core::domain::task::Patience;
use gateway_core::ports::Clock;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use proto::gateway_service_client::GatewayServiceClient;
use proto::{SendHeartbeatRequest, SendHeartbeatResponse};

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

const ROUNDS: usize = 5;
const CALLS: u32 = 150_000;
const CONNECTIONS: u32 = 8;
const CALLS_AT_ONCE: u32 = 64;

#[tokio::main]
async fn main() -> Outcome<()> {
    match env::args().nth(1).as_deref() {
        Some("serve-bare") => serve_bare().await,
        Some("serve-gateway") => serve_gateway(true).await,
        Some("serve-uncounted") => serve_gateway(false).await,
        _ => compare().await,
    }
}

async fn compare() -> Outcome<()> {
    let (bare, gateway, uncounted) = (
        Process::start("serve-bare")?,
        Process::start("serve-gateway")?,
        Process::start("serve-uncounted")?,
    );
    // The first calls pay for what is done once.
    for process in [&bare, &gateway, &uncounted] {
        process.load(CALLS / 5).await?;
    }
    println!(
        "        bare, µs of CPU   gateway, µs of CPU   ratio   gateway, calls/s   metrics, µs"
    );
    let (mut ratios, mut added) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (of_bare, _) = bare.load(CALLS).await?;
        let (of_gateway, rate) = gateway.load(CALLS).await?;
        let (of_uncounted, _) = uncounted.load(CALLS).await?;
        let (ratio, more) = (of_gateway / of_bare, of_gateway - of_uncounted);
        println!(
            "{round:6}  {of_bare:15.2}   {of_gateway:18.2}   {ratio:5.2}   {rate:16.0}   {more:11.2}"
        );
        ratios.push(ratio);
        added.push(more);
    }
    for all in [&mut ratios, &mut added] {
        all.sort_by(f64::total_cmp);
    }
    println!("median ratio: {:.2}", ratios[ROUNDS / 2]);
    println!("metrics add: {:.2} µs (median)", added[ROUNDS / 2]);
    Ok(())
}

/// A server in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(what: &str) -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(what)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { child, address })
    }

    /// Makes `calls`; the CPU time of each in µs, and how many there were a second.
    async fn load(&self, calls: u32) -> Outcome<(f64, f64)> {
        let (before, began) = (self.cpu()?, Instant::now());
        let mut callers = Vec::new();
        for connection in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
            let channel = endpoint.connect().await?;
            for _ in 0..CALLS_AT_ONCE / CONNECTIONS {
                let share = calls / CALLS_AT_ONCE;
                callers.push(tokio::spawn(call(channel.clone(), connection, share)));
            }
        }
        for caller in callers {
            caller.await??;
        }
        let cpu = self.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(calls);
        Ok((cpu, f64::from(calls) / began.elapsed().as_secs_f64()))
    }

    /// The CPU time it has had, user and system.
    fn cpu(&self) -> Outcome<Duration> {
        // The kernel reports in hundredths of a second, whatever its own clock does.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("stat has no name")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || -> Outcome<u64> { Ok(fields.next().ok_or("stat is short")?.parse()?) };
        Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn call(channel: Channel, worker: u32, calls: u32) -> Result<(), Status> {
    let mut client = GatewayServiceClient::new(channel);
    let id = format!("w-{worker}");
    for _ in 0..calls {
        let mut request = Request::new(SendHeartbeatRequest {
            worker_id: id.clone(),
            status: "online".into(),
            cpu_percent: 12.5,
            memory_percent: 40.0,
            disk_percent: 70.0,
            running_tasks: 3,
            max_concurrent_tasks: 8,
            timestamp: "2026-11-22T12:00:00.123456+00:00".into(),
            version: "1.4.2".into(),
        });
        for (name, value) in [("x-worker-id", id.clone()), ("x-api-key", key(worker))] {
            let value = value.parse().map_err(|_| Status::internal("is a header"))?;
            request.metadata_mut().insert(name, value);
        }
        client.send_heartbeat(request).await?;
    }
    Ok(())
}

/// A key as long as those in the field.
fn key(worker: u32) -> String {
    format!("{worker:064x}")
}

async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}

async fn serve_gateway(counted: bool) -> Outcome<()> {
    if counted {
        tokio::spawn(metrics::install().upkeep());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let digest = |worker| Sha256::digest(key(worker)).into();
    let keys = (0..CONNECTIONS).map(|worker| {
        let id = WorkerId::parse(&format!("w-{worker}"));
        id.map(|id| (id, digest(worker)))
    });
    let keys: memory::ApiKeys = keys.collect::<Result<_, _>>()?;
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: Arc::new(keys),
        clock,
        control_channel: backend.control_channel,
        // On, and never in the way.
        limiter: Arc::new(memory::Limiter::fixed(
            Limits::even(Rate::new(1e6, 1_000_000)?),
            1_000,
        )),
        log_sink: backend.log_sink,
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    let patience = Patience::default();
    let ports = if counted {
        metered(ports, patience)
    } else {
        ports
    };
    let gateway = Gateway::new(&ports, patience);
    let settings = grpc::Settings::default();
    let (ready, forever) = (Readiness::always(), std::future::pending());
    grpc::serve(listen().await?, gateway, settings, ready, forever).await?;
    Ok(())
}

async fn serve_bare() -> Outcome<()> {
    let incoming = TcpIncoming::from(listen().await?).with_nodelay(Some(true));
    Server::builder()
        .add_service(Bare)
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

/// As little as tonic can do with a call.
#[derive(Clone)]
struct Bare;

impl NamedService for Bare {
    const NAME: &'static str = "antcode.v1.GatewayService";
}

impl Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<SendHeartbeatResponse, SendHeartbeatRequest>::default();
            Ok(Grpc::new(codec).unary(Self, request).await)
        })
    }
}

impl UnaryService<SendHeartbeatRequest> for Bare {
    type Response = SendHeartbeatResponse;
    type Future = Ready<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, _: Request<SendHeartbeatRequest>) -> Self::Future {
        ready(Ok(Response::new(SendHeartbeatResponse {
            success: true,
            error: String::new(),
        })))
    }
}
