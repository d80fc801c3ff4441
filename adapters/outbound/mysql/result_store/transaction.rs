//! One transaction: runs, tasks and the outbox together.

use std::collections::{BTreeSet, HashMap};

use diesel::result::QueryResult;
use diesel_async::{
    AnsiTransactionManager, AsyncMysqlConnection, RunQueryDsl as _, TransactionManager as _,
};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::run::{Recorded, Report};
use moka::sync::Cache;

use super::super::schema::{self, Locking, Statement};
use super::super::zone::Zone;
use super::ledger::Ledger;
use super::row::Row;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken in.
    Recorded(Recorded),
    /// There is no such run.
    UnknownRun,
    /// The run is another worker's.
    NotTheirs,
    /// Somebody else holds the run's row; nothing was done.
    Held,
}

/// What transactions need besides a connection.
pub(super) struct Books {
    pub(super) zone: Zone,
    /// Whether what changes goes to the outbox as well.
    pub(super) publishes: bool,
    workers: Cache<WorkerId, i64>,
}

/// Ids of workers that are remembered.
const WORKERS: u64 = 100_000;

impl Books {
    pub(super) fn new(zone: Zone, publishes: bool) -> Self {
        Self {
            zone,
            publishes,
            workers: Cache::new(WORKERS),
        }
    }

    /// Takes `reports` in, in their order, and commits. After an error nothing of it is there,
    /// unless it was the commit itself that was not answered.
    pub(super) async fn take(
        &self,
        connection: &mut AsyncMysqlConnection,
        reports: &[&Report],
        locking: Locking,
    ) -> QueryResult<Vec<Answer>> {
        AnsiTransactionManager::begin_transaction(connection).await?;
        match self.write(connection, reports, locking).await {
            Ok(answers) => {
                AnsiTransactionManager::commit_transaction(connection).await?;
                Ok(answers)
            }
            Err(error) => {
                // A connection that cannot even do this is not given back to the pool.
                let _rolled_back = AnsiTransactionManager::rollback_transaction(connection).await;
                Err(error)
            }
        }
    }

    async fn write(
        &self,
        connection: &mut AsyncMysqlConnection,
        reports: &[&Report],
        locking: Locking,
    ) -> QueryResult<Vec<Answer>> {
        let names: BTreeSet<_> = reports.iter().map(|report| report.run.as_str()).collect();
        let names: Vec<_> = names.into_iter().collect();
        let rows: Vec<Row> = schema::lock_runs(&names, locking).load(connection).await?;
        let rows = by_name(rows);
        let owners = self.owners(connection, reports, &rows).await?;
        let mut ledger = Ledger::default();
        let answers = reports.iter().map(|report| {
            let Some(row) = rows.get(report.run.as_str()) else {
                return Answer::UnknownRun;
            };
            let owner = owners.get(&report.worker);
            if row.id.is_some() && row.worker.is_some() && row.worker.as_ref() != owner {
                return Answer::NotTheirs;
            }
            self.enter(&mut ledger, report, row)
        });
        let answers = answers.collect();
        self.carry_out(connection, ledger).await?;
        Ok(answers)
    }

    fn enter(&self, ledger: &mut Ledger, report: &Report, row: &Row) -> Answer {
        let Some(recorded) = ledger.enter(report, row, &self.zone) else {
            return Answer::Held;
        };
        if self.publishes && matches!(recorded, Recorded::Changed { .. }) {
            ledger.tell(report);
        }
        Answer::Recorded(recorded)
    }

    async fn carry_out(
        &self,
        connection: &mut AsyncMysqlConnection,
        ledger: Ledger,
    ) -> QueryResult<()> {
        let statements: [Option<Statement>; 3] = [
            schema::RUNS.write(ledger.runs(&self.zone)),
            schema::TASKS.write(ledger.tasks(&self.zone)),
            ledger.told().map(schema::put_out),
        ];
        for statement in statements.into_iter().flatten() {
            statement.execute(connection).await?;
        }
        Ok(())
    }

    /// The ids of the workers that report runs which are somebody's.
    ///
    /// What is remembered may grant, as ids do not change hands, but not refuse: a worker that was
    /// removed and made again has another one.
    async fn owners(
        &self,
        connection: &mut AsyncMysqlConnection,
        reports: &[&Report],
        rows: &HashMap<String, Row>,
    ) -> QueryResult<HashMap<WorkerId, i64>> {
        let mut known = HashMap::new();
        let mut unsure = BTreeSet::new();
        for report in reports {
            let row = rows.get(report.run.as_str());
            let Some(owner) = row.and_then(|row| row.worker) else {
                continue;
            };
            if self.workers.get(&report.worker) == Some(owner) {
                known.insert(report.worker.clone(), owner);
            } else {
                unsure.insert(&report.worker);
            }
        }
        if unsure.is_empty() {
            return Ok(known);
        }
        let names: Vec<_> = unsure.iter().map(|worker| worker.as_str()).collect();
        let found: Vec<(i64, String)> = schema::workers(&names).load(connection).await?;
        for (id, name) in found {
            // Collations take more names for the same than we do.
            if let Some(worker) = unsure.iter().find(|worker| worker.as_str() == name) {
                self.workers.insert((*worker).clone(), id);
                known.insert((*worker).clone(), id);
            }
        }
        Ok(known)
    }
}

/// The row of each name: one whose `run_id` it is, before one whose `public_id` it is.
fn by_name(rows: Vec<Row>) -> HashMap<String, Row> {
    let mut found: HashMap<String, Row> = HashMap::with_capacity(rows.len());
    for row in rows {
        let better = found.get(&row.name).is_none_or(|old| row.place < old.place);
        if better {
            found.insert(row.name.clone(), row);
        }
    }
    found
}
