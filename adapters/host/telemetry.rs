//! The gateway's own log, on stderr.

mod filter;
mod line;

use std::io::{self, IsTerminal};

use metrics::counter;
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use self::filter::Filter;

use self::line::OneLine;
use crate::metrics::DROPPED_LINES;

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Which events.
    pub filter: Filter,
    /// In which shape.
    pub format: Format,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object a line, the event's fields at its top level.
    Json,
}

/// How many lines may wait for stderr.
const WAITING: usize = 16 * 1024;

/// The log of a process that serves. What waits is written when it is dropped, if that is taken
/// within a second.
pub struct Log {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
}

impl Log {
    /// Counts the lines that were dropped until now, whenever it is called.
    pub fn look(&self) -> impl Fn() + Send + Sync + use<> {
        let dropped = self.dropped.clone();
        move || {
            let lines = u64::try_from(dropped.dropped_lines()).unwrap_or(u64::MAX);
            counter!(DROPPED_LINES).absolute(lines);
        }
    }
}

/// Sends the events of the whole process to stderr, on a thread of its own: if nobody reads there,
/// lines are dropped, and nothing else waits.
///
/// It fails if they are sent elsewhere already.
pub fn init_in_background(settings: &LogSettings) -> Result<Log, TryInitError> {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .thread_name("log")
        .finish(io::stderr());
    let dropped = writer.error_counter();
    subscriber(settings, writer, io::stderr().is_terminal()).try_init()?;
    Ok(Log {
        _writer: guard,
        dropped,
    })
}

/// Sends the events of the whole process to stderr.
///
/// It fails if they are sent elsewhere already.
pub fn init(settings: &LogSettings) -> Result<(), TryInitError> {
    subscriber(settings, io::stderr, io::stderr().is_terminal()).try_init()
}

/// Every event is one line, whatever its fields hold: in JSON by its rules, in text by [`OneLine`].
fn subscriber<W>(settings: &LogSettings, writer: W, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let targets = settings.filter.targets();
    let layer = match settings.format {
        Format::Text => fmt::layer()
            .with_ansi(colours)
            .with_writer(OneLine { writer, colours })
            .boxed(),
        Format::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
    };
    Registry::default().with(layer.with_filter(targets))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::{debug, info, subscriber};

    use super::*;

    #[test]
    fn a_json_line_has_the_fields_at_its_top_level() {
        let text = logged("info", Format::Json, || {
            info!(address = "127.0.0.1:1", tasks = 3, "serving\n\u{1b}[2J");
        });

        let line: Value = serde_json::from_str(&text).expect("one line of JSON");
        assert_eq!(line["message"], "serving\n\u{1b}[2J");
        assert_eq!(line["address"], "127.0.0.1:1");
        assert_eq!(line["tasks"], 3);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], module_path!());
        let time = line["timestamp"].as_str().expect("a time");
        time.parse::<jiff::Timestamp>().expect("an RFC 3339 time");
        assert!(time.ends_with('Z'), "{time}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_text_line_stays_one_whatever_its_fields_hold() {
        let forged = "x\r\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{9b}\u{7}";
        let text = logged("info", Format::Text, || {
            info!(field = %forged, quoted = forged, "{forged}");
        });

        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(" INFO "), "{text}");
        assert!(
            text.contains(r"x\r\n2026-01-01T00:00:00Z ERROR forged"),
            "{text}"
        );
        assert!(
            !text.trim_end_matches('\n').contains(char::is_control),
            "{text:?}"
        );
    }

    #[test]
    fn a_level_holds_back_what_is_below_it() {
        let event = || debug!("detail");

        assert_eq!(logged("info", Format::Text, event), "");
        assert!(logged("debug", Format::Text, event).contains("detail"));
        let ours = format!("error,{}=debug", module_path!());
        assert!(logged(&ours, Format::Text, event).contains("detail"));
    }

    #[test]
    fn the_audit_is_turned_off_by_its_name_alone() {
        let event = || info!(target: "audit", "rejected");

        assert!(logged("error", Format::Text, event).contains("rejected"));
        assert_eq!(logged("info,audit=off", Format::Text, event), "");
    }

    #[test]
    fn the_gateways_debug_is_not_that_of_its_libraries() {
        let event = || debug!(target: "h2::codec", "frame");

        assert_eq!(logged("debug", Format::Text, event), "");
        assert!(logged("debug,h2=debug", Format::Text, event).contains("frame"));
    }

    fn logged(filter: &str, format: Format, event: impl FnOnce()) -> String {
        let filter = filter.parse().expect("a filter");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let settings = LogSettings { filter, format };
        let writer = Shared(Arc::clone(&lines));

        subscriber::with_default(super::subscriber(&settings, writer, false), event);

        let lines = lines.lock().expect("no writer panics");
        String::from_utf8(lines.clone()).expect("UTF-8")
    }

    #[derive(Clone)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Shared {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
}
