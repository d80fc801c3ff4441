//! What the tests share: a gateway in this process, the built program, and a worker to call them.

mod gateway;
#[cfg(feature = "redis")]
mod on_redis;
pub(crate) mod papers;
mod program;
mod said;
mod scrape;
pub(crate) mod servers;
mod worker;

pub(crate) use gateway::{Gateway, Options, key_of};
#[cfg(feature = "redis")]
pub(crate) use on_redis::OnRedis;
pub(crate) use program::Program;
pub(crate) use said::{Ear, said, secret, secret_of_url};
pub(crate) use scrape::Scrape;
pub(crate) use worker::Worker;

/// The protocol, as a client has it.
pub(crate) mod proto {
    #![expect(
        clippy::allow_attributes,
        clippy::large_enum_variant,
        clippy::pedantic,
        unreachable_pub,
        reason = "generated"
    )]
    tonic::include_proto!("antcode.v1");
}

use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::task::Task;

/// The identifier of a worker.
pub(crate) fn worker_id(id: &str) -> WorkerId {
    WorkerId::parse(id).expect("is an identifier")
}

/// The identifier of a run.
pub(crate) fn run_id(id: &str) -> RunId {
    RunId::parse(id).expect("is an identifier")
}

/// A task and its run, both of one name.
pub(crate) fn task(id: &str) -> Task {
    Task::new(TaskId::parse(id).expect("is an identifier"))
}
