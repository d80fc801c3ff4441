//! The threats that the public port must stand, row by row.

mod limits;
