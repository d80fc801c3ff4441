//! What each field that a client fills is bounded by.

use Bound::{Cut, Data, Message, Most, Word};

/// What bounds a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// So many bytes, or entries; one more is refused by this name.
    Most(usize, &'static str),
    /// Its grammar, which knows nothing long; else it is refused by this name.
    Word(&'static str),
    /// So many keys, and levels, of an object.
    Data,
    /// What is longer is cut, as its end is worth less than the call.
    Cut,
    /// What a message of its call may weigh.
    Message,
}

const fn id(name: &'static str) -> Bound {
    Most(64, name)
}

/// So long may one text be for all of a system to take 64 KiB on the wire.
const OS: Bound = Most(64 * 1024 - 4, "os_info");

const CONTENT: Bound = Most(16 << 20, "content");

pub(super) const FIELDS: &[(&str, Bound)] = &[
    ("WorkerStream.heartbeat.worker_id", id("worker_id")),
    ("WorkerStream.heartbeat.status", Word("status")),
    (
        "WorkerStream.heartbeat.metrics.spider_stats.status_codes",
        Message,
    ),
    ("WorkerStream.heartbeat.os_info.os_type", OS),
    ("WorkerStream.heartbeat.os_info.os_version", OS),
    ("WorkerStream.heartbeat.os_info.python_version", OS),
    ("WorkerStream.heartbeat.os_info.machine_arch", OS),
    (
        "WorkerStream.heartbeat.capabilities",
        Most(256, "capabilities"),
    ),
    ("WorkerStream.heartbeat.version", Most(256, "version")),
    ("WorkerStream.task_status.run_id", id("run_id")),
    ("WorkerStream.task_status.status", Word("status")),
    ("WorkerStream.task_status.error_message", Message),
    ("WorkerStream.task_ack.task_id", id("task_id")),
    ("WorkerStream.task_ack.reason", Cut),
    ("WorkerStream.cancel_ack.task_id", id("task_id")),
    // Nobody reads it.
    ("WorkerStream.cancel_ack.reason", Message),
    ("Register.api_key", Message),
    ("Register.worker_id", id("worker_id")),
    ("Register.os_info.os_type", Message),
    ("Register.os_info.os_version", Message),
    ("Register.os_info.python_version", Message),
    ("Register.os_info.machine_arch", Message),
    ("Register.capabilities", Most(256, "capabilities")),
    ("PollTask.worker_id", id("worker_id")),
    ("AckTask.worker_id", id("worker_id")),
    ("AckTask.receipt_id", id("receipt_id")),
    ("AckTask.reason", Cut),
    // Nobody reads it.
    ("AckTask.task_id", Message),
    ("ReportResult.run_id", id("run_id")),
    ("ReportResult.task_id", id("task_id")),
    ("ReportResult.worker_id", id("worker_id")),
    ("ReportResult.status", Word("status")),
    ("ReportResult.error_message", Message),
    ("ReportResult.started_at", Word("started_at")),
    ("ReportResult.finished_at", Word("finished_at")),
    ("ReportResult.data_json", Data),
    ("SendLog.run_id", id("run_id")),
    ("SendLog.log_type", Word("log_type")),
    ("SendLog.content", CONTENT),
    ("SendLog.timestamp", Word("timestamp")),
    ("SendLogBatch.logs", Most(10_000, "logs")),
    ("SendLogBatch.logs.run_id", id("run_id")),
    ("SendLogBatch.logs.log_type", Word("log_type")),
    ("SendLogBatch.logs.content", CONTENT),
    ("SendLogBatch.logs.timestamp", Word("timestamp")),
    ("SendLogChunk.run_id", id("run_id")),
    ("SendLogChunk.log_type", Word("log_type")),
    ("SendLogChunk.data", Message),
    ("SendLogChunk.checksum", Word("checksum")),
    ("SendHeartbeat.worker_id", id("worker_id")),
    ("SendHeartbeat.status", Word("status")),
    ("SendHeartbeat.timestamp", Word("timestamp")),
    ("SendHeartbeat.version", Most(256, "version")),
    ("PollControl.worker_id", id("worker_id")),
    ("AckControl.worker_id", id("worker_id")),
    ("AckControl.receipt_id", id("receipt_id")),
    ("ReportControlResult.worker_id", id("worker_id")),
    ("ReportControlResult.request_id", id("request_id")),
    ("ReportControlResult.payload_json", Message),
    ("ReportControlResult.error", Cut),
    (
        "ReportControlResult.reply_stream",
        Most(512, "reply_stream"),
    ),
];

const MIB: usize = 1 << 20;

/// What a message of each call may weigh. Results and logs may be long, and of a registration it
/// is not known who sends it: there, what stands before a message counts as well.
pub(super) const MESSAGES: &[(&str, usize)] = &[
    ("WorkerStream", 4 * MIB),
    ("Register", 64 * 1024 - 5),
    ("PollTask", MIB),
    ("AckTask", MIB),
    ("ReportResult", 50 * MIB),
    ("SendLog", 50 * MIB),
    ("SendLogBatch", 50 * MIB),
    ("SendLogChunk", 50 * MIB),
    ("SendHeartbeat", MIB),
    ("PollControl", MIB),
    ("AckControl", MIB),
    ("ReportControlResult", 50 * MIB),
];
