//! Breakers: whoever asks something of a back end that fails, or has become slow, is told at once
//! that it is away, while one call after the other tries whether it is.
//!
//! A link that is down is found by its pulse; a breaker is for what the pulse does not see: calls
//! that fail or crawl on a link that lives. `guarded` puts one before each port.

mod guarded;
#[cfg(test)]
mod tests;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::ports::{Cause, KnownOutage};
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

pub use self::guarded::Guarded;
use self::window::Window;
use crate::metrics::{BREAKER_OPENED, BREAKER_STATE};

/// How long a breaker stays open at first, and at the most, give or take a quarter.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why something is away, if it is, and whatever changes of it.
type Away = watch::Receiver<Option<String>>;

/// A breaker for one port.
pub struct Breaker {
    port: &'static str,
    slow: Duration,
    state: Mutex<State>,
    /// What those who wait for the back end are told while it is open.
    open: watch::Sender<Option<String>>,
}

struct State {
    phase: Phase,
    /// How often it has opened. What began before it last did tells nothing of how things are now.
    opened: u64,
    /// How long it stays open the next time.
    pause: Duration,
    /// What the pulse of the back end says.
    away: Away,
    timer: Option<AbortHandle>,
}

enum Phase {
    /// All calls pass, and are counted.
    Closed(Window),
    /// None passes until then.
    Open(Instant),
    /// One has passed; the others wait for what comes of it.
    Probing,
}

/// An error that may be an outage.
pub(in crate::outbound) trait Outage {
    /// Whether it is one that was known before; none if it is an answer.
    fn outage(&self) -> Option<Known>;

    /// The error of a call that was not made, as the breaker is open.
    fn open(known: KnownOutage) -> Self;
}

/// Whether an outage was told of when it began.
type Known = bool;

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The back end answered in time, be it with a refusal.
    Good,
    /// It failed, or took too long.
    Bad,
    /// Nothing can be said of it.
    None,
}

impl Breaker {
    /// A closed breaker for `port`, to which calls of `slow` and longer are as good as failed.
    /// What `away` says while it is open is believed: once that is over, the back end is tried.
    pub fn new(port: &'static str, slow: Duration, away: Away) -> Arc<Self> {
        gauge!(BREAKER_STATE, "port" => port).set(0.0);
        Arc::new(Self {
            port,
            slow,
            state: Mutex::new(State {
                phase: Phase::Closed(Window::new()),
                opened: 0,
                pause: PAUSE,
                away,
                timer: None,
            }),
            open: watch::Sender::new(None),
        })
    }

    /// That it is open, while it is and nobody may try, and whatever changes of it.
    pub fn open(&self) -> Away {
        self.open.subscribe()
    }

    /// Lets a call pass, or not.
    fn admit(&self) -> Result<Permit<'_>, KnownOutage> {
        let mut state = self.lock();
        let probe = match &state.phase {
            Phase::Closed(_) => false,
            Phase::Open(until) => {
                let due = *until <= Instant::now() || state.answers_again();
                if !due {
                    return Err(self.outage());
                }
                state.phase = Phase::Probing;
                gauge!(BREAKER_STATE, "port" => self.port).set(1.0);
                true
            }
            Phase::Probing => return Err(self.outage()),
        };
        Ok(Permit {
            breaker: self,
            probe,
            opened: state.opened,
            measured: Some(Instant::now()),
            settled: false,
        })
    }

    fn outage(&self) -> KnownOutage {
        KnownOutage(format!("the breaker of the {} is open", self.port))
    }

    fn settle(&self, opened: u64, probe: bool, verdict: Verdict) {
        let mut state = self.lock();
        if state.opened != opened {
            return;
        }
        match (&mut state.phase, probe, verdict) {
            (Phase::Probing, true, Verdict::Good) => {
                state.pause = PAUSE;
                state.phase = Phase::Closed(Window::new());
                gauge!(BREAKER_STATE, "port" => self.port).set(0.0);
                info!(port = self.port, "the breaker is closed");
                self.tell(&mut state, None);
            }
            (Phase::Probing, true, Verdict::Bad) => {
                state.pause = LONGEST_PAUSE.min(state.pause * 2);
                self.shut(&mut state);
            }
            // Whoever made it has gone, or the pulse was faster: the next call tries.
            (Phase::Probing, true, Verdict::None) => {
                state.phase = Phase::Open(Instant::now());
                gauge!(BREAKER_STATE, "port" => self.port).set(2.0);
            }
            (Phase::Closed(window), false, Verdict::Good | Verdict::Bad) => {
                if window.count(verdict == Verdict::Bad) {
                    let (bad, calls) = window.sums();
                    let port = self.port;
                    warn!(
                        port,
                        bad, calls, "the breaker opens: calls fail or are slow"
                    );
                    counter!(BREAKER_OPENED, "port" => port).increment(1);
                    self.shut(&mut state);
                }
            }
            (Phase::Closed(_) | Phase::Open(_) | Phase::Probing, _, _) => {}
        }
    }

    fn shut(&self, state: &mut State) {
        state.opened += 1;
        let pause = state.pause.mul_f64(rand::random_range(0.75..1.25));
        let until = Instant::now() + pause;
        state.phase = Phase::Open(until);
        state.away.mark_unchanged();
        self.tell(state, Some(until));
        gauge!(BREAKER_STATE, "port" => self.port).set(2.0);
    }

    /// Tells that it is open until then. After that nothing is told until somebody has tried: who
    /// is sent elsewhere for as long as it is open could not try.
    fn tell(&self, state: &mut State, until: Option<Instant>) {
        if let Some(timer) = state.timer.take() {
            timer.abort();
        }
        self.open.send_replace(until.map(|_| self.outage().0));
        state.timer = until.map(|until| {
            let open = self.open.clone();
            let over = async move {
                sleep_until(until).await;
                open.send_replace(None);
            };
            tokio::spawn(over).abort_handle()
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether an outage has ended since the breaker opened.
    fn answers_again(&self) -> bool {
        self.away.has_changed().unwrap_or(false) && self.away.borrow().is_none()
    }
}

/// A call that was let pass. Dropped without a word, it was given up by whoever made it.
struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
    /// As the breaker had it.
    opened: u64,
    /// When it began, if how long it takes matters.
    measured: Option<Instant>,
    settled: bool,
}

impl Permit<'_> {
    /// Takes what came of it into account.
    fn settle(mut self, outage: Option<Known>) {
        self.settled = true;
        let verdict = match outage {
            Some(true) => Verdict::None,
            Some(false) => Verdict::Bad,
            None if self.is_slow() => Verdict::Bad,
            None => Verdict::Good,
        };
        self.breaker.settle(self.opened, self.probe, verdict);
    }

    fn is_slow(&self) -> bool {
        self.measured
            .is_some_and(|since| since.elapsed() >= self.breaker.slow)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // A client that gives up sooner than the back end answers must not hide how slow it is.
        let verdict = if self.is_slow() {
            Verdict::Bad
        } else {
            Verdict::None
        };
        self.breaker.settle(self.opened, self.probe, verdict);
    }
}

/// Somebody else held what a call needed until its time was over: no fault of the back end.
#[derive(Debug, thiserror::Error)]
#[error("somebody else held what it needs for too long")]
pub struct Contended(#[source] pub Cause);

/// Whether an outage tells nothing of the back end: it was told of when it began, so that calls are
/// not even made, and fail at once as it is; or there was none.
fn is_known(cause: &Cause) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(&**cause);
    while let Some(error) = at {
        if error.is::<KnownOutage>() || error.is::<Contended>() {
            return true;
        }
        at = error.source();
    }
    false
}
