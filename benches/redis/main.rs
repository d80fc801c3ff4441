//! What the gateway does, and costs, on Redis.
//!
//! ```text
//! cargo bench --bench redis [-- [--quick] [idle] [latency] [throughput] [logs] [heartbeats]]
//! ```
//!
//! Each figure has a Redis and a gateway of its own, in processes of their own, on this machine,
//! where the client is, too. CPU time is theirs, user and system. Authentication and limits are on.
//! `--quick` does a tenth, to see whether it works.

mod bare;
mod gateway;
mod heartbeats;
mod idle;
mod latency;
mod logs;
mod measure;
mod process;
mod redis;
mod table;
mod testbed;
mod throughput;
mod worker;

use std::env;
use std::fs;
use std::thread::available_parallelism;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use table::Table;
use tokio::runtime::{Builder, Runtime};

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

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const FIGURES: [&str; 5] = ["idle", "latency", "throughput", "logs", "heartbeats"];

/// What everything is divided by.
#[derive(Clone, Copy)]
struct Scale(u32);

impl Scale {
    fn of(self, whole: u32) -> u32 {
        whole / self.0
    }

    fn seconds(self, whole: u64) -> std::time::Duration {
        let millis = whole * 1_000 / u64::from(self.0);
        std::time::Duration::from_millis(millis.max(1_500))
    }
}

fn main() -> Outcome<()> {
    // Cargo says `--bench`.
    let asked: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if asked == [bare::ARGUMENT] {
        return Runtime::new()?.block_on(bare::serve());
    }
    // On one thread the client takes least from what is measured.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(asked))
}

async fn run(mut asked: Vec<String>) -> Outcome<()> {
    let quick = asked.iter().any(|arg| arg == "--quick");
    asked.retain(|arg| arg != "--quick");
    if let Some(strange) = asked.iter().find(|arg| !FIGURES.contains(&arg.as_str())) {
        return Err(format!("{strange} is none of {}", FIGURES.join(", ")).into());
    }
    raise_open_files()?;
    let scale = Scale(if quick { 10 } else { 1 });
    let mut table = Table::default();
    println!("{}", machine());
    for figure in FIGURES {
        if !asked.is_empty() && !asked.iter().any(|arg| arg == figure) {
            continue;
        }
        println!("{figure} …");
        match figure {
            "idle" => idle::run(scale, &mut table).await?,
            "latency" => latency::run(scale, &mut table).await?,
            "throughput" => throughput::run(scale, &mut table).await?,
            "logs" => logs::run(scale, &mut table).await?,
            _ => heartbeats::run(scale, &mut table).await?,
        }
    }
    println!("\n{table}");
    Ok(())
}

/// Each of the many connections is a file here, and one in the gateway, which inherits the limit.
fn raise_open_files() -> Outcome<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

fn machine() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let facts = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = facts.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let (_, model) = model.unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        ", a debug build"
    } else {
        ""
    };
    // Whoever else is at work here takes from what is measured.
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{cores} cores ({model}){build}, load {load} before; gateway, Redis and client share them"
    )
}
