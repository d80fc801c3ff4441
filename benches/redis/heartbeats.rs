use std::convert::Infallible;
use std::sync::atomic::Ordering;

use crate::measure::{Done, lasts, measure};
use crate::table::Table;
use crate::testbed::Testbed;
use crate::worker::{Worker, connect};
use crate::{Outcome, Scale};

const WORKERS: u32 = 1_000;
const CALLERS: u32 = 64;
const CONNECTIONS: u32 = 8;

/// How many heartbeats are taken, and what each costs.
pub(crate) async fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let testbed = Testbed::start().await?;
    let channels = connect(testbed.gateway.address, CONNECTIONS).await?;
    let done = Done::default();
    let mut callers = Vec::new();
    for (caller, channel) in (0..CALLERS).zip(channels.iter().cycle()) {
        let numbers = (0..WORKERS).filter(|worker| worker % CALLERS == caller);
        let workers = numbers.map(|number| Worker::new(number, channel));
        callers.push(beat(workers.collect::<Outcome<_>>()?, done.clone()));
    }
    let (warm_up, work) = (lasts(scale.seconds(3)), lasts(scale.seconds(10)));
    let spent = measure(&testbed, &done, callers, warm_up, work).await?;
    let (rate, gateway) = (spent.rate(), spent.gateway_micros());
    table.add("heartbeats a second", format!("{rate:.0}"), ">= 25000");
    table.add(
        "  CPU of the gateway each",
        format!("{gateway:.1} µs"),
        "<= 30 µs",
    );
    table.add(
        "  CPU of Redis each",
        format!("{:.1} µs", spent.redis_micros()),
        "",
    );
    Ok(())
}

async fn beat(workers: Vec<Worker>, done: Done) -> Outcome<Infallible> {
    loop {
        for worker in &workers {
            worker.beat().await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}
