//! Records, and the chain they make.

use std::fmt::Write as _;

use gateway_core::domain::audit::AuditEvent;
use gateway_core::domain::identity::RequestId;
use gateway_core::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What comes before the hash of a record, and after it.
const HASH: &str = ",\"hash\":\"";
const END: &str = "\"}";

/// Characters of a hash.
const HEX: usize = 64;

/// What the audit did when rotation removed records.
const REMOVED: &str = "removed";

/// What is worth knowing of a record that follows.
#[derive(Clone, Copy)]
pub(super) struct Followed {
    /// The last record that is removed, if it says so.
    pub(super) removed: Option<u64>,
}

/// Where a chain has got to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The number of the last record; 0 before the first.
    pub(super) last: u64,
    /// Its hash; zeros before the first.
    pub(super) hash: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            last: 0,
            hash: "0".repeat(HEX),
        }
    }
}

/// What a record says.
#[derive(Default, Serialize)]
pub(super) struct Entry {
    at: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to: Option<u64>,
}

impl Entry {
    /// The record of `event`.
    pub(super) fn of(event: &AuditEvent) -> Self {
        let details = event.action.details();
        let request = event.request.as_ref();
        Self {
            at: event.at.to_string(),
            action: event.action.name(),
            outcome: Some(event.action.outcome().as_str()),
            worker: event.actor.as_ref().map(ToString::to_string),
            peer: event.peer.map(|peer| peer.to_string()),
            request: request.map(|request| request.as_str().to_owned()),
            call: request.and_then(RequestId::call),
            claimed: details.claimed.map(|worker| worker.to_string()),
            subject: details.subject,
            why: details.why,
            times: details.times,
            up_to: None,
        }
    }

    /// A record of the audit itself.
    pub(super) fn note(at: Timestamp, action: &'static str, why: Option<String>) -> Self {
        Self {
            at: at.to_string(),
            action,
            why,
            ..Self::default()
        }
    }

    /// The record that all up to `last` are removed.
    pub(super) fn removed(at: Timestamp, last: u64) -> Self {
        Self {
            up_to: Some(last),
            ..Self::note(at, REMOVED, None)
        }
    }
}

#[derive(Serialize)]
struct Linked<'a> {
    seq: u64,
    #[serde(flatten)]
    entry: &'a Entry,
    prev: &'a str,
}

impl Chain {
    /// Makes `entry` the next record; its line, with the line break.
    pub(super) fn link(&mut self, entry: &Entry) -> String {
        let linked = Linked {
            seq: self.last + 1,
            entry,
            prev: &self.hash,
        };
        let text = serde_json::to_string(&linked).expect("texts and numbers are JSON");
        let mut line = escaped(&text);
        self.last += 1;
        self.hash = hash(line.as_bytes());
        line.truncate(line.len() - 1);
        line.push_str(HASH);
        line.push_str(&self.hash);
        line.push_str(END);
        line.push('\n');
        line
    }

    /// Reads the record in `line`, which comes next, or says what is wrong with it. The chain is
    /// where that record is then.
    pub(super) fn follow(&mut self, line: &[u8], first: bool) -> Result<Followed, String> {
        let read = Read::from(line)?;
        let name = read.seq;
        let begins = read.seq == 1 && read.prev == Self::default().hash;
        if !first || (read.seq == 1 && !begins) {
            if read.seq != self.last + 1 {
                return Err(format!("record {name} follows record {}", self.last));
            }
            if read.prev != self.hash {
                return Err(format!(
                    "record {name} does not go with record {}: its `prev` is another hash",
                    self.last
                ));
            }
        }
        let removed = read.removed;
        *self = read.chain();
        Ok(Followed { removed })
    }
}

/// A record as it was read.
struct Read {
    seq: u64,
    prev: String,
    hash: String,
    removed: Option<u64>,
}

#[derive(Deserialize)]
struct Named {
    seq: u64,
    prev: String,
    action: Option<String>,
    up_to: Option<u64>,
}

impl Read {
    fn from(line: &[u8]) -> Result<Self, String> {
        let no_record = || "it is no record".to_owned();
        let line = str::from_utf8(line).map_err(|_| no_record())?;
        let start = line.len().checked_sub(HASH.len() + HEX + END.len());
        let (text, tail) = start
            .and_then(|start| line.split_at_checked(start))
            .ok_or_else(no_record)?;
        let said = tail
            .strip_prefix(HASH)
            .and_then(|tail| tail.strip_suffix(END))
            .ok_or_else(no_record)?;
        let text = format!("{text}}}");
        let named: Named = serde_json::from_str(&text).map_err(|_| no_record())?;
        if hash(text.as_bytes()) != said {
            return Err(format!(
                "record {} was changed: its `hash` is not that of its contents",
                named.seq
            ));
        }
        Ok(Self {
            seq: named.seq,
            prev: named.prev,
            hash: said.to_owned(),
            removed: named
                .up_to
                .filter(|_| named.action.as_deref() == Some(REMOVED)),
        })
    }

    fn chain(self) -> Chain {
        Chain {
            last: self.seq,
            hash: self.hash,
        }
    }
}

fn hash(text: &[u8]) -> String {
    let mut hex = String::with_capacity(HEX);
    for byte in Sha256::digest(text) {
        write!(hex, "{byte:02x}").expect("a string takes all");
    }
    hex
}

/// JSON with no character in it that a terminal obeys or that changes how a line reads. Outside of
/// its texts it has none.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + HASH.len() + HEX + END.len() + 1);
    for char in json.chars() {
        let steers = char.is_control()
            || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if steers {
            write!(out, "\\u{:04x}", u32::from(char)).expect("a string takes all");
        } else {
            out.push(char);
        }
    }
    out
}
