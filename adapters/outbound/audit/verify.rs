//! Whether a chain of records holds.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::file::{files_of, same};
use super::record::{Chain, Followed};

/// How often it is looked again where somebody writes meanwhile.
const LOOKS: u32 = 10;

/// How often a chain that breaks is followed again.
const FOLLOWS: u32 = 3;

/// What a chain that holds consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records it has.
    pub records: u64,
    /// How many files they are in.
    pub files: usize,
    /// The first.
    pub first: Link,
    /// The last.
    pub last: Link,
    /// The last that rotation has removed, as a record says; 0 if none does.
    pub removed: u64,
    /// Whether another is just being written.
    pub unfinished: bool,
}

/// One record of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number; 0 if there is none.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

impl Verified {
    /// The records before the first that are gone although rotation did not remove them.
    pub fn missing(&self) -> Option<RangeInclusive<u64>> {
        let missing = self.removed + 1..=self.first.number.saturating_sub(1);
        (!missing.is_empty()).then_some(missing)
    }

    fn add(&mut self, followed: Followed, chain: &Chain) {
        self.records += 1;
        self.removed = self.removed.max(followed.removed.unwrap_or(0));
        self.last = Link {
            number: chain.last,
            hash: chain.hash.clone(),
        };
        if self.records == 1 {
            self.first = self.last.clone();
        }
    }
}

/// Where a chain does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Break {
    /// A file cannot be read.
    #[error("{path}: {0}", path = .1.display())]
    File(#[source] io::Error, PathBuf),
    /// A line is not the one that belongs there.
    #[error("{path}:{line}: {what}", path = .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The number of the line in it.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Follows the chain through `file` and what was rotated out of it. Somebody may write it meanwhile.
///
/// # Errors
///
/// The first [`Break`].
pub fn verify_all_of(file: &Path) -> Result<Verified, Break> {
    let mut follows = 1;
    loop {
        let unreadable = |error| Break::File(error, file.to_owned());
        let verified = open_all(file).map_err(unreadable).and_then(follow);
        // What was written or rotated just then looks like a break, and not for long.
        if verified.is_ok() || follows >= FOLLOWS {
            return verified;
        }
        follows += 1;
    }
}

/// Follows the chain through `files`, the oldest first.
///
/// # Errors
///
/// The first [`Break`].
pub fn verify(files: &[PathBuf]) -> Result<Verified, Break> {
    let open = |path: &PathBuf| match File::open(path) {
        Ok(file) => Ok((path.clone(), file)),
        Err(error) => Err(Break::File(error, path.clone())),
    };
    follow(files.iter().map(open).collect::<Result<_, _>>()?)
}

type Opened = Vec<(PathBuf, File)>;

/// Opens the files of an audit, all of them as they are at one moment.
fn open_all(file: &Path) -> io::Result<Opened> {
    let mut looks = 1;
    loop {
        let opened = attempt(file);
        if looks >= LOOKS {
            return Ok(opened?.0);
        }
        if let Ok((opened, true)) = opened {
            return Ok(opened);
        }
        looks += 1;
    }
}

/// Opens them, and tells whether they are still the same then.
fn attempt(file: &Path) -> io::Result<(Opened, bool)> {
    let files = files_of(file)?;
    let open = |path: &PathBuf| Ok((path.clone(), File::open(path)?));
    let opened: Opened = files.iter().map(open).collect::<io::Result<_>>()?;
    let written = opened
        .last()
        .is_some_and(|(path, file)| fs::metadata(path).is_ok_and(|now| same(&now, file)));
    let still = files_of(file)? == files;
    Ok((opened, written && still))
}

fn follow(files: Opened) -> Result<Verified, Break> {
    let mut chain = Chain::default();
    let mut verified = Verified {
        files: files.len(),
        ..Verified::default()
    };
    let count = files.len();
    for (place, (path, file)) in files.into_iter().enumerate() {
        let unreadable = |error| Break::File(error, path.clone());
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if file.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                break;
            }
            let followed = match line.strip_suffix(b"\n") {
                Some(line) => chain.follow(line, verified.records == 0),
                None if place + 1 == count && is_written(file.get_ref()) => {
                    verified.unfinished = true;
                    break;
                }
                None => Err("it is torn: it has no end".to_owned()),
            };
            let followed = followed.map_err(|what| Break::Line {
                file: path.clone(),
                line: number,
                what,
            })?;
            verified.add(followed, &chain);
        }
    }
    Ok(verified)
}

/// Whether somebody has `file` locked, as those have who write it.
fn is_written(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // If that fails, it ends with the file.
            let _unlocked = file.unlock();
            false
        }
        Err(error) => matches!(error, fs::TryLockError::WouldBlock),
    }
}
