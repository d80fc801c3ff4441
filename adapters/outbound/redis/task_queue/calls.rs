//! What is asked of Redis, and what it answers.

use std::time::Duration;

use fred::types::Value;
use gateway_core::domain::id::{RunId, WorkerId};
use gateway_core::domain::task::Settled;
use tokio::time::timeout;

use super::super::link::LinkError;
use super::super::reply;
use super::super::script::Script;
use super::super::time::millis;
use super::taken::{self, Found};
use super::undo::token;
use super::{TaskQueue, scripts};

/// How long one waits for a lease to be renewed: a result must not be held up by a slow Redis.
const RENEWAL: Duration = Duration::from_millis(100);

impl TaskQueue {
    pub(super) async fn ask_for_task(
        &self,
        worker: &WorkerId,
        token: &str,
    ) -> Result<Value, LinkError> {
        let args = vec![worker.as_str().into(), token.into()];
        let link = &self.shared.link;
        link.eval(&self.take, self.keys(worker), args).await
    }

    /// Settles an entry by a script that says how that went; none, if it is in another's hands.
    pub(super) async fn settle_by(
        &self,
        script: &Script,
        worker: &WorkerId,
        mut args: Vec<Value>,
        entry: &str,
    ) -> Result<Option<Settled>, LinkError> {
        args.insert(0, entry.into());
        let answer = self.run(script, worker, args).await?;
        Ok(match reply::number(&answer)? {
            1 => Some(Settled::Now),
            -1 => None,
            -2 => {
                self.report_gone(worker, vec![entry.to_owned()]);
                Some(Settled::Before)
            }
            _ => Some(Settled::Before),
        })
    }

    /// What is in the worker's hands between two ids, and whose hands these are if no `task` is
    /// named.
    pub(super) async fn find(
        &self,
        worker: &WorkerId,
        (first, last): (&str, &str),
        task: &str,
    ) -> Result<Option<(String, Found)>, LinkError> {
        let args = vec![first.into(), last.into(), task.into()];
        taken::read_held(self.run(&scripts::HELD, worker, args).await?)
    }

    pub(super) async fn note_running(
        &self,
        worker: &WorkerId,
        running: u32,
    ) -> Result<(), LinkError> {
        if self.beats.get(worker) == Some(running) {
            return Ok(());
        }
        let interval = millis(self.shared.settings.heartbeat_interval);
        let mut args = vec![i64::from(running).into(), interval.into()];
        args.extend(self.ring(worker));
        args.push(token().into());
        let gone = self.run(&scripts::RUNNING, worker, args).await?;
        self.beats.insert(worker.clone(), running);
        self.report_gone(worker, taken::texts(gone)?);
        Ok(())
    }

    pub(super) async fn note_restarted(&self, worker: &WorkerId) -> Result<(), LinkError> {
        let mut args = self.ring(worker).to_vec();
        args.push(token().into());
        let gone = self.run(&scripts::RESTARTED, worker, args).await?;
        self.report_gone(worker, taken::texts(gone)?);
        Ok(())
    }

    pub(super) async fn note_progress(
        &self,
        worker: &WorkerId,
        run: &RunId,
    ) -> Result<(), LinkError> {
        let args = vec![run.as_str().into()];
        let renewed = self.run(&scripts::PROGRESS, worker, args);
        // Whoever gives up has sent it all the same, as a rule.
        let renewed = timeout(RENEWAL, renewed).await;
        renewed.map_or(Err(LinkError::Overdue(RENEWAL)), |answer| answer.map(drop))
    }

    /// The channel and the message that wake who waits for tasks of `worker`.
    fn ring(&self, worker: &WorkerId) -> [Value; 2] {
        let message = format!("task {worker}");
        [self.shared.keys.bell().into(), message.into()]
    }

    /// Runs a script on the worker's stream and its book, with the group and the worker before all
    /// other arguments.
    async fn run(
        &self,
        script: &Script,
        worker: &WorkerId,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let mut all = vec![self.shared.keys.task_group().into(), worker.as_str().into()];
        all.extend(args);
        let link = &self.shared.link;
        link.eval(script, self.keys(worker), all).await
    }

    /// The worker's stream and its book.
    fn keys(&self, worker: &WorkerId) -> Vec<String> {
        let keys = &self.shared.keys;
        vec![keys.ready(worker), keys.queue(worker)]
    }
}
