use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::testbed::Testbed;

/// How much has been done.
pub(crate) type Done = Arc<AtomicU64>;

/// How often it is looked whether enough has been done.
const LOOK: Duration = Duration::from_millis(5);

/// What was done between two moments, and what it took.
pub(crate) struct Spent {
    done: f64,
    seconds: f64,
    gateway: Duration,
    redis: Duration,
}

struct Sample {
    at: Instant,
    done: u64,
    gateway: Duration,
    redis: Duration,
}

/// Lets `callers` call until `work` is over, and measures from the end of `warm_up`.
pub(crate) async fn measure<C>(
    testbed: &Testbed,
    done: &Done,
    callers: impl IntoIterator<Item = C>,
    warm_up: impl Future<Output = ()>,
    work: impl Future<Output = ()>,
) -> Outcome<Spent>
where
    C: Future<Output = Outcome<Infallible>> + Send + 'static,
{
    let mut calling: JoinSet<_> = callers.into_iter().collect();
    let measured = async {
        warm_up.await;
        let before = sample(testbed, done)?;
        work.await;
        Ok(sample(testbed, done)?.since(&before))
    };
    tokio::select! {
        spent = measured => spent,
        Some(failed) = calling.join_next() => match failed? {
            Err(error) => Err(error),
            Ok(never) => match never {},
        },
    }
}

/// Waits so long from the moment when it is first asked; `sleep` counts from when it is made.
pub(crate) async fn lasts(time: Duration) {
    sleep(time).await;
}

/// Waits until so much has been done.
pub(crate) async fn reaches(done: &Done, enough: u64) {
    while done.load(Ordering::Relaxed) < enough {
        sleep(LOOK).await;
    }
}

fn sample(testbed: &Testbed, done: &Done) -> Outcome<Sample> {
    Ok(Sample {
        at: Instant::now(),
        done: done.load(Ordering::Relaxed),
        gateway: testbed.gateway.process.cpu()?,
        redis: testbed.redis.process.cpu()?,
    })
}

impl Sample {
    fn since(&self, before: &Self) -> Spent {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let done = (self.done - before.done) as f64;
        Spent {
            done,
            seconds: (self.at - before.at).as_secs_f64(),
            gateway: self.gateway.saturating_sub(before.gateway),
            redis: self.redis.saturating_sub(before.redis),
        }
    }
}

impl Spent {
    /// How much was done a second.
    pub(crate) fn rate(&self) -> f64 {
        self.done / self.seconds
    }

    /// The CPU time of the gateway for each, in µs.
    pub(crate) fn gateway_micros(&self) -> f64 {
        self.gateway.as_secs_f64() * 1e6 / self.done
    }

    /// The CPU time of Redis for each, in µs.
    pub(crate) fn redis_micros(&self) -> f64 {
        self.redis.as_secs_f64() * 1e6 / self.done
    }
}
