//! The workers' port: the protocol `antcode.v1` over gRPC.
//!
//! A call comes in through the `listener`, is `measured` and `guard`ed, proves who makes it in `access` before its body is
//! read, and ends up in the `service`: convert, call the core, convert. The live channel is a
//! `stream` of its own. What the core refuses becomes a `status`, and what it hands out is watched
//! by a `handoff` until it is on its way.

mod access;
mod admission;
mod calls;
mod caps;
mod connection;
mod convert;
mod credentials;
mod deadline;
mod guard;
mod handoff;
mod kind;
mod listener;
mod measured;
mod prompt;
mod request_id;
mod server;
mod service;
mod sizes;
mod status;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

pub use listener::Limits;
pub use server::{ServeError, Settings, serve};

/// What the compiler of the protocol made; nobody outside this folder sees it.
mod proto {
    #![expect(
        clippy::allow_attributes,
        clippy::pedantic,
        clippy::large_enum_variant,
        unreachable_pub,
        reason = "generated"
    )]
    tonic::include_proto!("antcode.v1");
}

/// The protocol's description, for reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
