//! The file of the audit, and those it is rotated into.

mod ends;
mod names;
mod open;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use self::ends::{end, first, may_be_torn};
use self::names::{begins_with, folder, sibling};
use self::open::{locked, options, restrict};
use super::Settings;
use super::target::Start;

pub use self::names::files_of;
pub(super) use self::names::rotated;
pub(super) use self::open::same;

/// Why the audit cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened, read or cut.
    #[error("{path}: {0}", path = .1.display())]
    File(#[source] io::Error, PathBuf),
    /// Another process writes it.
    #[error("{path}: another process writes it", path = .0.display())]
    Taken(PathBuf),
    /// The chain cannot go on from its end.
    #[error("{path}: its last line is no end to go on from ({0}); `audit verify` tells more; move the file away to begin anew", path = .1.display())]
    Broken(String, PathBuf),
}

pub(super) enum Trouble {
    Io(io::Error),
    Taken,
    Broken(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The file that is written.
pub(super) struct Log {
    path: PathBuf,
    settings: Settings,
    file: File,
    /// Bytes of whole records in it.
    size: u64,
    /// The number of its first record.
    first: u64,
    /// Whether it could not be rotated the last time.
    stuck: bool,
    surplus: Option<Surplus>,
}

impl Log {
    pub(super) fn open(path: PathBuf, settings: Settings) -> Result<(Self, Start), Trouble> {
        let mut file = locked(&path, settings.patient)?;
        restrict(&file)?;
        let before = file.metadata()?.len();
        let (size, last) = end(&mut file)?;
        // What is no audit of ours is left as it is.
        if last.is_none() && before > 0 && !may_be_torn(&mut file)? {
            return Err(Trouble::Broken("it holds something else".to_owned()));
        }
        let mut start = Start {
            torn: before - size,
            ..Start::default()
        };
        let last = match last {
            Some(last) => Some(last),
            // It was rotated just before the end.
            None => match rotated(&path)?.pop() {
                Some(newest) => end(&mut File::open(newest)?)?.1,
                None => None,
            },
        };
        if let Some(line) = last {
            start.chain.follow(&line, true).map_err(Trouble::Broken)?;
        }
        if size < before {
            file.set_len(size)?;
        }
        let first = match first(&mut file)? {
            Some(first) => first,
            None => start.chain.last + 1,
        };
        let log = Self {
            path,
            settings,
            file,
            size,
            first,
            stuck: false,
            surplus: None,
        };
        Ok((log, start))
    }

    /// Writes `lines`, in a new file if they are too much for this one.
    pub(super) fn append(&mut self, lines: &str, first: u64) -> io::Result<()> {
        // Whatever is rotated away must be whole.
        self.cut()?;
        if self.size > 0 && self.size + lines.len() as u64 > self.settings.max_bytes {
            let rotated = self.rotate(first);
            self.tell(rotated);
        }
        self.write(lines)
    }

    /// Writes `lines`, however many there are already.
    pub(super) fn write(&mut self, lines: &str) -> io::Result<()> {
        self.cut()?;
        self.file.write_all(lines.as_bytes())?;
        self.size += lines.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// What is no longer kept, if that is news.
    pub(super) fn surplus(&mut self) -> Option<Surplus> {
        self.surplus.take()
    }

    /// Cuts off what an attempt that failed has left.
    fn cut(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() != self.size {
            self.file.set_len(self.size)?;
        }
        Ok(())
    }

    /// Says once that the file is not rotated. It grows then, rather than lose anything.
    fn tell(&mut self, rotated: io::Result<()>) {
        match rotated {
            Ok(()) => self.stuck = false,
            Err(error) if !self.stuck => {
                self.stuck = true;
                tracing::error!(%error, "the file of the audit cannot be rotated; it grows");
            }
            Err(_) => {}
        }
    }

    /// Begins a new file with record `next`.
    fn rotate(&mut self, next: u64) -> io::Result<()> {
        self.file.sync_data()?;
        let fresh = sibling(&self.path, "new");
        let _left_behind = fs::remove_file(&fresh);
        let file = options().open(&fresh)?;
        file.try_lock()?;
        let away = sibling(&self.path, &format!("{:012}", self.first));
        match fs::rename(&self.path, away) {
            // An attempt before this one got so far.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        fs::rename(&fresh, &self.path)?;
        (self.file, self.size, self.first) = (file, 0, next);
        File::open(folder(&self.path))?.sync_all()?;
        self.surplus = Surplus::of(rotated(&self.path)?, self.settings.kept, next);
        Ok(())
    }
}

/// Files that are no longer kept.
pub(super) struct Surplus {
    files: Vec<PathBuf>,
    /// The last record in them.
    pub(super) up_to: u64,
}

impl Surplus {
    /// All of `files` but the last so many. What comes after them begins with record `next`.
    fn of(mut files: Vec<PathBuf>, kept: usize, next: u64) -> Option<Self> {
        let stay = files.split_off(files.len().saturating_sub(kept));
        let stays = stay.first().and_then(|file| begins_with(file));
        (!files.is_empty()).then_some(Self {
            files,
            up_to: stays.unwrap_or(next) - 1,
        })
    }

    /// Removes them, the oldest first.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.files.iter().try_for_each(fs::remove_file)
    }
}
