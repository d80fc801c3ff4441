//! The names of all that is counted and measured, once: whoever counts something takes its name
//! from here, and the operator's port tells what is here.
//!
//! Labels have few values, all known beforehand: never an id, never what a client sent. Those of
//! which this module knows all are there from the start, at zero, so that an alert has something to
//! compare the first event with.

mod known;
#[cfg(test)]
mod tests;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub use self::known::{CODES, RPCS};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often what size was seen.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One thing that is counted or measured.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is counted in.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $unit:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: &str = concat!("antcode_gateway_", $name);
        )*

        /// All there are.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $constant,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

metrics! {
    CALLS = "calls_total", Counter, Count, ["rpc", "code"], "Calls answered.";
    CALL_SECONDS = "call_duration_seconds", Histogram, Seconds, ["rpc"], "From the headers of a call to the end of its answer; polls wait in it.";
    WAITING_POLLS = "waiting_polls", Gauge, Count, ["kind"], "Polls that wait: for a task, or for a command.";
    LIVE_CHANNELS = "live_channels", Gauge, Count, [], "Live channels that are open.";
    TASKS = "tasks_total", Counter, Count, ["event"], "What became of tasks: `handed_out`, and of these `redelivered`; `released` (did not reach the worker), `settled`, `given_back`, `dead`.";
    LOG_LINES = "log_lines_total", Counter, Count, [], "Log lines stored.";
    LOG_BYTES = "log_bytes_total", Counter, Bytes, ["kind"], "Bytes of logs stored: lines, chunks.";
    RESULTS = "results_total", Counter, Count, ["outcome"], "Reports of runs: `committed`, `published` (handed on to the Master), `spooled`, `refused`, `failed`.";
    SPOOL_DEPTH = "spool_reports", Gauge, Count, [], "Reports that wait in the spool.";
    SPOOL_AGE = "spool_age_seconds", Gauge, Seconds, [], "For how long the oldest of them has waited.";
    AUTHENTICATIONS = "authentications_total", Counter, Count, ["credential", "outcome"], "Credentials looked at: accepted, rejected, unavailable, throttled.";
    REFUSALS = "refusals_total", Counter, Count, ["class"], "Calls refused for their number or size, by the limit that refused them.";
    CONNECTIONS = "connections", Gauge, Count, ["state"], "Connections of workers: handshaking, open.";
    CONNECTIONS_ENDED = "connections_ended_total", Counter, Count, ["reason"], "Connections of workers that ended, by what ended them.";
    HANDSHAKES = "tls_handshakes_total", Counter, Count, ["outcome"], "TLS handshakes: done, failed, overdue.";
    CERTIFICATE_DAYS = "certificate_expiry_days", Gauge, Count, ["file"], "Days until a certificate or a revocation list expires: `server`, `client_ca`, `crl`.";
    RELOADS = "reloads_total", Counter, Count, ["what", "outcome"], "Files that changed, or SIGHUP: taken over (done), or not good enough (failed).";
    BREAKER_STATE = "breaker_state", Gauge, Count, ["port"], "0 closed, 1 half open, 2 open.";
    BREAKER_OPENED = "breaker_opened_total", Counter, Count, ["port"], "How often a breaker has opened.";
    AUDIT_EVENTS = "audit_events_total", Counter, Count, ["outcome"], "Events for the audit: written or dropped; counted in the record of another; `streamed` to Redis, or `stream_dropped`.";
    DROPPED_LINES = "own_log_lines_dropped_total", Counter, Count, [], "Lines of the gateway's own log that nobody took from stderr in time.";
    BACKEND_UP = "backend_up", Gauge, Count, ["backend"], "1 if a backend answers, else 0.";
    BACKEND_SECONDS = "backend_call_duration_seconds", Histogram, Seconds, ["port"], "How long a port's adapter took to answer, or until nobody waited for it any more; waits of polls are not in it.";
    POOL = "pool_connections", Gauge, Count, ["backend", "state"], "Connections to a backend: idle and busy ones to `MySQL`; open ones to Redis, which share the work.";
}

/// Tells the recorder of this process what there is, and begins with zero where all the values of a
/// metric's labels are known.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
        }
        known::begin(metric);
    }
}
