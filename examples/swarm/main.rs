//! `cargo run --release --example swarm -- --open --workers 1000 --tasks-per-second 500` (`--help`):
//! a load generator for operators. Its workers take tasks from a gateway, settle them, send logs
//! and heartbeats; it queues the tasks itself, through the operator's API or in Redis as the Master
//! does, and tells how long they were under way and whether one was lost or came twice.
//!
//! - `args`: what is asked. `master`: who queues. `worker`: who takes. `load`: at what rate.
//! - `tally`: what is counted meanwhile. `report`: what is told in the end.

mod args;
mod load;
mod master;
mod pace;
mod report;
mod tally;
mod worker;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::ctrl_c;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tonic::transport::{Channel, Endpoint};

use args::Args;
use report::Report;
use tally::Tally;
use worker::Worker;

#[expect(clippy::all, clippy::pedantic, clippy::restriction, unreachable_pub)] // Generated.
mod proto {
    tonic::include_proto!("antcode.v1");
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Connections that are made at a time: more would only queue up before the gateway.
const CONNECTING: usize = 64;

/// How long what is under way in the end is waited for.
const DRAIN: Duration = Duration::from_secs(10);

/// How often the progress is shown, and whether all has ended is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(lost_none) if lost_none => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("swarm: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no task was lost.
async fn run(args: Args) -> Outcome<bool> {
    let tally = Arc::new(Tally::new());
    let workers = workers(&args, &tally).await?;
    let master = master::Master::connect(&args).await?;

    let mut lives = JoinSet::new();
    for worker in &workers {
        worker.clone().live(&mut lives);
    }
    let began = Instant::now();
    let mut load = JoinSet::new();
    load.spawn(load::tasks(
        master,
        workers.clone(),
        args.tasks_per_second,
        tally.clone(),
    ));
    load.spawn(load::logs(
        workers,
        args.log_lines_per_second,
        tally.clone(),
    ));
    watch(&args, &tally, began).await;
    load.shutdown().await;
    let took = began.elapsed();
    let _late = timeout(DRAIN, settled(&tally)).await;
    lives.shutdown().await;

    let report = Report::new(&args, &tally, took);
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.lost_none())
}

/// The workers, connected.
async fn workers(args: &Args, tally: &Arc<Tally>) -> Outcome<Vec<Arc<Worker>>> {
    let identities = args.identities()?;
    let connections = args.connections.unwrap_or(args.workers).min(args.workers);
    let endpoint = Endpoint::from_shared(args.gateway.clone())?.tcp_nodelay(true);
    let connected = stream::iter(0..connections).map(|_| endpoint.connect());
    let connected = connected.buffer_unordered(CONNECTING).try_collect();
    let channels: Vec<Channel> = connected
        .await
        .map_err(|error| format!("no connection to {}: {}", args.gateway, causes(&error)))?;
    let workers = identities.iter().zip(channels.iter().cycle());
    let workers = workers.map(|(identity, channel)| {
        let worker = Worker::new(identity, channel, args.poll_timeout_ms, tally.clone());
        worker.map(Arc::new)
    });
    workers.collect()
}

/// Shows how it goes until the time is over or somebody has seen enough.
async fn watch(args: &Args, tally: &Tally, began: Instant) {
    let bar = ProgressBar::new(args.seconds);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}") {
        bar.set_style(style);
    }
    let time = Duration::from_secs(args.seconds);
    let show = async {
        let mut look = interval(LOOK);
        while began.elapsed() < time {
            look.tick().await;
            bar.set_position(began.elapsed().as_secs());
            bar.set_message(tally.line());
        }
    };
    tokio::select! { () = show => {}, _ = ctrl_c() => {} }
    bar.finish_and_clear();
}

async fn settled(tally: &Tally) {
    let mut look = interval(LOOK);
    while !tally.is_settled() {
        look.tick().await;
    }
}

/// An error with what lies below it.
fn causes(error: &dyn Error) -> String {
    let below = std::iter::successors(error.source(), |error| (*error).source());
    below.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
