use std::ops::Deref;
use std::sync::Arc;

use fred::util::sha1_hash;

/// A Lua script that Redis runs as a whole or not at all. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Script(Arc<Sources>);

/// What a script is sent as.
#[derive(Debug)]
pub(super) struct Sources {
    /// For one call.
    pub(super) alone: Source,
    /// For several calls at once.
    pub(super) gathered: Source,
}

/// The text of a script, and the name that Redis gives it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: String,
    pub(super) digest: String,
}

impl Script {
    pub(super) fn new(source: &str) -> Self {
        let around = include_str!("lua/gathered.lua");
        let gathered = format!("local function run(KEYS, ARGV)\n{source}\nend\n{around}");
        Self(Arc::new(Sources {
            alone: Source::new(source.to_owned()),
            gathered: Source::new(gathered),
        }))
    }
}

impl Deref for Script {
    type Target = Sources;

    fn deref(&self) -> &Sources {
        &self.0
    }
}

impl Source {
    fn new(text: String) -> Self {
        Self {
            digest: sha1_hash(&text),
            text,
        }
    }
}
