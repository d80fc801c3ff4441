use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::support::servers::{Database, until};
use crate::support::{Worker, proto};

/// Calls at once.
const CALLERS: usize = 64;

/// Workers, and tasks, that the runs are spread over.
const WORKERS: usize = 8;
const TASKS: usize = 10;

/// What a report has to tell, in bytes. All together are more than the database has free on its disk
/// already, so that a full one is felt.
const DATA: usize = 1_000;

/// How long a test waits for all results to be taken.
const PATIENCE: Duration = Duration::from_mins(3);

/// Workers that report each of many runs: that it runs, and how it ended. A report that fails is
/// made again, at another gateway, as often as it takes.
pub(super) struct Reporters {
    book: Arc<Book>,
    callers: JoinSet<()>,
    runs: usize,
}

struct Book {
    next: AtomicUsize,
    failures: Mutex<BTreeMap<String, u32>>,
    taken: watch::Sender<usize>,
}

/// Makes the rows of so many runs, as the web API and the Master do, and of who is to run them.
pub(super) async fn prepare(database: &Database, runs: usize) {
    const AT_ONCE: usize = 1000;
    let workers = (0..WORKERS).map(|place| {
        format!(
            "({0}, 'w-{place}', 'worker {place}', 'h', 1, 'online', '[]', 'gateway', 'key-of-w-{place}', \
             NOW(6), NOW(6))",
            place + 1
        )
    });
    insert(
        database,
        "workers (id, public_id, name, host, port, status, tags, transport_mode, api_key, \
         created_at, updated_at)",
        workers,
    )
    .await;
    let tasks = (0..TASKS).map(|task| {
        format!(
            "({0}, 't-{task}', 'task {task}', 1, 'code', 'once', 'pending', 1, NOW(6), NOW(6), 1)",
            task + 1
        )
    });
    insert(
        database,
        "scheduled_tasks (id, public_id, name, project_id, task_type, schedule_type, status, \
         is_active, created_at, updated_at, user_id)",
        tasks,
    )
    .await;
    for begin in (0..runs).step_by(AT_ONCE) {
        let rows = (begin..runs.min(begin + AT_ONCE)).map(|run| {
            let (task, worker) = (run % TASKS + 1, run % WORKERS + 1);
            format!("('p-{run}', {task}, 'r-{run}', 'pending', {worker}, NOW(6))")
        });
        insert(
            database,
            "task_executions (public_id, task_id, run_id, status, worker_id, created_at)",
            rows,
        )
        .await;
    }
}

async fn insert(database: &Database, into: &str, rows: impl Iterator<Item = String>) {
    let rows: Vec<String> = rows.collect();
    database
        .query(&format!("INSERT INTO {into} VALUES {}", rows.join(", ")))
        .await;
}

impl Reporters {
    /// Lets them loose on `gateways`, with so many runs that were prepared.
    pub(super) fn start(gateways: &[SocketAddr], runs: usize) -> Self {
        let book = Arc::new(Book {
            next: AtomicUsize::new(0),
            failures: Mutex::default(),
            taken: watch::Sender::new(0),
        });
        let mut callers = JoinSet::new();
        for place in 0..CALLERS {
            let caller = Caller {
                gateways: gateways.to_vec(),
                door: place,
                workers: BTreeMap::new(),
                book: book.clone(),
            };
            callers.spawn(caller.report_all(runs));
        }
        Self {
            book,
            callers,
            runs,
        }
    }

    /// Waits until the ends of so many runs are taken.
    pub(super) async fn taken(&self, count: usize) {
        let mut taken = self.book.taken.subscribe();
        let enough = taken.wait_for(|taken| *taken >= count);
        if timeout(PATIENCE, enough).await.is_err() {
            let (taken, failures) = (*self.book.taken.borrow(), self.book.failures());
            panic!("{taken} of {count} results were taken; failures: {failures:?}");
        }
    }

    /// How many calls failed.
    pub(super) fn failures(&self) -> u32 {
        self.book.failures().values().sum()
    }

    /// Waits until all are taken, and written as they were reported, each once.
    pub(super) async fn end(mut self, database: &Database) {
        self.taken(self.runs).await;
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("does not panic");
        }
        let failures = self.book.failures().clone();
        println!("{} results, failed calls: {failures:?}", self.runs);
        assert_written(database, self.runs).await;
    }
}

/// Waits until the last of so many runs is written, then looks at all: each ended as it was
/// reported, and is counted once.
pub(super) async fn assert_written(database: &Database, runs: usize) {
    until("all are written", || async {
        let left = "SELECT COUNT(*) FROM task_executions WHERE end_time IS NULL";
        (number(database, left).await == 0).then_some(())
    })
    .await;
    let wrong = "SELECT COUNT(*) FROM task_executions \
                 WHERE status <> IF(SUBSTR(run_id, 3) % 10 = 9, 'failed', 'success') \
                 OR runtime_status <> status OR dispatch_status <> 'acked' OR start_time IS NULL \
                 OR JSON_VALUE(result_data, '$.run') <> SUBSTR(run_id, 3)";
    assert_eq!(number(database, wrong).await, 0, "not as reported");
    let counted = "SELECT SUM(success_count), SUM(failure_count) FROM scheduled_tasks";
    let counted = database.query(counted).await;
    let failed = (0..runs).filter(|run| fails(*run)).count();
    let expected = [(runs - failed).to_string(), failed.to_string()];
    assert_eq!(counted, [expected], "not each once");
}

async fn number(database: &Database, sql: &str) -> usize {
    database.query(sql).await[0][0]
        .parse()
        .expect("is a number")
}

fn fails(run: usize) -> bool {
    run % 10 == 9
}

impl Book {
    fn failures(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        // Nothing panics while the lock is held.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_failure(&self, status: &Status) {
        // A worker that is told that its key is wrong five times stops for good.
        let passing = matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
        );
        assert!(passing, "{status:?}");
        *self
            .failures()
            .entry(format!("{:?}", status.code()))
            .or_default() += 1;
    }
}

struct Caller {
    gateways: Vec<SocketAddr>,
    door: usize,
    workers: BTreeMap<(usize, usize), Worker>,
    book: Arc<Book>,
}

impl Caller {
    async fn report_all(mut self, runs: usize) {
        loop {
            let run = self.book.next.fetch_add(1, Ordering::Relaxed);
            if run >= runs {
                return;
            }
            let end = if fails(run) { "failed" } else { "success" };
            self.report(run, "running").await;
            self.report(run, end).await;
            self.book.taken.send_modify(|taken| *taken += 1);
        }
    }

    async fn report(&mut self, run: usize, status: &str) {
        let report = proto::ReportResultRequest {
            run_id: format!("r-{run}"),
            worker_id: format!("w-{}", run % WORKERS),
            status: status.to_owned(),
            data_json: format!("{{\"run\": {run}, \"of\": \"{}\"}}", "x".repeat(DATA)),
            // What waits in the spool may come after what was reported later; the start is in both.
            started_at: "2026-11-23T08:00:00+08:00".to_owned(),
            ..Default::default()
        };
        while let Err(refused) = self
            .worker(run % WORKERS)
            .report_fully(report.clone())
            .await
        {
            self.book.note_failure(&refused);
            self.door += 1;
            // As the field's worker does after a failure, but sooner.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn worker(&mut self, place: usize) -> &Worker {
        let door = self.door % self.gateways.len();
        let gateway = self.gateways[door];
        self.workers.entry((door, place)).or_insert_with(|| {
            let id = format!("w-{place}");
            Worker::new(gateway, &id, Some(&format!("key-of-{id}")))
        })
    }
}
