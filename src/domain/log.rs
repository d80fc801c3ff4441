//! Log lines, and the pieces of a log file.

use std::str::FromStr;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::domain::Invalid;
use crate::domain::id::RunId;

pub use extent::{Admitted, Extent, ExtentError, ExtentTextError};

mod extent;

/// Which of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogStream {
    /// What it says.
    Stdout,
    /// What it complains of.
    Stderr,
}

impl LogStream {
    /// The name it goes by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl FromStr for LogStream {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "stdout" | "" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            _ => Err(Invalid::text("log_type", "stdout or stderr", text)),
        }
    }
}

/// A line that a running program wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The run it is of.
    pub run: RunId,
    /// Where it was written.
    pub stream: LogStream,
    /// The line.
    pub content: String,
    /// ISO 8601, as the worker wrote it, or else the time of arrival. It is passed on, not
    /// reckoned with.
    pub timestamp: String,
    /// The worker's own count.
    pub sequence: i64,
}

/// A piece of the complete log file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The run it is of.
    pub run: RunId,
    /// Which of its two files.
    pub stream: LogStream,
    /// The bytes.
    pub data: Bytes,
    /// Where in the file they begin.
    pub offset: u64,
    /// Whether the file ends with them.
    pub is_final: bool,
    /// How long the file is, where the worker knows.
    pub total_size: Option<u64>,
}

/// Checks `data` against the SHA-256 the worker sent: lower-case hex, whole or its first 16 digits.
/// None sent, none checked.
///
/// # Errors
///
/// [`Invalid`] if it is no such text, or does not match.
pub fn verify_checksum(data: &[u8], checksum: &str) -> Result<(), Invalid> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    match checksum.len() {
        0 => return Ok(()),
        16 | 64 if checksum.bytes().all(is_hex) => {}
        _ => {
            let rule = "SHA-256 in lower-case hex, whole or its first 16 digits";
            return Err(Invalid::text("checksum", rule, checksum));
        }
    }
    let digest = Sha256::digest(data);
    let expected = checksum.as_bytes().chunks_exact(2);
    let matches = expected.zip(&digest).all(|(digits, byte)| {
        let value = digits
            .iter()
            .fold(0, |value, digit| value * 16 + hex(*digit));
        value == *byte
    });
    if matches {
        return Ok(());
    }
    let others = format_args!("{} bytes of another", data.len());
    Err(Invalid::number(
        "data",
        "bytes that the checksum is of",
        &others,
    ))
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        digit => digit - b'0',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_checksum_is_whole_or_its_head_or_none() {
        for checksum in [OF_ABC, &OF_ABC[..16], ""] {
            assert_eq!(verify_checksum(b"abc", checksum), Ok(()), "{checksum}");
        }
    }

    #[test]
    fn other_bytes_are_noticed_by_either_form() {
        for checksum in [OF_ABC, &OF_ABC[..16]] {
            let refusal = verify_checksum(b"abd", checksum).expect_err("does not match");
            assert_eq!(refusal.field, "data");
        }
    }

    #[test]
    fn what_is_no_checksum_is_refused_as_such() {
        for checksum in [
            "ba",
            &OF_ABC[..15],
            &OF_ABC.to_uppercase(),
            "zz7816bf8f01cfea",
        ] {
            let refusal = verify_checksum(b"abc", checksum).expect_err("is no checksum");
            assert_eq!(refusal.field, "checksum", "{checksum}");
        }
    }

    #[test]
    fn each_stream_has_one_name_both_ways() {
        for (stream, name) in [(LogStream::Stdout, "stdout"), (LogStream::Stderr, "stderr")] {
            assert_eq!((stream.as_str(), name.parse()), (name, Ok(stream)));
        }
    }

    #[test]
    fn an_unnamed_stream_is_stdout() {
        assert_eq!("".parse(), Ok(LogStream::Stdout));
        assert!("syslog".parse::<LogStream>().is_err());
    }
}
