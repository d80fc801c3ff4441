//! Runtime requests: who was asked, and where the reply goes.

use std::time::Duration;

use fred::types::Value;
use gateway_core::domain::control::{Command, Reply};
use gateway_core::domain::id::{RequestId, WorkerId};
use gateway_core::ports::ControlError;
use tokio::time::{Instant, sleep};

use super::super::Shared;
use super::super::link::LinkError;
use super::super::reply as answers;
use super::super::script::Script;
use super::unavailable;

/// How long a reply is kept.
const REPLY_KEPT: Duration = Duration::from_mins(2);

/// How often one looks for a reply.
const LOOK: Duration = Duration::from_millis(100);

/// Who was asked what, and what came of it.
pub(super) struct Requests {
    shared: Shared,
    ask: Script,
    answer: Script,
    reply: Script,
}

impl Requests {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            ask: Script::new(include_str!("../lua/control_ask.lua")),
            answer: Script::new(include_str!("../lua/control_answer.lua")),
            reply: Script::new(include_str!("../lua/control_reply.lua")),
        }
    }

    /// Writes down that `worker` is told `command`, if that asks for a reply.
    pub(super) async fn ask(&self, worker: &WorkerId, command: &Command) -> Result<(), LinkError> {
        let Command::Runtime {
            request,
            reply_stream,
            ..
        } = command
        else {
            return Ok(());
        };
        if !reply_stream.starts_with(&self.prefix()) {
            tracing::warn!(
                %request, reply_stream,
                "a request names a stream that is none for replies; the usual one is used"
            );
        }
        let patience = self.shared.settings.reply_timeout.as_millis();
        let args = vec![
            worker.as_str().into(),
            reply_stream.as_str().into(),
            patience.to_string().into(),
            REPLY_KEPT.as_millis().to_string().into(),
        ];
        let keys = vec![self.shared.keys.asked(request)];
        self.shared.link.eval(&self.ask, keys, args).await?;
        Ok(())
    }

    /// Passes a reply on, to where the request said.
    pub(super) async fn reply(&self, worker: &WorkerId, reply: Reply) -> Result<(), ControlError> {
        let keys = &self.shared.keys;
        let usual = keys.reply(&reply.request);
        let mut args: Vec<Value> = vec![worker.as_str().into(), self.prefix().into(), usual.into()];
        args.extend(reply.reply_stream.map(Value::from));
        let asked = vec![keys.asked(&reply.request)];
        let answer = self.shared.link.eval(&self.answer, asked, args).await;
        let answer = answer.and_then(texts).map_err(unavailable)?;
        let answer: Vec<_> = answer.iter().map(String::as_str).collect();
        let stream = match answer[..] {
            ["yes", stream] => stream.to_owned(),
            ["theirs"] => return Err(ControlError::RequestNotTheirs(reply.request)),
            ["unknown"] => return Err(ControlError::UnknownRequest(reply.request)),
            _ => return Err(unavailable(LinkError::Nonsense(format!("{answer:?}")))),
        };
        let args = vec![
            REPLY_KEPT.as_secs().to_string().into(),
            reply.request.as_str().into(),
            reply.success.to_string().into(),
            reply.data.into(),
            reply.error.into(),
        ];
        let written = self.shared.link.eval(&self.reply, vec![stream], args);
        written.await.map(|_| ()).map_err(unavailable)
    }

    /// The reply that came last, waiting up to `wait` for the first.
    pub(super) async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Result<Vec<(WorkerId, Reply)>, LinkError> {
        let begun = Instant::now();
        loop {
            let replies = self.look(request).await?;
            let left = wait.saturating_sub(begun.elapsed());
            if !replies.is_empty() || left.is_zero() {
                return Ok(replies);
            }
            sleep(LOOK.min(left)).await;
        }
    }

    async fn look(&self, request: &RequestId) -> Result<Vec<(WorkerId, Reply)>, LinkError> {
        let link = &self.shared.link;
        let asked = self.shared.keys.asked(request);
        let args = vec![asked.into(), ":last".into(), ":stream".into()];
        let known = answers::list(link.read("HMGET", args).await?)?;
        let [worker, stream] = &known[..] else {
            return Err(LinkError::Nonsense(format!("{known:?}")));
        };
        if worker.is_null() || stream.is_null() {
            return Ok(Vec::new());
        }
        let worker = WorkerId::parse(&answers::text(worker)?);
        let worker = worker.map_err(|error| LinkError::Nonsense(error.to_string()))?;
        let args = vec![stream.clone(), "-".into(), "+".into()];
        let entries = answers::entries(link.read("XRANGE", args).await?)?;
        let entries = entries.into_iter();
        Ok(entries
            .map(|(_, fields)| (worker.clone(), read(request, &fields)))
            .collect())
    }

    /// What the name of every stream of replies begins with.
    fn prefix(&self) -> String {
        format!("{}reply:", self.shared.keys.control_prefix())
    }
}

fn read(request: &RequestId, fields: &[(String, String)]) -> Reply {
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    Reply {
        request: request.clone(),
        success: field("success") == "true",
        data: field("data"),
        error: field("error"),
        reply_stream: None,
    }
}

fn texts(value: Value) -> Result<Vec<String>, LinkError> {
    answers::list(value)?.iter().map(answers::text).collect()
}
