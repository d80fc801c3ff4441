mod database;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_adapters::outbound::mysql;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub(crate) use self::database::Database;

use self::database::{connect, options, rows};
use super::process::Process;
use super::{free_port, until};

/// Who the gateway is to it, and its password, as a URL holds them: `p@ss/word` is the word itself.
const USER: &str = "gateway:p%40ss%2Fword";

/// What is run at each start: the user of the gateway, with what it may do and no more.
const INIT: &str = "\
CREATE USER IF NOT EXISTS 'gateway'@'%' IDENTIFIED BY 'p@ss/word';
GRANT ALL ON `test\\_%`.* TO 'gateway'@'%';
";

/// Puts the data on a disk in memory of the size that is said, then runs the rest of the words.
#[cfg(feature = "redis")]
const SMALL_DISK: &str = "\
mkdir small && mount -t tmpfs -o size=$0 small small && cp -a data/. small \
&& mount --bind small data && exec \"$@\"";

/// A `MariaDB` of our own. What was committed outlives a kill of it.
pub(crate) struct MariaDb {
    port: u16,
    process: Process,
}

impl MariaDb {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments, which win over ours, and waits until it answers.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments).await
    }

    /// Starts one whose data are on a disk of so many MiB, which ends with it.
    #[cfg(feature = "redis")]
    pub(crate) async fn start_on_small_disk(mebibytes: u32) -> Self {
        let mebibytes = format!("{mebibytes}m");
        let around = ["unshare", "-rm", "sh", "-c", SMALL_DISK, &mebibytes];
        Self::start_in(&around, &[]).await
    }

    /// Starts one by a command `around` its own.
    async fn start_in(around: &[&str], arguments: &[&str]) -> Self {
        loop {
            let port = free_port();
            let folder = tempfile::tempdir().expect("makes a folder");
            copy(template().await, &folder.path().join("data"));
            fs::write(folder.path().join("init.sql"), INIT).expect("writes");
            let mut all = common(port, folder.path());
            all.extend(arguments.iter().map(|&argument| argument.to_owned()));
            let mut words = around
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>();
            words.push("mariadbd".to_owned());
            words.append(&mut all);
            let program = words.remove(0);
            let server = Self {
                port,
                process: Process::new(&program, "mariadb-server", folder, &words),
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

    /// Fills the disk of its data, as somebody else may; until [`MariaDb::free_disk`].
    #[cfg(feature = "redis")]
    pub(crate) fn fill_disk(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("is ours");
        let block = vec![0; 64 * 1024];
        // It ends when there is no room.
        while std::io::Write::write_all(&mut ballast, &block).is_ok() {}
    }

    /// Takes away what fills the disk.
    #[cfg(feature = "redis")]
    pub(crate) fn free_disk(&self) {
        fs::remove_file(self.ballast()).expect("is there");
    }

    /// The disk is there for the server's process alone.
    #[cfg(feature = "redis")]
    fn ballast(&self) -> std::path::PathBuf {
        let pid = fs::read_to_string(self.folder().join("pid")).expect("runs");
        let data = self.folder().join("data/ballast");
        let data = data.strip_prefix("/").expect("is absolute");
        Path::new("/proc").join(pid.trim()).join("root").join(data)
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
            &format!("--tmpdir={}", folder.path().display()),
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
        // A server that starts clears its folder of temporary tables, be they another's.
        format!("--tmpdir={folder}"),
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
