//! What the workers' port goes by, and what its connections may take on this machine.

use std::sync::Arc;

use gateway_adapters::host::{Config, descriptors};
use gateway_adapters::inbound::grpc;
use gateway_adapters::inbound::tls::{Acceptor, Handshake};
use tracing::warn;

/// What the workers' port goes by.
pub(super) fn settings(config: &Config, tls: Option<Arc<Acceptor>>) -> grpc::Settings {
    grpc::Settings {
        open: !config.auth.enabled,
        heartbeat_interval: config.grpc.heartbeat_interval,
        heartbeat_timeout: config.grpc.heartbeat_timeout,
        ping_interval: config.grpc.ping_interval,
        max_concurrent_streams: config.grpc.max_concurrent_streams,
        max_calls: config.grpc.max_calls,
        max_calls_per_worker: config.grpc.max_calls_per_worker,
        max_polls_per_worker: config.grpc.max_polls_per_worker,
        max_bytes: config.grpc.max_bytes,
        max_bytes_per_worker: config.grpc.max_bytes_per_worker,
        credential_cache: config.auth.cache,
        drain_delay: config.grpc.drain_delay,
        grace: config.grpc.shutdown_grace,
        limits: limits(config),
        tls: tls.map(|acceptor| acceptor as Arc<dyn Handshake>),
        reflection: config.connections.reflection,
        ..grpc::Settings::default()
    }
}

/// What the settings have, unless the system allows for less.
fn limits(config: &Config) -> grpc::Limits {
    let connections = &config.connections;
    grpc::Limits {
        max_connections: at_most(connections.max),
        max_connections_per_address: connections.max_per_address,
        max_handshakes: connections.max_handshakes,
        handshake_timeout: connections.handshake_timeout,
        handshake_failures_per_minute: connections.failures_per_minute,
        max_age: connections.max_age,
        max_age_grace: connections.max_age_grace,
        idle: connections.idle,
        request_timeout: connections.request_timeout,
        proxies: connections.proxies.clone(),
        ..grpc::Limits::default()
    }
}

/// As many connections as `wanted`, or as half of the descriptors will do: the other half is for
/// backends, files, the operator, and what is about to be closed.
fn at_most(wanted: usize) -> usize {
    let descriptors = match descriptors::raise() {
        Ok(descriptors) => descriptors,
        Err(error) => {
            warn!(%error, "the limit of open files is not known, so connections are not held to it");
            return wanted;
        }
    };
    let half = half_of(descriptors);
    if half < wanted {
        warn!(
            wanted,
            connections = half,
            open_files = descriptors,
            "GRPC_MAX_CONNECTIONS is more than half of the files that may be open, so it is less"
        );
    }
    wanted.min(half)
}

fn half_of(descriptors: u64) -> usize {
    let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
    half.max(1)
}
