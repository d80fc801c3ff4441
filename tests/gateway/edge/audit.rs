//! What is written down, and what is never told.

mod files;
#[cfg(feature = "mysql")]
mod keys;
#[cfg(feature = "redis")]
mod outages;
mod refusals;
#[cfg(feature = "redis")]
mod stream;
