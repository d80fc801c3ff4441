use std::collections::VecDeque;

use gateway_core::domain::audit::AuditEvent;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::RequestId;
use gateway_core::ports;

use super::guarded::Guarded;

/// How many events are kept.
const MAX_EVENTS: usize = 1024;

/// The latest events, for those who look; every one goes to the log as well, at target `audit`.
#[derive(Default)]
pub struct AuditLog {
    latest: Guarded<Latest>,
}

#[derive(Default)]
struct Latest {
    events: VecDeque<AuditEvent>,
    dropped: u64,
}

impl AuditLog {
    /// The latest events, the oldest first.
    pub fn latest(&self) -> Vec<AuditEvent> {
        self.latest.lock().events.iter().cloned().collect()
    }

    /// How many there were before those.
    pub fn dropped(&self) -> u64 {
        self.latest.lock().dropped
    }
}

impl ports::AuditLog for AuditLog {
    fn record(&self, event: AuditEvent) {
        write(&event);
        let mut latest = self.latest.lock();
        if latest.events.len() >= MAX_EVENTS {
            latest.events.pop_front();
            latest.dropped += 1;
        }
        latest.events.push_back(event);
    }
}

/// Writes `event` to the log, whose formats see to it that no line break of a worker's making
/// begins a line of ours.
fn write(event: &AuditEvent) {
    let details = event.action.details();
    tracing::info!(
        target: "audit",
        at = %event.at,
        worker = event.actor.as_ref().map(tracing::field::display),
        peer = event.peer.map(tracing::field::display),
        request = event.request.as_ref().map(RequestId::as_str),
        outcome = event.action.outcome().as_str(),
        claimed = details.claimed.as_ref().map(WorkerId::as_str),
        subject = details.subject,
        why = details.why,
        times = details.times,
        "{}",
        event.action.name(),
    );
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use gateway_core::domain::audit::Action;
    use gateway_core::domain::id::RunId;
    use gateway_core::domain::time::Timestamp;
    use gateway_core::ports::AuditLog as _;

    use super::*;

    fn event(action: Action) -> AuditEvent {
        AuditEvent {
            at: Timestamp::UNIX_EPOCH,
            actor: Some(WorkerId::parse("w-1").expect("is an identifier")),
            peer: Some([127, 0, 0, 1].into()),
            request: None,
            action,
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("is not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `action` writes to the log.
    ///
    /// Every test here has a log of its own: an event that one made without any would be off for
    /// the others as well.
    fn logged(action: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, action);
        let bytes = written.0.lock().expect("is not poisoned").clone();
        String::from_utf8(bytes).expect("is text")
    }

    #[test]
    fn an_event_is_one_line_of_the_log_whatever_it_says() {
        let text = logged(|| {
            AuditLog::default().record(event(Action::Buried {
                run: RunId::parse("r-1").expect("is an identifier"),
                reason: "no\n2026-01-01 INFO audit: all is well\u{1b}[2J".into(),
            }));
        });

        assert_eq!(text.lines().count(), 1, "{text}");
        for part in [
            " INFO audit: buried",
            "worker=w-1",
            "peer=127.0.0.1",
            "run r-1",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_latest_events_are_kept_and_the_others_counted() {
        let log = AuditLog::default();
        logged(|| {
            log.record(event(Action::Rejected {
                credentials: vec!["none"],
                claimed: None,
            }));
            for _ in 0..MAX_EVENTS {
                log.record(event(Action::Registered));
            }
        });

        assert_eq!((log.latest().len(), log.dropped()), (MAX_EVENTS, 1));
        let all_later = |event: &AuditEvent| event.action == Action::Registered;
        assert!(log.latest().iter().all(all_later));
    }
}
