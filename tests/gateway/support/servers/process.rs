use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

/// What stands between us and the server: it does as the lines of its stdin say, and answers each.
///
/// Its stdin ends when we let go of it or die, even by SIGKILL; then it kills the server and
/// removes the folder. The kernel's own way (PDEATHSIG) would end the server with the thread that
/// started it, which is that of one test.
const KEEPER: &str = r#"
folder=$1 pid=
shift
# Where some servers are, and not everybody looks.
PATH=$PATH:/usr/sbin
cd "$folder" || exit
# PIPE: an answer that nobody is there to read must not end us before the server.
trap : HUP INT PIPE TERM
finish() {
    [ -z "$pid" ] || { kill -s "$1" "$pid"; kill -s CONT "$pid"; wait "$pid"; pid=; }
}
while read -r order signal; do
    # Without it a shell may not have noticed that the server ended.
    jobs >/dev/null
    case $order in
        find) command -v "$1" || echo ;;
        start) finish KILL; "$@" </dev/null >>"$folder/log" 2>&1 & pid=$!; echo "$pid" ;;
        signal) kill -s "$signal" "$pid" && echo sent || echo failed ;;
        finish) finish "$signal"; echo finished ;;
        look) kill -s 0 "$pid" && echo alive || echo gone ;;
    esac
done
finish KILL
cd /
rm -rf "$folder"
"#;

/// A server's process, which ends with this value or with the process that holds it.
pub(super) struct Process {
    folder: TempDir,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Prepares to run `program` of the Debian package `package` in `folder`.
    pub(super) fn new(program: &str, package: &str, folder: TempDir, arguments: &[String]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder.path())
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("is piped"));
        let process = Self {
            folder,
            keeper: Mutex::new(Keeper {
                child,
                orders,
                answers,
            }),
        };
        let found = process.ask("find");
        assert!(
            !found.is_empty(),
            "{program} is missing: apt-get install {package}"
        );
        process
    }

    /// Starts it, once more if it ran before; its process id.
    pub(super) fn start(&self) -> u32 {
        self.ask("start").parse().expect("is a process id")
    }

    /// Whether it runs.
    pub(super) fn alive(&self) -> bool {
        self.ask("look") == "alive"
    }

    /// Sends it a signal by name.
    pub(super) fn signal(&self, name: &str) {
        assert_eq!(self.ask(&format!("signal {name}")), "sent", "{name}");
    }

    /// Sends it a signal that ends it, paused or not, and waits for its end.
    pub(super) fn finish(&self, signal: &str) {
        self.ask(&format!("finish {signal}"));
    }

    /// The folder it runs in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has written to stdout and stderr.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    fn ask(&self, order: &str) -> String {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = keeper.orders.as_mut().expect("is taken by drop alone");
        writeln!(orders, "{order}").expect("is heard");
        let mut answer = String::new();
        keeper.answers.read_line(&mut answer).expect("is answered");
        answer.trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let keeper = self
            .keeper
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        drop(keeper.orders.take());
        // It ends as soon as the server is gone; a failure here would only hide the test's own.
        drop(keeper.child.wait());
    }
}
