use std::time::Duration;

use gateway_core::domain::run::Report;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Statement};
use tokio::time::Instant;

use crate::Outcome;
use crate::server::Server;

/// A plain connection, and the statements that one result comes to.
pub(crate) struct Bare {
    connection: Conn,
    find: Statement,
    write: Statement,
    count: Statement,
}

impl Bare {
    pub(crate) async fn connect(server: &Server) -> Outcome<Self> {
        let mut connection = server.connect().await?;
        let find = "SELECT id, task_id, worker_id, status, runtime_status, runtime_updated_at, \
                    start_time, end_time, result_data FROM task_executions WHERE run_id = ? \
                    FOR UPDATE";
        let write = "UPDATE task_executions SET dispatch_status = 'acked', \
                     dispatch_updated_at = ?, runtime_status = 'success', \
                     runtime_updated_at = ?, last_heartbeat = ?, status = 'success', \
                     start_time = ?, end_time = ?, duration_seconds = 3, exit_code = 0, \
                     result_data = ? WHERE id = ?";
        let count = "UPDATE scheduled_tasks SET status = 'success', \
                     success_count = success_count + 1 WHERE id = ?";
        Ok(Self {
            find: connection.prep(find).await?,
            write: connection.prep(write).await?,
            count: connection.prep(count).await?,
            connection,
        })
    }

    /// How long it takes to write `report` in a transaction.
    pub(crate) async fn write(&mut self, report: &Report) -> Outcome<Duration> {
        let at = report.at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        let data = report.data.to_string();
        let began = Instant::now();
        self.connection.query_drop("BEGIN").await?;
        let found: Option<mysql_async::Row> = self
            .connection
            .exec_first(&self.find, (report.run.as_str(),))
            .await?;
        let row = found.ok_or("there is no such run")?;
        let id: i64 = row.get("id").ok_or("it has an id")?;
        let task: i64 = row.get("task_id").ok_or("it has a task")?;
        let values = (&at, &at, &at, &at, &at, data, id);
        self.connection.exec_drop(&self.write, values).await?;
        self.connection.exec_drop(&self.count, (task,)).await?;
        self.connection.query_drop("COMMIT").await?;
        Ok(began.elapsed())
    }
}
