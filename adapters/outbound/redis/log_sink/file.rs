//! A log file that comes in pieces.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fred::types::Value;
use gateway_core::domain::log::{Extent, ExtentError, ExtentTextError, LogChunk};
use gateway_core::ports::{ChunkReceipt, LogError};

use super::super::link::LinkError;
use super::super::reply;
use super::super::time::{iso, millis};
use super::{LogSink, refused};

/// How often one tries while others write to the same file. Each time one of them succeeded.
const TRIES: usize = 64;

/// What ends the text of a file whose end was told to the readers of its pieces.
const CLOSED: &str = " final";

/// What is held of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct File {
    pub(in super::super) extent: Extent,
    /// Whether a piece among those held says that it is the last.
    closed: bool,
}

/// Bytes that are to be kept, and whether the file ends with them.
type Piece = (Range<u64>, bool);

impl LogSink {
    pub(super) async fn store_chunk(&self, chunk: &LogChunk) -> Result<ChunkReceipt, LogError> {
        let keys = &self.shared.keys;
        let (stream, extents) = (keys.log_chunks(&chunk.run), keys.log_extents(&chunk.run));
        let field = Value::from_static_str(chunk.stream.as_str());
        let ask = vec![Value::from(&extents), field];
        let mut answer = self.shared.link.read("HGET", ask).await.map_err(refused)?;
        for _ in 0..TRIES {
            let held = text_of_file(&answer).map_err(refused)?;
            let mut file: File = held.parse().map_err(|error| broken(error, &extents))?;
            let pieces = file.admit(chunk)?;
            let receipt = ChunkReceipt {
                contiguous: file.extent.contiguous(),
                complete: file.extent.is_complete(),
            };
            let holds = file.to_string();
            if holds == held {
                return Ok(receipt);
            }
            let keys = vec![stream.clone(), extents.clone()];
            let args = self.args(chunk, held, holds, &pieces);
            answer = self
                .shared
                .link
                .eval(&self.chunk, keys, args)
                .await
                .map_err(refused)?;
            if let Value::Integer(1) = answer {
                return Ok(receipt);
            }
        }
        let why = format!("{TRIES} others wrote to {stream} at the same time");
        Err(LogError::Unavailable(why.into()))
    }

    fn args(&self, chunk: &LogChunk, held: String, holds: String, pieces: &[Piece]) -> Vec<Value> {
        let kept = self.shared.settings.log_chunks;
        let mut args = vec![
            Value::from_static_str(chunk.stream.as_str()),
            held.into(),
            holds.into(),
            i64::try_from(kept.max).unwrap_or(i64::MAX).into(),
            millis(kept.ttl).into(),
            iso(self.shared.clock.now()).into(),
        ];
        for (range, is_final) in pieces {
            let place = |at: u64| usize::try_from(at - chunk.offset).unwrap_or(usize::MAX);
            let data = &chunk.data[place(range.start)..place(range.end)];
            args.extend([
                STANDARD.encode(data).into(),
                range.start.to_string().into(),
                Value::from_static_str(if *is_final { "true" } else { "false" }),
            ]);
        }
        args
    }
}

impl File {
    /// Takes `chunk` in; what of it is to be kept.
    fn admit(&mut self, chunk: &LogChunk) -> Result<Vec<Piece>, ExtentError> {
        let len = chunk.data.len() as u64;
        let missing = self.extent.missing(chunk.offset, len);
        let _news = self
            .extent
            .admit(chunk.offset, len, chunk.is_final, chunk.total_size)?;
        let stop = chunk.offset + len;
        let mut pieces: Vec<Piece> = missing
            .into_iter()
            .map(|range| (range.clone(), chunk.is_final && range.end == stop))
            .collect();
        let told = self.closed || pieces.last().is_some_and(|(_, is_final)| *is_final);
        if chunk.is_final && !told {
            // Its bytes are held, but whoever reads the pieces was not told that they are the last.
            pieces.push((stop..stop, true));
        }
        self.closed |= chunk.is_final;
        Ok(pieces)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = if self.closed { CLOSED } else { "" };
        write!(f, "{}{closed}", self.extent)
    }
}

impl FromStr for File {
    type Err = ExtentTextError;

    fn from_str(text: &str) -> Result<Self, ExtentTextError> {
        let (extent, closed) = match text.strip_suffix(CLOSED) {
            Some(extent) => (extent, true),
            None => (text, false),
        };
        Ok(Self {
            extent: extent.parse()?,
            closed,
        })
    }
}

/// The text that was found; of a file of which nothing came, it is empty.
pub(in super::super) fn text_of_file(found: &Value) -> Result<String, LinkError> {
    if found.is_null() {
        return Ok(String::new());
    }
    reply::text(found)
}

fn broken(error: ExtentTextError, key: &str) -> LogError {
    LogError::Unavailable(format!("{key}: {error}").into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gateway_core::domain::id::RunId;
    use gateway_core::domain::log::LogStream;

    use super::*;

    fn chunk(offset: u64, len: usize, is_final: bool) -> LogChunk {
        LogChunk {
            run: RunId::parse("r").expect("is an identifier"),
            stream: LogStream::Stdout,
            data: Bytes::from(vec![b'x'; len]),
            offset,
            is_final,
            total_size: None,
        }
    }

    fn admit(file: &mut File, chunk: &LogChunk) -> Vec<Piece> {
        file.admit(chunk).expect("fits")
    }

    #[test]
    fn only_what_is_missing_is_kept_and_the_last_of_it_is_final() {
        let mut file = File::default();
        assert_eq!(admit(&mut file, &chunk(10, 10, false)), [(10..20, false)]);

        let around = admit(&mut file, &chunk(0, 30, true));
        assert_eq!(around, [(0..10, false), (20..30, true)]);
        assert_eq!(admit(&mut file, &chunk(0, 30, true)), []);
    }

    #[test]
    fn an_end_is_told_though_its_bytes_are_held() {
        let mut file = File::default();
        let sized = LogChunk {
            total_size: Some(20),
            ..chunk(10, 10, false)
        };
        admit(&mut file, &sized);

        let end = admit(&mut file, &chunk(0, 20, true));
        assert_eq!(end, [(0..10, false), (20..20, true)]);
    }

    #[test]
    fn a_file_round_trips() {
        let mut file = File::default();
        for is_final in [false, true] {
            admit(&mut file, &chunk(5, 5, is_final));
            assert_eq!(file.to_string().parse(), Ok(file.clone()));
        }
        assert_eq!(file.to_string(), "5-10/10 final");
        assert_eq!("".parse(), Ok(File::default()));
    }
}
