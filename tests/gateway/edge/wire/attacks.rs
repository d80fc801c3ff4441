//! Attacks over one connection, whatever it is made of.

use tokio::io::{AsyncRead, AsyncWrite};

use super::raw::{END_HEADERS, END_STREAM, Frame, Raw, Up, head, kind, literal, remembered};
use super::soon;

/// How often an attack is made over, at most.
const MANY: u32 = 20_000;

const CALL: &str = "/antcode.v1.GatewayService/SendHeartbeat";

/// What an attacker has seen of the gateway.
pub(in crate::edge) struct Seen {
    /// What it was sent until the connection ended.
    pub(in crate::edge) frames: Vec<Frame>,
}

impl Seen {
    /// Why the connection was ended, if that was told.
    pub(in crate::edge) fn goaway(&self) -> Option<u32> {
        let mut frames = self.frames.iter().rev();
        frames.find(|frame| frame.kind == kind::GOAWAY)?.code()
    }

    pub(in crate::edge) fn count(&self, kind: u8) -> usize {
        let of_it = self.frames.iter().filter(|frame| frame.kind == kind);
        of_it.count()
    }
}

/// Sends what `round` says, again and again until the gateway ends the connection; panics if it
/// does not.
async fn until_ended<S: AsyncRead + AsyncWrite>(
    stream: S,
    round: impl Fn(u32) -> Vec<Frame>,
) -> Seen {
    let Raw { mut up, mut down } = Raw::begin(stream).await;
    let attack = async {
        for number in 0..MANY {
            if up.send_all(&round(number)).await.is_err() {
                return;
            }
        }
    };
    let ((), frames) = soon(async { tokio::join!(attack, down.rest()) }).await;
    Seen { frames }
}

/// The number of the stream of the n-th call.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// `MadeYouReset`: calls made invalid, so that the gateway resets them.
pub(in crate::edge) async fn made_you_reset<S: AsyncRead + AsyncWrite>(connection: S) -> Seen {
    until_ended(connection, |number| {
        let stream = stream(number);
        // More than a window may ever be, with what it is from the start.
        let too_much = 0x7fff_ffff_u32.to_be_bytes();
        vec![
            Frame::call(stream, CALL),
            Frame::new(kind::WINDOW_UPDATE, 0, stream, &too_much),
        ]
    })
    .await
}

/// Calls that are taken back at once.
pub(in crate::edge) async fn rapid_reset<S: AsyncRead + AsyncWrite>(connection: S) -> Seen {
    until_ended(connection, |number| {
        let stream = stream(number);
        vec![Frame::call(stream, CALL), Frame::reset(stream)]
    })
    .await
}

/// Headers that never end.
pub(in crate::edge) async fn continuations<S: AsyncRead + AsyncWrite>(connection: S) -> Seen {
    let more = literal("x-more", &"m".repeat(1000));
    until_ended(connection, |number| {
        vec![match number {
            0 => Frame::new(kind::HEADERS, 0, 1, &head(CALL)),
            _ => Frame::new(kind::CONTINUATION, 0, 1, &more),
        }]
    })
    .await
}

/// Headers that never end, without a byte in them.
pub(in crate::edge) async fn empty_continuations<S: AsyncRead + AsyncWrite>(connection: S) -> Seen {
    until_ended(connection, |number| {
        vec![match number {
            0 => Frame::new(kind::HEADERS, 0, 1, &head(CALL)),
            _ => Frame::new(kind::CONTINUATION, 0, 1, &[]),
        }]
    })
    .await
}

/// A message of frames without a byte in them.
pub(in crate::edge) async fn empty_data<S: AsyncRead + AsyncWrite>(connection: S) -> Seen {
    until_ended(connection, |number| {
        vec![match number {
            0 => Frame::call(1, CALL),
            _ => Frame::new(kind::DATA, 0, 1, &[]),
        }]
    })
    .await
}

/// Frames that are larger than was agreed.
pub(in crate::edge) async fn large_frames<S: AsyncRead + AsyncWrite>(connection: S) -> Seen {
    until_ended(connection, |number| {
        vec![match number {
            0 => Frame::call(1, CALL),
            _ => Frame::new(kind::DATA, 0, 1, &vec![0; 16 * 1024 + 1]),
        }]
    })
    .await
}

/// A few bytes that stand for megabytes of headers: one that is remembered, and said again and
/// again. What the gateway answers to it on its stream, or to all.
pub(in crate::edge) async fn header_bomb<S: AsyncRead + AsyncWrite>(connection: S) -> Frame {
    let Raw { mut up, mut down } = Raw::begin(connection).await;
    let mut block = head(CALL);
    block.extend(remembered("x-bomb", &"b".repeat(3900)));
    // The entry that was remembered last: 62 in the table of both.
    block.extend([0xbe].repeat(8000));
    let bomb = Frame::new(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block);
    up.send(&bomb).await.expect("is sent");
    answer(&mut down).await
}

/// What is said on the first stream, or to all.
async fn answer<S: AsyncRead>(down: &mut super::raw::Down<S>) -> Frame {
    soon(async {
        loop {
            let frame = down.next().await.expect("is answered");
            if frame.stream == 1 || frame.kind == kind::GOAWAY {
                return frame;
            }
        }
    })
    .await
}

/// So many pings, as fast as they go; returns once the last is answered.
pub(in crate::edge) async fn pings<S: AsyncRead + AsyncWrite>(connection: S, many: u32) {
    flood(connection, many, &Frame::ping(), kind::PING).await;
}

/// So many changes of settings; returns once the last is acknowledged.
pub(in crate::edge) async fn settings<S: AsyncRead + AsyncWrite>(connection: S, many: u32) {
    let change = Frame::new(kind::SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    flood(connection, many, &change, kind::SETTINGS).await;
}

async fn flood<S: AsyncRead + AsyncWrite>(connection: S, many: u32, frame: &Frame, kind: u8) {
    let Raw { mut up, mut down } = Raw::begin(connection).await;
    let send = async |up: &mut Up<S>| {
        for _ in 0..many {
            up.send(frame).await.expect("is sent");
        }
    };
    let answers = async {
        let mut answered = 0;
        while answered < many {
            down.next_of(kind).await.expect("is answered");
            answered += 1;
        }
    };
    soon(async { tokio::join!(send(&mut up), answers) }).await;
}
