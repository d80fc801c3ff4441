use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

use crate::bare::Bare;
use crate::process::Process;
use crate::table::Table;
use crate::testbed::Testbed;
use crate::worker::{Worker, connect};
use crate::{Outcome, Scale};

const WORKERS: u32 = 10_000;

/// What workers ask to wait: that of the field, and a longer one. In seconds.
const TIMEOUTS: [u64; 2] = [5, 30];

/// How long the CPU time is measured, in seconds.
const TIME: u64 = 20;

/// Files that are open without a fleet, at most.
const FEW: usize = 200;

/// What it costs that workers wait, each on a connection of its own and for both a task and a
/// control message; and beside it what it costs a server that does nothing else.
pub(crate) async fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let workers = scale.of(WORKERS);
    let testbed = Testbed::start().await?;
    let goals = ["<= 10 %", "<= 45 KiB"];
    let name = format!("{workers} idle");
    let fleet = observe(&name, &testbed.gateway.process, goals, table, async || {
        Fleet::start(testbed.gateway.address, workers).await
    })
    .await?;
    let connections = testbed.redis.connections().await?;
    table.add("  connections to Redis", connections.to_string(), "<= 16");
    fleet.end().await?;
    drop(testbed);

    let bare = Bare::start()?;
    let name = format!("{workers} idle, bare server");
    observe(&name, &bare.process, ["", ""], table, async || {
        Fleet::start(bare.address, workers).await
    })
    .await?;
    Ok(())
}

/// Starts a fleet, and tells what it costs `server`.
async fn observe(
    name: &str,
    server: &Process,
    [cpu, memory]: [&str; 2],
    table: &mut Table,
    start: impl AsyncFnOnce() -> Outcome<Fleet>,
) -> Outcome<Fleet> {
    let before = server.memory()?;
    let fleet = start().await?;
    for seconds in TIMEOUTS {
        fleet.wait_for(seconds).await?;
        let (cpu_before, began, polls) = (server.cpu()?, Instant::now(), fleet.polls());
        sleep(Duration::from_secs(TIME)).await;
        let spent = server.cpu()?.saturating_sub(cpu_before);
        let time = began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let polls = (fleet.polls() - polls) as f64 / time;
        let percent = spent.as_secs_f64() / time * 100.0;
        table.add(
            format!("{name}, polls of {seconds} s ({polls:.0} a second), one core"),
            format!("{percent:.1} %"),
            cpu,
        );
    }
    let kib = server.memory()?.saturating_sub(before) / u64::from(fleet.size);
    table.add(format!("{name}, memory each"), format!("{kib} KiB"), memory);
    if let Some(errors) = fleet.errors() {
        table.add(format!("{name}, polls that failed"), errors, "none");
    }
    Ok(fleet)
}

/// Workers that wait, until it is dropped.
struct Fleet {
    size: u32,
    waits: Arc<Waits>,
    polling: JoinSet<()>,
}

#[derive(Default)]
struct Waits {
    /// In ms.
    timeout: AtomicI32,
    answered: AtomicU64,
    failed: AtomicU64,
    /// Of the last that failed.
    code: AtomicI32,
}

impl Fleet {
    async fn start(address: SocketAddr, size: u32) -> Outcome<Self> {
        let channels = connect(address, size).await?;
        let waits = Arc::new(Waits::default());
        let first = i32::try_from(TIMEOUTS[0] * 1_000)?;
        waits.timeout.store(first, Ordering::Relaxed);
        let mut polling = JoinSet::new();
        for (number, channel) in (0..).zip(&channels) {
            let worker = Worker::new(number, channel)?;
            let (task, control) = (worker.clone(), worker);
            polling.spawn(
                waits
                    .clone()
                    .go_on(async move |timeout| task.poll_task(timeout).await.map(drop)),
            );
            polling.spawn(
                waits
                    .clone()
                    .go_on(async move |timeout| control.poll_control(timeout).await.map(drop)),
            );
        }
        Ok(Self {
            size,
            waits,
            polling,
        })
    }

    /// Ends, connections included: with those of another fleet they would be too many files.
    async fn end(mut self) -> Outcome<()> {
        self.polling.shutdown().await;
        while fs::read_dir("/proc/self/fd")?.count() > FEW {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Lets polls take so many seconds from now on, and waits until all of them do.
    async fn wait_for(&self, seconds: u64) -> Outcome<()> {
        let before = self.waits.timeout.load(Ordering::Relaxed);
        let new = i32::try_from(seconds * 1_000)?;
        self.waits.timeout.store(new, Ordering::Relaxed);
        // The last of the old ones, the first of the new ones, and a breath.
        let both = before.unsigned_abs() + new.unsigned_abs();
        sleep(Duration::from_millis(u64::from(both) + 2_000)).await;
        Ok(())
    }

    fn polls(&self) -> u64 {
        self.waits.answered.load(Ordering::Relaxed)
    }

    /// How many polls failed, and how.
    fn errors(&self) -> Option<String> {
        let failed = self.waits.failed.load(Ordering::Relaxed);
        let code = Code::from_i32(self.waits.code.load(Ordering::Relaxed));
        (failed > 0).then(|| format!("{failed} ({code:?})"))
    }
}

impl Waits {
    async fn go_on<P>(self: Arc<Self>, poll: P)
    where
        P: AsyncFn(i32) -> Result<(), Status>,
    {
        let mut last = 0;
        loop {
            let timeout = self.timeout.load(Ordering::Relaxed);
            // The first takes any part of it, so that polls do not all end at the same time.
            let first = rand::random_range(1..=timeout);
            let wait = if last == timeout { timeout } else { first };
            last = timeout;
            match poll(wait).await {
                Ok(()) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Err(status) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    self.code.store(status.code().into(), Ordering::Relaxed);
                    sleep(Duration::from_millis(250)).await;
                }
            }
        }
    }
}
