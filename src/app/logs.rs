use std::sync::Arc;

use super::{Error, Journal};
use crate::domain::id::RunId;
use crate::domain::identity::Caller;
use crate::domain::log::{LogChunk, LogLine};
use crate::ports::{ChunkReceipt, LogSink, RunOwners};

/// Taking the output of runs.
pub struct Logs {
    pub(super) sink: Arc<dyn LogSink>,
    pub(super) owners: Arc<dyn RunOwners>,
    pub(super) journal: Journal,
}

impl Logs {
    /// Appends `lines`, all of them or none: one of another worker's run spoils the lot.
    pub async fn append(&self, caller: &Caller, lines: Vec<LogLine>) -> Result<(), Error> {
        let mut previous: Option<&RunId> = None;
        for line in &lines {
            // A batch is of one run, as a rule.
            if previous != Some(&line.run) {
                self.claim(caller, &line.run).await?;
                previous = Some(&line.run);
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        Ok(self.sink.append(lines).await?)
    }

    /// Stores a piece of a log file.
    pub async fn store(&self, caller: &Caller, chunk: LogChunk) -> Result<ChunkReceipt, Error> {
        self.claim(caller, &chunk.run).await?;
        Ok(self.sink.store(chunk).await?)
    }

    async fn claim(&self, caller: &Caller, run: &RunId) -> Result<(), Error> {
        let claimed = self.owners.claim(run, &caller.worker).await;
        claimed
            .map(|_| ())
            .map_err(Error::from)
            .inspect_err(|error| self.journal.note_trespass(caller, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::{caller, run, silent, worker};
    use crate::domain::log::LogStream;
    use crate::ports::{Claim, MockLogSink, MockRunOwners, OwnerError};

    fn line(of: &str) -> LogLine {
        LogLine {
            run: run(of),
            stream: LogStream::Stdout,
            content: "hello".into(),
            timestamp: "2026-01-01T00:00:00Z".into(),
            sequence: 1,
        }
    }

    fn logs(sink: MockLogSink, owners: MockRunOwners) -> Logs {
        Logs {
            sink: Arc::new(sink),
            owners: Arc::new(owners),
            journal: silent(),
        }
    }

    #[pollster::test]
    async fn a_run_is_claimed_once_for_all_its_lines() {
        let mut owners = MockRunOwners::new();
        owners
            .expect_claim()
            .times(2)
            .returning(|_, _| Ok(Claim::First));
        let mut sink = MockLogSink::new();
        sink.expect_append()
            .withf(|lines| lines.len() == 3)
            .once()
            .returning(|_| Ok(()));

        let logs = logs(sink, owners);
        let lines = vec![line("a"), line("a"), line("b")];
        logs.append(&caller("w-1"), lines).await.expect("appends");
    }

    #[pollster::test]
    async fn one_line_of_anothers_run_keeps_the_whole_batch_out() {
        let mut owners = MockRunOwners::new();
        owners.expect_claim().returning(|of, _| match of.as_str() {
            "mine" => Ok(Claim::Known),
            _ => Err(OwnerError::NotTheirs {
                run: of.clone(),
                worker: worker("w-1"),
            }),
        });
        let mut sink = MockLogSink::new();
        sink.expect_append().never();

        let logs = logs(sink, owners);
        let lines = vec![line("mine"), line("theirs")];
        let refused = logs.append(&caller("w-1"), lines).await;
        assert!(matches!(
            refused,
            Err(Error::Owner(OwnerError::NotTheirs { .. }))
        ));
    }

    #[pollster::test]
    async fn nothing_is_no_reason_to_ask_the_sink() {
        let mut sink = MockLogSink::new();
        sink.expect_append().never();

        let logs = logs(sink, MockRunOwners::new());
        logs.append(&caller("w-1"), vec![]).await.expect("appends");
    }
}
