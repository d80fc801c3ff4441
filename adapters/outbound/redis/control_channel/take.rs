//! Taking a command.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::types::Value;
use gateway_core::domain::control::{Command, CommandDelivery, Lane};
use gateway_core::domain::id::WorkerId;

use super::super::entry_id::EntryId;
use super::super::link::LinkError;
use super::super::waiting::Look;
use super::super::{receipt, reply};
use super::origin::Origin;
use super::tail::{Page, entry_id};
use super::undo::Undo;
use super::{ControlChannel, message};

/// How often something is asked, or dropped, until a look gives others a turn.
const MAX_ROUNDS: usize = 100;

/// What the script says.
enum Answer {
    Own(EntryId, Vec<(String, String)>),
    Global(EntryId),
    None(Option<Duration>),
    /// It has to be told what came for everyone after this place.
    Behind(EntryId),
    /// The worker's place is beyond all that came for everyone.
    Ahead(EntryId),
    Void,
}

/// What the script is told of the stream for everyone.
struct News {
    last: EntryId,
    /// A place that cannot be, as the stream began anew.
    back: Option<EntryId>,
    page: Option<(EntryId, Page)>,
}

impl ControlChannel {
    /// The next command for `worker`, if there is one now.
    pub(super) async fn look(
        &self,
        worker: &WorkerId,
        lane: Lane,
    ) -> Result<Look<CommandDelivery>, LinkError> {
        for _ in 0..MAX_ROUNDS {
            let undo = Undo::new(&self.mailboxes, worker);
            let (origin, id, command) = match self.pick(worker, lane, &undo).await? {
                Answer::Own(id, fields) => {
                    let read = message::read(&self.mailboxes.shared.keys, &fields);
                    (Origin::Own, id, read.map_err(|reason| reason.to_string()))
                }
                Answer::Global(id) => {
                    let found = self.tail.find(id).await?;
                    (
                        Origin::Global,
                        id,
                        found.ok_or_else(|| "it is gone".to_owned()),
                    )
                }
                Answer::None(until) => return Ok(Look::Nothing { until }),
                Answer::Void | Answer::Behind(_) | Answer::Ahead(_) => {
                    return Err(LinkError::Nonsense("a take that takes nothing".to_owned()));
                }
            };
            match command {
                Ok(command) => {
                    let found = self.deliver(worker, origin, id, command).await?;
                    undo.forget();
                    return Ok(found);
                }
                Err(reason) => {
                    let count = self.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
                    tracing::warn!(%worker, entry = %id, reason, count, "a command is none, and dropped");
                    self.mailboxes.settle(worker, origin, id).await?;
                    undo.forget();
                }
            }
        }
        // There may be more, after everybody else had a turn.
        let until = Some(Duration::ZERO);
        Ok(Look::Nothing { until })
    }

    async fn deliver(
        &self,
        worker: &WorkerId,
        origin: Origin,
        id: EntryId,
        command: Command,
    ) -> Result<Look<CommandDelivery>, LinkError> {
        self.requests.ask(worker, &command).await?;
        Ok(Look::Found(CommandDelivery {
            receipt: receipt::make(worker, id, origin.mark()),
            command,
        }))
    }

    /// Asks the script until it has been told all that it has to know.
    async fn pick(&self, worker: &WorkerId, lane: Lane, undo: &Undo) -> Result<Answer, LinkError> {
        let mut news = News {
            last: self.tail.last().await?,
            back: None,
            page: None,
        };
        for _ in 0..MAX_ROUNDS {
            match self.ask(worker, lane, &news, undo).await? {
                Answer::Behind(place) => news.tell(place, self.tail.after(place).await?),
                Answer::Ahead(place) => {
                    // Another gateway may have read on; if not even that is the last, the stream
                    // is another one than it was.
                    let last = self.tail.last().await?;
                    news = News {
                        last,
                        back: (last < place).then_some(place),
                        page: None,
                    };
                }
                answer @ (Answer::Own(..) | Answer::Global(_) | Answer::None(_) | Answer::Void) => {
                    return Ok(answer);
                }
            }
        }
        // There may be more, after everybody else had a turn: the place is kept.
        Ok(Answer::None(Some(Duration::ZERO)))
    }

    async fn ask(
        &self,
        worker: &WorkerId,
        lane: Lane,
        news: &News,
        undo: &Undo,
    ) -> Result<Answer, LinkError> {
        let shared = &self.mailboxes.shared;
        let lane = match lane {
            Lane::Poll => "poll",
            Lane::Stream => "stream",
        };
        let lease = shared.settings.command_lease.as_millis();
        let mut args: Vec<Value> = vec![
            undo.token().into(),
            shared.keys.control_group().into(),
            worker.as_str().into(),
            lease.to_string().into(),
            lane.into(),
        ];
        args.extend(news.args());
        undo.arm();
        let script = &self.mailboxes.scripts.take;
        let answer = self.mailboxes.eval(script, worker, args).await;
        if matches!(answer, Err(LinkError::Away(_))) {
            undo.forget();
        }
        let answer = answer?;
        let (given_up, answer) = read(answer)?;
        for entry in given_up {
            tracing::warn!(%worker, entry, "command dropped, as nobody settled it or it was gone");
        }
        if !matches!(answer, Answer::Own(..) | Answer::Global(_)) {
            undo.forget();
        }
        Ok(answer)
    }
}

impl News {
    /// Tells what came after `place`.
    fn tell(&mut self, place: EntryId, page: Page) {
        if page.upto <= place {
            // The stream is shorter than it was when its end was read.
            self.last = page.upto;
        }
        self.page = Some((place, page));
        self.back = None;
    }

    fn args(&self) -> Vec<Value> {
        let back = self.back.map(|id| id.to_string()).unwrap_or_default();
        let mut args = vec![self.last.to_string().into(), back.into()];
        if let Some((from, page)) = &self.page {
            args.extend([from.to_string().into(), page.upto.to_string().into()]);
            for (id, kind) in &page.entries {
                args.extend([id.to_string().into(), (*kind).into()]);
            }
        }
        args
    }
}

/// What was given up, and the answer.
fn read(answer: Value) -> Result<(Vec<String>, Answer), LinkError> {
    let nonsense = || LinkError::Nonsense("an answer to a take that nobody knows".to_owned());
    let mut parts = reply::list(answer)?.into_iter();
    let mut next = || parts.next().ok_or_else(nonsense);
    let given_up = reply::list(next()?)?;
    let given_up = given_up.iter().map(reply::text).collect::<Result<_, _>>()?;
    let answer = match reply::text(&next()?)?.as_str() {
        "own" => Answer::Own(entry_id(&reply::text(&next()?)?)?, reply::fields(next()?)?),
        "global" => Answer::Global(entry_id(&reply::text(&next()?)?)?),
        "none" => Answer::None(
            u64::try_from(reply::number(&next()?)?)
                .ok()
                .map(Duration::from_millis),
        ),
        "behind" => Answer::Behind(entry_id(&reply::text(&next()?)?)?),
        "ahead" => Answer::Ahead(entry_id(&reply::text(&next()?)?)?),
        "void" => Answer::Void,
        _ => return Err(nonsense()),
    };
    Ok((given_up, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_leads_nowhere_tells_of_the_end() {
        let id = |text: &str| EntryId::parse(text).expect("is an id");
        let page = |upto: &str| Page {
            upto: id(upto),
            entries: vec![],
        };
        let mut news = News {
            last: id("9-0"),
            back: None,
            page: None,
        };

        news.tell(id("5-0"), page("7-0"));
        assert_eq!(news.last, id("9-0"));
        news.tell(id("7-0"), page("0-0"));
        assert_eq!(news.last, id("0-0"));
    }
}
