//! Lists of workers and of queues. The keys of all are looked through, so they are for people, not
//! for programs that ask often.

use std::collections::BTreeSet;

use fred::types::Value;
use futures::future::try_join_all;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{QueueView, WorkerView};

use super::super::link::LinkError;
use super::super::{reply, worker_registry};
use super::Master;

/// Keys that are looked at with one question.
const SCANNED: i64 = 1000;

/// Workers that are asked about at once.
const CONCURRENT: usize = 64;

/// Entries of a group that are read at once.
const PENDING: usize = 1000;

impl Master {
    /// The workers that have a heartbeat, by their names.
    pub(super) async fn list_workers(&self) -> Result<Vec<WorkerView>, LinkError> {
        let workers = self.scan(&self.shared.keys.heartbeat_prefix()).await?;
        let mut views = Vec::new();
        for some in workers.chunks(CONCURRENT) {
            let found = try_join_all(some.iter().map(|id| self.worker(id))).await?;
            views.extend(found.into_iter().flatten());
        }
        Ok(views)
    }

    async fn worker(&self, id: &WorkerId) -> Result<Option<WorkerView>, LinkError> {
        let key = self.shared.keys.heartbeat(id);
        let fields = self.shared.link.read("HGETALL", vec![key.into()]).await?;
        let fields = reply::fields(fields)?;
        // It may have gone silent since the keys were looked through.
        let there = !fields.is_empty();
        Ok(there.then(|| worker_registry::view(id.clone(), fields)))
    }

    /// The queues that are not empty, by the names of their workers.
    pub(super) async fn list_queues(&self) -> Result<Vec<QueueView>, LinkError> {
        let workers = self.scan(&self.shared.keys.ready_prefix()).await?;
        let mut views = Vec::new();
        for some in workers.chunks(CONCURRENT) {
            let found = try_join_all(some.iter().map(|id| self.queue(id))).await?;
            views.extend(found.into_iter().flatten());
        }
        Ok(views)
    }

    async fn queue(&self, worker: &WorkerId) -> Result<Option<QueueView>, LinkError> {
        let stream = self.shared.keys.ready(worker);
        let link = &self.shared.link;
        let length = link.read("XLEN", vec![Value::from(&stream)]).await?;
        let length = usize::try_from(reply::number(&length)?).unwrap_or_default();
        if length == 0 {
            return Ok(None);
        }
        let range = ["-", "+", "COUNT", "1"].map(Value::from_static_str);
        let mut args = vec![Value::from(&stream)];
        args.extend(range);
        let oldest = reply::entries(link.read("XRANGE", args).await?)?;
        let held = self.held(&stream).await?;
        Ok(Some(QueueView {
            worker: worker.clone(),
            waiting: length.saturating_sub(held),
            held,
            oldest: oldest.first().and_then(|(id, _)| time_of(id)),
        }))
    }

    /// How many entries of `stream` are in the worker's hands. Those that were never handed out
    /// wait, though they are on the group's list.
    async fn held(&self, stream: &str) -> Result<usize, LinkError> {
        let group = self.shared.keys.task_group();
        let mut held = 0;
        let mut start = "-".to_owned();
        loop {
            let page = [stream, &group, &start, "+"].map(Value::from);
            let mut args = Vec::from(page);
            args.push(Value::from(PENDING.to_string()));
            let pending = match self.shared.link.read("XPENDING", args).await {
                // Nobody has asked for a task of this worker yet.
                Err(LinkError::Failed(error)) if error.details().starts_with("NOGROUP") => {
                    return Ok(0);
                }
                pending => reply::list(pending?)?,
            };
            let full = pending.len() == PENDING;
            for entry in pending {
                let entry = reply::list(entry)?;
                let [id, _consumer, _idle, deliveries] = entry.as_slice() else {
                    return Err(LinkError::Nonsense("no pending entry".to_owned()));
                };
                held += usize::from(reply::number(deliveries)? > 0);
                start = format!("({}", reply::text(id)?);
            }
            if !full {
                return Ok(held);
            }
        }
    }

    /// The workers of all keys that begin with `prefix`, on whichever node.
    async fn scan(&self, prefix: &str) -> Result<Vec<WorkerId>, LinkError> {
        let nodes = self.shared.link.nodes();
        if nodes.is_empty() {
            return Err(LinkError::Nonsense("no node is connected".to_owned()));
        }
        let pattern = format!("{}*", literal(prefix));
        let mut workers = BTreeSet::new();
        for node in nodes {
            let mut cursor = "0".to_owned();
            loop {
                let words = [cursor.as_str(), "MATCH", &pattern, "COUNT"].map(Value::from);
                let mut args = Vec::from(words);
                args.push(SCANNED.into());
                let answer = self
                    .shared
                    .link
                    .ask_node(node.clone(), "SCAN", args)
                    .await?;
                let mut parts = reply::list(answer)?.into_iter();
                cursor = reply::text(&parts.next().unwrap_or(Value::Null))?;
                for key in reply::list(parts.next().unwrap_or(Value::Null))? {
                    let key = reply::text(&key)?;
                    let name = key.strip_prefix(prefix).unwrap_or_default();
                    workers.extend(WorkerId::parse(name));
                }
                if cursor == "0" {
                    break;
                }
            }
        }
        Ok(workers.into_iter().collect())
    }
}

/// When the entry of this id was made.
fn time_of(id: &str) -> Option<Timestamp> {
    let (millis, _) = id.split_once('-')?;
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

/// A pattern that matches `text` and nothing else.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for one in text.chars() {
        if matches!(one, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(one);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_the_time() {
        let time = time_of("1800000000123-4").map(|time| time.to_string());
        assert_eq!(time.as_deref(), Some("2027-01-15T08:00:00.123Z"));
        assert_eq!(time_of("x"), None);
    }

    #[test]
    fn a_pattern_matches_the_text_alone() {
        assert_eq!(literal("a:b*[c]"), r"a:b\*\[c\]");
    }
}
