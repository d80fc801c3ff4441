//! HTTP/2 by hand: frames that a library would not send.

use std::io;

use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};

/// What a client says first.
pub(in crate::edge) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub(in crate::edge) mod kind {
    pub(in crate::edge) const DATA: u8 = 0;
    pub(in crate::edge) const HEADERS: u8 = 1;
    pub(in crate::edge) const RST_STREAM: u8 = 3;
    pub(in crate::edge) const SETTINGS: u8 = 4;
    pub(in crate::edge) const PING: u8 = 6;
    pub(in crate::edge) const GOAWAY: u8 = 7;
    pub(in crate::edge) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::edge) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(in crate::edge) const END_STREAM: u8 = 1;
pub(in crate::edge) const END_HEADERS: u8 = 4;

/// Codes of errors.
pub(in crate::edge) const NO_ERROR: u32 = 0;
pub(in crate::edge) const REFUSED_STREAM: u32 = 7;
pub(in crate::edge) const CANCEL: u32 = 8;
pub(in crate::edge) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::edge) struct Frame {
    pub(in crate::edge) kind: u8,
    pub(in crate::edge) flags: u8,
    pub(in crate::edge) stream: u32,
    pub(in crate::edge) payload: Vec<u8>,
}

impl Frame {
    pub(in crate::edge) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        let payload = payload.to_vec();
        Self {
            kind,
            flags,
            stream,
            payload,
        }
    }

    /// The head of a call, whose message is to follow.
    pub(in crate::edge) fn call(stream: u32, path: &str) -> Self {
        Self::new(kind::HEADERS, END_HEADERS, stream, &head(path))
    }

    /// A call of the protocol with its message.
    pub(in crate::edge) fn whole_call(
        stream: u32,
        rpc: &str,
        message: &impl prost::Message,
    ) -> [Self; 2] {
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).expect("is short");
        let packed = [&[0][..], &length.to_be_bytes(), &message].concat();
        [
            Self::call(stream, &format!("/antcode.v1.GatewayService/{rpc}")),
            Self::new(kind::DATA, END_STREAM, stream, &packed),
        ]
    }

    pub(in crate::edge) fn reset(stream: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
    }

    pub(in crate::edge) fn ping() -> Self {
        Self::new(kind::PING, 0, 0, &[7; 8])
    }

    /// The error code that it is about, if it is about one.
    pub(in crate::edge) fn code(&self) -> Option<u32> {
        let code = match self.kind {
            kind::RST_STREAM => self.payload.first_chunk(),
            kind::GOAWAY => self.payload.get(4..)?.first_chunk(),
            _ => None,
        };
        code.map(|code| u32::from_be_bytes(*code))
    }

    pub(in crate::edge) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("is short");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// The headers of a call, packed without any art.
pub(in crate::edge) fn head(path: &str) -> Vec<u8> {
    // POST and http are in the table that everybody has.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (":path", path),
        (":authority", "gateway"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-api-key", "key-of-w-1"),
    ] {
        block.extend(literal(name, value));
    }
    block
}

/// A header that is not to be remembered.
pub(in crate::edge) fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A header that is to be remembered.
pub(in crate::edge) fn remembered(name: &str, value: &str) -> Vec<u8> {
    [&[0x40][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    const MOST: usize = 0x7f;
    let mut packed = Vec::new();
    if text.len() < MOST {
        packed.extend(u8::try_from(text.len()));
    } else {
        packed.push(0x7f);
        let mut rest = text.len() - MOST;
        while rest >= 0x80 {
            packed.extend(u8::try_from(rest % 0x80 + 0x80));
            rest /= 0x80;
        }
        packed.extend(u8::try_from(rest));
    }
    packed.extend(text.as_bytes());
    packed
}

/// A connection over which frames are sent and received by hand.
pub(in crate::edge) struct Raw<S> {
    pub(in crate::edge) up: Up<S>,
    pub(in crate::edge) down: Down<S>,
}

/// The way to the gateway.
pub(in crate::edge) struct Up<S>(WriteHalf<S>);

/// The way from it.
pub(in crate::edge) struct Down<S>(ReadHalf<S>);

impl<S: AsyncRead + AsyncWrite> Raw<S> {
    /// Begins as HTTP/2 has it.
    pub(in crate::edge) async fn begin(stream: S) -> Self {
        Self::try_begin(stream).await.expect("says how it begins")
    }

    /// Begins as HTTP/2 has it, if it is let.
    pub(in crate::edge) async fn try_begin(stream: S) -> Option<Self> {
        let (down, up) = tokio::io::split(stream);
        let mut raw = Self {
            up: Up(up),
            down: Down(down),
        };
        raw.up.bytes(PREFACE).await.ok()?;
        let settings = Frame::new(kind::SETTINGS, 0, 0, &[]);
        raw.up.send(&settings).await.ok()?;
        Some(raw)
    }
}

impl<S: AsyncWrite> Up<S> {
    /// Sends bytes that may be no frame.
    pub(in crate::edge) async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    pub(in crate::edge) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.bytes(&frame.bytes()).await
    }

    pub(in crate::edge) async fn send_all(&mut self, frames: &[Frame]) -> io::Result<()> {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        self.bytes(&bytes).await
    }
}

impl<S: AsyncRead> Down<S> {
    /// The next frame, unless the connection has ended.
    pub(in crate::edge) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).expect("is short")];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// The next frame of a kind.
    pub(in crate::edge) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// All frames until the connection ends.
    pub(in crate::edge) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}
