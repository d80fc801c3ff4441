//! What the core needs of the world: an adapter for every port, a folder for each technology.
//!
//! An adapter knows the port it fills and the technology it fills it with, and no other adapter.

pub mod audit;
#[cfg(any(feature = "redis", feature = "mysql", test))]
pub mod breaker;
pub mod jwt;
pub mod memory;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "redis")]
pub mod redis;

mod by_kind;
mod clock;
mod metered;
mod overall;
mod spooled;
mod swapped;

pub use by_kind::{ByKind, Ways};
pub use clock::SystemClock;
pub use metered::metered;
pub use overall::Overall;
pub use spooled::{SpoolSettings, Spooled};
