use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

/// More than whoever looks after our health asks for, and no more than a few hundredths of a
/// processor's time.
const STRANGERS_CALLS: NonZeroU32 = NonZeroU32::new(1_000).expect("it is above zero");

/// What connections may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, those that are being opened among them.
    pub max_connections: usize,
    /// Connections of one address at once; a network of /64 counts as one address of IPv6.
    pub max_connections_per_address: usize,
    /// Connections that are being opened at once, once the peer has said a word. Others wait for
    /// their turn.
    pub max_handshakes: usize,
    /// For how long it may be a connection's turn while others wait for theirs.
    pub handshake_turn: Duration,
    /// For how long a connection may be in the making, up to the first settings of HTTP/2.
    pub handshake_timeout: Duration,
    /// Connections of one address that may fail in a minute before they are open; until some of
    /// that is made up for, the address gets none. One that is closed without a word does not count.
    pub handshake_failures_per_minute: u32,
    /// After how long a connection is asked to end, give or take a tenth; zero lets it stay.
    pub max_age: Duration,
    /// What calls get then, until it is cut off.
    pub max_age_grace: Duration,
    /// After how long without a call it is asked to end; zero lets it stay.
    pub idle: Duration,
    /// How long a call may take, besides what a poll is to wait; live channels begin within it.
    pub request_timeout: Duration,
    /// Calls a second over one connection, and twice as many at once, until somebody has proven
    /// over it who it is; from then on what the worker may make of each kind counts.
    pub strangers_calls_per_second: NonZeroU32,
    /// Proxies that say in a header of PROXY protocol v2, which they must send, for whom they
    /// connect.
    pub proxies: Vec<IpNet>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 12_000,
            max_connections_per_address: 1024,
            max_handshakes: 512,
            handshake_turn: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(5),
            handshake_failures_per_minute: 6_000,
            max_age: Duration::from_mins(30),
            max_age_grace: Duration::from_secs(70),
            idle: Duration::from_mins(5),
            request_timeout: Duration::from_secs(30),
            strangers_calls_per_second: STRANGERS_CALLS,
            proxies: Vec::new(),
        }
    }
}

impl Limits {
    /// Whether `address` is that of a proxy that is believed.
    pub(super) fn believes(&self, address: IpAddr) -> bool {
        self.proxies
            .iter()
            .any(|network| network.contains(&address))
    }
}
