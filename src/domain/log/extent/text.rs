//! The text form of an extent.

use std::fmt;
use std::str::FromStr;

use super::{Extent, MAX_GAPS};

/// A text that is no extent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no text of ranges such as 0-10,20-30/40")]
pub struct ExtentTextError;

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (begin, end) in &self.held {
            write!(f, "{separator}{begin}-{end}")?;
            separator = ",";
        }
        match self.end {
            Some(end) => write!(f, "/{end}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Extent {
    type Err = ExtentTextError;

    fn from_str(text: &str) -> Result<Self, ExtentTextError> {
        let (ranges, end) = match text.split_once('/') {
            Some((ranges, end)) => (ranges, Some(number(end)?)),
            None => (text, None),
        };
        let mut extent = Self {
            end,
            ..Self::default()
        };
        // Splitting an empty text gives one empty part.
        for range in ranges.split(',').filter(|_| !ranges.is_empty()) {
            let (begin, stop) = range.split_once('-').ok_or(ExtentTextError)?;
            let (begin, stop) = (number(begin)?, number(stop)?);
            let follows = extent.held.is_empty() || begin > extent.reach();
            if begin >= stop || !follows || extent.held.len() >= MAX_GAPS {
                return Err(ExtentTextError);
            }
            extent.held.insert(begin, stop);
        }
        if end.is_some_and(|end| end < extent.reach()) {
            return Err(ExtentTextError);
        }
        Ok(extent)
    }
}

/// A byte of a file, of which there are fewer than 2 to the 63.
fn number(text: &str) -> Result<u64, ExtentTextError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| plain);
    number
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or(ExtentTextError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_extent_round_trips(
            pieces in prop::collection::vec((0_u64..1000, 0_u64..50), 0..40),
            total_size in prop::option::of(2000_u64..3000),
        ) {
            let mut extent = Extent::default();
            for (offset, len) in pieces {
                extent.admit(offset, len, false, None).expect("fits");
            }
            extent.admit(0, 0, false, total_size).expect("fits");

            prop_assert_eq!(extent.to_string().parse(), Ok(extent));
        }

        #[test]
        fn whatever_is_read_is_an_extent(text in "[0-9,/-]{0,12}") {
            if let Ok(extent) = text.parse::<Extent>() {
                prop_assert_eq!(extent.to_string().parse(), Ok(extent));
            }
        }
    }

    #[test]
    fn the_form_is_what_others_wrote() {
        let mut extent = Extent::default();
        assert_eq!(extent.to_string(), "");
        extent.admit(20, 10, false, Some(40)).expect("fits");
        extent.admit(0, 10, false, None).expect("fits");

        assert_eq!(extent.to_string(), "0-10,20-30/40");
    }

    #[test]
    fn a_text_that_is_no_extents_is_refused() {
        for text in [
            "x",
            "0",
            "0-",
            "-1",
            "0-+5",
            "5-5",
            "5-4",
            "0-10,",
            "0-10,10-20",
            "20-30,0-10",
            "0-10/9",
            "0-10/",
            "0-10/20/20",
            "0-9223372036854775808",
        ] {
            assert_eq!(text.parse::<Extent>(), Err(ExtentTextError), "{text}");
        }
        let many: Vec<_> = (0..=MAX_GAPS)
            .map(|gap| format!("{}-{}", gap * 2, gap * 2 + 1))
            .collect();
        assert_eq!(many.join(",").parse::<Extent>(), Err(ExtentTextError));
    }
}
