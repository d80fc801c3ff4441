//! The ways in: the workers' gRPC port, and the operator's HTTP port.

pub mod admin;
pub mod grpc;
pub mod tls;

mod readiness;

pub use readiness::Readiness;
