//! The ways in: the workers' gRPC port, and the operator's HTTP port.

pub mod admin;
pub mod grpc;

mod readiness;

pub use readiness::Readiness;
