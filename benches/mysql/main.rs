//! How fast results become durable in `MariaDB`, and what each costs.
//!
//! ```text
//! cargo bench --bench mysql [-- [--quick] [throughput] [lone]]
//! ```
//!
//! The server is a private one, with `innodb_flush_log_at_trx_commit=1`, on this machine; the store
//! is in this process, with the callers. `--quick` does a tenth, to see whether it works.

mod bare;
mod server;

use std::collections::VecDeque;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway_adapters::outbound::SystemClock;
use gateway_adapters::outbound::mysql::{
    Link, LinkSettings, ResultSettings, ResultStore, Tls, Zone, migrate,
};
use gateway_core::domain::id::{RunId, WorkerId};
use gateway_core::domain::identity::Secret;
use gateway_core::domain::run::{Data, Recorded, Report, RunStatus};
use gateway_core::ports::{Clock as _, ResultStore as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use bare::Bare;
use server::Server;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CALLERS: u32 = 64;
const WORKERS: u32 = 100;
const TASKS: u32 = 1_000;
const RESULTS: u32 = 100_000;
const LONE: u32 = 1_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    // Cargo says `--bench`.
    let mut asked: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let quick = asked.iter().any(|arg| arg == "--quick");
    asked.retain(|arg| arg != "--quick");
    if let Some(strange) = asked
        .iter()
        .find(|arg| !["throughput", "lone"].contains(&arg.as_str()))
    {
        return Err(format!("{strange} is none of throughput, lone").into());
    }
    let divisor = if quick { 10 } else { 1 };
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|arg| arg == name);
    let server = Server::start().await?;
    let store = Arc::new(store(&server).await?);
    let (results, lone) = (RESULTS / divisor, LONE / divisor);
    let warm_up = results / 10;
    server
        .fill(WORKERS, TASKS, warm_up + results + 2 * lone)
        .await?;
    let (first, rest) = (0..warm_up, warm_up..warm_up + results);
    write_all(&store, first).await?;
    if is_asked("throughput") {
        throughput(&server, &store, rest).await?;
    }
    if is_asked("lone") {
        let first = warm_up + results;
        latency(&server, &store, first..first + 2 * lone).await?;
    }
    Ok(())
}

async fn store(server: &Server) -> Outcome<ResultStore> {
    let link = Link::connect(&LinkSettings {
        url: Secret::new(server.url()),
        tls: Tls::Disabled,
        ca: None,
        pool_size: 16,
    })?;
    link.away().wait_for(Option::is_none).await?;
    migrate(&link).await?;
    // The defaults.
    let settings = ResultSettings {
        zone: Zone::named("Asia/Shanghai")?,
        batch_max: 128,
        batch_wait: Duration::from_millis(2),
        commit_timeout: Duration::from_secs(2),
    };
    Ok(ResultStore::new(link, settings, None))
}

async fn throughput(
    server: &Server,
    store: &Arc<ResultStore>,
    numbers: std::ops::Range<u32>,
) -> Outcome<()> {
    let count = f64::from(numbers.end - numbers.start);
    let before = (Instant::now(), server::cpu("self")?, server.cpu()?);
    let times = write_all(store, numbers).await?;
    let seconds = before.0.elapsed().as_secs_f64();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count;
    let own = server::cpu("self")?.saturating_sub(before.1);
    let theirs = server.cpu()?.saturating_sub(before.2);

    println!(
        "results durable a second, {CALLERS} callers: {:.0} (goal >= 10000)",
        count / seconds
    );
    println!("  p50: {:.2} ms", millis(&times, 50));
    println!("  p99: {:.2} ms (goal <= 50)", millis(&times, 99));
    println!("  longest: {:.2} ms", millis(&times, 100));
    println!("  CPU of gateway and callers each: {:.1} µs", micros(own));
    println!("  CPU of MariaDB each: {:.1} µs", micros(theirs));
    let written = server
        .count("runtime_status = 'success' AND result_data IS NOT NULL")
        .await?;
    let counted = server.successes().await?;
    println!("  rows written: {written}, counted in tasks: {counted}");
    Ok(())
}

/// Writes results from all callers; how long each took, from the shortest to the longest.
async fn write_all(
    store: &Arc<ResultStore>,
    numbers: std::ops::Range<u32>,
) -> Outcome<Vec<Duration>> {
    let left: Arc<Mutex<VecDeque<u32>>> = Arc::new(Mutex::new(numbers.collect()));
    let mut callers: JoinSet<Outcome<Vec<Duration>>> = JoinSet::new();
    for _ in 0..CALLERS {
        let (left, store) = (left.clone(), store.clone());
        callers.spawn(async move {
            let mut times = Vec::new();
            loop {
                let next = left
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(number) = next else {
                    return Ok(times);
                };
                times.push(write(&store, number).await?);
            }
        });
    }
    let mut times = Vec::new();
    while let Some(of_one) = callers.join_next().await {
        times.extend(of_one??);
    }
    times.sort_unstable();
    Ok(times)
}

async fn write(store: &ResultStore, number: u32) -> Outcome<Duration> {
    let report = report(number)?;
    let began = Instant::now();
    let recorded = store.record(&report).await?;
    let time = began.elapsed();
    if !matches!(recorded, Recorded::Changed { .. }) {
        return Err(format!("run {number} was {recorded:?}").into());
    }
    Ok(time)
}

/// A lone report beside the transaction that it comes to, one after the other.
async fn latency(
    server: &Server,
    store: &ResultStore,
    numbers: std::ops::Range<u32>,
) -> Outcome<()> {
    let mut bare = Bare::connect(server).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in numbers {
        if number % 2 == 0 {
            ours.push(write(store, number).await?);
        } else {
            theirs.push(bare.write(&report(number)?).await?);
        }
    }
    // The first ones prepare statements.
    for times in [&mut ours, &mut theirs] {
        times.drain(..times.len() / 10);
        times.sort_unstable();
    }
    let (report, transaction) = (millis(&ours, 50), millis(&theirs, 50));
    println!(
        "a lone report, p50: {report:.3} ms, p99: {:.3} ms",
        millis(&ours, 99)
    );
    println!(
        "  its bare transaction, p50: {transaction:.3} ms, p99: {:.3} ms",
        millis(&theirs, 99)
    );
    println!("  ratio at p50: {:.2} (goal <= 1.5)", report / transaction);
    Ok(())
}

fn report(number: u32) -> Outcome<Report> {
    let run = RunId::parse(&server::run(number))?;
    let worker = WorkerId::parse(&server::worker(number % WORKERS))?;
    let at = SystemClock.now();
    let data = json!({ "items": number, "url": format!("https://example.com/{number}") });
    Ok(Report {
        exit_code: Some(0),
        started_at: Some(at - Duration::from_secs(3)),
        finished_at: Some(at),
        duration: Some(Duration::from_secs(3)),
        data: Data::parse(&data.to_string())?,
        ..Report::new(run, worker, RunStatus::Success, at)
    })
}

fn millis(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
}
