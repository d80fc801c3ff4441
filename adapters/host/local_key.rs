//! The key of a developer's own worker, where a program beside the gateway finds it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use gateway_core::domain::identity::Secret;

/// The file, in the working directory.
pub const FILE: &str = ".antcode-local-key";

/// A file that holds a key as long as this value lives. Only its owner can read it.
#[derive(Debug)]
pub struct LocalKey {
    path: PathBuf,
}

impl LocalKey {
    /// Writes `key` to [`FILE`] in `folder`, in place of one that an earlier process left behind.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub fn write(folder: &Path, key: &Secret) -> io::Result<Self> {
        let path = folder.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().open(&path)?;
        writeln!(file, "{}", key.expose())?;
        Ok(Self { path })
    }
}

impl Drop for LocalKey {
    fn drop(&mut self) {
        // The key is worth nothing once the gateway is gone; what is left does no harm.
        let _left = fs::remove_file(&self.path);
    }
}

/// A file that must not be there yet, and that nobody else may read.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_its_owners_alone_and_goes_with_the_value() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join(FILE);
        fs::write(&path, "left behind").expect("writes");

        let key = LocalKey::write(folder.path(), &Secret::new("k")).expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("reads"), "k\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).expect("is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(key);
        assert!(!path.exists());
    }
}
