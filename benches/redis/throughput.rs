use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crate::measure::{Done, measure, reaches};
use crate::redis::NewTask;
use crate::table::Table;
use crate::testbed::Testbed;
use crate::worker::{Worker, connect};
use crate::{Outcome, Scale};

const WORKERS: u32 = 1_000;
const TASKS: u32 = 100_000;
const CALLERS: u32 = 256;
const CONNECTIONS: u32 = 8;

/// Workers that nobody acts for just now.
type Free = Arc<Mutex<VecDeque<Worker>>>;

/// How fast tasks that wait are taken and acknowledged, and what each costs.
pub(crate) async fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let testbed = Testbed::start().await?;
    let (tasks, before) = (scale.of(TASKS), scale.of(TASKS) / 20);
    let queued: Vec<_> = (0..before + tasks).map(task).collect();
    testbed.redis.enqueue_all(&queued).await?;

    let channels = connect(testbed.gateway.address, CONNECTIONS).await?;
    let workers = (0..WORKERS).zip(channels.iter().cycle());
    let workers = workers.map(|(number, channel)| Worker::new(number, channel));
    let free: Free = Arc::new(Mutex::new(workers.collect::<Outcome<_>>()?));
    let done = Done::default();
    let callers = (0..CALLERS).map(|_| take(free.clone(), done.clone()));
    let warm_up = reaches(&done, before.into());
    let work = reaches(&done, (before + tasks).into());
    let spent = measure(&testbed, &done, callers, warm_up, work).await?;

    let (rate, gateway) = (spent.rate(), spent.gateway_micros());
    table.add(
        "tasks taken and acknowledged a second",
        format!("{rate:.0}"),
        ">= 10000",
    );
    table.add("  CPU of the gateway each", format!("{gateway:.1} µs"), "");
    table.add(
        "  CPU of Redis each",
        format!("{:.1} µs", spent.redis_micros()),
        "",
    );
    let left = testbed.redis.waiting(WORKERS).await?;
    table.add("  tasks left in the queues", left.to_string(), "0");
    Ok(())
}

fn task(number: u32) -> NewTask {
    NewTask {
        worker: number % WORKERS,
        id: format!("task-{number:032x}"),
        at: 0,
    }
}

async fn take(free: Free, done: Done) -> Outcome<Infallible> {
    let lock = || free.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let worker = lock()
            .pop_front()
            .ok_or("there are more workers than callers")?;
        let answer = worker.poll_task(1_000).await?;
        if answer.has_task {
            worker.ack(answer.receipt_id).await?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        lock().push_back(worker);
    }
}
