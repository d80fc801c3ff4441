//! Reading the output of runs.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fred::types::Value;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::run::RunStatus;
use gateway_core::ports::{LogPage, MasterError, NumberedLine};
use tokio::time::{Instant, sleep_until};

use super::super::link::LinkError;
use super::super::log_sink::{File, text_of_file};
use super::super::{Shared, reply};
use super::{Master, unavailable};

/// The most lines on a page, and what they may take together.
const PAGE_LINES: i64 = 500;
const PAGE_BYTES: i64 = 4 << 20;

/// How often whoever follows looks. They are few, and people.
const LOOK: Duration = Duration::from_millis(100);

/// Pieces of a file that are read at once; each may be as large as a message.
const PIECES: i64 = 16;

/// A page, and whether there are no more lines as yet.
struct Page {
    lines: LogPage,
    last: bool,
}

impl Master {
    /// A page of lines, as soon as there is something to say.
    pub(super) async fn follow(
        &self,
        run: &RunId,
        from: u64,
        wait: Duration,
    ) -> Result<LogPage, MasterError> {
        const FAR: Duration = Duration::from_hours(24);
        let deadline = Instant::now() + wait.min(FAR);
        loop {
            let begun = Instant::now();
            // The end first: a line that comes between the two looks is not taken for one after it.
            let ended = self.has_ended(run).await?;
            let page = self.page(run, from).await.map_err(unavailable)?;
            let mut lines = page.lines;
            lines.ended = ended && page.last;
            if !lines.lines.is_empty() || lines.dropped > 0 || ended || begun >= deadline {
                return Ok(lines);
            }
            sleep_until(deadline.min(Instant::now() + LOOK)).await;
        }
    }

    /// Whether somebody knows that nothing comes any more. A run that nobody knows may be yet to
    /// begin.
    async fn has_ended(&self, run: &RunId) -> Result<bool, MasterError> {
        let Some(runs) = &self.runs else {
            return Ok(false);
        };
        let status = runs.run(run).await?.and_then(|view| view.run.status);
        Ok(status.is_some_and(RunStatus::is_terminal))
    }

    async fn page(&self, run: &RunId, from: u64) -> Result<Page, LinkError> {
        // The script reckons in floating point, and a log has far fewer lines than this.
        const FAR: i64 = 1 << 53;
        let start = i64::try_from(from).map_or(FAR, |from| from.min(FAR));
        let keys = vec![self.shared.keys.log_lines(run)];
        let args = vec![start.into(), PAGE_LINES.into(), PAGE_BYTES.into()];
        let answer = self.shared.link.eval(&self.page, keys, args).await?;
        let mut parts = reply::list(answer)?.into_iter();
        let (Some(added), Some(first), Some(entries)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(LinkError::Nonsense("no page of a log".to_owned()));
        };
        let (added, first) = (count(&added)?, count(&first)?);
        // Of a log that was forgotten and began anew there may be less than was asked for.
        let first = first.max(from);
        let mut lines = Vec::new();
        for (index, entry) in (first..).zip(reply::list(entries)?) {
            let line = line(run, reply::fields(entry)?);
            lines.push(NumberedLine { index, line });
        }
        let next = first + lines.len() as u64;
        Ok(Page {
            last: next >= added,
            lines: LogPage {
                next,
                lines,
                dropped: first - from,
                ended: false,
            },
        })
    }

    /// What is held of a file from its beginning on, and whether that is all of it.
    pub(super) async fn assemble(
        &self,
        run: &RunId,
        stream: LogStream,
    ) -> Result<Option<(Vec<u8>, bool)>, LinkError> {
        let Shared { link, keys, .. } = &self.shared;
        let ask = vec![keys.log_extents(run).into(), stream.as_str().into()];
        let held = text_of_file(&link.read("HGET", ask).await?)?;
        if held.is_empty() {
            return Ok(None);
        }
        let file: File = held
            .parse()
            .map_err(|error| LinkError::Nonsense(format!("extents: {error}")))?;
        let contiguous = file.extent.contiguous();
        let pieces = self.pieces(run, stream, contiguous).await?;
        let mut bytes = Vec::new();
        for (offset, piece) in pieces {
            if offset != bytes.len() as u64 {
                // The piece before was so old that it had to go.
                break;
            }
            bytes.extend(piece);
        }
        let complete = file.extent.is_complete() && bytes.len() as u64 == contiguous;
        Ok(Some((bytes, complete)))
    }

    /// The pieces of a file before byte `end`, by where they begin.
    async fn pieces(
        &self,
        run: &RunId,
        stream: LogStream,
        end: u64,
    ) -> Result<BTreeMap<u64, Vec<u8>>, LinkError> {
        let key = self.shared.keys.log_chunks(run);
        let mut pieces = BTreeMap::new();
        let mut start = "-".to_owned();
        loop {
            let page = [start.as_str(), "+", "COUNT"].map(Value::from);
            let mut args = vec![Value::from(&key)];
            args.extend(page);
            args.push(PIECES.into());
            let entries = reply::entries(self.shared.link.read("XRANGE", args).await?)?;
            let Some((last, _)) = entries.last() else {
                return Ok(pieces);
            };
            start = format!("({last}");
            for (_, fields) in entries {
                let fields: HashMap<_, _> = fields.into_iter().collect();
                let text = |name| fields.get(name).map_or("", String::as_str);
                let offset: u64 = text("offset").parse().unwrap_or(end);
                if text("log_type") == stream.as_str() && offset < end {
                    let data = STANDARD.decode(text("data"));
                    let data = data.map_err(|error| LinkError::Nonsense(error.to_string()))?;
                    pieces.insert(offset, data);
                }
            }
        }
    }
}

fn count(value: &Value) -> Result<u64, LinkError> {
    Ok(reply::number(value)?.try_into().unwrap_or_default())
}

/// Others may write there, too: what cannot be read counts as left out.
pub(in super::super) fn line(run: &RunId, fields: Vec<(String, String)>) -> LogLine {
    let mut line = LogLine {
        run: run.clone(),
        stream: LogStream::Stdout,
        content: String::new(),
        timestamp: String::new(),
        sequence: 0,
    };
    for (name, value) in fields {
        match name.as_str() {
            "log_type" => line.stream = value.parse().unwrap_or(LogStream::Stdout),
            "content" => line.content = value,
            "timestamp" => line.timestamp = value,
            "sequence" => line.sequence = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    line
}
