//! The public edge: what an attacker may try, and what an operator may change under load.

mod tls;
mod wire;
