use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;
use tokio::time;

use super::process::Process;
use super::resp::{Connection, Reply};
use super::{LONG, until};

/// What a test may want otherwise of a Redis.
#[derive(Clone, Default)]
pub(crate) struct RedisOptions {
    /// Whether what is written outlives a kill.
    pub(crate) append_only: bool,
    /// Further arguments; one given here wins over ours.
    pub(crate) arguments: Vec<String>,
}

/// A Redis of our own.
pub(crate) struct RedisServer {
    port: u16,
    process: Process,
}

impl RedisServer {
    /// Starts one with the defaults: nothing is kept on disk.
    pub(crate) async fn start() -> Self {
        Self::start_with(RedisOptions::default()).await
    }

    /// Starts one, and waits until it answers.
    pub(crate) async fn start_with(options: RedisOptions) -> Self {
        let append_only = if options.append_only { "yes" } else { "no" };
        let mut arguments = vec!["--appendonly".into(), append_only.into()];
        arguments.extend(options.arguments);
        Self::launch("redis-server", &arguments).await
    }

    /// The one that the tests of this process share; a test keeps to a namespace of its own, and
    /// does the server itself no harm.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<RedisServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts `program`, which is also the name of its package, on a free port.
    pub(super) async fn launch(program: &str, arguments: &[String]) -> Self {
        loop {
            let port = free_port();
            let folder = tempfile::tempdir().expect("makes a folder");
            let config = folder.path().join("redis.conf");
            // A Sentinel does not start without a file to write to.
            fs::write(&config, "").expect("writes");
            let mut all = vec![config.to_str().expect("is UTF-8").to_owned()];
            all.extend(common(port, folder.path().to_str().expect("is UTF-8")));
            all.extend_from_slice(arguments);
            let server = Self {
                port,
                process: Process::new(program, program, folder, &all),
            };
            match server.run().await {
                Ok(()) => return server,
                // Somebody was faster than we.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("{program} {arguments:?} does not start:\n{log}"),
            }
        }
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Its host and port.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.port).await.expect("connects")
    }

    /// What it replies to a command.
    pub(crate) async fn command<A: AsRef<[u8]>>(&self, command: &[A]) -> Reply {
        let reply = async { self.connect().await.call(command).await };
        let reply = time::timeout(LONG, reply).await.expect("answers in time");
        reply.expect("answers")
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

    /// Ends it, if it runs, and starts it again on its port and in its folder.
    pub(crate) async fn restart(&self) {
        let started = self.run().await;
        if let Err(log) = started {
            panic!("does not start again:\n{log}");
        }
    }

    /// Starts it and waits until it answers; its log, if it ends instead.
    async fn run(&self) -> Result<(), String> {
        let pid = format!("process_id:{}\r", self.process.start());
        until("Redis answers", || async {
            if !self.process.alive() {
                return Some(Err(self.process.log()));
            }
            // Whoever answers on this port may be another's Redis.
            self.is(&pid).await.then_some(Ok(()))
        })
        .await
    }

    async fn is(&self, pid: &str) -> bool {
        let Ok(mut connection) = Connection::open(self.port).await else {
            return false;
        };
        // It says who it is while it still loads, and answers PING only afterwards.
        matches!(connection.call(&["PING"]).await, Ok(Reply::Simple(_)))
            && matches!(connection.call(&["INFO", "server"]).await, Ok(info @ Reply::Bulk(_)) if info.text().contains(pid))
    }
}

fn common(port: u16, folder: &str) -> Vec<String> {
    let port = port.to_string();
    let pairs = [
        ("--port", port.as_str()),
        ("--bind", "127.0.0.1"),
        ("--dir", folder),
        ("--daemonize", "no"),
        ("--save", ""),
        // A replica is waited for, not a second one besides.
        ("--repl-diskless-sync-delay", "0"),
    ];
    let words = pairs.into_iter().flat_map(|(name, value)| [name, value]);
    words.map(str::to_owned).collect()
}

/// A port that is free, as is the one 10,000 above, where a node of a cluster talks to the others.
///
/// Both are below those that the system hands out itself: one of these may be taken by any
/// connection of any test while a killed server is not yet started again.
pub(super) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = rand::random_range(12_000..22_000);
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if free(port) && free(port + 10_000) && given.insert(port) {
            return port;
        }
    }
}
