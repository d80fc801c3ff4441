use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::Outcome;

const DATABASE: &str = "bench";
const USER: &str = "gateway";

/// A `MariaDB` of our own, which writes each commit to the disk before it answers.
pub(crate) struct Server {
    child: Child,
    port: u16,
    _folder: TempDir,
}

/// The name of a run.
pub(crate) fn run(number: u32) -> String {
    format!("run-{number:032}")
}

/// The name of a worker.
pub(crate) fn worker(number: u32) -> String {
    format!("worker-{number}")
}

impl Server {
    /// Starts it, and waits until it answers.
    pub(crate) async fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let data = format!("--datadir={}/data", folder.path().display());
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=root", "--skip-test-db"])
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(["--auth-root-authentication-method=normal", &data])
            .stdout(Stdio::null())
            .status()
            .map_err(|error| missing(&error))?;
        if !made.success() {
            return Err("mariadb-install-db failed".into());
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = spawn(folder.path(), port, &data)?;
        let mut server = Self {
            child,
            port,
            _folder: folder,
        };
        let mut root = loop {
            if server.child.try_wait()?.is_some() {
                return Err("mariadbd ended at its start".into());
            }
            match Conn::new(server.options("root", None)).await {
                Ok(root) => break root,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        for sql in [
            format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"),
            format!("CREATE USER {USER}@'%'"),
            format!("GRANT ALL ON {DATABASE}.* TO {USER}@'%'"),
        ] {
            root.query_drop(sql).await?;
        }
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("mysql://{USER}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// A plain connection.
    pub(crate) async fn connect(&self) -> Outcome<Conn> {
        let mut connection = Conn::new(self.options(USER, Some(DATABASE))).await?;
        let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
        connection.query_drop(isolation).await?;
        Ok(connection)
    }

    /// Makes so many workers, tasks and runs.
    pub(crate) async fn fill(&self, workers: u32, tasks: u32, runs: u32) -> Outcome<()> {
        let mut connection = self.connect().await?;
        for sql in [
            format!(
                "INSERT INTO workers (id, public_id, name, host, port, status, tags, \
                 transport_mode, created_at, updated_at) SELECT seq + 1, \
                 CONCAT('worker-', seq), CONCAT('worker-', seq), 'h', 1, 'online', '[]', \
                 'gateway', NOW(6), NOW(6) FROM seq_0_to_{}",
                workers - 1
            ),
            format!(
                "INSERT INTO scheduled_tasks (id, public_id, name, project_id, task_type, \
                 schedule_type, status, is_active, created_at, updated_at, user_id) \
                 SELECT seq + 1, seq, seq, 1, 'code', 'cron', 'pending', 1, NOW(6), NOW(6), 1 \
                 FROM seq_0_to_{}",
                tasks - 1
            ),
            format!(
                "INSERT INTO task_executions (public_id, run_id, task_id, worker_id, status, \
                 created_at) SELECT MD5(seq), CONCAT('run-', LPAD(seq, 32, '0')), \
                 1 + seq * 7919 MOD {tasks}, 1 + seq MOD {workers}, 'pending', NOW(6) \
                 FROM seq_0_to_{}",
                runs - 1
            ),
        ] {
            connection.query_drop(sql).await?;
        }
        Ok(())
    }

    /// How many runs are so.
    pub(crate) async fn count(&self, condition: &str) -> Outcome<u64> {
        let sql = format!("SELECT COUNT(*) FROM task_executions WHERE {condition}");
        let count = self.connect().await?.query_first(sql).await?;
        Ok(count.ok_or("there is a count")?)
    }

    /// What tasks have counted.
    pub(crate) async fn successes(&self) -> Outcome<u64> {
        let sql = "SELECT CAST(SUM(success_count) AS UNSIGNED) FROM scheduled_tasks";
        let sum = self.connect().await?.query_first(sql).await?;
        Ok(sum.ok_or("there is a sum")?)
    }

    /// The CPU time it has had.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        cpu(&self.child.id().to_string())
    }

    fn options(&self, user: &str, database: Option<&str>) -> Opts {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(user))
            .db_name(database)
            // Both sides go the same way.
            .prefer_socket(false)
            .into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The CPU time that a process has had, user and system.
pub(crate) fn cpu(process: &str) -> Outcome<Duration> {
    // The kernel reports in hundredths of a second, whatever its own clock does.
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("stat has no name")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Outcome<u64> { Ok(fields.next().ok_or("stat is short")?.parse()?) };
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}

fn spawn(folder: &Path, port: u16, data: &str) -> Outcome<Child> {
    let folder = folder.display();
    let child = Command::new("mariadbd")
        .args(["--no-defaults", "--user=root", "--skip-name-resolve", data])
        .args(["--bind-address=127.0.0.1", &format!("--port={port}")])
        .arg(format!("--socket={folder}/socket"))
        .arg(format!("--pid-file={folder}/pid"))
        .args([
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-size=256M",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ok(child.map_err(|error| missing(&error))?)
}

fn missing(error: &io::Error) -> String {
    format!("MariaDB does not start: {error}; apt-get install mariadb-server")
}
