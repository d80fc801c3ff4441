use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What surrounds the process: its variables, and the file that adds to them.
///
/// It has no `Debug`, because variables hold secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    dotenv: Option<PathBuf>,
}

impl Environment {
    /// Adds the variables in the file `path`, which need not exist.
    #[must_use]
    pub fn with_dotenv(mut self, path: impl Into<PathBuf>) -> Self {
        self.dotenv = Some(path.into());
        self
    }

    /// The value of a variable; an empty one counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.to_string_lossy().trim().is_empty())
    }

    pub(super) fn dotenv(&self) -> Option<&Path> {
        self.dotenv.as_deref()
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            variables,
            dotenv: None,
        }
    }
}

/// The variables of this process, and `.env` in its working directory.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment; the rest is told by Config"
)]
pub fn environment() -> Environment {
    std::env::vars_os()
        .collect::<Environment>()
        .with_dotenv(".env")
}
