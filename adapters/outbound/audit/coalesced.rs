use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::domain::audit::{Action, AuditEvent, Outcome};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::network;
use gateway_core::ports::AuditLog;
use metrics::counter;
use tokio::time::Instant;

use crate::metrics::AUDIT_EVENTS;

/// How long refusals are counted before the counts are written.
const WINDOW: Duration = Duration::from_mins(1);

/// How soon after its end that is seen to, if nothing is refused meanwhile.
const TICK: Duration = Duration::from_secs(5);

/// Refusals of one kind and one source that are written at once in a window.
const AT_ONCE: u32 = 20;

/// How many of them in all, beyond the first of each source.
const SPARE: u32 = 1000;

/// Sources that are told apart in a window. Those that come later are counted together.
const MAX_SOURCES: usize = 1000;

/// An [`AuditLog`] that refusals cannot flush out, however many there are.
///
/// Of each kind and each source (a worker, or the network of a stranger) the first in a minute are
/// written at once; the others are counted, and the counts written when the minute is over. What
/// changes something is always written, and at once.
pub struct Coalesced {
    log: Arc<dyn AuditLog>,
    window: Mutex<Window>,
}

impl Coalesced {
    /// Passes on to `log` what is to be written.
    pub fn new(log: Arc<dyn AuditLog>) -> Self {
        Self {
            log,
            window: Mutex::default(),
        }
    }

    /// Writes counts when their time has come, for as long as it is polled.
    pub async fn upkeep(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            let counts = self.lock().end_if_over();
            self.write(counts);
        }
    }

    /// Writes what was counted so far.
    pub fn flush(&self) {
        let counts = self.lock().end();
        self.write(counts);
    }

    fn write(&self, events: Vec<AuditEvent>) {
        for event in events {
            self.log.record(event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditLog for Coalesced {
    fn record(&self, event: AuditEvent) {
        if event.action.outcome() != Outcome::Refused {
            self.log.record(event);
            return;
        }
        let mut window = self.lock();
        let counts = window.end_if_over();
        let event = window.admit(event);
        drop(window);
        self.write(counts);
        match event {
            Some(event) => self.log.record(event),
            None => counter!(AUDIT_EVENTS, "outcome" => "counted").increment(1),
        }
    }
}

/// Whose refusals are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Worker(WorkerId),
    Network(Option<IpAddr>),
    /// All for whom there is no room.
    Others,
}

impl Source {
    fn of(event: &AuditEvent) -> Self {
        match &event.actor {
            Some(worker) => Self::Worker(worker.clone()),
            None => Self::Network(event.peer.map(network::site)),
        }
    }
}

#[derive(Default)]
struct Window {
    begun: Option<Instant>,
    tallies: HashMap<(Source, &'static str), Tally>,
    /// How many were written beyond the first of each.
    spent: u32,
}

#[derive(Default)]
struct Tally {
    written: u32,
    counted: u64,
    /// The last of those that were counted.
    last: Option<AuditEvent>,
}

impl Window {
    /// Counts `event`, or gives it back if it is to be written.
    fn admit(&mut self, event: AuditEvent) -> Option<AuditEvent> {
        self.begun.get_or_insert_with(Instant::now);
        let mut key = (Source::of(&event), event.action.name());
        if self.tallies.len() >= MAX_SOURCES && !self.tallies.contains_key(&key) {
            key.0 = Source::Others;
        }
        let known = key.0 != Source::Others;
        let tally = self.tallies.entry(key).or_default();
        let spare = tally.written < AT_ONCE && self.spent < SPARE;
        if known && (tally.written == 0 || spare) {
            self.spent += u32::from(tally.written > 0);
            tally.written += 1;
            return Some(event);
        }
        tally.counted += 1;
        tally.last = Some(event);
        None
    }

    fn end_if_over(&mut self) -> Vec<AuditEvent> {
        match self.begun {
            Some(begun) if begun.elapsed() >= WINDOW => self.end(),
            _ => Vec::new(),
        }
    }

    /// What was counted, in the order in which it happened last.
    fn end(&mut self) -> Vec<AuditEvent> {
        let ended = std::mem::take(self);
        let counted = ended
            .tallies
            .into_iter()
            .filter_map(|((source, _), tally)| {
                let last = tally.last?;
                let action = Action::Repeated {
                    last: Box::new(last.action),
                    times: tally.counted,
                };
                let others = source == Source::Others;
                Some(AuditEvent {
                    action,
                    // What was done by many is nobody's.
                    actor: last.actor.filter(|_| !others),
                    peer: last.peer.filter(|_| !others),
                    request: last.request.filter(|_| !others),
                    at: last.at,
                })
            });
        let mut counted: Vec<_> = counted.collect();
        counted.sort_by_key(|event| event.at);
        counted
    }
}

#[cfg(test)]
mod tests;
