use metrics::{Label, counter, gauge, histogram};

use super::{
    AUDIT_EVENTS, AUTHENTICATIONS, BACKEND_SECONDS, CALL_SECONDS, CALLS, CONNECTIONS,
    CONNECTIONS_ENDED, DROPPED_LINES, HANDSHAKES, Kind, LIVE_CHANNELS, LOG_BYTES, LOG_LINES,
    Metric, REFUSALS, RESULTS, SPOOL_AGE, SPOOL_DEPTH, TASKS, WAITING_POLLS,
};

/// The calls, as the label `rpc` has them; whatever else a client asks for is `other`.
pub const RPCS: &[&str] = &[
    "WorkerStream",
    "Register",
    "PollTask",
    "AckTask",
    "ReportResult",
    "SendLog",
    "SendLogBatch",
    "SendLogChunk",
    "SendHeartbeat",
    "PollControl",
    "AckControl",
    "ReportControlResult",
    "health",
    "reflection",
    "other",
];

/// The codes of answers, as the label `code` has them, in the order of their numbers.
pub const CODES: &[&str] = &[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

const TASK_EVENTS: &[&str] = &[
    "handed_out",
    "redelivered",
    "released",
    "settled",
    "given_back",
    "dead",
];

const RESULT_OUTCOMES: &[&str] = &["committed", "published", "spooled", "refused", "failed"];

const CREDENTIALS: &[&str] = &[
    "api key",
    "token",
    "certificate",
    "signature",
    "claim",
    "none",
];

const CREDENTIAL_OUTCOMES: &[&str] = &["accepted", "rejected", "unavailable", "throttled"];

const REFUSING: &[&str] = &[
    "control",
    "poll",
    "log",
    "log_bytes",
    "strangers",
    "gateway_calls",
    "gateway_bytes",
    "worker_calls",
    "worker_logs",
    "worker_polls",
    "worker_channels",
    "worker_bytes",
];

const ENDS: &[&str] = &[
    "closed", "failed", "silent", "overdue", "crowded", "refused", "barred", "idle", "aged",
    "shutdown",
];

const AUDIT_OUTCOMES: &[&str] = &[
    "written",
    "counted",
    "dropped",
    "streamed",
    "stream_dropped",
];

/// As the log has them where it says what was plugged in.
const PORTS: &[&str] = &[
    "authenticator",
    "control channel",
    "limiter",
    "log sink",
    "result store",
    "run owners",
    "task queue",
    "worker registry",
];

/// The metrics that are there from the start, with the values of each of their labels. The others
/// come with the first thing of their kind: no certificate, no days.
const KNOWN: &[(&str, &[&[&str]])] = &[
    (CALLS, &[RPCS, CODES]),
    (CALL_SECONDS, &[RPCS]),
    (WAITING_POLLS, &[&["task", "control"]]),
    (LIVE_CHANNELS, &[]),
    (TASKS, &[TASK_EVENTS]),
    (LOG_LINES, &[]),
    (LOG_BYTES, &[&["lines", "chunks"]]),
    (RESULTS, &[RESULT_OUTCOMES]),
    (SPOOL_DEPTH, &[]),
    (SPOOL_AGE, &[]),
    (AUTHENTICATIONS, &[CREDENTIALS, CREDENTIAL_OUTCOMES]),
    (REFUSALS, &[REFUSING]),
    (CONNECTIONS_ENDED, &[ENDS]),
    (CONNECTIONS, &[&["handshaking", "open"]]),
    (HANDSHAKES, &[&["done", "failed", "overdue"]]),
    (AUDIT_EVENTS, &[AUDIT_OUTCOMES]),
    (BACKEND_SECONDS, &[PORTS]),
    (DROPPED_LINES, &[]),
];

/// Makes what is known of `metric` appear, at zero.
pub(super) fn begin(metric: &Metric) {
    let known = KNOWN.iter().find(|(name, _)| *name == metric.name);
    let Some((_, values)) = known else {
        return;
    };
    for labels in combinations(metric.labels, values) {
        match metric.kind {
            Kind::Counter => counter!(metric.name, labels).increment(0),
            Kind::Gauge => gauge!(metric.name, labels).set(0.0),
            Kind::Histogram => drop(histogram!(metric.name, labels)),
        }
    }
}

/// Each value of each label with each of the others.
fn combinations(names: &[&'static str], values: &[&[&'static str]]) -> Vec<Vec<Label>> {
    let mut all = vec![Vec::new()];
    for (name, values) in names.iter().zip(values) {
        all = all
            .iter()
            .flat_map(|labels: &Vec<Label>| {
                values.iter().map(move |value| {
                    let mut labels = labels.clone();
                    labels.push(Label::from_static_parts(name, value));
                    labels
                })
            })
            .collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    #[test]
    fn what_is_known_is_a_metric_with_as_many_labels() {
        for (name, values) in KNOWN {
            let metric = ALL.iter().find(|metric| metric.name == *name);
            let metric = metric.unwrap_or_else(|| panic!("{name} is none"));
            assert_eq!(metric.labels.len(), values.len(), "{name}");
        }
    }

    #[test]
    fn each_value_comes_with_each_other() {
        let all = combinations(&["a", "b"], &[&["1", "2"], &["3", "4", "5"]]);

        assert_eq!(all.len(), 6);
        assert_eq!(combinations(&[], &[]), vec![vec![]]);
    }
}
