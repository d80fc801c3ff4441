use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::redis::NewTask;
use crate::table::Table;
use crate::testbed::Testbed;
use crate::worker::{Worker, connect};
use crate::{Outcome, Scale};

const FEW: u32 = 10;
const MANY: u32 = 1_000;

/// One task after the other, in this time.
const PAUSE: Duration = Duration::from_millis(10);
const TASKS: u32 = 1_000;

/// Tasks before those that count.
const WARM_UP: u32 = 200;

/// What a worker asks the gateway to wait, in ms, as workers in the field do.
const POLL_TIMEOUT: i32 = 5_000;

/// How long the last tasks are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A task's number, and its time from the queue to the worker.
type Receipt = (u32, Duration);

/// How long a task is under way to a worker that waits for one, among few and among many.
pub(crate) async fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    for (workers, goals) in [
        (FEW, ["<= 3 ms", ""]),
        (MANY, ["<= 3 ms", "<= twice that of 10"]),
    ] {
        let times = times(workers, scale.of(TASKS)).await?;
        for (part, name, goal) in [(50, "p50", goals[0]), (99, "p99", goals[1])] {
            let millis = quantile(&times, part).as_secs_f64() * 1e3;
            let figure = format!("queue to worker, {workers} idle, {name}");
            table.add(figure, format!("{millis:.2} ms"), goal);
        }
        let longest = quantile(&times, 100).as_secs_f64() * 1e3;
        table.add("  longest", format!("{longest:.2} ms"), "");
    }
    Ok(())
}

/// The times of so many tasks, from the shortest to the longest.
async fn times(workers: u32, tasks: u32) -> Outcome<Vec<Duration>> {
    let testbed = Testbed::start().await?;
    let channels = connect(testbed.gateway.address, workers).await?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let began = Instant::now();
    let mut waiting = JoinSet::new();
    for (number, channel) in (0..).zip(&channels) {
        let worker = Arc::new(Worker::new(number, channel)?);
        waiting.spawn(wait(worker, began, tell.clone()));
    }
    let mut tick = interval(PAUSE);
    for number in 0..WARM_UP + tasks {
        tick.tick().await;
        let at = u64::try_from(began.elapsed().as_micros())?;
        let id = format!("task-{number}");
        let worker = number % workers;
        testbed.redis.enqueue(&NewTask { worker, id, at }).await?;
    }
    let mut times = Vec::new();
    for _ in 0..WARM_UP + tasks {
        let receipt = tokio::select! {
            receipt = timeout(PATIENCE, told.recv()) => receipt,
            Some(failed) = waiting.join_next() => match failed? {
                Err(error) => return Err(error),
                Ok(never) => match never {},
            },
        };
        let receipt: Option<Receipt> = receipt.map_err(|_| "a task was lost")?;
        let (number, time) = receipt.ok_or("we hold a sender ourselves")?;
        if number >= WARM_UP {
            times.push(time);
        }
    }
    times.sort_unstable();
    Ok(times)
}

/// Takes tasks as they come, and acknowledges them meanwhile.
async fn wait(
    worker: Arc<Worker>,
    began: Instant,
    tell: mpsc::UnboundedSender<Receipt>,
) -> Outcome<Infallible> {
    loop {
        let answer = worker.poll_task(POLL_TIMEOUT).await?;
        let Some(task) = answer.task else { continue };
        let at = task.params.get("at").ok_or("tasks tell their time")?;
        let queued = Duration::from_micros(at.parse()?);
        let time = began.elapsed().saturating_sub(queued);
        let number = task.task_id.trim_start_matches("task-").parse()?;
        let _over = tell.send((number, time));
        let worker = worker.clone();
        tokio::spawn(async move { worker.ack(answer.receipt_id).await });
    }
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
