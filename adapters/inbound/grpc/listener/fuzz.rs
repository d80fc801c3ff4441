//! What comes where a proxy is believed, before anything else is known of the peer.

use std::io::ErrorKind;
use std::net::IpAddr;

use super::proxy;
use crate::fuzz::fuzz;

/// The most that may be read for a header: 16 bytes of its head, and 4096 of what follows.
const MOST: usize = 16 + 4096;

/// What is told of `input`, and how much of it was read for that.
fn told(input: &[u8]) -> (Result<Option<IpAddr>, ErrorKind>, usize) {
    let mut rest = input;
    let told = pollster::block_on(proxy::read(&mut rest));
    (told.map_err(|error| error.kind()), input.len() - rest.len())
}

#[test]
fn proxy_headers() {
    fuzz("proxy", |input| {
        let (origin, read) = told(input);
        assert!(read <= MOST, "{read} bytes are read");
        let origin = match origin {
            Ok(origin) => origin,
            Err(kind) => return (Err(kind), read.min(17)),
        };
        let length = u16::from_be_bytes([input[14], input[15]]);
        assert_eq!(read, 16 + usize::from(length), "the rest is the client's");
        assert_eq!(told(&input[..read]), (Ok(origin), read), "whatever follows");
        if let Some(address) = origin {
            assert_eq!(address, address.to_canonical(), "one name for an address");
            let [v4, v6] = [&input[16..20], &input[16..read.min(32)]];
            let source = match address {
                IpAddr::V4(address) => address.octets() == *v4 || v6.ends_with(&address.octets()),
                IpAddr::V6(address) => address.octets() == *v6,
            };
            assert!(source, "{address} is not what the header says");
        }
        (Ok(origin.map(|address| address.is_ipv4())), 0)
    });
}
