use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
pub(in super::super) fn rotated(file: &Path) -> io::Result<Vec<PathBuf>> {
    let mut prefix = file.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let folder = folder(file);
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

/// The record that a rotated file begins with, as its name has it.
pub(super) fn begins_with(file: &Path) -> Option<u64> {
    file.extension()?.to_str()?.parse().ok()
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
