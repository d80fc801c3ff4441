//! The public edge: what the open internet may try, and what comes of it.

mod audit;
#[cfg(feature = "redis")]
mod breaker;
