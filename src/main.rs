//! The composition root: plugs adapters into the core, and runs what comes of it.
//!
//! Cargo finds the program here by default, although the folder is the core's; the root package
//! builds it. Which adapters it plugs in is in `main/plug.rs`, and nowhere else; `main/tool.rs` runs
//! the operator's tools.

#[path = "main/mysql.rs"]
mod mysql;
#[path = "main/own_door.rs"]
mod own_door;
#[path = "main/plug.rs"]
mod plug;
#[path = "main/redis.rs"]
mod redis;
#[path = "main/tool.rs"]
mod tool;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use gateway_adapters::host::cli::{Cli, Command};
use gateway_adapters::host::local_key::LocalKey;
use gateway_adapters::host::{self, Config, signals, telemetry};
use gateway_adapters::inbound::admin::OperatorSide;
use gateway_adapters::inbound::{Readiness, admin, grpc};
use gateway_core::domain::identity::Secret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long the start waits for the backend to answer.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("antcode-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Outcome<ExitCode> {
    let config = Config::load(&cli.flags, &host::environment())?;
    match cli.command {
        None => serve(&config),
        Some(Command::Check) => check(&config),
        Some(Command::Keys(asked)) => mysql::keys(asked, &config),
        Some(Command::Migrate) => mysql::migrate(&config),
        Some(asked) => tool::run(asked, &config),
    }
}

/// Prints the settings in force and what they would start.
fn check(config: &Config) -> Outcome<ExitCode> {
    let plugged = plug::plug(config)?;
    let mut lines = config.describe();
    lines.push("Behind each port".to_owned());
    for (port, adapter) in plugged.behind {
        lines.push(format!("  {port:17}  {adapter}"));
    }
    writeln!(io::stdout(), "{}", lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn serve(config: &Config) -> Outcome<ExitCode> {
    telemetry::init(&config.log)?;
    // From here on a SIGTERM ends the program in good order, however early it comes.
    let stop = signals::shutdown()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.grpc.threads())
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve_until(config, stop));
    // What a silent peer left behind must not hold the process up.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve_until(config: &Config, stop: CancellationToken) -> Outcome<()> {
    let plugged = plug::plug(config)?;
    for (port, adapter) in &plugged.behind {
        info!(port, adapter, "plugged in");
    }
    if !config.auth.enabled {
        warn!("authentication is off (AUTH_ENABLED=false): every caller is who it says it is");
    }
    if let Some(away) = &plugged.away {
        // Calls that come at once need not fail; but a Redis that is away does not stop the start.
        let mut away = away.clone();
        let _answered = tokio::time::timeout(FIRST_ANSWER, away.wait_for(Option::is_none)).await;
    }
    let grpc = listener(config.grpc.enabled, "GRPC", config.grpc.address()).await?;
    let admin = listener(config.admin.enabled, "ADMIN", config.admin.address()).await?;
    let key = plugged.local_key.filter(|_| config.grpc.enabled);
    let _written = key.as_ref().and_then(introduce);
    announce("serving gRPC", grpc.as_ref())?;
    announce("serving admin HTTP", admin.as_ref())?;

    let readiness = Readiness::starting();
    reflect(plugged.away, readiness.clone());
    let side = config.admin.serves_api().then_some(plugged.operator_side);
    // The operator's port stays open while the workers' port is drained.
    let drained = CancellationToken::new();
    let operators = serve_operators(admin, side, readiness.clone(), drained.clone());
    let workers = async {
        let settings = plug::grpc_settings(config);
        let shutdown = async {
            stop.cancelled().await;
            readiness.close("shutting down");
        };
        match grpc {
            Some(listener) => {
                let ready = readiness.clone();
                grpc::serve(listener, plugged.gateway, settings, ready, shutdown).await?;
            }
            None => shutdown.await,
        }
        drained.cancel();
        Ok(())
    };
    tokio::try_join!(workers, operators)?;
    info!("stopped");
    Ok(())
}

/// Keeps `readiness` as the backend is: ready, unless that is `away`.
fn reflect(away: Option<watch::Receiver<Option<String>>>, readiness: Readiness) {
    let Some(mut away) = away else {
        readiness.ready();
        return;
    };
    tokio::spawn(async move {
        loop {
            match &*away.borrow_and_update() {
                None => readiness.ready(),
                Some(reason) => readiness.not_ready(format!("Redis is away: {reason}")),
            }
            if away.changed().await.is_err() {
                return;
            }
        }
    });
}

async fn serve_operators(
    listener: Option<TcpListener>,
    side: Option<OperatorSide>,
    readiness: Readiness,
    drained: CancellationToken,
) -> Outcome<()> {
    if let Some(listener) = listener {
        admin::serve(listener, side, readiness, drained.cancelled_owned()).await?;
    }
    Ok(())
}

/// Tells a developer how to start a worker.
fn introduce(key: &Secret) -> Option<LocalKey> {
    // Whoever closed our output does not want to know.
    let _unread = writeln!(
        io::stdout(),
        "An API key for the worker `local`, good until the gateway stops:\n\n    \
         ANTCODE_API_KEY={} cargo run --example worker\n\n\
         In this folder, `cargo run --example worker` finds it by itself.",
        key.expose()
    );
    match LocalKey::write(Path::new("."), key) {
        Ok(written) => Some(written),
        Err(error) => {
            warn!(%error, "the key could not be written to the working directory");
            None
        }
    }
}

async fn listener(enabled: bool, name: &str, address: SocketAddr) -> Outcome<Option<TcpListener>> {
    if !enabled {
        return Ok(None);
    }
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| {
        format!("{name}_HOST, {name}_PORT: cannot listen on {address}: {error}")
    })?;
    Ok(Some(listener))
}

fn announce(what: &str, listener: Option<&TcpListener>) -> io::Result<()> {
    if let Some(listener) = listener {
        let address = listener.local_addr()?;
        info!(%address, "{what}");
    }
    Ok(())
}
