//! Bodies that are measured as they come in, so that nothing is made of what is too large.
//!
//! A line of a log that says nothing takes two bytes on the wire and a hundred in memory: a message
//! of lawful size can hold more of them than there is memory for. And many messages of lawful size
//! are too many: each says at its beginning what it weighs, and goes on when there is room for it.

mod measure;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gateway_core::ports::LimitError;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use self::measure::Measure;
use super::admission::Admission;
use super::caps::Weight;
use super::kind::{Kind, PROTOCOL};
use super::status::status;

/// The lines of a batch, at most. Workers send a thousand.
const MAX_LINES: u32 = 10_000;

/// What a message without logs or results may weigh, in bytes.
const SHORT: u32 = 1024 * 1024;

/// What a message of the live channel may weigh: the end of a run may be a long story.
const LIVE: u32 = 4 * 1024 * 1024;

/// Up to this size a message needs no room: most are smaller, and go on without a question.
const LIGHT: u32 = 64 * 1024;

/// The same body, which ends in an error where a message of the call at `path` grows too large, or
/// where there is no room for it; some wait for room.
pub(super) fn measured(path: &str, body: Body, admission: &Admission) -> Body {
    let (message, entries) = match path.strip_prefix(PROTOCOL) {
        Some("PollTask" | "PollControl" | "AckTask" | "AckControl" | "SendHeartbeat") => {
            (SHORT, None)
        }
        Some("WorkerStream") => (LIVE, None),
        // What a message may weigh that is bounded by nothing else is for the decoder to say.
        Some("SendLogBatch") => (u32::MAX, Some(MAX_LINES)),
        _ => (u32::MAX, None),
    };
    Body::new(Measured {
        inner: body,
        measure: Measure::new(message, entries),
        scales: Scales {
            admission: admission.clone(),
            live: (Kind::of(path) == Kind::Live).then(Vec::new),
        },
        waits: None,
    })
}

struct Measured {
    inner: Body,
    measure: Measure,
    scales: Scales,
    /// What has come, and must not go on until there is room.
    waits: Option<(Frame<Bytes>, Room)>,
}

type Room = BoxFuture<'static, Result<Weight, LimitError>>;

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.waits.is_none() {
            // More is asked for when all that has come is done with.
            this.scales.let_go(this.measure.is_within());
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            if let Some(data) = frame.data_ref()
                && let Err(refused) = this.measure.feed(data)
            {
                return Poll::Ready(Some(Err(refused)));
            }
            let begun = this.measure.begun();
            if begun == 0 {
                return Poll::Ready(Some(Ok(frame)));
            }
            let room = this.scales.admission.weigh(begun).boxed();
            this.waits = Some((frame, room));
        }
        let Some((_, room)) = &mut this.waits else {
            return Poll::Ready(None);
        };
        let room = ready!(room.as_mut().poll(cx));
        let frame = this.waits.take().map(|(frame, _)| frame);
        match room {
            Ok(weight) => this.scales.keep(weight),
            Err(crowded) => return Poll::Ready(Some(Err(status(&crowded.into())))),
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.waits.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

/// Holds the room that messages have.
struct Scales {
    admission: Admission,
    /// What is held here, if it is for messages that come and go. Of a call that has one, it is
    /// held for as long as the call lasts.
    live: Option<Vec<Weight>>,
}

impl Scales {
    fn keep(&mut self, weight: Weight) {
        match &mut self.live {
            Some(weights) => weights.push(weight),
            None => self.admission.keep(weight),
        }
    }

    /// Lets go of all but what is still to come.
    fn let_go(&mut self, within: bool) {
        if let Some(weights) = &mut self.live {
            let done = weights.len() - usize::from(within).min(weights.len());
            weights.drain(..done);
        }
    }
}
