//! Bodies that are measured as they come in, so that nothing is made of what is too large.
//!
//! A line of a log that says nothing takes two bytes on the wire and a hundred in memory: a message
//! of lawful size can hold more of them than there is memory for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateway_core::domain::Invalid;
use http_body::Frame;
use tonic::body::Body;
use tonic::{Code, Status};

use super::kind::PROTOCOL;
use super::status::status;

/// The lines of a batch, at most. Workers send a thousand.
pub(super) const MAX_LINES: u32 = 10_000;

/// What a message without logs or results may weigh, in bytes.
const SHORT: u32 = 1024 * 1024;

/// What a message of the live channel may weigh: the end of a run may be a long story.
const LIVE: u32 = 4 * 1024 * 1024;

/// The same body, which ends in an error where a message of the call at `path` grows too large.
pub(super) fn measured(path: &str, body: Body) -> Body {
    let (message, entries) = match path.strip_prefix(PROTOCOL) {
        Some("PollTask" | "PollControl" | "AckTask" | "AckControl" | "SendHeartbeat") => {
            (SHORT, None)
        }
        Some("WorkerStream") => (LIVE, None),
        // What a message may weigh that is bounded by nothing else is for the decoder to say.
        Some("SendLogBatch") => (u32::MAX, Some(MAX_LINES)),
        _ => return body,
    };
    Body::new(Measured {
        inner: body,
        measure: Measure::new(message, entries),
    })
}

struct Measured {
    inner: Body,
    measure: Measure,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(refused) = self.measure.feed(data)
        {
            return Poll::Ready(Some(Err(refused)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}

/// Reads along: the length of each message, and how often its first field comes.
struct Measure {
    max_message: u32,
    max_entries: Option<u32>,
    /// Bytes of the header before a message that have come, and what they say so far.
    header: u8,
    length: u32,
    /// Bytes of the message that are still to come, and those among them that do not matter.
    left: u32,
    skip: u32,
    part: Part,
    /// The number that is being read, and how many bits of it have come.
    number: u64,
    bits: u32,
    entries: u32,
}

/// What comes next in a message.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The number and the kind of a field.
    Tag,
    /// How long the field is.
    Length,
    /// A number, to its end.
    Number,
}

impl Measure {
    fn new(max_message: u32, max_entries: Option<u32>) -> Self {
        Self {
            max_message,
            max_entries,
            header: 0,
            length: 0,
            left: 0,
            skip: 0,
            part: Part::Tag,
            number: 0,
            bits: 0,
            entries: 0,
        }
    }

    fn feed(&mut self, mut data: &[u8]) -> Result<(), Status> {
        while let Some((&byte, rest)) = data.split_first() {
            let skipped = self.skip.min(self.left);
            if skipped > 0 {
                let here = u32::try_from(data.len()).unwrap_or(u32::MAX).min(skipped);
                data = &data[here as usize..];
                self.skip -= here;
                self.left -= here;
                continue;
            }
            data = rest;
            if self.left == 0 {
                self.head(byte)?;
            } else {
                self.left -= 1;
                self.read(byte)?;
            }
        }
        Ok(())
    }

    /// Takes a byte of the header: a flag, and the length in four.
    fn head(&mut self, byte: u8) -> Result<(), Status> {
        if self.header > 0 {
            self.length = self.length << 8 | u32::from(byte);
        }
        self.header += 1;
        if self.header < 5 {
            return Ok(());
        }
        if self.length > self.max_message {
            let text = format!(
                "a message of this call has at most {} bytes",
                self.max_message
            );
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        let length = self.length;
        *self = Self::new(self.max_message, self.max_entries);
        self.left = length;
        if self.max_entries.is_none() {
            self.skip = length;
        }
        Ok(())
    }

    /// Takes a byte of a message.
    fn read(&mut self, byte: u8) -> Result<(), Status> {
        self.number |= u64::from(byte & 0x7f).checked_shl(self.bits).unwrap_or(0);
        self.bits += 7;
        if byte & 0x80 != 0 {
            return if self.bits < 70 {
                Ok(())
            } else {
                Err(garbled())
            };
        }
        let number = std::mem::take(&mut self.number);
        self.bits = 0;
        match self.part {
            Part::Number => self.part = Part::Tag,
            Part::Length => {
                self.skip = u32::try_from(number).map_err(|_| garbled())?;
                self.part = Part::Tag;
            }
            Part::Tag => self.field(number)?,
        }
        Ok(())
    }

    fn field(&mut self, tag: u64) -> Result<(), Status> {
        match tag & 7 {
            0 => self.part = Part::Number,
            1 => self.skip = 8,
            2 => self.part = Part::Length,
            5 => self.skip = 4,
            _ => return Err(garbled()),
        }
        self.entries += u32::from(tag >> 3 == 1);
        match self.max_entries {
            Some(max) if self.entries > max => {
                let more = format_args!("more than {max}");
                let rule = "at most 10000 lines in one message";
                Err(status(&Invalid::number("logs", rule, &more).into()))
            }
            _ => Ok(()),
        }
    }
}

fn garbled() -> Status {
    Status::new(Code::InvalidArgument, "the message cannot be read")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inbound::grpc::proto;

    /// A message as it is on the wire.
    fn framed(message: &impl prost::Message) -> Vec<u8> {
        let length = u32::try_from(message.encoded_len()).expect("is short");
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        message.encode(&mut bytes).expect("has room");
        bytes
    }

    fn batch(lines: usize, content: &str) -> proto::SendLogBatchRequest {
        let line = proto::LogEntry {
            content: content.into(),
            sequence: 3,
            ..Default::default()
        };
        proto::SendLogBatchRequest {
            logs: vec![line; lines],
        }
    }

    /// T12
    #[test]
    fn lines_are_counted_before_anything_is_made_of_them() {
        for (lines, content, fits) in [
            (0, "", true),
            (10_000, "x", true),
            (10_000, "", true),
            (10_001, "", false),
        ] {
            let fed = Measure::new(u32::MAX, Some(MAX_LINES)).feed(&framed(&batch(lines, content)));
            assert_eq!(fed.is_ok(), fits, "{lines}");
        }
        let refused = Measure::new(u32::MAX, Some(MAX_LINES)).feed(&framed(&batch(10_001, "")));
        let refused = refused.expect_err("is refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with("logs: "), "{refused}");
    }

    /// T12
    #[test]
    fn a_long_message_is_refused_by_its_header() {
        for (length, fits) in [(SHORT, true), (SHORT + 1, false)] {
            let mut header = vec![0];
            header.extend(length.to_be_bytes());
            assert_eq!(Measure::new(SHORT, None).feed(&header).is_ok(), fits);
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(
            lines in prop::collection::vec(0_usize..40, 1..5),
            content in ".{0,300}",
            cuts in prop::collection::vec(1_usize..200, 1..50),
        ) {
            let most = u32::try_from(lines.iter().max().copied().unwrap_or(0)).expect("is small");
            let bytes: Vec<u8> =
                lines.iter().flat_map(|lines| framed(&batch(*lines, &content))).collect();
            let feed = |max| {
                let mut measure = Measure::new(u32::MAX, Some(max));
                let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
                while !rest.is_empty() {
                    let cut = cuts.next().map_or(1, |cut| (*cut).min(rest.len()));
                    measure.feed(&rest[..cut])?;
                    rest = &rest[cut..];
                }
                Ok::<_, Status>(())
            };
            prop_assert!(feed(most).is_ok());
            prop_assert!(most == 0 || feed(most - 1).is_err());
        }

        #[test]
        fn whatever_comes_it_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = vec![0, 0, 0, 0, 190];
            framed.extend(bytes);
            let _either = Measure::new(u32::MAX, Some(3)).feed(&framed);
        }
    }
}
