use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Secret;
use crate::domain::id::WorkerId;
use crate::domain::time::Timestamp;

/// How far the clocks of a worker and of a gateway may be apart, in seconds.
const TOLERANCE: u64 = 5 * 60;

/// For how long a nonce must be remembered: whatever is older is refused for its time, and it may
/// be signed as much too late as too early. Times are told in whole seconds, and whoever remembers
/// may count by another clock: so a minute more.
pub const NONCE_MEMORY: Duration = Duration::from_secs(2 * TOLERANCE + 60);

/// The longest nonce, in bytes.
const MAX_NONCE: usize = 128;

/// What is hashed with where there is no secret.
const NOBODYS: &str = "there is no secret of this length";

#[cfg(test)]
thread_local! {
    /// How many HMACs were worked out.
    pub(crate) static VERIFIED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// What a caller signs with its secret: who it is, and when, once.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Whose secret it is.
    pub worker: WorkerId,
    /// When it was signed, as the caller wrote it: Unix seconds.
    pub timestamp: String,
    /// What makes it one of its kind.
    pub nonce: String,
    /// Lower-case hex of the HMAC.
    pub mac: Secret,
}

impl Signature {
    /// Whether it is worth a look: signed at about `now`, and each part of the right form.
    pub fn is_timely(&self, now: Timestamp) -> bool {
        let near = self
            .signed_at()
            .is_some_and(|at| at.abs_diff(now.as_second()) <= TOLERANCE);
        near && is_nonce(&self.nonce)
    }

    /// Whether whoever made it has `secret`, if there is one. How long that takes tells nothing of
    /// how much of it is right, nor whether there is a secret.
    pub fn is_by(&self, secret: Option<&Secret>) -> bool {
        let Some(mac) = bytes(self.mac.expose()) else {
            return false;
        };
        let key = secret.map_or(NOBODYS, Secret::expose);
        // An HMAC takes a key of any length.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
            return false;
        };
        #[cfg(test)]
        VERIFIED.set(VERIFIED.get() + 1);
        hmac.update(format!("{}\n{}\n{}", self.worker, self.timestamp, self.nonce).as_bytes());
        hmac.verify_slice(&mac).is_ok() && secret.is_some()
    }

    /// Digits only: what else a number may be written with is nothing that a worker sends.
    fn signed_at(&self) -> Option<i64> {
        let plain = self.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        self.timestamp.parse().ok().filter(|_| plain)
    }
}

fn is_nonce(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".~_+/=-".contains(&byte);
    (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(plain)
}

/// The bytes that 64 digits of lower-case hex stand for.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// `printf 'w-1\n1700000000\nn' | openssl dgst -sha256 -hmac 'what only w-1 knows'`
    const MAC: &str = "a7840afb39337480e6dd045ac652f769599da16a78466c49c904182815724567";

    fn signature(timestamp: &str, nonce: &str, mac: &str) -> Signature {
        Signature {
            worker: WorkerId::parse("w-1").expect("is an identifier"),
            timestamp: timestamp.to_owned(),
            nonce: nonce.to_owned(),
            mac: Secret::new(mac),
        }
    }

    #[test]
    fn only_the_whole_mac_of_all_three_parts_is_a_proof() {
        let secret = Secret::new("what only w-1 knows");
        assert!(signature("1700000000", "n", MAC).is_by(Some(&secret)));

        let other = Signature {
            worker: WorkerId::parse("w-2").expect("is an identifier"),
            ..signature("1700000000", "n", MAC)
        };
        for wrong in [
            other,
            signature("1700000001", "n", MAC),
            signature("1700000000", "m", MAC),
            signature("1700000000", "n", ""),
            signature("1700000000", "n", &MAC[..62]),
            signature("1700000000", "n", &format!("{MAC}00")),
            signature("1700000000", "n", &MAC.to_uppercase()),
            signature("1700000000", "n", &"é".repeat(32)),
        ] {
            assert!(!wrong.is_by(Some(&secret)), "{wrong:?}");
        }
        assert!(!signature("1700000000", "n", MAC).is_by(Some(&Secret::new("another"))));
    }

    #[test]
    fn nobody_signs_with_what_stands_in_for_a_secret() {
        let mut signature = signature("1700000000", "n", MAC);
        let mut hmac = Hmac::<Sha256>::new_from_slice(NOBODYS.as_bytes()).expect("is a key");
        hmac.update(b"w-1\n1700000000\nn");
        let mac = hmac.finalize().into_bytes();
        let hex = mac.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes all");
            hex
        });
        signature.mac = Secret::new(hex);

        assert!(signature.is_by(Some(&Secret::new(NOBODYS))));
        assert!(!signature.is_by(None));
    }

    #[test]
    fn it_counts_within_five_minutes_of_now() {
        let now = Timestamp::from_second(1_700_000_000).expect("is a time");
        for (timestamp, timely) in [
            ("1700000000", true),
            ("1699999700", true),
            ("1700000300", true),
            ("1699999699", false),
            ("1700000301", false),
            ("0", false),
            ("", false),
            ("+1700000000", false),
            ("-1700000000", false),
            ("1700000000.5", false),
            ("17000000000000000000000", false),
        ] {
            let signature = signature(timestamp, "n", MAC);
            assert_eq!(signature.is_timely(now), timely, "{timestamp:?}");
        }
    }

    #[test]
    fn a_nonce_is_short_and_plain() {
        let now = Timestamp::from_second(1_700_000_000).expect("is a time");
        let (longest, longer) = ("n".repeat(128), "n".repeat(129));
        for (nonce, good) in [
            ("6f1ed002ab5595859014ebf0951522d9", true),
            ("QUJD+/8=", true),
            ("8d0c4e0e-0b4c-4f5b-9e4b-0c7f1b6f3f52", true),
            (longest.as_str(), true),
            (longer.as_str(), false),
            ("", false),
            ("a:b", false),
            ("a\nb", false),
            ("ä", false),
        ] {
            let signature = signature("1700000000", nonce, MAC);
            assert_eq!(signature.is_timely(now), good, "{nonce:?}");
        }
    }
}
