use std::time::Duration;

use fred::clients::{Client, Pool};
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, TcpConfig,
    UnresponsiveConfig,
};

use super::{AddressError, Settings};

/// Commands that may wait for one connection. Beyond it they fail: memory stays bounded while
/// Redis is slow.
const MAX_QUEUED: usize = 10_000;

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The first pause before a lost connection is made anew, and the longest, in ms.
const RECONNECT_MS: (u32, u32) = (50, 2_000);

/// What it takes to make connections, all of the same kind.
pub(super) struct Connector {
    config: Config,
    performance: PerformanceConfig,
    connection: ConnectionConfig,
    policy: ReconnectPolicy,
}

impl Connector {
    pub(super) fn new(settings: &Settings) -> Result<Self, AddressError> {
        let (first, longest) = RECONNECT_MS;
        let mut policy = ReconnectPolicy::new_exponential(0, first, longest, 2);
        policy.set_jitter(first);
        Ok(Self {
            config: settings.address.config()?,
            performance: performance(settings),
            connection: connection(settings),
            policy,
        })
    }

    /// Connections for ordinary commands, which the caller connects.
    pub(super) fn pool(&self, size: usize) -> Result<Pool, AddressError> {
        Pool::new(
            self.config.clone(),
            Some(self.performance.clone()),
            Some(self.connection.clone()),
            Some(self.policy.clone()),
            size,
        )
        .map_err(|error| AddressError::Refused(error.to_string()))
    }

    /// One connection, which the caller connects.
    pub(super) fn client(&self) -> Client {
        Client::new(
            self.config.clone(),
            Some(self.performance.clone()),
            Some(self.connection.clone()),
            Some(self.policy.clone()),
        )
    }

    /// Whether keys are spread over several nodes.
    pub(super) fn is_clustered(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// The number of the database.
    pub(super) fn database(&self) -> u8 {
        self.config.database.unwrap_or_default()
    }
}

fn performance(settings: &Settings) -> PerformanceConfig {
    PerformanceConfig {
        default_command_timeout: settings.command_timeout,
        broadcast_channel_capacity: 16 * 1024,
        ..PerformanceConfig::default()
    }
}

fn connection(settings: &Settings) -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: CONNECT_TIMEOUT,
        internal_command_timeout: CONNECT_TIMEOUT,
        // A command whose answer was lost is not sent again behind our back.
        max_command_attempts: 1,
        // Nor does fred go to another node with it: it would read the answer to ASKING from among
        // those that others wait for. It learns where the slots are, and we ask again.
        max_redirections: 0,
        max_command_buffer_len: MAX_QUEUED,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(settings.command_timeout.saturating_mul(2)),
            interval: Duration::from_secs(1),
        },
        reconnect_on_auth_error: true,
        reconnect_errors: vec![
            ReconnectError::ClusterDown,
            ReconnectError::Loading,
            ReconnectError::MasterDown,
            ReconnectError::ReadOnly,
        ],
        tcp: TcpConfig {
            nodelay: Some(true),
            ..TcpConfig::default()
        },
        ..ConnectionConfig::default()
    }
}
