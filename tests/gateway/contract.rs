//! What every adapter of a port must do.
//!
//! A file for each port: a trait of what the rules need of a backend besides the port itself (the
//! scheduler's side of it, as a rule), then the rules, each a sentence of the port's documentation,
//! then the list of them with the names of those who are under test. An adapter joins by
//! implementing the trait, by an arm of [`contract!`], and by its name before each list.
//!
//! A backend may keep time by a clock of its own. So nothing is asserted to have happened by some
//! moment, but only not before; and nobody sleeps: a rule waits for the thing itself, as long as
//! [`LONG`]. How long leases are is the backend's to say, the shorter the better.

/// Makes a test of each rule for each adapter.
macro_rules! contract {
    ($($adapter:ident),+ => $rules:tt) => {
        $(contract!(@ $adapter $rules);)+
    };
    // In this process, where time passes when everybody waits.
    (@ memory { $($rule:ident,)+ }) => {
        mod memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $rule() {
                    super::$rule(&crate::contract::memory::start()).await;
                }
            )+
        }
    };
    // On one Redis.
    (@ redis { $($rule:ident,)+ }) => {
        #[cfg(feature = "redis")]
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    super::$rule(&crate::contract::redis::on_one().await).await;
                }
            )+
        }
    };
    // On one Redis, with a breaker before it.
    (@ guarded { $($rule:ident,)+ }) => {
        #[cfg(feature = "redis")]
        mod guarded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    super::$rule(&crate::contract::redis::on_one_guarded().await).await;
                }
            )+
        }
    };
    // On a Redis Cluster.
    (@ cluster { $($rule:ident,)+ }) => {
        #[cfg(feature = "redis")]
        mod cluster {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    super::$rule(&crate::contract::redis::on_cluster().await).await;
                }
            )+
        }
    };
    // On MariaDB.
    (@ mariadb { $($rule:ident,)+ }) => {
        #[cfg(feature = "mysql")]
        mod mariadb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    super::$rule(&crate::contract::mysql::start().await).await;
                }
            )+
        }
    };
    // In this process, on many threads, by the clock on the wall.
    (@ memory_live { $($rule:ident,)+ }) => {
        mod memory_live {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $rule() {
                    super::$rule(&crate::contract::memory::start()).await;
                }
            )+
        }
    };
}

mod authenticator;
mod control_channel;
mod dead_letters;
mod limiter;
mod log_sink;
mod master;
mod memory;
#[cfg(feature = "mysql")]
mod mysql;
mod nonces;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod result_feed;
mod result_store;
mod run_owners;
#[cfg(feature = "redis")]
mod spool;
mod task_queue;
mod worker_registry;

use std::time::Duration;

use gateway_core::domain::id::{ReceiptId, RequestId, RunId, TaskId, WorkerId};
use gateway_core::domain::task::Task;
use tokio::time::Instant;

/// Longer than anything takes that comes at all.
const LONG: Duration = Duration::from_secs(30);

/// What `wait` comes to, which ends by an event: somebody who merely looked once more when the
/// time was over would be told apart.
async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let came = wait.await;
    assert!(begun.elapsed() < LONG, "nobody was told that it came");
    came
}

/// One look, without a wait.
const NOW: Duration = Duration::ZERO;

fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).expect("is an identifier")
}

fn run(id: &str) -> RunId {
    RunId::parse(id).expect("is an identifier")
}

fn task_id(id: &str) -> TaskId {
    TaskId::parse(id).expect("is an identifier")
}

fn receipt(id: &str) -> ReceiptId {
    ReceiptId::parse(id).expect("is an identifier")
}

fn request(id: &str) -> RequestId {
    RequestId::parse(id).expect("is an identifier")
}

/// A task whose run has the same name.
fn task(id: &str) -> Task {
    Task::new(task_id(id))
}
