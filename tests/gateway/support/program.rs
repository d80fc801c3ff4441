use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{said, secret, secret_of_url};

/// What it logs, line by line.
type Log = UnboundedReceiver<String>;

/// The built program, running in a folder of its own on free ports.
pub(crate) struct Program {
    /// Where it serves workers.
    pub(crate) grpc: SocketAddr,
    /// Where it serves its operator.
    pub(crate) admin: SocketAddr,
    folder: TempDir,
    child: Child,
    log: Log,
    /// Told when nobody is to read its log any more.
    deaf: Arc<Notify>,
    /// What it logged before it served.
    #[cfg(feature = "redis")]
    before: String,
}

impl Program {
    /// Starts it with `settings`, and waits until it serves.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mut child = command(folder.path(), settings).spawn().expect("starts");
        let stderr = child.stderr.take().expect("is piped");
        let deaf = Arc::new(Notify::new());
        let mut log = drain(stderr, deaf.clone());
        let mut before = String::new();
        let grpc = announced(&mut log, "serving gRPC", &mut before).await;
        let admin = announced(&mut log, "serving admin HTTP", &mut before).await;
        if let Ok(key) = fs::read_to_string(folder.path().join(".antcode-local-key")) {
            secret(key.trim());
        }
        Self {
            grpc,
            admin,
            folder,
            child,
            log,
            deaf,
            #[cfg(feature = "redis")]
            before,
        }
    }

    /// Runs it with `arguments` to its end; what it wrote to stdout and stderr.
    pub(crate) async fn run(
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> (ExitStatus, String, String) {
        let folder = tempfile::tempdir().expect("makes a folder");
        let output = command(folder.path(), settings)
            .args(arguments)
            .output()
            .await
            .expect("runs");
        let text = |bytes| String::from_utf8(bytes).expect("is UTF-8");
        let (out, err) = (text(output.stdout), text(output.stderr));
        said(&err);
        // A key is printed for the one who made it, and for nobody else.
        match arguments {
            ["keys", "create" | "rotate", ..] => secret(out.trim()),
            _ => said(&out),
        }
        (output.status, out, err)
    }

    /// The folder it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it writes to stdout.
    pub(crate) fn stdout(&mut self) -> Lines<BufReader<ChildStdout>> {
        BufReader::new(self.child.stdout.take().expect("is asked once")).lines()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("is running")
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success(), "{name}");
    }

    /// Waits until it logs `message`.
    pub(crate) async fn logged(&mut self, message: &str) -> Value {
        logged(&mut self.log, message, &mut String::new()).await
    }

    /// Reads no more of what it logs, without closing its stderr.
    pub(crate) fn leave_its_log(&self) {
        self.deaf.notify_one();
    }

    /// What it said with `message` before it served, if it did.
    #[cfg(feature = "redis")]
    pub(crate) fn logged_before(&self, message: &str) -> Option<Value> {
        self.before.lines().find_map(|line| event(line, message))
    }

    /// Waits for its end; the rest of its log goes with it.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        while let Some(line) = self.log.recv().await {
            rest.push_str(&line);
            rest.push('\n');
        }
        (self.child.wait().await.expect("ends"), rest)
    }

    /// Waits for its end, whether or not it has more to say.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.expect("ends")
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        self.signal("TERM");
        let (status, log) = self.end().await;
        assert!(status.success(), "{status}: {log}");
    }
}

fn command(folder: &Path, settings: &[(&str, &str)]) -> Command {
    for (_, value) in settings {
        secret_of_url(value);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_antcode-gateway"));
    command
        .current_dir(folder)
        // Whatever the one who runs the tests has set is not for this gateway.
        .env_clear()
        .envs([
            ("GRPC_HOST", "127.0.0.1"),
            ("GRPC_PORT", "0"),
            ("ADMIN_PORT", "0"),
            ("LOG_FORMAT", "json"),
        ])
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Reads what it logs as it comes, until `deaf` is told.
fn drain(stderr: ChildStderr, deaf: Arc<Notify>) -> Log {
    let (lines, log) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut stderr = BufReader::new(stderr).lines();
        loop {
            let line = tokio::select! {
                line = stderr.next_line() => line.expect("reads"),
                // It stays open for as long as somebody waits for its next line.
                () = deaf.notified() => return lines.closed().await,
            };
            let Some(line) = line else { return };
            said(&line);
            // Nobody may want to hear of it any more.
            let _unheard = lines.send(line);
        }
    });
    log
}

async fn announced(log: &mut Log, message: &str, before: &mut String) -> SocketAddr {
    let event = logged(log, message, before).await;
    let address = event["address"].as_str().expect("has an address");
    address.parse().expect("is an address")
}

/// Waits for `message`; whatever comes first is added to `before`.
async fn logged(log: &mut Log, message: &str, before: &mut String) -> Value {
    while let Some(line) = log.recv().await {
        if let Some(event) = event(&line, message) {
            return event;
        }
        before.push_str(&line);
        before.push('\n');
    }
    panic!("ended without {message:?}:\n{before}");
}

/// A line of the log, if it says `message`.
fn event(line: &str, message: &str) -> Option<Value> {
    let event = serde_json::from_str::<Value>(line).ok()?;
    (event["message"] == message).then_some(event)
}
