use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::{RunId, WorkerId};
use gateway_core::ports::{self, Claim, OwnerError};
use moka::sync::Cache;

use super::Shared;
use super::link::LinkError;
use super::reply;
use super::script::Script;
use super::time::millis;

/// How long it is known whose a run is, from the last time somebody asked.
pub(super) const TTL: Duration = Duration::from_hours(7 * 24);

/// The owners that this process has heard of lately, so that a line of a log costs no question.
#[derive(Clone)]
pub(super) struct Known {
    owners: Cache<RunId, Owner>,
    /// How often something was forgotten.
    forgotten: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Owner {
    worker: WorkerId,
    /// Whether it became so with the take of a task, of which `assign` is still to come.
    taken: Arc<AtomicBool>,
}

impl Known {
    /// How often something was forgotten, for [`taken`](Self::taken).
    pub(super) fn mark(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// A take that was begun after `mark` made `run` the run of `worker`, in Redis.
    pub(super) fn taken(&self, run: &RunId, worker: &WorkerId, mark: u64) {
        self.remember(run, worker, true, mark);
    }

    /// Whether a take has made `run` the run of `worker`; it tells once.
    fn was_taken(&self, run: &RunId, worker: &WorkerId) -> bool {
        let owner = self.owners.get(run);
        owner.is_some_and(|owner| {
            owner.worker == *worker && owner.taken.swap(false, Ordering::SeqCst)
        })
    }

    fn remember(&self, run: &RunId, worker: &WorkerId, taken: bool, mark: u64) {
        let owner = Owner {
            worker: worker.clone(),
            taken: Arc::new(AtomicBool::new(taken)),
        };
        self.owners.insert(run.clone(), owner);
        // It may be this run that was forgotten meanwhile.
        if self.mark() != mark {
            self.owners.invalidate(run);
        }
    }

    /// Asks Redis the next time: the run may be another's now.
    ///
    /// Without a name, all are forgotten.
    pub(super) fn forget(&self, run: Option<&RunId>) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        match run {
            Some(run) => self.owners.invalidate(run),
            None => self.owners.invalidate_all(),
        }
    }

    fn is_of(&self, run: &RunId, worker: &WorkerId) -> bool {
        self.owners
            .get(run)
            .is_some_and(|owner| owner.worker == *worker)
    }

    /// Has `ask` find out that `run` is `worker`'s, and remembers it.
    async fn learn<T, E>(
        &self,
        run: &RunId,
        worker: &WorkerId,
        ask: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mark = self.mark();
        let answer = ask.await?;
        self.remember(run, worker, false, mark);
        Ok(answer)
    }
}

impl Default for Known {
    fn default() -> Self {
        let owners = Cache::builder()
            .max_capacity(100_000)
            .time_to_live(Duration::from_secs(30))
            .build();
        Self {
            owners,
            forgotten: Arc::default(),
        }
    }
}

/// Whose runs are, as all gateways know it.
pub struct RunOwners {
    shared: Shared,
    known: Known,
    assign: Script,
    claim: Script,
    disown: Script,
}

impl RunOwners {
    pub(super) fn new(shared: &Shared, known: Known) -> Self {
        Self {
            shared: shared.clone(),
            known,
            assign: Script::new(include_str!("lua/owner_assign.lua")),
            claim: Script::new(include_str!("lua/owner_claim.lua")),
            disown: Script::new(include_str!("lua/owner_disown.lua")),
        }
    }

    async fn eval(
        &self,
        script: &Script,
        run: &RunId,
        args: Vec<Value>,
    ) -> Result<Value, OwnerError> {
        let keys = vec![self.shared.keys.owner(run)];
        let answer = self.shared.link.eval(script, keys, args).await;
        answer.map_err(unavailable)
    }

    async fn ask(&self, run: &RunId, worker: &WorkerId) -> Result<Claim, OwnerError> {
        let claim = format!("{:016x}", rand::random::<u64>());
        let args = vec![worker.as_str().into(), millis(TTL).into(), claim.into()];
        let answer = self.eval(&self.claim, run, args).await?;
        match reply::text(&answer).map_err(unavailable)?.as_str() {
            "first" => Ok(Claim::First),
            "known" => Ok(Claim::Known),
            _ => Err(OwnerError::NotTheirs {
                run: run.clone(),
                worker: worker.clone(),
            }),
        }
    }

    /// What gateways tell each other when a run is another's, or nobody's.
    fn news(&self, run: &RunId) -> [Value; 2] {
        [
            self.shared.keys.bell().into(),
            format!("owner {run}").into(),
        ]
    }
}

#[async_trait]
impl ports::RunOwners for RunOwners {
    async fn assign(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        if self.known.was_taken(run, worker) {
            return Ok(());
        }
        // Whatever comes of it, the old owner is not to be believed any more. A claim of its that is
        // under way is forgotten with the message that the run has moved.
        self.known.owners.invalidate(run);
        let mut args = vec![worker.as_str().into(), millis(TTL).into()];
        args.extend(self.news(run));
        let assigned = self.eval(&self.assign, run, args);
        self.known.learn(run, worker, assigned).await?;
        Ok(())
    }

    async fn claim(&self, run: &RunId, worker: &WorkerId) -> Result<Claim, OwnerError> {
        if self.known.is_of(run, worker) {
            return Ok(Claim::Known);
        }
        // It may be moved back to a worker, so a refusal is not remembered.
        let asked = self.ask(run, worker);
        self.known.learn(run, worker, asked).await
    }

    async fn disown(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        self.known.forget(Some(run));
        let mut args = vec![worker.as_str().into()];
        args.extend(self.news(run));
        let disowned = self.eval(&self.disown, run, args).await;
        // A claim may have been believed until it was taken back.
        self.known.forget(Some(run));
        disowned.map(drop)
    }
}

fn unavailable(error: LinkError) -> OwnerError {
    OwnerError::Unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn names() -> (RunId, WorkerId) {
        let run = RunId::parse("r").expect("is an identifier");
        (run, WorkerId::parse("w").expect("is an identifier"))
    }

    #[tokio::test]
    async fn what_was_learnt_is_known_until_it_is_forgotten() {
        let (known, (run, worker)) = (Known::default(), names());
        let answer = async { Ok::<_, Infallible>(()) };
        let Ok(()) = known.learn(&run, &worker, answer).await;
        assert!(known.is_of(&run, &worker));

        known.forget(Some(&run));
        assert!(!known.is_of(&run, &worker));
    }

    #[tokio::test]
    async fn what_is_forgotten_while_it_is_learnt_is_not_known() {
        let (known, (run, worker)) = (Known::default(), names());
        let moved_meanwhile = async {
            known.forget(Some(&run));
            Ok::<_, Infallible>(())
        };

        let Ok(()) = known.learn(&run, &worker, moved_meanwhile).await;
        assert!(!known.is_of(&run, &worker));
    }

    #[test]
    fn a_take_spares_one_assignment_unless_something_was_forgotten() {
        let (known, (run, worker)) = (Known::default(), names());
        known.taken(&run, &worker, known.mark());
        assert!(known.was_taken(&run, &worker));
        assert!(!known.was_taken(&run, &worker));
        assert!(known.is_of(&run, &worker));

        let mark = known.mark();
        known.forget(Some(&run));
        known.taken(&run, &worker, mark);
        assert!(!known.was_taken(&run, &worker));
    }

    #[tokio::test]
    async fn a_refusal_is_not_remembered() {
        let (known, (run, worker)) = (Known::default(), names());

        let refused = known.learn(&run, &worker, async { Err::<(), _>(()) }).await;
        refused.expect_err("is refused");
        assert!(!known.is_of(&run, &worker));
    }
}
