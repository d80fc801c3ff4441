use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::master::Master;
use crate::pace::Pace;
use crate::tally::Tally;
use crate::worker::Worker;

/// Lines of a batch, at most, and batches a second, at least, as far as there are lines.
const LINES: f64 = 100.0;
const BATCHES_A_SECOND: f64 = 10.0;

/// Batches under way at a time.
const BATCHES: usize = 64;

/// Queues tasks at a rate, for one worker after the other. A gateway or Redis that is too slow for
/// the rate slows it.
pub(crate) async fn tasks(master: Master, workers: Vec<Arc<Worker>>, rate: f64, tally: Arc<Tally>) {
    let room = Arc::new(Semaphore::new(master.at_once()));
    let mut pace = Pace::new(rate);
    let mut next = workers.iter().cycle();
    loop {
        for _ in 0..pace.due().await {
            let (Some(worker), Ok(permit)) = (next.next(), room.clone().acquire_owned().await)
            else {
                return;
            };
            let (master, worker, tally) = (master.clone(), worker.clone(), tally.clone());
            // What was begun is seen through, although the time is over.
            tokio::spawn(async move {
                let task = tally.sent();
                let sent = master.enqueue(&worker.id, &task).await;
                tally.queued(task.number, sent);
                drop(permit);
            });
        }
    }
}

/// Sends log lines at a rate, each batch as another worker.
pub(crate) async fn logs(workers: Vec<Arc<Worker>>, rate: f64, tally: Arc<Tally>) {
    let lines = (rate / BATCHES_A_SECOND).clamp(1.0, LINES).floor();
    let room = Arc::new(Semaphore::new(BATCHES));
    let mut pace = Pace::new(rate / lines);
    let mut next = workers.iter().cycle();
    loop {
        for _ in 0..pace.due().await {
            let (Some(worker), Ok(permit)) = (next.next(), room.clone().acquire_owned().await)
            else {
                return;
            };
            let (worker, tally) = (worker.clone(), tally.clone());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "1 to 100"
            )]
            let lines = lines as u64;
            tokio::spawn(async move {
                if worker.log(lines).await {
                    tally.logged(lines);
                }
                drop(permit);
            });
        }
    }
}
