use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use gateway_core::domain::control::{Command, Reply};
use gateway_core::domain::id::{RequestId, WorkerId};
use gateway_core::ports::ControlError;
use tokio::time::Instant;

/// How many requests are remembered.
const MAX_REQUESTS: usize = 10_000;

/// How long a reply is kept.
const REPLY_KEPT: Duration = Duration::from_mins(2);

/// What all replies may take, in bytes.
const MAX_REPLY_BYTES: usize = 64 << 20;

/// Who was asked what, and what came of it.
pub(super) struct Requests {
    /// How long a worker may take to reply.
    patience: Duration,
    asked: HashMap<RequestId, HashMap<WorkerId, Asked>>,
    /// In the order they were asked.
    questions: VecDeque<Stamp>,
    /// In the order they replied.
    answers: VecDeque<Stamp>,
    reply_bytes: usize,
}

struct Asked {
    at: Instant,
    reply_stream: String,
    reply: Option<(Instant, Reply)>,
}

/// Something that happened and will be forgotten.
struct Stamp {
    at: Instant,
    request: RequestId,
    worker: WorkerId,
}

impl Requests {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            asked: HashMap::new(),
            questions: VecDeque::new(),
            answers: VecDeque::new(),
            reply_bytes: 0,
        }
    }

    /// Remembers that `worker` was told `command`, if that asks for a reply.
    pub(super) fn ask(&mut self, worker: &WorkerId, command: &Command, now: Instant) {
        let Command::Runtime {
            request,
            reply_stream,
            ..
        } = command
        else {
            return;
        };
        self.questions.push_back(Stamp::new(now, request, worker));
        let asked = self.asked.entry(request.clone()).or_default();
        let earlier = asked.insert(
            worker.clone(),
            Asked {
                at: now,
                reply_stream: reply_stream.clone(),
                reply: None,
            },
        );
        // A command that is delivered again may have been replied to.
        if let Some(reply) = earlier.and_then(|earlier| earlier.reply)
            && let Some(asked) = asked.get_mut(worker)
        {
            asked.reply = Some(reply);
        }
        self.forget(now);
    }

    pub(super) fn reply(
        &mut self,
        worker: &WorkerId,
        reply: Reply,
        now: Instant,
    ) -> Result<(), ControlError> {
        self.forget(now);
        let Some(asked) = self.asked.get_mut(&reply.request) else {
            return Err(ControlError::UnknownRequest(reply.request));
        };
        let asked = asked.get_mut(worker);
        let believed = |asked: &&mut Asked| {
            let named = reply.reply_stream.as_ref();
            named.is_none_or(|named| *named == asked.reply_stream)
        };
        let Some(asked) = asked.filter(believed) else {
            return Err(ControlError::RequestNotTheirs(reply.request));
        };
        self.answers
            .push_back(Stamp::new(now, &reply.request, worker));
        self.reply_bytes += size(&reply);
        if let Some((_, replaced)) = asked.reply.replace((now, reply)) {
            self.reply_bytes -= size(&replaced);
        }
        self.forget(now);
        Ok(())
    }

    pub(super) fn replies(&mut self, request: &RequestId, now: Instant) -> Vec<(WorkerId, Reply)> {
        self.forget(now);
        let asked = self.asked.get(request).into_iter().flatten();
        let replied = |(worker, asked): (&WorkerId, &Asked)| {
            let (_, reply) = asked.reply.clone()?;
            Some((worker.clone(), reply))
        };
        asked.filter_map(replied).collect()
    }

    fn forget(&mut self, now: Instant) {
        while let Some(answer) = self.answers.front()
            && (answer.is_older(now, REPLY_KEPT) || self.reply_bytes > MAX_REPLY_BYTES)
        {
            self.forget_answer();
        }
        while let Some(question) = self.questions.front()
            && (question.is_older(now, self.patience) || self.questions.len() > MAX_REQUESTS)
        {
            self.forget_question();
        }
    }

    fn forget_answer(&mut self) {
        let Some(stamp) = self.answers.pop_front() else {
            return;
        };
        let asked = self.asked.get_mut(&stamp.request);
        let asked = asked.and_then(|asked| asked.get_mut(&stamp.worker));
        // One that was replaced since has a stamp of its own.
        if let Some(asked) = asked
            && let Some((_, reply)) = asked.reply.take_if(|(at, _)| *at == stamp.at)
        {
            self.reply_bytes -= size(&reply);
        }
    }

    fn forget_question(&mut self) {
        let Some(stamp) = self.questions.pop_front() else {
            return;
        };
        let Some(asked) = self.asked.get_mut(&stamp.request) else {
            return;
        };
        // One that was asked again since has a stamp of its own.
        let is_this = |asked: &Asked| asked.at == stamp.at;
        if asked.get(&stamp.worker).is_some_and(is_this)
            && let Some(forgotten) = asked.remove(&stamp.worker)
        {
            self.reply_bytes -= forgotten.reply.map_or(0, |(_, reply)| size(&reply));
        }
        if asked.is_empty() {
            self.asked.remove(&stamp.request);
        }
    }
}

impl Stamp {
    fn new(at: Instant, request: &RequestId, worker: &WorkerId) -> Self {
        Self {
            at,
            request: request.clone(),
            worker: worker.clone(),
        }
    }

    fn is_older(&self, now: Instant, age: Duration) -> bool {
        now.saturating_duration_since(self.at) >= age
    }
}

/// What a reply takes, its entries in the books included.
fn size(reply: &Reply) -> usize {
    const ENTRY: usize = 256;
    let stream = reply.reply_stream.as_ref().map_or(0, String::len);
    ENTRY + reply.data.len() + reply.error.len() + stream
}
