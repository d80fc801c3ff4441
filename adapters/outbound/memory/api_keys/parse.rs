use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use gateway_core::domain::id::WorkerId;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{ApiKeys, Digest};

/// The most keys a worker may have: the old one and the new one.
const MAX_KEYS: usize = 2;

/// Why a file of keys cannot be used. What it says of an entry never includes a digest, as
/// somebody may have written a key there instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// It has another form.
    #[error("not a JSON object of worker ids to SHA-256 digests, at line {line}, column {column}")]
    Form {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Nobody could be let in.
    #[error("no entry at all")]
    Empty,
    /// An entry is named by what is no worker id.
    #[error("entry {entry}: its name is no worker id (1 to 64 characters of A-Z a-z 0-9 . _ -)")]
    Name {
        /// Counted from 1.
        entry: usize,
    },
    /// A worker has two entries.
    #[error("worker {0}: two entries; put both digests into one list")]
    Twice(WorkerId),
    /// A worker has too few or too many keys.
    #[error("worker {worker}: {count} digests, where 1 or 2 are allowed")]
    Count {
        /// Whose.
        worker: WorkerId,
        /// How many.
        count: usize,
    },
    /// Something is no digest.
    #[error(
        "worker {worker}: not the SHA-256 of its key in 64 digits of lower-case hex ({len} bytes); \
         make one with: printf %s \"$KEY\" | sha256sum"
    )]
    Digest {
        /// Whose.
        worker: WorkerId,
        /// How long what stands there is.
        len: usize,
    },
    /// Two workers have the same key, so that it is nobody's.
    #[error("workers {0} and {1}: the same key")]
    Shared(WorkerId, WorkerId),
}

pub(super) fn parse(text: &str) -> Result<ApiKeys, KeysError> {
    let Entries(entries) = serde_json::from_str(text).map_err(|error| KeysError::Form {
        line: error.line(),
        column: error.column(),
    })?;
    if entries.is_empty() {
        return Err(KeysError::Empty);
    }
    let mut known = HashSet::new();
    let mut keys = HashMap::new();
    for (place, (name, digests)) in entries.into_iter().enumerate() {
        let entry = place + 1;
        let worker = WorkerId::parse(&name).map_err(|_| KeysError::Name { entry })?;
        if !known.insert(worker.clone()) {
            return Err(KeysError::Twice(worker));
        }
        for digest in digests.of(&worker)? {
            match keys.entry(digest) {
                Entry::Vacant(vacant) => vacant.insert(worker.clone()),
                Entry::Occupied(owner) => {
                    return Err(KeysError::Shared(owner.get().clone(), worker));
                }
            };
        }
    }
    Ok(ApiKeys::of(keys))
}

/// The entries in the order they stand, those of the same name as well.
struct Entries(Vec<(String, Digests)>);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Digests {
    One(String),
    Some(Vec<String>),
}

impl Digests {
    fn of(self, worker: &WorkerId) -> Result<Vec<Digest>, KeysError> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Some(texts) => texts,
        };
        let worker = worker.clone();
        if !(1..=MAX_KEYS).contains(&texts.len()) {
            let count = texts.len();
            return Err(KeysError::Count { worker, count });
        }
        let parsed = texts.iter().map(|text| {
            parse_digest(text).ok_or_else(|| KeysError::Digest {
                worker: worker.clone(),
                len: text.len(),
            })
        });
        parsed.collect()
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let lower = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    if text.len() != 64 || !text.bytes().all(lower) {
        return None;
    }
    let mut digest = Digest::default();
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc`, and of nothing.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_worker_has_one_key_or_two() {
        let one = parse(&format!(r#"{{"w-1": "{ABC}"}}"#)).expect("parses");
        let two = parse(&format!(r#"{{"w-1": ["{ABC}", "{NOTHING}"]}}"#)).expect("parses");

        let count = |keys: ApiKeys| keys.book.get().owners.len();
        assert_eq!((count(one), count(two)), (1, 2));
    }

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        let shout = ABC.to_uppercase();
        for (text, told) in [
            ("{".to_owned(), "line 1, column 1"),
            ("[]".to_owned(), "not a JSON object"),
            (r#"{"w-1": 7}"#.to_owned(), "not a JSON object"),
            ("{}".to_owned(), "no entry"),
            (format!(r#"{{"w 1": "{ABC}"}}"#), "entry 1: its name"),
            (r#"{"w-1": []}"#.to_owned(), "worker w-1: 0 digests"),
            (r#"{"w-1": "hunter2"}"#.to_owned(), "worker w-1: not the"),
            (format!(r#"{{"w-1": "{shout}"}}"#), "worker w-1: not the"),
            (
                format!(r#"{{"w-1": ["{ABC}", "{ABC}", "{ABC}"]}}"#),
                "worker w-1: 3 digests",
            ),
            (
                format!(r#"{{"w-1": "{ABC}", "w-1": "{NOTHING}"}}"#),
                "worker w-1: two entries",
            ),
            (
                format!(r#"{{"w-1": "{ABC}", "w-2": "{ABC}"}}"#),
                "workers w-1 and w-2",
            ),
        ] {
            let message = parse(&text).expect_err("is refused").to_string();
            assert!(message.contains(told), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
            assert!(!message.contains(&ABC[..8]), "{message}");
        }
    }
}
