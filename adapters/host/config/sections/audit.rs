use std::path::PathBuf;

use super::super::parse::{self, Parsed};
use super::super::reader::Reader;

/// What is written down for those who have to find out later.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Where it goes; to the gateway's own log, if nobody says.
    pub to: Option<AuditTarget>,
    /// The size from which on a new file is begun, in bytes.
    pub max_bytes: u64,
    /// Files kept besides the one that is written.
    pub kept: usize,
    /// Entries of the stream in Redis, about, if it goes there as well.
    pub stream: Option<u64>,
}

/// Where the audit goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl Audit {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        let max = from.get("AUDIT_STREAM_MAXLEN", parse::whole(1..=u64::MAX));
        Self {
            to: from.find("AUDIT_FILE", target),
            max_bytes: from.get("AUDIT_FILE_MAX_BYTES", parse::whole(4096..=u64::MAX)),
            kept: from.get("AUDIT_FILES_KEPT", parse::whole(1..=10_000)),
            stream: from.get("AUDIT_STREAM", parse::switch).then_some(max),
        }
    }
}

fn target(text: &str) -> Parsed<AuditTarget> {
    match text {
        "-" => Ok(AuditTarget::Stdout),
        _ => parse::path(text).map(AuditTarget::File),
    }
}
