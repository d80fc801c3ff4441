//! The end of the stream for everyone, read once for all who want to hear what is new in it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fred::types::Value;
use gateway_core::domain::control::{Command, Lane};

use super::super::entry_id::EntryId;
use super::super::keys::Keys;
use super::super::link::{Link, LinkError};
use super::super::reply;
use super::super::script::Script;
use super::message;

/// How much of it is kept here: entries, and about how many bytes.
const MAX_KEPT: usize = 1024;
const MAX_BYTES: usize = 16 << 20;

/// Entries that are read at once.
const READ: usize = 256;

/// Entries that are told at once of what a worker has not heard.
const PAGE: usize = 64;

/// What everyone is told.
pub(super) struct Tail {
    link: Link,
    keys: Keys,
    script: Script,
    /// Reads that were begun.
    begun: AtomicU64,
    /// The last read that came to an end: its number, and what came of it.
    ended: tokio::sync::Mutex<(u64, Result<(), LinkError>)>,
    known: Mutex<Known>,
    /// Entries that were no commands.
    unreadable: AtomicU64,
}

/// What was read.
#[derive(Default)]
struct Known {
    /// The last id there ever was; none before the first read.
    last: Option<EntryId>,
    /// From where on the entries are complete, itself not among them.
    from: EntryId,
    entries: VecDeque<Broadcast>,
    bytes: usize,
}

/// A command for everyone, if it is one.
#[derive(Clone)]
pub(super) struct Broadcast {
    pub(super) id: EntryId,
    /// None if nobody knows how to read it.
    pub(super) command: Option<Command>,
    bytes: usize,
}

/// What came after some place.
pub(super) struct Page {
    /// The id up to which it is complete.
    pub(super) upto: EntryId,
    /// The ids, and which lanes can carry what they stand for.
    pub(super) entries: Vec<(EntryId, &'static str)>,
}

impl Tail {
    pub(super) fn new(link: &Link, keys: &Keys) -> Self {
        Self {
            link: link.clone(),
            keys: keys.clone(),
            script: Script::new(include_str!("../lua/control_tail.lua")),
            begun: AtomicU64::new(0),
            ended: tokio::sync::Mutex::new((0, Ok(()))),
            known: Mutex::default(),
            unreadable: AtomicU64::new(0),
        }
    }

    /// The last id there ever was, as of now or later. One read serves all who asked before it was
    /// begun.
    pub(super) async fn last(&self) -> Result<EntryId, LinkError> {
        let asked = self.begun.load(Ordering::SeqCst);
        let mut ended = self.ended.lock().await;
        if ended.0 <= asked {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let outcome = self.read_on().await;
            *ended = (number, outcome);
        }
        ended.1.clone()?;
        Ok(self.known().last.unwrap_or_default())
    }

    /// What came after `place`, a page at the most.
    pub(super) async fn after(&self, place: EntryId) -> Result<Page, LinkError> {
        let last = {
            let known = self.known();
            let last = known.last.unwrap_or_default();
            if known.from <= place {
                let first = known.entries.partition_point(|entry| entry.id <= place);
                return Ok(page(known.entries.range(first..), last));
            }
            last
        };
        let older = self.range(format!("({place}"), "+", PAGE).await?;
        Ok(page(older.iter(), last))
    }

    /// The command of this id; none if it is gone, or is none.
    pub(super) async fn find(&self, id: EntryId) -> Result<Option<Command>, LinkError> {
        {
            let known = self.known();
            if let Ok(index) = known.entries.binary_search_by_key(&id, |entry| entry.id) {
                return Ok(known.entries[index].command.clone());
            }
        }
        let found = self.range(id.to_string(), &id.to_string(), 1).await?;
        Ok(found.into_iter().next().and_then(|entry| entry.command))
    }

    /// Reads whatever came since the last read.
    async fn read_on(&self) -> Result<(), LinkError> {
        let mut from = self.known().last;
        loop {
            let (last, entries) = self.read_after(from).await?;
            let rest = entries.len() == READ;
            let mut broadcasts = Vec::with_capacity(entries.len());
            for (id, fields) in entries {
                broadcasts.push(self.broadcast(&id, &fields)?);
            }
            from = broadcasts.last().map(|entry| entry.id).or(from);
            let mut known = self.known();
            known.grow(broadcasts, last);
            if !rest {
                known.last = Some(last);
                return Ok(());
            }
        }
    }

    async fn read_after(
        &self,
        from: Option<EntryId>,
    ) -> Result<(EntryId, Vec<(String, Vec<(String, String)>)>), LinkError> {
        let from = from.map(|id| id.to_string()).unwrap_or_default();
        let args = vec![from.into(), READ.to_string().into()];
        let keys = vec![self.keys.control_global()];
        let answer = self.link.eval(&self.script, keys, args).await?;
        let mut parts = reply::list(answer)?.into_iter();
        let (Some(last), Some(entries)) = (parts.next(), parts.next()) else {
            return Err(LinkError::Nonsense("no tail of a stream".to_owned()));
        };
        Ok((entry_id(&reply::text(&last)?)?, reply::entries(entries)?))
    }

    async fn range(&self, from: String, to: &str, max: usize) -> Result<Vec<Broadcast>, LinkError> {
        let key = self.keys.control_global();
        let max = max.to_string();
        let args: Vec<Value> = vec![
            key.into(),
            from.into(),
            to.into(),
            "COUNT".into(),
            max.into(),
        ];
        let entries = reply::entries(self.link.read("XRANGE", args).await?)?;
        let read = |(id, fields): (String, Vec<_>)| self.broadcast(&id, &fields);
        entries.into_iter().map(read).collect()
    }

    fn broadcast(&self, id: &str, fields: &[(String, String)]) -> Result<Broadcast, LinkError> {
        let command = message::read(&self.keys, fields);
        if let Err(reason) = &command {
            let count = self.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(entry = id, %reason, count, "a command for everyone is none, and nobody is told");
        }
        let sizes = fields.iter().map(|(name, value)| name.len() + value.len());
        Ok(Broadcast {
            id: entry_id(id)?,
            command: command.ok(),
            bytes: sizes.sum(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while the lock is held, so what is known is still whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes what was read after all that is known, and lets go of the oldest.
    fn grow(&mut self, broadcasts: Vec<Broadcast>, last: EntryId) {
        let anew = self.last.is_none_or(|known| last < known);
        if anew {
            // The first read, or the stream is another one than before.
            *self = Self {
                last: Some(last),
                from: last,
                ..Self::default()
            };
        }
        for broadcast in broadcasts {
            self.last = self.last.max(Some(broadcast.id));
            self.bytes += broadcast.bytes;
            self.entries.push_back(broadcast);
        }
        while self.entries.len() > MAX_KEPT || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes;
            self.from = oldest.id;
        }
    }
}

fn page<'a>(entries: impl Iterator<Item = &'a Broadcast>, last: EntryId) -> Page {
    let told = |entry: &Broadcast| (entry.id, kind(entry.command.as_ref()));
    let entries: Vec<_> = entries.take(PAGE).map(told).collect();
    let end = entries.last().map_or(last, |(id, _)| *id);
    let upto = if entries.len() < PAGE {
        last.max(end)
    } else {
        end
    };
    Page { upto, entries }
}

/// What the script calls it.
fn kind(command: Option<&Command>) -> &'static str {
    match command {
        None => "none",
        Some(command) if command.fits(Lane::Stream) => "any",
        Some(_) => "runtime",
    }
}

/// Reads the id of an entry that Redis told.
pub(super) fn entry_id(text: &str) -> Result<EntryId, LinkError> {
    EntryId::parse(text).ok_or_else(|| LinkError::Nonsense(format!("{text:?} for an id")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EntryId {
        EntryId::parse(text).expect("is an id")
    }

    fn broadcasts(ids: std::ops::Range<usize>, bytes: usize) -> Vec<Broadcast> {
        let broadcast = |number| Broadcast {
            id: id(&format!("{number}-0")),
            command: None,
            bytes,
        };
        ids.map(broadcast).collect()
    }

    #[test]
    fn so_many_are_kept_and_so_many_bytes() {
        let mut known = Known::default();
        known.grow(vec![], id("5-0"));
        assert_eq!((known.last, known.from), (Some(id("5-0")), id("5-0")));

        known.grow(broadcasts(10..10 + MAX_KEPT + 1, 1), id("9999-0"));
        assert_eq!((known.entries.len(), known.from), (MAX_KEPT, id("10-0")));
        known.grow(broadcasts(5000..5001, MAX_BYTES), id("9999-0"));
        assert_eq!((known.entries.len(), known.bytes), (1, MAX_BYTES));
        assert_eq!(known.last, Some(id("5000-0")));
    }

    #[test]
    fn a_stream_that_begins_anew_is_known_anew() {
        let mut known = Known::default();
        known.grow(vec![], id("5-0"));
        known.grow(broadcasts(6..8, 1), id("7-0"));

        known.grow(vec![], id("0-0"));
        assert_eq!((known.last, known.entries.len()), (Some(id("0-0")), 0));
        known.grow(broadcasts(8..9, 1), id("8-0"));
        assert_eq!((known.from, known.entries.len()), (id("0-0"), 1));
    }

    #[test]
    fn a_page_says_up_to_where_it_is_complete() {
        let some = broadcasts(1..4, 0);
        assert_eq!(page(some.iter(), id("9-0")).upto, id("9-0"));
        assert_eq!(page(some.iter(), id("2-0")).upto, id("3-0"));
        let many = broadcasts(1..PAGE + 10, 0);
        let full = page(many.iter(), id("999-0"));
        assert_eq!((full.entries.len(), full.upto), (PAGE, id("64-0")));
    }
}
