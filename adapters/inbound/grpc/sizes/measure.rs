use gateway_core::domain::Invalid;
use tonic::{Code, Status};

use super::LIGHT;
use crate::inbound::grpc::server::MAX_MESSAGE;
use crate::inbound::grpc::status::status;

/// Reads along: the length of each message, and how often its first field comes.
pub(super) struct Measure {
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
    /// What the messages of some size weigh that have begun since somebody asked.
    begun: u64,
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
    pub(super) fn new(max_message: u32, max_entries: Option<u32>) -> Self {
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
            begun: 0,
        }
    }

    /// Reads `data`, which comes next. A message that is too large is an error.
    pub(super) fn feed(&mut self, mut data: &[u8]) -> Result<(), Status> {
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

    /// What the messages weigh that have begun since this was asked before, the light ones left out.
    pub(super) fn begun(&mut self) -> u64 {
        std::mem::take(&mut self.begun)
    }

    /// Whether a message has begun and not come to its end.
    pub(super) fn is_within(&self) -> bool {
        self.left > 0
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
        let (length, mut begun) = (self.length, self.begun);
        // Whatever weighs more than any message may is refused by the decoder.
        if length > LIGHT && length as usize <= MAX_MESSAGE {
            begun += u64::from(length);
        }
        *self = Self::new(self.max_message, self.max_entries);
        (self.left, self.begun) = (length, begun);
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
mod tests;
