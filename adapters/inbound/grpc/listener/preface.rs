//! How HTTP/2 begins: a client says a fixed sentence, and then its settings.
//!
//! It is read here, before anything else of HTTP/2 is set up for the connection, so that the time
//! for it can be limited: the library would wait for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

const SENTENCE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Of the frame that must follow: its head; the type and the flag in it; what a setting takes;
/// and how long the frame may be before we allow for more.
const HEAD: usize = 9;
const SETTINGS: u8 = 4;
const ACKNOWLEDGEMENT: u8 = 1;
const SETTING: usize = 6;
const MAX_FRAME: usize = 16 * 1024;

/// A connection over which HTTP/2 has begun. What was read of it for that is read from it again.
pub(super) struct Begun<S> {
    read: Bytes,
    stream: S,
}

/// Waits until HTTP/2 has begun over `stream`.
pub(super) async fn begin<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Begun<S>> {
    let mut read = BytesMut::with_capacity(256);
    while length(&read)?.is_none_or(|length| read.len() < length) {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Begun {
        read: read.freeze(),
        stream,
    })
}

/// How long the beginning is, as soon as `read` tells.
fn length(read: &[u8]) -> io::Result<Option<usize>> {
    let (sentence, frame) = read.split_at(read.len().min(SENTENCE.len()));
    if !SENTENCE.starts_with(sentence) {
        return Err(nonsense("it is not HTTP/2"));
    }
    let Some(&[a, b, c, kind, flags, ref stream @ ..]) = frame.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    if kind != SETTINGS
        || flags & ACKNOWLEDGEMENT != 0
        || u32::from_be_bytes(*stream) << 1 != 0
        || payload > MAX_FRAME
        || payload % SETTING != 0
    {
        return Err(nonsense("HTTP/2 does not begin with settings"));
    }
    Ok(Some(SENTENCE.len() + HEAD + payload))
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let taken = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..taken]);
        self.read.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];

    #[tokio::test]
    async fn what_was_read_is_read_again_and_the_rest_after_it() {
        let sent = [SENTENCE, EMPTY_SETTINGS, b"and more"].concat();

        for piece in [1, 7, sent.len()] {
            let (mut peer, ours) = tokio::io::duplex(piece);
            let sent = sent.clone();
            let all = sent.clone();
            tokio::spawn(
                async move { tokio::io::AsyncWriteExt::write_all(&mut peer, &sent).await },
            );
            let mut begun = begin(ours).await.expect("begins");
            let mut read = Vec::new();
            begun.read_to_end(&mut read).await.expect("is read");
            assert_eq!(read, all, "{piece} bytes at a time");
        }
    }

    #[test]
    fn it_is_told_early_that_it_is_no_beginning() {
        let frame = |frame: [u8; HEAD]| [SENTENCE, &frame].concat();
        for wrong in [
            b"GET /".to_vec(),
            b"PRJ".to_vec(),
            vec![0x16, 3, 1],
            frame([0, 0, 0, 6, 0, 0, 0, 0, 0]),
            frame([0, 0, 0, SETTINGS, ACKNOWLEDGEMENT, 0, 0, 0, 0]),
            frame([0, 0, 0, SETTINGS, 0, 0, 0, 0, 1]),
            frame([0, 0, 5, SETTINGS, 0, 0, 0, 0, 0]),
            frame([1, 0, 2, SETTINGS, 0, 0, 0, 0, 0]),
        ] {
            length(&wrong).expect_err(&format!("{wrong:?}"));
        }
    }

    proptest! {
        #[test]
        fn a_beginning_is_as_long_as_its_settings(settings in 0..100_usize, seen in 0..700_usize) {
            let payload = settings * SETTING;
            let [.., high, low] = payload.to_be_bytes();
            let mut whole = [SENTENCE, EMPTY_SETTINGS].concat();
            whole[SENTENCE.len() + 1] = high;
            whole[SENTENCE.len() + 2] = low;
            whole.resize(whole.len() + payload, 7);

            let seen = &whole[..seen.min(whole.len())];
            let told = length(seen).expect("is a beginning");
            let known = seen.len() >= SENTENCE.len() + HEAD;
            prop_assert_eq!(told, known.then_some(whole.len()));
        }
    }
}
