//! The things the gateway deals with, and the rules they keep.

pub mod audit;
pub mod control;
pub mod id;
pub mod identity;
pub mod invalid;
pub mod limit;
pub mod log;
pub mod network;
pub mod run;
pub mod task;
pub mod time;
pub mod worker;

pub use invalid::Invalid;
