//! Results on `MariaDB`, put to the test.

use std::sync::Arc;

use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::run::Run;
use gateway_core::domain::task::Task;
use gateway_core::ports::{self, ResultStore};

use super::LONG;
use super::result_store::{Books, Results};
use crate::mysql_results::tables::Tables;

/// Tables without a row, and a gateway's store over them.
pub(super) struct MySqlResults {
    tables: Tables,
    store: Arc<dyn ResultStore>,
}

pub(super) async fn start() -> MySqlResults {
    let tables = Tables::new("Asia/Shanghai").await;
    let store = Arc::new(tables.store(LONG, None).await);
    MySqlResults { tables, store }
}

impl Results for MySqlResults {
    fn store(&self) -> Arc<dyn ports::ResultStore> {
        self.store.clone()
    }

    async fn open(&self, worker: &WorkerId, task: Task) {
        let runs = [task.run.to_string()];
        let task = task.id.as_str();
        self.tables.open(worker.as_str(), task, &runs).await;
    }

    async fn outcome(&self, run: &RunId) -> Run {
        self.tables.outcome(run.as_str()).await
    }

    async fn books(&self, task: &TaskId) -> Books {
        let books = self.tables.books(task.as_str()).await;
        Books {
            status: books.status,
            last_run_time: books.last_run_time,
            success_count: books.success_count,
            failure_count: books.failure_count,
        }
    }
}
