//! The file of the audit, and those it is rotated into.

mod ends;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use self::ends::{end, first, may_be_torn};
use super::Settings;
use super::record::Chain;
use super::verify::{rotated, sibling};

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

    /// Sees to it that what was written outlives the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(log) => log.file.sync_data(),
            Self::Stdout => io::stdout().flush(),
            #[cfg(test)]
            Self::Disk(_) => Ok(()),
        }
    }
}

enum Trouble {
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
}

impl Log {
    fn open(path: PathBuf, settings: Settings) -> Result<(Self, Start), Trouble> {
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
        };
        Ok((log, start))
    }

    fn append(&mut self, lines: &str, first: u64) -> io::Result<()> {
        let length = lines.len() as u64;
        if self.size > 0 && self.size + length > self.settings.max_bytes {
            let rotated = self.rotate(first);
            self.tell(rotated);
        }
        // What an attempt that failed has left.
        if self.file.metadata()?.len() != self.size {
            self.file.set_len(self.size)?;
        }
        self.file.write_all(lines.as_bytes())?;
        self.size += length;
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
        let files = rotated(&self.path)?;
        let surplus = files.len().saturating_sub(self.settings.kept);
        for file in &files[..surplus] {
            fs::remove_file(file)?;
        }
        File::open(folder(&self.path))?.sync_all()
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The file at `path`, which nobody else writes.
fn locked(path: &Path, patient: bool) -> Result<File, Trouble> {
    loop {
        let file = options().open(path)?;
        if patient {
            file.lock()?;
        } else {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Trouble::Taken),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        // Whoever had it may have rotated it away meanwhile.
        if fs::metadata(path).is_ok_and(|now| same(&now, &file)) {
            return Ok(file);
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Lets nobody else read what was there before.
#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    // A device, or a pipe, is as whoever made it wants it.
    if file.metadata()?.is_file() {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn same(path: &fs::Metadata, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    file.metadata()
        .is_ok_and(|file| (file.dev(), file.ino()) == (path.dev(), path.ino()))
}

#[cfg(not(unix))]
fn same(_: &fs::Metadata, _: &File) -> bool {
    true
}
