use std::fmt;

/// The id of an entry in a stream. Later entries have greater ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EntryId {
    ms: u64,
    seq: u64,
}

impl EntryId {
    /// Reads `digits-digits`, as Redis writes it and in no other way.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        let (ms, seq) = (number(ms)?, number(seq)?);
        Some(Self { ms, seq })
    }
}

/// A number without sign and leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| plain)
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_round_trips_and_goes_by_the_clock(one in any::<(u64, u64)>(), other in any::<(u64, u64)>()) {
            let id = |(ms, seq)| EntryId { ms, seq };

            prop_assert_eq!(EntryId::parse(&id(one).to_string()), Some(id(one)));
            prop_assert_eq!(id(one) < id(other), one < other);
        }

        #[test]
        fn whatever_is_read_was_written_so(text in ".*") {
            if let Some(id) = EntryId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn nothing_else_is_an_id() {
        for text in [
            "",
            "1",
            "1-",
            "-1",
            "+1-0",
            "01-0",
            "1-0-0",
            "1-18446744073709551616",
        ] {
            assert_eq!(EntryId::parse(text), None, "{text}");
        }
    }
}
