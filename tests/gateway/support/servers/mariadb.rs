use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_adapters::outbound::mysql::{self, Link, LinkSettings, Tls};
use gateway_core::domain::identity::Secret;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::process::Process;
use super::{LONG, free_port, until};

/// Who the gateway is to it, and its password, as a URL holds them: `p@ss/word` is the word itself.
const USER: &str = "gateway:p%40ss%2Fword";

/// What is run at each start: the user of the gateway, with what it may do and no more.
const INIT: &str = "\
CREATE USER IF NOT EXISTS 'gateway'@'%' IDENTIFIED BY 'p@ss/word';
GRANT ALL ON `test\\_%`.* TO 'gateway'@'%';
";

/// A `MariaDB` of our own. What was committed outlives a kill of it.
pub(crate) struct MariaDb {
    port: u16,
    process: Process,
}

/// A database that no other test has, with a way around the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// Its name.
    pub(crate) name: String,
    /// Where the gateway finds it, with its user and password.
    pub(crate) url: String,
    port: u16,
}

impl MariaDb {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments, which win over ours, and waits until it answers.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        loop {
            let port = free_port();
            let folder = tempfile::tempdir().expect("makes a folder");
            copy(template().await, &folder.path().join("data"));
            fs::write(folder.path().join("init.sql"), INIT).expect("writes");
            let mut all = common(port, folder.path());
            all.extend(arguments.iter().map(|&argument| argument.to_owned()));
            let server = Self {
                port,
                process: Process::new("mariadbd", "mariadb-server", folder, &all),
            };
            match server.run().await {
                Ok(()) => return server,
                // Somebody was faster than we.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("mariadbd {arguments:?} does not start:\n{log}"),
            }
        }
    }

    /// The one that the tests of this process share; a test keeps to a database of its own, and
    /// does the server itself no harm.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<MariaDb> = OnceCell::const_new();
        SHARED
            .get_or_init(|| Self::start_with(&["--innodb-flush-log-at-trx-commit=0"]))
            .await
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// A database that is new and has the tables.
    pub(crate) async fn database(&self) -> Database {
        let database = self.empty_database().await;
        let link = database.link().await;
        mysql::migrate(&link).await.expect("makes tables");
        database
    }

    /// A database that is new and empty.
    pub(crate) async fn empty_database(&self) -> Database {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // Whoever set it up thought of more than Latin letters, and not of capitals.
        self.query(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"))
            .await;
        Database {
            url: self.url(&name),
            name,
            port: self.port,
        }
    }

    /// Where the gateway finds the database of this name.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("mysql://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// What it answers to its administrator; see [`Database::query`].
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&mut connect(self.port, None).await, sql).await
    }

    /// Holds it as it is: connections stay, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on after a pause.
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Ends it by SIGKILL, paused or not.
    pub(crate) fn kill(&self) {
        self.process.finish("KILL");
    }

    /// Ends it in good order.
    pub(crate) fn stop(&self) {
        self.process.finish("TERM");
    }

    /// Ends it, if it runs, and starts it again on its port and with its data.
    pub(crate) async fn restart(&self) {
        if let Err(log) = self.run().await {
            panic!("does not start again:\n{log}");
        }
    }

    /// Cuts every connection of the gateway's, which may make new ones at once.
    pub(crate) async fn kill_connections(&self) {
        // It says that there is no such user while there is no connection of theirs.
        let mut root = connect(self.port, None).await;
        let list = "SELECT id FROM information_schema.processlist WHERE user = 'gateway'";
        for id in rows(&mut root, list).await {
            // One that ended meanwhile is as good as killed.
            let _gone = root.query_drop(format!("KILL CONNECTION {}", id[0])).await;
        }
    }

    /// Starts it and waits until it answers; its log, if it ends instead.
    async fn run(&self) -> Result<(), String> {
        self.process.start();
        until("MariaDB answers", || async {
            if !self.process.alive() {
                return Some(Err(self.process.log()));
            }
            // Whoever answers on this port may be another's.
            self.is_ours().await.then_some(Ok(()))
        })
        .await
    }

    async fn is_ours(&self) -> bool {
        let Ok(mut root) = Conn::new(options(self.port, None)).await else {
            return false;
        };
        let pid_file = root.query_first::<String, _>("SELECT @@pid_file").await;
        let ours = self.folder().join("pid");
        pid_file.is_ok_and(|file| file.is_some_and(|file| Path::new(&file) == ours))
    }
}

impl Database {
    /// What a gateway uses it by, once it answers.
    pub(crate) async fn link(&self) -> Link {
        let link = Link::connect(&self.settings()).expect("is an address");
        let answers = async { link.away().wait_for(Option::is_none).await.is_ok() };
        assert!(timeout(LONG, answers).await.expect("in time"));
        link
    }

    /// How a gateway uses it.
    pub(crate) fn settings(&self) -> LinkSettings {
        LinkSettings {
            url: Secret::new(&self.url),
            tls: Tls::Disabled,
            ca: None,
            pool_size: 4,
        }
    }

    /// What the server answers to its administrator: rows of text, in which nothing is `NULL`.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&mut self.connect().await, sql).await
    }

    /// Makes a worker as the Master would; the number of its row.
    pub(crate) async fn add_worker(&self, worker: &str, api_key: &str) -> u64 {
        let mut master = self.connect().await;
        let row = "INSERT INTO workers (public_id, name, host, port, status, tags, \
                   transport_mode, api_key, created_at, updated_at) \
                   VALUES (?, ?, '10.0.0.1', 8001, 'online', '[]', 'gateway', ?, NOW(6), NOW(6))";
        let inserted = master.exec_drop(row, (worker, worker, api_key)).await;
        inserted.expect("inserts");
        master.last_insert_id().expect("has a number")
    }

    /// A connection of its administrator's.
    pub(crate) async fn connect(&self) -> Conn {
        connect(self.port, Some(&self.name)).await
    }
}

async fn connect(port: u16, database: Option<&str>) -> Conn {
    Conn::new(options(port, database)).await.expect("connects")
}

fn options(port: u16, database: Option<&str>) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .db_name(database)
        // Its socket may be taken by another's server on another's port.
        .prefer_socket(false)
        .into()
}

async fn rows(connection: &mut Conn, sql: &str) -> Vec<Vec<String>> {
    let rows: Vec<Row> = match connection.query(sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error}"),
    };
    let texts = |row: Row| row.unwrap().into_iter().map(text).collect();
    rows.into_iter().map(texts).collect()
}

fn text(value: Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other @ (Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..)) => unreachable!("text protocol: {other:?}"),
    }
}

/// The data of a server that never ran. It is made once a process and ends with it.
async fn template() -> &'static Path {
    static TEMPLATE: OnceCell<Process> = OnceCell::const_new();
    let made = TEMPLATE.get_or_init(|| async {
        let folder = TempDir::new().expect("makes a folder");
        let data = folder.path().join("data");
        let arguments = [
            "--no-defaults",
            "--user=root",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            LOG_FILE_SIZE,
            &format!("--datadir={}", data.display()),
        ]
        .map(str::to_owned);
        let program = Process::new("mariadb-install-db", "mariadb-server", folder, &arguments);
        program.start();
        until("there is a template", || async {
            (!program.alive()).then_some(())
        })
        .await;
        assert!(data.join("mysql").exists(), "{}", program.log());
        program
    });
    made.await.folder()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-r")
        .arg(from.join("data"))
        .arg(to)
        .status()
        .expect("cp is there");
    assert!(copied.success());
}

const LOG_FILE_SIZE: &str = "--innodb-log-file-size=8M";

fn common(port: u16, folder: &Path) -> Vec<String> {
    let folder = folder.display();
    vec![
        "--no-defaults".into(),
        "--user=root".into(),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".into(),
        format!("--datadir={folder}/data"),
        format!("--socket={folder}/socket"),
        format!("--pid-file={folder}/pid"),
        format!("--init-file={folder}/init.sql"),
        "--skip-name-resolve".into(),
        "--performance-schema=off".into(),
        "--max-connections=400".into(),
        "--innodb-buffer-pool-size=32M".into(),
        // A server that is killed, and not the machine, loses nothing by it.
        "--innodb-flush-log-at-trx-commit=2".into(),
        // There may be many servers, and few requests of this kind for all together.
        "--innodb-use-native-aio=off".into(),
        LOG_FILE_SIZE.into(),
    ]
}
