use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::mysql::{ResultSettings, ResultStore, Zone};
use gateway_core::domain::run::{Data, Run, RunStatus};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::ResultFeed;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::sync::Mutex;

use crate::support::servers::{Database, MariaDb};

/// The Master's tables, as the Master sees them.
pub(crate) struct Tables {
    pub(crate) database: Database,
    zone: &'static str,
    master: Mutex<Conn>,
}

/// What a task's row says of its runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) status: Option<RunStatus>,
    pub(crate) last_run_time: Option<Timestamp>,
    pub(crate) success_count: u64,
    pub(crate) failure_count: u64,
}

/// How results are written, but for the time that it may take.
pub(crate) fn settings(zone: &str, commit_timeout: Duration) -> ResultSettings {
    ResultSettings {
        zone: Zone::named(zone).expect("is a zone"),
        batch_max: 128,
        batch_wait: Duration::from_millis(2),
        commit_timeout,
    }
}

/// The `public_id` of a run.
pub(crate) fn public_id(run: &str) -> String {
    format!("p-{run}")
}

impl Tables {
    /// Tables without a row, on the server that tests share.
    pub(crate) async fn new(zone: &'static str) -> Self {
        Self::on(MariaDb::shared().await, zone).await
    }

    /// Tables without a row.
    pub(crate) async fn on(server: &MariaDb, zone: &'static str) -> Self {
        Self::of(server.database().await, zone).await
    }

    /// Those of a database.
    pub(crate) async fn of(database: Database, zone: &'static str) -> Self {
        let master = Mutex::new(database.connect().await);
        Self {
            database,
            zone,
            master,
        }
    }

    /// What a gateway has, with connections of its own.
    pub(crate) async fn store(
        &self,
        commit_timeout: Duration,
        feed: Option<Arc<dyn ResultFeed>>,
    ) -> ResultStore {
        let settings = settings(self.zone, commit_timeout);
        ResultStore::new(self.database.link().await, settings, feed)
    }

    /// Does what the Master would do.
    pub(crate) async fn execute(&self, sql: &str) {
        let done = self.master.lock().await.query_drop(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Makes runs of `task`, which are `worker`'s.
    pub(crate) async fn open(&self, worker: &str, task: &str, runs: &[String]) {
        self.execute(&format!(
            "INSERT IGNORE INTO workers (public_id, name, host, port, status, tags, transport_mode, \
             created_at, updated_at) VALUES ('{worker}', '{worker}', 'h', 1, 'online', '[]', \
             'gateway', NOW(6), NOW(6))"
        ))
        .await;
        self.execute(&format!(
            "INSERT IGNORE INTO scheduled_tasks (public_id, name, project_id, task_type, \
             schedule_type, status, is_active, created_at, updated_at, user_id) VALUES ('{task}', \
             '{task}', 1, 'code', 'cron', 'pending', 1, NOW(6), NOW(6), 1)"
        ))
        .await;
        let values = runs.iter().map(|run| {
            let public = public_id(run);
            format!("('{public}', '{run}')")
        });
        let values: Vec<_> = values.collect();
        self.execute(&format!(
            "INSERT INTO task_executions (public_id, run_id, task_id, worker_id, status, \
             created_at) WITH r (public, run) AS (VALUES {}) SELECT r.public, r.run, t.id, w.id, \
             'pending', NOW(6) FROM r, scheduled_tasks t, workers w \
             WHERE t.public_id = '{task}' AND w.public_id = '{worker}'",
            values.join(",")
        ))
        .await;
    }

    /// What is known of `run`.
    pub(crate) async fn outcome(&self, run: &str) -> Run {
        let sql = format!(
            "SELECT runtime_status, runtime_updated_at, start_time, end_time, duration_seconds, \
             exit_code, error_message, result_data, status, dispatch_status, last_heartbeat, \
             dispatch_updated_at IS NULL FROM task_executions WHERE run_id = '{run}'"
        );
        let rows: Vec<Texts> = self.master.lock().await.exec(sql, ()).await.expect("reads");
        let Texts(row) = rows.into_iter().next().expect("is there");
        let text = |place: usize| row[place].as_deref();
        let status = text(0).map(|text| text.parse().expect("is a status"));
        if status.is_some() {
            assert_eq!(text(8), text(0), "the two columns say the same");
            assert_eq!((text(9), text(11)), (Some("acked"), Some("0")));
            assert_eq!(text(10), text(1), "the run was alive then");
        }
        Run {
            status,
            changed_at: text(1).map(|text| self.instant(text)),
            started_at: text(2).map(|text| self.instant(text)),
            ended_at: text(3).map(|text| self.instant(text)),
            duration: text(4).map(|text| micros(text.parse().expect("is a number"))),
            exit_code: text(5).map(|text| text.parse().expect("is a number")),
            error_message: text(6).map(str::to_owned),
            data: text(7).map_or_else(Default::default, |text| {
                Data::parse(text).expect("is an object")
            }),
        }
    }

    /// What the books of `task` say.
    pub(crate) async fn books(&self, task: &str) -> Books {
        let sql = format!(
            "SELECT status, last_run_time, success_count, failure_count FROM scheduled_tasks \
             WHERE public_id = '{task}'"
        );
        let rows: Vec<Texts> = self.master.lock().await.exec(sql, ()).await.expect("reads");
        let Texts(row) = rows.into_iter().next().expect("is there");
        let count = |place: usize| {
            let text: &str = row[place].as_deref().expect("is a number");
            text.parse().expect("is a number")
        };
        Books {
            status: row[0].as_deref().and_then(|text| text.parse().ok()),
            last_run_time: row[1].as_deref().map(|text| self.instant(text)),
            success_count: count(2),
            failure_count: count(3),
        }
    }

    fn instant(&self, wall: &str) -> Timestamp {
        let zone = TimeZone::get(self.zone).expect("is a zone");
        let wall: DateTime = wall.parse().expect("is a time");
        zone.to_timestamp(wall).expect("is a time")
    }
}

/// A duration as a column holds it, to the microsecond.
pub(crate) fn micros(seconds: f64) -> Duration {
    let whole = Duration::from_secs_f64(seconds);
    let nanos = whole.as_nanos() + 500;
    Duration::from_micros(u64::try_from(nanos / 1_000).expect("is not that long"))
}

/// A row of texts.
struct Texts(Vec<Option<String>>);

impl mysql_async::prelude::FromRow for Texts {
    fn from_row_opt(row: mysql_async::Row) -> Result<Self, mysql_async::FromRowError> {
        use mysql_async::Value;
        let texts = row.unwrap().into_iter().map(|value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("is text")),
            Value::Int(number) => Some(number.to_string()),
            Value::UInt(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Double(number) => Some(number.to_string()),
            Value::Date(year, month, day, hour, minute, second, micro) => Some(format!(
                "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micro:06}"
            )),
            Value::Time(..) => panic!("there is no such column"),
        });
        Ok(Self(texts.collect()))
    }
}
