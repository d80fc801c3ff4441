//! Whether a chain of records holds.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::record::Chain;

/// What a chain that holds consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records it has.
    pub records: u64,
    /// The number of the last; 0 if there is none.
    pub last: u64,
    /// The hash of the last.
    pub hash: String,
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

/// Follows the chain through `files`, the oldest first.
///
/// # Errors
///
/// The first [`Break`].
pub fn verify(files: &[PathBuf]) -> Result<Verified, Break> {
    let mut chain = Chain::default();
    let mut records = 0;
    for path in files {
        let unreadable = |error| Break::File(error, path.clone());
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if file.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                break;
            }
            let followed = match line.strip_suffix(b"\n") {
                Some(line) => chain.follow(line, records == 0),
                None => Err("it is torn: it has no end".to_owned()),
            };
            followed.map_err(|what| Break::Line {
                file: path.clone(),
                line: number,
                what,
            })?;
            records += 1;
        }
    }
    Ok(Verified {
        records,
        last: chain.last,
        hash: chain.hash,
    })
}

/// The file of an audit with those that were rotated out of it, the oldest first.
///
/// # Errors
///
/// Whatever keeps its folder from being read.
pub fn files_of(file: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = rotated(file)?;
    files.push(file.to_owned());
    Ok(files)
}

/// What was rotated out of `file`, the oldest first.
pub(super) fn rotated(file: &Path) -> io::Result<Vec<PathBuf>> {
    let mut prefix = file.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name
            .as_encoded_bytes()
            .strip_prefix(prefix.as_encoded_bytes());
        if number.is_some_and(|n| n.len() >= 12 && n.iter().all(u8::is_ascii_digit)) {
            files.push((name.len(), folder.join(name)));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// `file` with `ending` at the end of its name.
pub(super) fn sibling(file: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(".");
    path.push(ending);
    path.into()
}
