use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::Trouble;

/// The file at `path`, which nobody else writes.
pub(super) fn locked(path: &Path, patient: bool) -> Result<File, Trouble> {
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

pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Lets nobody else read what was there before.
#[cfg(unix)]
pub(super) fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    // A device, or a pipe, is as whoever made it wants it.
    if file.metadata()?.is_file() {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
pub(in super::super) fn same(path: &fs::Metadata, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    file.metadata()
        .is_ok_and(|file| (file.dev(), file.ino()) == (path.dev(), path.ino()))
}

#[cfg(not(unix))]
pub(in super::super) fn same(_: &fs::Metadata, _: &File) -> bool {
    true
}
