//! `MySQL` and what the gateway makes of it: connections, tables, keys.

mod api_keys;
mod errors;
mod keys;
mod link;
mod migrations;
mod server;
#[cfg(feature = "redis")]
mod serving;
mod tls;
mod tools;
mod workers;
