use std::sync::Arc;

use super::room::Room;
use crate::inbound::grpc::kind::Kind;

/// What a worker has under way: how many calls of each kind, and what they weigh.
#[derive(Default)]
pub(super) struct Held {
    calls: usize,
    logs: usize,
    task_polls: usize,
    control_polls: usize,
    channels: usize,
    /// It is made with the first message that needs any.
    room: Option<Arc<Room>>,
}

impl Held {
    pub(super) fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::PollTask => &mut self.task_polls,
            Kind::PollControl => &mut self.control_polls,
            Kind::Live => &mut self.channels,
            Kind::Log => &mut self.logs,
            Kind::Other => &mut self.calls,
        }
    }

    /// Room for its messages, of which there are so many `bytes`.
    pub(super) fn room(&mut self, bytes: usize) -> Arc<Room> {
        let room = self.room.get_or_insert_with(|| Arc::new(Room::new(bytes)));
        room.clone()
    }

    /// Whether it has no call under way, and so no message either.
    pub(super) fn is_empty(&self) -> bool {
        let polls = self.task_polls + self.control_polls + self.channels;
        polls + self.calls + self.logs == 0
    }
}
