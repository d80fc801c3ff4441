//! Room for the messages under way, by what they weigh.

use std::sync::Arc;

use gateway_core::domain::limit::Class;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is given in pieces of so many bytes.
const PIECE: usize = 1024;

/// Room for messages. The last quarter is for what keeps work going.
///
/// A message that is larger than all there is takes all there is, so that it passes when it is
/// alone.
pub(super) struct Room {
    all: Part,
    /// What is not kept for the control plane.
    rest: Part,
}

/// Room that is taken, for as long as it is held.
pub(super) struct Taken {
    _all: OwnedSemaphorePermit,
    _rest: Option<OwnedSemaphorePermit>,
}

struct Part {
    pieces: u32,
    free: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            all: Part::new(bytes),
            rest: Part::new(bytes - bytes / 4),
        }
    }

    /// Room for a message of so many `bytes`. What keeps work going waits for it; for the others
    /// there may be none.
    pub(super) async fn take(&self, bytes: u64, class: Class) -> Option<Taken> {
        if class == Class::Control {
            // Nobody closes it, so that there will be some.
            let all = self.all.free.clone();
            let all = all.acquire_many_owned(self.all.pieces(bytes)).await.ok()?;
            return Some(Taken {
                _all: all,
                _rest: None,
            });
        }
        let rest = self.rest.try_take(bytes)?;
        Some(Taken {
            _all: self.all.try_take(bytes)?,
            _rest: Some(rest),
        })
    }
}

impl Part {
    fn new(bytes: usize) -> Self {
        let pieces = (bytes / PIECE).clamp(1, Semaphore::MAX_PERMITS);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        Self {
            pieces,
            free: Arc::new(Semaphore::new(pieces as usize)),
        }
    }

    fn try_take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let free = self.free.clone();
        free.try_acquire_many_owned(self.pieces(bytes)).ok()
    }

    /// How much of it so many bytes take.
    fn pieces(&self, bytes: u64) -> u32 {
        let pieces = bytes.div_ceil(PIECE as u64);
        u32::try_from(pieces).unwrap_or(u32::MAX).min(self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn room() -> Room {
        Room::new(64 * 1024 * 1024)
    }

    fn at_once(room: &Room, mib: u64, class: Class) -> Option<Taken> {
        room.take(mib * MIB, class).now_or_never().flatten()
    }

    #[test]
    fn the_last_quarter_is_for_what_keeps_work_going() {
        let room = room();
        let _log = at_once(&room, 40, Class::Log).expect("has room");
        assert!(at_once(&room, 9, Class::Log).is_none());
        assert!(at_once(&room, 9, Class::Poll).is_none());
        let _poll = at_once(&room, 8, Class::Poll).expect("has room");

        let _result = at_once(&room, 16, Class::Control).expect("has room");
        assert!(at_once(&room, 1, Class::Control).is_none());
    }

    /// A message may be larger than what is not kept for the control plane.
    #[test]
    fn whatever_is_alone_passes() {
        for class in Class::ALL {
            assert!(at_once(&room(), 50, class).is_some(), "{class:?}");
            assert!(at_once(&room(), 500, class).is_some(), "{class:?}");
        }
    }

    #[tokio::test]
    async fn what_keeps_work_going_waits_until_there_is_room() {
        let room = room();
        let large = at_once(&room, 60, Class::Control).expect("has room");
        let mut waits = Box::pin(room.take(50 * MIB, Class::Control));
        assert!(waits.as_mut().now_or_never().is_none());
        // Those that come later wait behind it.
        assert!(at_once(&room, 1, Class::Control).is_none());

        drop(large);
        waits.await.expect("has room now");
        assert!(at_once(&room, 1, Class::Control).is_some());
    }
}
