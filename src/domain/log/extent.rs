//! Which bytes of a file have arrived.

mod text;

use std::collections::BTreeMap;
use std::ops::Range;

pub use self::text::ExtentTextError;

/// The most gaps a file may have at once. A worker sends a file from its beginning; what has more
/// holes than this is no file but an attempt to fill our memory.
const MAX_GAPS: usize = 1024;

/// The bytes of a file that are held, as pieces may come in any order, twice, or overlapping.
///
/// It has a text form, for those who keep it elsewhere: `0-10,20-30/40` is two ranges of a file that
/// ends at byte 40.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// From begin to end, never touching each other.
    held: BTreeMap<u64, u64>,
    /// Where the file ends, once that is known.
    end: Option<u64>,
}

/// What a piece added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// At least one byte that was not held, or the knowledge where the file ends.
    Fresh,
    /// Nothing: all of it was held.
    Duplicate,
}

/// Why a piece cannot be of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtentError {
    /// It begins or ends beyond what a file can hold.
    #[error("the file would be larger than 8 EiB")]
    TooLarge,
    /// It reaches beyond the end that was announced, or announces another end.
    #[error("the file was said to end at byte {end}")]
    BeyondEnd {
        /// Where the file ends.
        end: u64,
    },
    /// It ends the file before a byte that is held.
    #[error("bytes up to {held} are held, so that it cannot end at {end}")]
    EndsEarly {
        /// The end of what is held.
        held: u64,
        /// The end that the piece announces.
        end: u64,
    },
    /// It would leave too many holes.
    #[error("more than {MAX_GAPS} gaps; send the file from its beginning")]
    TooManyGaps,
}

impl Extent {
    /// What a piece of `len` bytes at `offset` would add. A file's end is known from its final
    /// piece, or from the size that a piece names.
    ///
    /// # Errors
    ///
    /// [`ExtentError`] if it contradicts what is held; nothing is changed then.
    pub fn admit(
        &mut self,
        offset: u64,
        len: u64,
        is_final: bool,
        total_size: Option<u64>,
    ) -> Result<Admitted, ExtentError> {
        let stop = offset
            .checked_add(len)
            .filter(|stop| i64::try_from(*stop).is_ok())
            .ok_or(ExtentError::TooLarge)?;
        let end = self.check_end(stop, is_final.then_some(stop), total_size)?;
        let fresh = !self.holds(offset, stop);
        if fresh && self.held.len() >= MAX_GAPS && !self.touches(offset, stop) {
            return Err(ExtentError::TooManyGaps);
        }
        let told = end != self.end;
        self.end = end;
        if fresh {
            self.insert(offset, stop);
        }
        if fresh || told {
            Ok(Admitted::Fresh)
        } else {
            Ok(Admitted::Duplicate)
        }
    }

    /// What of a piece of `len` bytes at `offset` is not held, in order.
    pub fn missing(&self, offset: u64, len: u64) -> Vec<Range<u64>> {
        let stop = offset.saturating_add(len);
        let before = self.held.range(..=offset).next_back();
        let first = before.map_or(offset, |(begin, _)| *begin);
        let mut missing = Vec::new();
        let mut start = offset;
        for (&begin, &end) in self.held.range(first..stop) {
            if start < begin {
                missing.push(start..begin);
            }
            start = start.max(end);
        }
        if start < stop {
            missing.push(start..stop);
        }
        missing
    }

    /// How many bytes are held from the beginning on, without a gap.
    pub fn contiguous(&self) -> u64 {
        self.held.get(&0).copied().unwrap_or(0)
    }

    /// Whether the whole file is held.
    pub fn is_complete(&self) -> bool {
        self.end == Some(self.contiguous())
    }

    /// Where the last byte held ends.
    fn reach(&self) -> u64 {
        self.held.values().next_back().copied().unwrap_or(0)
    }

    fn check_end(
        &self,
        stop: u64,
        by_final: Option<u64>,
        by_size: Option<u64>,
    ) -> Result<Option<u64>, ExtentError> {
        let mut known = self.end;
        for end in [by_final, by_size].into_iter().flatten() {
            match known {
                Some(known) if known != end => return Err(ExtentError::BeyondEnd { end: known }),
                Some(_) => {}
                None if end < self.reach() => {
                    let held = self.reach();
                    return Err(ExtentError::EndsEarly { held, end });
                }
                None => known = Some(end),
            }
        }
        match known {
            Some(end) if stop > end => Err(ExtentError::BeyondEnd { end }),
            known => Ok(known),
        }
    }

    fn holds(&self, start: u64, stop: u64) -> bool {
        start == stop
            || self
                .held
                .range(..=start)
                .next_back()
                .is_some_and(|(_, end)| *end >= stop)
    }

    fn touches(&self, start: u64, stop: u64) -> bool {
        self.held
            .range(..=stop)
            .next_back()
            .is_some_and(|(_, end)| *end >= start)
    }

    fn insert(&mut self, mut start: u64, mut stop: u64) {
        // Whatever begins at or before our end and reaches our start becomes one with us.
        while let Some((&begin, &end)) = self.held.range(..=stop).next_back() {
            if end < start {
                break;
            }
            self.held.remove(&begin);
            start = start.min(begin);
            stop = stop.max(end);
        }
        self.held.insert(start, stop);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_contiguous_offset_is_that_of_a_naive_model(
            pieces in prop::collection::vec((0_usize..60, 0_usize..20), 0..60),
        ) {
            let mut extent = Extent::default();
            let mut model = [false; 100];
            for (offset, len) in pieces {
                let range = offset..offset + len;
                let news = range.clone().filter(|byte| !model[*byte]);
                let news: Vec<_> = news.map(|byte| byte as u64).collect();
                let missing = extent.missing(offset as u64, len as u64);
                let missing: Vec<_> = missing.into_iter().flatten().collect();
                prop_assert_eq!(&missing, &news);
                model[range].fill(true);

                let piece = extent.admit(offset as u64, len as u64, false, None);
                let admitted = piece.expect("fits");
                prop_assert_eq!(admitted == Admitted::Fresh, !news.is_empty());
                let naive = model.iter().take_while(|held| **held).count();
                prop_assert_eq!(extent.contiguous(), naive as u64);
            }
        }

        #[test]
        fn a_file_in_any_order_is_complete_with_its_last_piece(
            order in Just((0..20_u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut extent = Extent::default();
            for (count, piece) in order.iter().enumerate() {
                prop_assert!(!extent.is_complete(), "after {} of 20", count);
                extent.admit(piece * 10, 10, *piece == 19, None).expect("fits");
            }
            prop_assert!(extent.is_complete());
            prop_assert_eq!(extent.contiguous(), 200);
        }
    }

    #[test]
    fn a_piece_beyond_the_end_is_refused_and_changes_nothing() {
        let mut extent = Extent::default();
        extent.admit(0, 10, true, None).expect("fits");
        let before = extent.clone();

        let refusal = extent.admit(5, 10, false, None);
        assert_eq!(refusal, Err(ExtentError::BeyondEnd { end: 10 }));
        let refusal = extent.admit(0, 5, true, None);
        assert_eq!(refusal, Err(ExtentError::BeyondEnd { end: 10 }));
        assert_eq!(extent, before);
    }

    #[test]
    fn an_end_before_what_is_held_is_refused() {
        let mut extent = Extent::default();
        extent.admit(10, 10, false, None).expect("fits");

        let refusal = extent.admit(0, 5, true, None);
        assert_eq!(refusal, Err(ExtentError::EndsEarly { held: 20, end: 5 }));
    }

    #[test]
    fn an_empty_file_is_complete_with_its_final_piece() {
        let mut extent = Extent::default();
        assert!(!extent.is_complete());

        assert_eq!(extent.admit(0, 0, true, None), Ok(Admitted::Fresh));
        assert!(extent.is_complete());
        assert_eq!(extent.admit(0, 0, true, None), Ok(Admitted::Duplicate));
    }

    #[test]
    fn offsets_beyond_any_file_are_refused() {
        let mut extent = Extent::default();

        assert_eq!(
            extent.admit(u64::MAX, 2, false, None),
            Err(ExtentError::TooLarge)
        );
        let signed = i64::MAX as u64;
        assert_eq!(
            extent.admit(signed, 1, false, None),
            Err(ExtentError::TooLarge)
        );
    }

    #[test]
    fn holes_are_counted() {
        let mut extent = Extent::default();
        for piece in 0..MAX_GAPS as u64 {
            extent.admit(piece * 2 + 1, 1, false, None).expect("fits");
        }

        let refusal = extent.admit(1_000_000, 1, false, None);
        assert_eq!(refusal, Err(ExtentError::TooManyGaps));
        assert_eq!(extent.admit(2, 1, false, None), Ok(Admitted::Fresh));
    }
}
