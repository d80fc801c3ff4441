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
    /// A script before which stands what is the same in all its calls, each text by a name of its
    /// own.
    pub(super) fn with(constants: &[(&str, String)], source: &str) -> Self {
        let constants = constants.iter();
        let lines = constants.map(|(name, text)| format!("local {name} = {}\n", quoted(text)));
        Self::new(&(lines.collect::<String>() + source))
    }

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

/// A text as Lua reads it, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":._-{}".contains(&byte);
    let bytes = text.bytes().map(|byte| match byte {
        _ if plain(byte) => char::from(byte).to_string(),
        _ => format!("\\{byte:03}"),
    });
    format!("'{}'", bytes.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_cannot_end_its_text() {
        let script = Script::with(&[("NAME", "a'\n\\:1".to_owned())], "return NAME");
        assert_eq!(
            script.alone.text,
            "local NAME = 'a\\039\\010\\092:1'\nreturn NAME"
        );
    }
}
