//! What addresses belong together.

use std::net::{IpAddr, Ipv6Addr};

/// What counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 one, which is the
/// least that anybody is given.
pub fn household(address: IpAddr) -> IpAddr {
    prefix(address, 64)
}

/// What one customer may have: an IPv4 address, or the first 48 bits of an IPv6 one, which is the
/// most that anybody is given who asks for no more.
pub fn site(address: IpAddr) -> IpAddr {
    prefix(address, 48)
}

fn prefix(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_belong_together_as_they_are_given() {
        for (one, other, of_household, of_site) in [
            ("192.0.2.1", "192.0.2.2", false, false),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true, true),
            ("2001:db8::1", "2001:db8:0:1::1", false, true),
            ("2001:db8::1", "2001:db8:1::1", false, false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse().expect("is an address"));
            assert_eq!(
                household(one) == household(other),
                of_household,
                "{one} {other}"
            );
            assert_eq!(site(one) == site(other), of_site, "{one} {other}");
        }
    }
}
