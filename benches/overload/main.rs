//! What becomes of a gateway that is asked five times what it may do, or can.
//!
//! ```text
//! cargo bench --bench overload
//! ```
//!
//! The gateway runs in a process of its own, and something bounds what it does: its settings, what
//! is behind it, or the processor. What it does at its bound is measured first. Then it is asked
//! for five times as much, and counted: what it let in and refused, how long both took, and how
//! much memory it has afterwards.

mod load;
mod process;

use std::env;
use std::time::Duration;

use load::{Call, Tally};
use process::Process;

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

/// Calls a second that the gateway may make, or that what is behind it can do.
const CAPACITY: u32 = 3_000;
const PHASE: Duration = Duration::from_secs(15);
/// Calls under way at which the processor has all it can do.
const BUSY: usize = 256;

#[tokio::main]
async fn main() -> Outcome<()> {
    if let [_, serve, bound] = &*env::args().collect::<Vec<_>>()
        && serve == "serve"
    {
        return process::serve(bound).await;
    }
    println!(
        "bound   asked for          let in/s   ms: p50, p99     refused/s   ms: p50, p99     MiB"
    );
    for (bound, call) in [("rate", Call::Heartbeat), ("sink", Call::Log)] {
        let gateway = Process::start(bound)?;
        for times in [1, 5] {
            let asked = CAPACITY * times;
            let tally = load::evenly(&gateway, call, asked).await?;
            show(bound, &format!("{asked} a second"), tally, &gateway)?;
        }
    }
    let gateway = Process::start("cores")?;
    for times in [1, 5, 25] {
        let at_once = BUSY * times;
        let tally = load::pressing(&gateway, Call::Heartbeat, at_once).await?;
        show("cores", &format!("{at_once} at once"), tally, &gateway)?;
    }
    Ok(())
}

fn show(bound: &str, asked: &str, tally: Tally, gateway: &Process) -> Outcome<()> {
    let memory = gateway.memory()?;
    let (admitted, refused) = (Calls::new(tally.admitted), Calls::new(tally.refused));
    println!("{bound:5}   {asked:14}   {admitted}   {refused}   {memory:5.1}");
    Ok(())
}

/// How many a second, and how long the half and nearly all of them took at most.
struct Calls(Vec<Duration>);

impl Calls {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn percentile(&self, percent: usize) -> f64 {
        let time = self.0.get(self.0.len() * percent / 100);
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

impl std::fmt::Display for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = f64::from(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        let a_second = count / PHASE.as_secs_f64();
        let [half, most] = [50, 99].map(|percent| self.percentile(percent));
        write!(f, "{a_second:10.0}   {half:6.2}, {most:7.2}")
    }
}
