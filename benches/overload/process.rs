//! The gateway that is asked too much, in a process of its own.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_adapters::inbound::{Readiness, grpc};
use gateway_adapters::outbound::{Overall, SystemClock, memory};
use gateway_core::app::{Gateway, Ports};
use gateway_core::domain::limit::{Limits, Rate};
use gateway_core::domain::log::{LogChunk, LogLine};
use gateway_core::domain::task::Patience;
use gateway_core::ports::{ChunkReceipt, Clock, LogError, LogSink};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::{CAPACITY, Outcome};

/// What bounds the gateway.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// `RATE_LIMIT_GLOBAL_RATE`.
    Rate,
    /// A log sink that takes no more.
    Sink,
    /// The processor.
    Cores,
}

const BOUNDS: [(&str, Bound); 3] = [
    ("rate", Bound::Rate),
    ("sink", Bound::Sink),
    ("cores", Bound::Cores),
];

/// A gateway in a process of its own.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start(bound: &str) -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(["serve", bound])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { child, address })
    }

    /// What it holds in memory, in MiB.
    pub(crate) fn memory(&self) -> Outcome<f64> {
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

/// Takes [`CAPACITY`] calls a second: so many at once, each for so long.
struct Narrow {
    places: Semaphore,
}

/// For how long a call keeps its place.
const TAKES: Duration = Duration::from_millis(10);

impl Narrow {
    fn new() -> Self {
        // No more than a few, so that they fit whatever a semaphore counts with.
        let places = u128::from(CAPACITY) * TAKES.as_millis() / 1_000;
        Self {
            places: Semaphore::new(usize::try_from(places).unwrap_or(1)),
        }
    }
}

#[async_trait]
impl LogSink for Narrow {
    async fn append(&self, _lines: Vec<LogLine>) -> Result<(), LogError> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|closed| LogError::Unavailable(closed.into()))?;
        sleep(TAKES).await;
        Ok(())
    }

    async fn store(&self, _chunk: LogChunk) -> Result<ChunkReceipt, LogError> {
        Err(LogError::Full)
    }
}

/// Serves, bound by what is called `bound`, until it is killed.
pub(crate) async fn serve(bound: &str) -> Outcome<()> {
    let named = BOUNDS.into_iter().find(|(name, _)| *name == bound);
    let (_, bound) = named.ok_or("rate, sink or cores")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let settings = grpc::Settings {
        open: true,
        ..grpc::Settings::default()
    };
    let (ready, forever) = (Readiness::always(), std::future::pending());
    grpc::serve(listener, gateway(bound)?, settings, ready, forever).await?;
    Ok(())
}

fn gateway(bound: Bound) -> Outcome<Gateway> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let overall = match bound {
        Bound::Rate => Some(Rate::new(f64::from(CAPACITY), CAPACITY)?),
        Bound::Sink | Bound::Cores => None,
    };
    let limits = Limits {
        overall,
        ..Limits::even(Rate::new(1e6, 1_000_000)?)
    };
    // What is not told of any more stays as it was.
    let (_, seen) = watch::channel(Some(limits));
    let each = Arc::new(memory::Limiter::new(seen.clone(), 1_000));
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: Arc::new(memory::Open),
        clock,
        control_channel: backend.control_channel,
        limiter: Arc::new(Overall::new(each, seen)),
        log_sink: match bound {
            Bound::Sink => Arc::new(Narrow::new()),
            Bound::Rate | Bound::Cores => backend.log_sink,
        },
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    Ok(Gateway::new(&ports, Patience::default()))
}
