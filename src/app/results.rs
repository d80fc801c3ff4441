use std::sync::Arc;

use super::{Error, Journal};
use crate::domain::audit::Action;
use crate::domain::identity::Caller;
use crate::domain::run::{Recorded, Report};
use crate::domain::task::Sign;
use crate::ports::{Claim, OwnerError, ResultError, ResultStore, RunOwners, TaskQueue};

/// Taking what workers say became of their runs.
pub struct Results {
    pub(super) store: Arc<dyn ResultStore>,
    pub(super) owners: Arc<dyn RunOwners>,
    pub(super) queue: Arc<dyn TaskQueue>,
    pub(super) journal: Journal,
}

impl Results {
    /// Takes `report` of one of the caller's runs in. One that changes nothing is fine, too: the
    /// worker cannot know better.
    pub async fn report(&self, caller: &Caller, report: &Report) -> Result<Recorded, Error> {
        let recorded = self.record(caller, report).await;
        let recorded = recorded.inspect_err(|error| self.note_refusal(caller, error))?;
        self.note_outcome(caller, report, recorded);
        // The report is safe, and that is what the worker asks for. A lease that is not renewed
        // leads to a second delivery at the worst.
        let sign = Sign::Progress(report.run.clone());
        let _renewed = self.queue.note(&caller.worker, &sign).await;
        Ok(recorded)
    }

    fn note_outcome(&self, caller: &Caller, report: &Report, recorded: Recorded) {
        let run = report.run.clone();
        let action = match recorded {
            Recorded::Conflict { ended } => Action::Conflicted {
                run,
                ended,
                reported: report.status,
            },
            Recorded::Spooled => Action::Spooled { run },
            Recorded::Changed { .. }
            | Recorded::Repeated
            | Recorded::Late
            | Recorded::Published => return,
        };
        self.journal.note(caller, action);
    }

    fn note_refusal(&self, caller: &Caller, error: &Error) {
        self.journal.note_trespass(caller, error);
        if let Error::Result(ResultError::UnknownRun(run)) = error {
            let run = run.clone();
            self.journal.note(caller, Action::UnknownRun { run });
        }
    }

    async fn record(&self, caller: &Caller, report: &Report) -> Result<Recorded, Error> {
        let claimed = self.owners.claim(&report.run, &caller.worker).await;
        // Owners that are out of reach are no reason to turn a result away: a worker reports once
        // and never again, and the store knows the owner as well.
        if let Err(refused @ OwnerError::NotTheirs { .. }) = claimed {
            return Err(refused.into());
        }
        let recorded = self.store.record(report).await;
        let disproven = matches!(
            recorded,
            Err(ResultError::NotTheirs { .. } | ResultError::UnknownRun(_))
        );
        if disproven && matches!(claimed, Ok(Claim::First)) {
            // Else the true owner would be kept out by a claim that the store knows to be false.
            // Where it cannot be taken back, handing the run out to its owner sets it right.
            let _taken_back = self.owners.disown(&report.run, &caller.worker).await;
        }
        Ok(recorded?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::{audited, caller, journal, run, silent, worker};
    use crate::domain::run::RunStatus;
    use crate::domain::time::Timestamp;
    use crate::ports::{MockResultStore, MockRunOwners, MockTaskQueue, QueueError};

    fn report() -> Report {
        Report::new(
            run("r"),
            worker("w-1"),
            RunStatus::Success,
            Timestamp::UNIX_EPOCH,
        )
    }

    fn results(store: MockResultStore, owners: MockRunOwners, journal: Journal) -> Results {
        let mut queue = MockTaskQueue::new();
        queue
            .expect_note()
            .returning(|_, _| Err(QueueError::Unavailable("away".into())));
        Results {
            store: Arc::new(store),
            owners: Arc::new(owners),
            queue: Arc::new(queue),
            journal,
        }
    }

    fn owned() -> MockRunOwners {
        let mut owners = MockRunOwners::new();
        owners.expect_claim().returning(|_, _| Ok(Claim::Known));
        owners
    }

    #[pollster::test]
    async fn a_result_is_taken_though_its_lease_cannot_be_renewed() {
        let mut store = MockResultStore::new();
        store
            .expect_record()
            .once()
            .returning(|_| Ok(Recorded::Repeated));

        let results = results(store, owned(), silent());
        let recorded = results.report(&caller("w-1"), &report()).await;
        assert_eq!(recorded.expect("is taken"), Recorded::Repeated);
    }

    #[pollster::test]
    async fn a_result_is_taken_though_the_owners_are_out_of_reach() {
        let mut owners = MockRunOwners::new();
        owners
            .expect_claim()
            .returning(|_, _| Err(OwnerError::Unavailable("away".into())));
        let mut store = MockResultStore::new();
        store
            .expect_record()
            .once()
            .returning(|_| Ok(Recorded::Repeated));

        let results = results(store, owners, silent());
        results
            .report(&caller("w-1"), &report())
            .await
            .expect("is taken");
    }

    #[pollster::test]
    async fn the_store_does_not_hear_of_another_workers_run() {
        let mut owners = MockRunOwners::new();
        owners.expect_claim().returning(|run, worker| {
            Err(OwnerError::NotTheirs {
                run: run.clone(),
                worker: worker.clone(),
            })
        });
        let mut store = MockResultStore::new();
        store.expect_record().never();

        let (journal, events) = journal();
        let results = results(store, owners, journal);
        let refused = results.report(&caller("w-1"), &report()).await;
        assert!(matches!(
            refused,
            Err(Error::Owner(OwnerError::NotTheirs { .. }))
        ));
        assert!(matches!(
            audited(&events)[..],
            [Action::Trespassed { what: "run", .. }]
        ));
    }

    #[pollster::test]
    async fn a_claim_that_the_store_disproves_is_taken_back() {
        let mut owners = MockRunOwners::new();
        owners.expect_claim().returning(|_, _| Ok(Claim::First));
        owners.expect_disown().once().returning(|_, _| Ok(()));
        let mut store = MockResultStore::new();
        store.expect_record().returning(|report| {
            Err(ResultError::NotTheirs {
                run: report.run.clone(),
                worker: report.worker.clone(),
            })
        });

        let results = results(store, owners, silent());
        let refused = results.report(&caller("w-1"), &report()).await;
        assert!(matches!(
            refused,
            Err(Error::Result(ResultError::NotTheirs { .. }))
        ));
    }

    #[pollster::test]
    async fn a_claim_of_old_stands_though_the_store_knows_no_such_run() {
        let mut store = MockResultStore::new();
        store
            .expect_record()
            .returning(|report| Err(ResultError::UnknownRun(report.run.clone())));

        // The mock of the owners would panic if a claim were taken back.
        let results = results(store, owned(), silent());
        let refused = results.report(&caller("w-1"), &report()).await;
        assert!(matches!(
            refused,
            Err(Error::Result(ResultError::UnknownRun(_)))
        ));
    }

    #[pollster::test]
    async fn a_store_that_is_away_is_no_success() {
        let mut store = MockResultStore::new();
        store
            .expect_record()
            .returning(|_| Err(ResultError::Unavailable("away".into())));

        let results = results(store, owned(), silent());
        let failed = results.report(&caller("w-1"), &report()).await;
        assert!(matches!(
            failed,
            Err(Error::Result(ResultError::Unavailable(_)))
        ));
    }

    #[pollster::test]
    async fn a_conflict_is_a_success_that_is_written_down() {
        let ended = RunStatus::Timeout;
        let mut store = MockResultStore::new();
        store
            .expect_record()
            .returning(move |_| Ok(Recorded::Conflict { ended }));

        let (journal, events) = journal();
        let results = results(store, owned(), journal);
        results
            .report(&caller("w-1"), &report())
            .await
            .expect("is taken");
        let reported = RunStatus::Success;
        let run = run("r");
        assert_eq!(
            audited(&events),
            vec![Action::Conflicted {
                run,
                ended,
                reported
            }]
        );
    }
}
