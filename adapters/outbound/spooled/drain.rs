//! Draining the spool, as long as there is something in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gateway_core::ports::Backlog;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info};

use super::Inner;
use super::round::Round;

/// Reports that are written at once. Fresh ones go with them, and are not held up.
const BATCH: usize = 64;

/// How often one looks whether something waits, and at the most how long until one tries a store
/// again that is away.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often the log tells of what waits.
const TELL: Duration = Duration::from_secs(30);

/// Drains for ever.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut drainer = Drainer {
        inner,
        serves: false,
        pause: PAUSE,
        drained: 0,
        tell: Instant::now(),
    };
    loop {
        let until = drainer.drain().await;
        drainer.rest(until).await;
    }
}

/// What ends a rest, besides time.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    /// The store serves somebody: it was away.
    News,
    /// Nothing does.
    Then,
}

struct Drainer {
    inner: Arc<Inner>,
    /// Whether the store served when it was last tried.
    serves: bool,
    pause: Duration,
    /// Reports that were taken out since the spool was last found empty.
    drained: u64,
    /// When the log tells of what waits, if something does.
    tell: Instant,
}

impl Drainer {
    /// Takes out what can be taken out now.
    async fn drain(&mut self) -> Until {
        while let Some(depth) = self.look().await {
            if depth == 0 {
                self.note_empty();
                break;
            }
            // One tells whether the store is back as well as many.
            let batch = if self.serves { BATCH } else { 1 };
            let round = match Round::run(&self.inner, batch).await {
                Ok(round) => round,
                Err(error) => {
                    debug!(%error, "the spool is away");
                    break;
                }
            };
            self.drained += round.done;
            if round.taken == 0 {
                // All that waits is in somebody's hands.
                break;
            }
            self.serves = !round.away;
            if round.away {
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
                return Until::News;
            }
            self.pause = PAUSE;
        }
        Until::Then
    }

    /// How many wait, if the spool can be asked.
    async fn look(&mut self) -> Option<u64> {
        match self.inner.spool.backlog().await {
            Ok(backlog) => {
                self.inner
                    .backlog
                    .send_if_modified(|before| std::mem::replace(before, backlog) != backlog);
                self.tell_of(backlog);
                Some(backlog.depth)
            }
            Err(error) => {
                debug!(%error, "the spool is away");
                None
            }
        }
    }

    fn tell_of(&mut self, Backlog { depth, oldest }: Backlog) {
        if depth == 0 || Instant::now() < self.tell {
            return;
        }
        self.tell = Instant::now() + TELL;
        let oldest = oldest.map(tracing::field::display);
        info!(depth, oldest, "results wait in the spool");
    }

    fn note_empty(&mut self) {
        let put_in = self.inner.put_in.swap(0, Ordering::Relaxed);
        if put_in > 0 || self.drained > 0 {
            let written = std::mem::take(&mut self.drained);
            info!(put_in, written, "no result waits in the spool any more");
        }
        self.pause = PAUSE;
    }

    /// Rests until it is worth another look. Gateways that began together do not look together.
    async fn rest(&mut self, until: Until) {
        let pause = self.pause.mul_f64(rand::random_range(0.75..1.25));
        match until {
            Until::News => {
                let told = timeout(pause, self.inner.news.notified()).await;
                self.serves = told.is_ok();
            }
            Until::Then => sleep(pause).await,
        }
    }
}
