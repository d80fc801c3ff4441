//! Where records go.

use std::io::{self, Write as _};

use super::Settings;
use super::file::{Log, OpenError, Surplus, Trouble};
use super::record::Chain;

/// Where records go.
pub(super) enum Target {
    File(Log),
    Stdout,
    /// A disk that may be full, and what is on it.
    #[cfg(test)]
    Disk(std::sync::Arc<std::sync::Mutex<Disk>>),
}

#[cfg(test)]
#[derive(Default)]
pub(super) struct Disk {
    pub(super) full: bool,
    pub(super) text: String,
}

/// Where writing begins.
#[derive(Default)]
pub(super) struct Start {
    pub(super) chain: Chain,
    /// Bytes of a line that was not written to its end, and is cut off.
    pub(super) torn: u64,
}

impl Target {
    pub(super) fn open(settings: Settings) -> Result<(Self, Start), OpenError> {
        let Some(path) = settings.file.clone() else {
            return Ok((Self::Stdout, Start::default()));
        };
        let opened = Log::open(path.clone(), settings);
        let (log, start) = opened.map_err(|error| match error {
            Trouble::Io(error) => OpenError::File(error, path.clone()),
            Trouble::Taken => OpenError::Taken(path.clone()),
            Trouble::Broken(why) => OpenError::Broken(why, path.clone()),
        })?;
        Ok((Self::File(log), start))
    }

    /// Writes `lines`, the first of which is record `first`: all of them or, after an error, none.
    pub(super) fn append(&mut self, lines: &str, first: u64) -> io::Result<()> {
        match self {
            Self::File(log) => log.append(lines, first),
            Self::Stdout => io::stdout().lock().write_all(lines.as_bytes()),
            #[cfg(test)]
            Self::Disk(disk) => {
                let mut disk = disk.lock().expect("is whole");
                if disk.full {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                disk.text.push_str(lines);
                Ok(())
            }
        }
    }

    /// Writes `lines` where the last ones went: all of them or, after an error, none.
    pub(super) fn add(&mut self, lines: &str) -> io::Result<()> {
        match self {
            Self::File(log) => log.write(lines),
            Self::Stdout => self.append(lines, 0),
            #[cfg(test)]
            Self::Disk(_) => self.append(lines, 0),
        }
    }

    /// What is no longer kept, if that is news.
    pub(super) fn surplus(&mut self) -> Option<Surplus> {
        match self {
            Self::File(log) => log.surplus(),
            Self::Stdout => None,
            #[cfg(test)]
            Self::Disk(_) => None,
        }
    }

    /// Sees to it that what was written outlives the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(log) => log.sync(),
            Self::Stdout => io::stdout().flush(),
            #[cfg(test)]
            Self::Disk(_) => Ok(()),
        }
    }
}
