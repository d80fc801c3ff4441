use std::sync::Arc;

use gateway_adapters::outbound::mysql::ResultStore;
use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::run::Run;
use gateway_core::domain::task::Task;
use gateway_core::ports;

use super::Mysql;
use crate::contract::LONG;
use crate::contract::result_store::{Books, Results};
use crate::mysql_results::tables::{Tables, settings};

const ZONE: &str = "Asia/Shanghai";

impl Mysql {
    async fn tables(&self) -> Tables {
        Tables::of(self.database.clone(), ZONE).await
    }
}

impl Results for Mysql {
    fn store(&self) -> Arc<dyn ports::ResultStore> {
        let settings = settings(ZONE, LONG);
        Arc::new(ResultStore::new(self.link.clone(), settings, None))
    }

    async fn open(&self, worker: &WorkerId, task: Task) {
        let runs = [task.run.to_string()];
        let tables = self.tables().await;
        tables.open(worker.as_str(), task.id.as_str(), &runs).await;
    }

    async fn outcome(&self, run: &RunId) -> Run {
        self.tables().await.outcome(run.as_str()).await
    }

    async fn books(&self, task: &TaskId) -> Books {
        let books = self.tables().await.books(task.as_str()).await;
        Books {
            status: books.status,
            last_run_time: books.last_run_time,
            success_count: books.success_count,
            failure_count: books.failure_count,
        }
    }
}
