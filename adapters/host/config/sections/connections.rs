use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::parse::{self, DAY, Parsed};
use super::super::reader::Reader;

/// What connections of workers may take.
#[derive(Clone, Debug)]
pub struct Connections {
    /// At once. Each takes a descriptor and some memory, and half of the descriptors are for
    /// other things.
    pub max: usize,
    /// At once from one address. Too few and workers behind one address are refused; too many and
    /// one of them can take all.
    pub max_per_address: usize,
    /// Being opened at once; others wait.
    pub max_handshakes: usize,
    /// For opening one. Too short and a worker far away never gets in; too long and silent peers
    /// stay.
    pub handshake_timeout: Duration,
    /// That may fail in a minute before they are open, of one address. Too few and workers behind one
    /// address stop each other; too many and handshakes that come to nothing can be made for long.
    pub failures_per_minute: u32,
    /// After which one is asked to end; zero for never.
    pub max_age: Duration,
    /// From then until it is cut off. Shorter than a poll may wait, and polls are cut off.
    pub max_age_grace: Duration,
    /// Without a call, after which one is asked to end; zero for never.
    pub idle: Duration,
    /// For a call, besides what a poll is to wait.
    pub request_timeout: Duration,
    /// Whether everybody may ask for the description of the protocol.
    pub reflection: bool,
    /// Proxies whose PROXY header is required and believed.
    pub proxies: Vec<IpNet>,
}

impl Connections {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        Self {
            max: from.get("GRPC_MAX_CONNECTIONS", parse::whole(1..=10_000_000)),
            max_per_address: from.get(
                "GRPC_MAX_CONNECTIONS_PER_ADDRESS",
                parse::whole(1..=10_000_000),
            ),
            max_handshakes: from.get("GRPC_MAX_HANDSHAKES", parse::whole(1..=1_000_000)),
            handshake_timeout: from.get("GRPC_HANDSHAKE_TIMEOUT", parse::seconds(1..=300)),
            failures_per_minute: from.get(
                "GRPC_HANDSHAKE_FAILURES_PER_MINUTE",
                parse::whole(1..=1_000_000),
            ),
            max_age: from.get("GRPC_CONNECTION_MAX_AGE", parse::seconds(0..=30 * DAY)),
            max_age_grace: from.get("GRPC_CONNECTION_MAX_AGE_GRACE", parse::seconds(1..=DAY)),
            idle: from.get("GRPC_CONNECTION_IDLE", parse::seconds(0..=DAY)),
            request_timeout: from.get("GRPC_REQUEST_TIMEOUT", parse::seconds(1..=DAY)),
            reflection: from.get("GRPC_REFLECTION", parse::switch),
            proxies: from
                .find("PROXY_PROTOCOL_FROM", networks)
                .unwrap_or_default(),
        }
    }
}

fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let network = |text: &str| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse::<IpNet>());
        network.map(canonical).ok()
    };
    let networks: Option<Vec<IpNet>> = text.split(',').map(str::trim).map(network).collect();
    networks.ok_or_else(|| {
        "addresses and networks, with commas between them, such as 10.0.0.7,192.168.0.0/16".into()
    })
}

/// A network of IPv4 that is written as one of IPv6 as what it is: so are peers told apart.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    let IpAddr::V4(address) = network.addr().to_canonical() else {
        return network;
    };
    let length = match network {
        IpNet::V4(_) => return network,
        IpNet::V6(mapped) => mapped.prefix_len().checked_sub(MAPPED),
    };
    let v4 = length.and_then(|length| IpNet::new(address.into(), length).ok());
    v4.unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses_and_networks() {
        let read = "10.0.0.7, 192.168.0.0/16,fd00::/8,::ffff:10.1.0.7,::ffff:10.2.0.0/112";
        let read = networks(read).expect("is read");
        for (address, within) in [
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("192.168.3.4", true),
            ("fd12::1", true),
            ("::1", false),
            // Peers are told as IPv4, however they came.
            ("10.1.0.7", true),
            ("10.2.3.4", true),
            ("10.3.0.1", false),
        ] {
            let address: IpAddr = address.parse().expect("is an address");
            let found = read.iter().any(|network| network.contains(&address));
            assert_eq!(found, within, "{address}");
        }
        for text in [
            "",
            "10.0.0.7,",
            "10.0.0.0/33",
            "localhost",
            "10.0.0.7 10.0.0.8",
        ] {
            assert!(networks(text).is_err(), "{text:?}");
        }
    }
}
