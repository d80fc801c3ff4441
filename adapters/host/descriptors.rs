//! How many files and sockets the process may have open.

use std::io;

/// Raises the limit as far as the system lets us; what it is then.
pub fn raise() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}
