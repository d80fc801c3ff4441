//! The header of PROXY protocol v2, in which a proxy says for whom it connects.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What comes before the addresses: the signature, version and command, family, a length.
const HEAD: usize = 16;

/// What may follow: addresses, and notes of the proxy that are not for us.
const MAX_REST: usize = 4096;

/// Reads the header from `stream`, and not a byte more: for whom the proxy connects, or none if it
/// is for itself.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    let head = Head::parse(&head).ok_or_else(|| nonsense("there is no PROXY header"))?;
    if head.rest > MAX_REST {
        return Err(nonsense("the PROXY header is too long"));
    }
    let mut rest = vec![0; head.rest];
    stream.read_exact(&mut rest).await?;
    head.origin(&rest)
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// Where the origin stands in the rest, if it does.
    family: Family,
    /// What the rest is long.
    rest: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    /// The proxy speaks for itself, or for somebody without an address.
    Unknown,
}

impl Head {
    fn parse(head: &[u8; HEAD]) -> Option<Self> {
        let tail = head.strip_prefix(SIGNATURE)?;
        let &[command, family, high, low] = tail else {
            return None;
        };
        let family = match (command, family) {
            // A proxy's own connection, to see whether we are there: the addresses mean nothing.
            (0x20, _) | (0x21, 0x00 | 0x31) => Family::Unknown,
            (0x21, 0x11) => Family::V4,
            (0x21, 0x21) => Family::V6,
            _ => return None,
        };
        let rest = u16::from_be_bytes([high, low]).into();
        Some(Self { family, rest })
    }

    /// For whom the proxy connects, by what follows.
    fn origin(self, rest: &[u8]) -> io::Result<Option<IpAddr>> {
        // The source, the destination, and their ports.
        let whole = match self.family {
            Family::V4 => 2 * (4 + 2),
            Family::V6 => 2 * (16 + 2),
            Family::Unknown => 0,
        };
        if rest.len() < whole {
            return Err(nonsense("the PROXY header lacks the addresses"));
        }
        Ok(match self.family {
            Family::V4 => rest.first_chunk::<4>().map(|source| (*source).into()),
            Family::V6 => rest
                .first_chunk()
                .map(|source| Ipv6Addr::from(*source).to_canonical()),
            Family::Unknown => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("is short");
        let length = length.to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    fn parsed(mut bytes: &[u8]) -> (io::Result<Option<IpAddr>>, usize) {
        let read = pollster::block_on(read(&mut bytes));
        (read, bytes.len())
    }

    fn v4() -> Vec<u8> {
        vec![203, 0, 113, 7, 127, 0, 0, 1, 0xAB, 0xCD, 0xC3, 0x83]
    }

    fn v6() -> Vec<u8> {
        let mut addresses = vec![0; 36];
        addresses[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        addresses
    }

    #[test]
    fn the_source_is_the_one_it_connects_for() {
        let told = |family, rest: &[u8]| parsed(&header(0x21, family, rest)).0.expect("is read");

        assert_eq!(told(0x11, &v4()), Some([203, 0, 113, 7].into()));
        let address = "2001:db8::".parse().expect("is an address");
        assert_eq!(told(0x21, &v6()), Some(address));
        let mut mapped = vec![0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 203, 0, 113, 7]);
        assert_eq!(told(0x21, &mapped), Some([203, 0, 113, 7].into()));
        // Notes of the proxy may follow the addresses.
        let noted = [v4(), vec![4, 0, 2, 1, 1]].concat();
        assert_eq!(told(0x11, &noted), Some([203, 0, 113, 7].into()));
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        for bytes in [
            header(0x20, 0x00, &[]),
            header(0x20, 0x11, &v4()),
            header(0x21, 0x00, &[1, 2, 3]),
        ] {
            let (told, left) = parsed(&bytes);
            assert_eq!((told.expect("is read"), left), (None, 0), "{bytes:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 127.0.0.1 43981 50051\r\n".to_vec(),
            header(0x11, 0x11, &v4()),
            header(0x22, 0x11, &v4()),
            header(0x21, 0x12, &v4()),
            header(0x21, 0x21, &v4()),
            header(0x21, 0x11, &v4()[..11]),
            header(0x21, 0x11, &[0; MAX_REST + 1]),
        ] {
            parsed(&bytes).0.expect_err(&format!("{bytes:?}"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _refused = parsed(&bytes);
        }

        #[test]
        fn what_comes_after_the_header_is_left(
            command in 0x20..0x22_u8,
            family in any::<u8>(),
            rest in prop::collection::vec(any::<u8>(), 0..64),
            after in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let (read, left) = parsed(&[header(command, family, &rest), after.clone()].concat());
            if read.is_ok() {
                prop_assert_eq!(left, after.len());
            }
        }

        #[test]
        fn every_address_is_told_as_it_is(source in any::<[u8; 4]>(), other in any::<[u8; 8]>()) {
            let rest = [&source[..], &other].concat();
            let (told, _) = parsed(&header(0x21, 0x11, &rest));
            prop_assert_eq!(told.expect("is read"), Some(source.into()));
        }
    }
}
