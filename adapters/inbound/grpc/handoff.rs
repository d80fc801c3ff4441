//! Seeing to it that what is handed out reaches the connection, or goes back.
//!
//! A worker may be gone by the time its answer is ready. The answer carries a [`Handoff`]: if it
//! is dropped before the last of it was given to the connection, the delivery is undone.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

type Act = Box<dyn FnOnce() + Send>;

/// What is to be done when an answer is sent, or lost. It happens once, whoever holds it.
#[derive(Clone)]
pub(super) struct Handoff(Arc<Pending>);

struct Pending(Mutex<Option<Acts>>);

struct Acts {
    sent: Act,
    lost: Act,
}

impl Handoff {
    /// Calls `lost` unless [`sent`](Self::sent) comes before.
    pub(super) fn or_else(lost: impl FnOnce() + Send + 'static) -> Self {
        Self::new(|| {}, lost)
    }

    /// Calls `sent` or `lost`, whichever it is.
    pub(super) fn new(
        sent: impl FnOnce() + Send + 'static,
        lost: impl FnOnce() + Send + 'static,
    ) -> Self {
        let acts = Acts {
            sent: Box::new(sent),
            lost: Box::new(lost),
        };
        Self(Arc::new(Pending(Mutex::new(Some(acts)))))
    }

    /// The answer is on its way.
    pub(super) fn sent(&self) {
        if let Some(acts) = self.0.take() {
            (acts.sent)();
        }
    }
}

impl Pending {
    fn take(&self) -> Option<Acts> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(acts) = self.take() {
            (acts.lost)();
        }
    }
}

/// How much of an answer is given to the connection at once, in bytes.
///
/// The connection takes what it is given into its own memory, however little of it the peer lets
/// it send, and asks for more once the peer has made room for that. In slices, an answer is all
/// given away only when all but the last of them have left.
const SLICE: usize = 16 * 1024;

/// The body of an answer that hands something out.
pub(super) struct Tracked {
    inner: Body,
    /// What has come out of the inner body and not gone on yet.
    rest: Bytes,
    handoff: Handoff,
}

impl Tracked {
    /// Makes `body` tell `handoff` when it was sent, or drop it with itself.
    pub(super) fn wrap(body: Body, handoff: Handoff) -> Body {
        Body::new(Self {
            inner: body,
            rest: Bytes::new(),
            handoff,
        })
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => {
                    self.handoff.sent();
                    return Poll::Ready(Some(Ok(trailers)));
                }
                Some(Err(broken)) => return Poll::Ready(Some(Err(broken))),
                None => {
                    self.handoff.sent();
                    return Poll::Ready(None);
                }
            }
        }
        let slice = SLICE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(slice)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use http_body_util::BodyExt as _;

    use super::*;

    fn counted() -> (Handoff, Arc<AtomicU32>, Arc<AtomicU32>) {
        let (sent, lost) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let count = |counter: &Arc<AtomicU32>| {
            let counter = counter.clone();
            move || {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        (Handoff::new(count(&sent), count(&lost)), sent, lost)
    }

    fn body() -> Body {
        Body::new(http_body_util::Full::new(vec![7; 3 * SLICE + 1].into()))
    }

    #[tokio::test]
    async fn an_answer_read_to_its_end_is_sent_once() {
        let (handoff, sent, lost) = counted();
        let kept = handoff.clone();

        let body = Tracked::wrap(body(), handoff);
        let read = body.collect().await.expect("is read").to_bytes();
        assert_eq!(read, vec![7; 3 * SLICE + 1]);
        drop(kept);
        assert_eq!(
            (sent.load(Ordering::Relaxed), lost.load(Ordering::Relaxed)),
            (1, 0)
        );
    }

    #[tokio::test]
    async fn an_answer_dropped_before_its_end_is_lost_once() {
        let (handoff, sent, lost) = counted();

        let mut body = Tracked::wrap(body(), handoff);
        for _ in 0..4 {
            body.frame().await.expect("has a frame").expect("is read");
        }
        drop(body);
        assert_eq!(
            (sent.load(Ordering::Relaxed), lost.load(Ordering::Relaxed)),
            (0, 1)
        );
    }
}
