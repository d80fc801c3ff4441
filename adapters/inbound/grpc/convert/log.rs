//! Log lines, and the pieces of log files.

use gateway_core::domain::Invalid;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogChunk, LogLine};
use gateway_core::domain::time::{self, Timestamp};

use crate::inbound::grpc::proto;

/// What a line may be long, in bytes. Nobody reads one of that length; but a program may write a
/// file to its output by mistake, and its logs are worth more than the rule.
const MAX_CONTENT: usize = 16 * 1024 * 1024;

/// The lines of a batch, in order.
pub(in crate::inbound::grpc) fn lines(
    entries: Vec<proto::LogEntry>,
    now: Timestamp,
) -> Result<Vec<LogLine>, Invalid> {
    let mut lines: Vec<LogLine> = Vec::with_capacity(entries.len());
    for entry in entries {
        // A batch is of one run, as a rule, and its identifier is parsed once.
        let run = match lines.last() {
            Some(line) if line.run.as_str() == entry.run_id => line.run.clone(),
            _ => RunId::parse(&entry.run_id)?,
        };
        lines.push(line(entry, run, now)?);
    }
    Ok(lines)
}

fn line(entry: proto::LogEntry, run: RunId, now: Timestamp) -> Result<LogLine, Invalid> {
    if entry.content.len() > MAX_CONTENT {
        let rule = "at most 16777216 bytes";
        return Err(Invalid::text("content", rule, &entry.content));
    }
    let timestamp = match time::parse("timestamp", &entry.timestamp)? {
        Some(_) => entry.timestamp,
        None => time::iso(now),
    };
    Ok(LogLine {
        run,
        stream: entry.log_type.parse()?,
        content: entry.content,
        timestamp,
        sequence: entry.sequence,
    })
}

/// A line that came alone.
pub(in crate::inbound::grpc) fn entry(request: proto::SendLogRequest) -> proto::LogEntry {
    proto::LogEntry {
        run_id: request.run_id,
        log_type: request.log_type,
        content: request.content,
        timestamp: request.timestamp,
        sequence: request.sequence,
    }
}

/// A piece of a log file, and the checksum it came with.
pub(in crate::inbound::grpc) fn chunk(
    request: proto::SendLogChunkRequest,
) -> Result<(LogChunk, String), Invalid> {
    let total_size = super::bytes("total_size", request.total_size)?;
    let chunk = LogChunk {
        run: RunId::parse(&request.run_id)?,
        stream: request.log_type.parse()?,
        data: request.data,
        offset: super::bytes("offset", request.offset)?,
        is_final: request.is_final,
        total_size: (total_size > 0).then_some(total_size),
    };
    Ok((chunk, request.checksum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: &str) -> proto::LogEntry {
        proto::LogEntry {
            run_id: "r".into(),
            timestamp: timestamp.into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_workers_own_time_is_passed_on_as_it_wrote_it() {
        let now = Timestamp::UNIX_EPOCH;

        let own = "2026-03-01T12:00:00.123456";
        let lines = lines(vec![entry(own), entry("")], now).expect("converts");
        assert_eq!(lines[0].timestamp, own);
        assert_eq!(lines[1].timestamp, "1970-01-01T00:00:00.000000+00:00");
    }

    /// T12
    #[test]
    fn a_line_is_only_so_long() {
        for (length, fits) in [(MAX_CONTENT, true), (MAX_CONTENT + 1, false)] {
            let long = proto::LogEntry {
                content: "x".repeat(length),
                ..entry("")
            };
            let converted = lines(vec![long], Timestamp::UNIX_EPOCH);
            assert_eq!(
                converted.map_err(|refusal| refusal.field).err(),
                (!fits).then_some("content")
            );
        }
    }

    #[test]
    fn a_place_before_the_beginning_is_refused() {
        for (field, offset, total_size) in [("offset", -1, 0), ("total_size", 0, -1)] {
            let request = proto::SendLogChunkRequest {
                run_id: "r".into(),
                offset,
                total_size,
                ..Default::default()
            };
            assert_eq!(chunk(request).expect_err("is refused").field, field);
        }
    }
}
