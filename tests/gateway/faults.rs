//! What goes wrong in the field, over real gRPC and with servers of the test's own: no task and no
//! result is lost.

mod bounded;
mod cluster;
mod demoted;
mod encrypted;
mod fleet;
mod gateways;
mod given_up;
mod network;
mod redis_away;
mod restarts;
#[cfg(feature = "mysql")]
mod results;
mod rights;
mod slow;
mod states;
mod trial;
mod trouble;

/// Workers, and tasks, of a test that needs many.
const WORKERS: usize = 100;
const TASKS: usize = 10_000;

/// Tasks of a test that needs but so many that what goes wrong falls among them.
const SOME_TASKS: usize = 3_000;
