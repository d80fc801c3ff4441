use std::process::ExitCode;
use std::sync::Arc;

use gateway_core::domain::time::Timestamp;
use gateway_core::ports::Clock;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{self, JoinHandle};

use crate::client::{Command, Console, Http, Output, run};
use crate::inbound::Readiness;
use crate::inbound::admin::testing::{FakeMaster, at};
use crate::inbound::admin::{OperatorApi, OperatorSide, serve};

/// A clock that stands at two minutes and five seconds past ten.
pub(super) struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        at(125)
    }
}

/// An admin port that is served, and the Master behind it.
pub(super) struct Gateway {
    pub(super) master: Arc<FakeMaster>,
    pub(super) base: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// What a tool did.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) code: Result<ExitCode, String>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Gateway {
    pub(super) async fn start() -> Self {
        let master = Arc::new(FakeMaster::default());
        let side: OperatorSide = (master.clone(), master.clone());
        Self::serve(master, Some((side, None))).await
    }

    pub(super) async fn start_without_master() -> Self {
        Self::serve(Arc::default(), None).await
    }

    async fn serve(master: Arc<FakeMaster>, api: Option<OperatorApi>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let base = format!("http://{}", listener.local_addr().expect("is bound"));
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let served = tokio::spawn(serve(
            listener,
            api,
            Readiness::starting(),
            Arc::new(String::new),
            stopped,
        ));
        Self {
            master,
            base,
            stop,
            served,
        }
    }

    pub(super) fn tool(&self, command: Command) -> impl Future<Output = Seen> + use<> {
        tool(self.base.clone(), command, false)
    }

    /// As `tool`, with somebody at a terminal.
    pub(super) async fn terminal(&self, command: Command) -> Seen {
        tool(self.base.clone(), command, true).await
    }

    /// Asks for the end, and waits for it.
    pub(super) async fn stop(self) {
        drop(self.stop);
        self.served.await.expect("does not panic").expect("ends");
    }
}

pub(super) async fn tool(base: String, command: Command, terminal: bool) -> Seen {
    let work = move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console {
            out: Output::new(terminal, &mut out),
            err: Output::new(terminal, &mut err),
        };
        let http = Http::new(&base);
        let code = run(&http, &Now, &command, &mut console).map_err(|error| error.to_string());
        drop(console);
        let [out, err] = [out, err].map(|text| String::from_utf8_lossy(&text).into_owned());
        Seen { code, out, err }
    };
    task::spawn_blocking(work).await.expect("does not panic")
}
