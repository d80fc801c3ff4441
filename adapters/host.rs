//! The process that the gateway runs in: its settings, its logs, its signals.
//!
//! Nothing else in the program reads the environment, and nothing here knows what is served.

pub mod certs;
pub mod cli;
pub mod descriptors;
pub mod local_key;
pub mod metrics;
pub mod reload;
pub mod signals;
pub mod telemetry;

mod config;
mod environment;

pub use self::config::{
    Admin, Audit, AuditTarget, Auth, Backend, BackendUrl, Breaker, ClientTls, Config, Connections,
    Database, DatabaseTls, Grpc, JwtAlgorithm, KeyStorage, Limit, LimitStore, LogStreams, Memory,
    Problem, Problems, Redis, RedisTls, ResultStore, Results, Section, Setting, Task, Tls,
    settings,
};
pub use self::environment::{Environment, environment};
