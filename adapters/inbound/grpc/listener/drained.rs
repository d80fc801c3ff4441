use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// For how long, and how much of it in bytes, a message is still taken that nobody wants any more.
const PATIENCE: Duration = Duration::from_secs(1);
const MAX_BYTES: usize = super::drive::STREAM_WINDOW as usize;

/// What a call brings. If it is answered before all of that has come, as a refusal is, the rest is
/// taken and thrown away.
///
/// HTTP/2 would tell the client to stop, by a reset; and what it has sent by then would count as
/// its mistake. After a thousand of those its connection would be closed, with all that others
/// have under way on it.
pub(super) struct Drained(Option<Incoming>);

impl Drained {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|rest| !rest.is_end_stream());
        let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) else {
            return;
        };
        let mut drain = Box::pin(drain(rest));
        // Nearly always it has come in the meantime.
        if drain.as_mut().now_or_never().is_none() {
            runtime.spawn(timeout(PATIENCE, drain));
        }
    }
}

async fn drain(mut rest: Incoming) {
    let mut taken = 0;
    while let Some(Ok(frame)) = rest.frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > MAX_BYTES {
            return;
        }
    }
}

impl Body for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.as_ref();
        body.map_or_else(SizeHint::default, Body::size_hint)
    }
}
