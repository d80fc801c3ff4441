//! `MySQL` and what the gateway makes of it: connections, tables, keys.

mod server;
