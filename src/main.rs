//! The composition root: plugs adapters into the core, and runs what comes of it.
//!
//! Cargo finds the program here by default, although the folder is the core's; the root package
//! builds it. Which adapters it plugs in is in `main/plug.rs`, and nowhere else; `main/tool.rs` runs
//! the operator's tools.

#[path = "main/audit.rs"]
mod audit;
#[cfg(feature = "redis")]
#[path = "main/breakers.rs"]
mod breakers;
#[path = "main/certs.rs"]
mod certs;
#[path = "main/connections.rs"]
mod connections;
#[path = "main/database.rs"]
mod database;
#[path = "main/limits.rs"]
mod limits;
#[path = "main/mysql.rs"]
mod mysql;
#[path = "main/own_door.rs"]
mod own_door;
#[path = "main/plug.rs"]
mod plug;
#[path = "main/redis.rs"]
mod redis;
#[path = "main/remote.rs"]
mod remote;
#[path = "main/scrape.rs"]
mod scrape;
#[path = "main/store.rs"]
mod store;
#[path = "main/tls.rs"]
mod tls;
#[path = "main/token.rs"]
mod token;
#[path = "main/tool.rs"]
mod tool;
#[path = "main/who.rs"]
mod who;

use std::error::Error;
use std::future;
use std::io::{self, Write as _};
use std::mem;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use futures::FutureExt as _;
use gateway_adapters::host::cli::{Cli, Command};
use gateway_adapters::host::local_key::LocalKey;
use gateway_adapters::host::metrics::Metrics;
use gateway_adapters::host::{self, Config, reload, signals, telemetry};
use gateway_adapters::inbound::admin::{Journal, OperatorApi};
use gateway_adapters::inbound::{self, Readiness, admin, grpc};
use gateway_core::domain::identity::Secret;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::database::Database;
use self::plug::Plugged;
use self::remote::Away;

/// A call makes some hundred small allocations, many of which another thread frees; with the
/// system's allocator they take a fifth of its CPU time. It is built without huge pages: they would
/// save nothing here, and cost a third more memory for workers that wait.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long the start waits for the backends to answer.
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
    if let Some(Command::Certs(asked)) = cli.command {
        // They may be just what the settings lack.
        return certs::make(asked);
    }
    let config = Config::load(&cli.flags, &host::environment())?;
    match cli.command {
        None => serve(&config),
        Some(Command::Check) => check(&config),
        Some(Command::Audit(asked)) => audit::run(asked, &config),
        Some(Command::Keys(asked)) => mysql::keys(asked, &config),
        Some(Command::Token(asked)) => token::run(asked, &config),
        Some(Command::Migrate) => mysql::migrate(&config),
        Some(asked) => tool::run(asked, &config),
    }
}

/// Prints the settings in force and what they would start.
fn check(config: &Config) -> Outcome<ExitCode> {
    let plugged = plug::plug(config, audit::Audit::unopened)?;
    let mut lines = config.describe();
    lines.push("Behind each port".to_owned());
    for (port, adapter) in plugged.behind {
        lines.push(format!("  {port:17}  {adapter}"));
    }
    writeln!(io::stdout(), "{}", lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn serve(config: &Config) -> Outcome<ExitCode> {
    let log = telemetry::init_in_background(&config.log)?;
    // What is plugged in takes its counters from what is there by then.
    let counted = host::metrics::install().looking(log.look());
    // From here on a SIGTERM ends the program in good order, however early it comes.
    let stop = signals::shutdown()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.grpc.threads())
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve_until(config, counted, stop));
    // What a silent peer left behind must not hold the process up.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve_until(config: &Config, counted: Metrics, stop: CancellationToken) -> Outcome<()> {
    // Before the files are read: who has changed them may ask for it at once.
    let asked = signals::reload()?;
    tokio::spawn(counted.clone().upkeep());
    let mut plugged = plug::plug(config, audit::Audit::open)?;
    let observer = audit::of_reloads(plugged.audit.log.clone(), plugged.gateway.clock.clone());
    reload::spawn(mem::take(&mut plugged.reloadables), &asked, &observer);
    let (audit, copies) = (plugged.audit.clone(), plugged.farewell.take());
    audit.keep_up();
    let served = serve_plugged(config, plugged, counted, stop).await;
    // Whatever was done on the way out belongs to the audit, too.
    audit.close(copies).await;
    served
}

async fn serve_plugged(
    config: &Config,
    plugged: Plugged,
    counted: Metrics,
    stop: CancellationToken,
) -> Outcome<()> {
    let (log, clock) = (plugged.audit.log.clone(), plugged.gateway.clock.clone());
    let metrics = scrape::metrics(counted, plugged.looks, clock.clone());
    if let Some(acceptor) = plugged.tls.clone() {
        tokio::spawn(tls::watch(acceptor));
    }
    tell(config, &plugged.behind);
    // Calls that come at once need not fail; but a backend that is away does not stop the start.
    let backends = plugged.backends.iter();
    let backends = backends.map(|backend| backend.away.clone()).collect();
    let mut first = pin!(prepare(backends, plugged.database, config.database.migrate).fuse());
    if let Ok(prepared) = tokio::time::timeout(FIRST_ANSWER, &mut first).await {
        prepared?;
    }
    let grpc = listener(config.grpc.enabled, "GRPC", config.grpc.address())?;
    let admin = listener(config.admin.enabled, "ADMIN", config.admin.address())?;
    let key = plugged.local_key.filter(|_| config.grpc.enabled);
    let _written = key.as_ref().and_then(introduce);
    announce("serving gRPC", grpc.as_ref())?;
    announce("serving admin HTTP", admin.as_ref())?;

    let readiness = Readiness::starting();
    remote::reflect(plugged.backends, readiness.clone());
    let api = config.admin.serves_api();
    let api = api.then_some((plugged.operator_side, Some(Journal { log, clock })));
    // The operator's port stays open while the workers' port is drained.
    let drained = CancellationToken::new();
    let operators = serve_operators(admin, api, readiness.clone(), metrics, drained.clone());
    let workers = async {
        let settings = connections::settings(config, plugged.tls);
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
    tokio::select! {
        served = async { tokio::try_join!(workers, operators) } => served.map(|_| ())?,
        // A database that answers late may lack something, too.
        error = failure(first) => return Err(error),
    }
    info!("stopped");
    Ok(())
}

/// Says what is behind each port.
fn tell(config: &Config, behind: &[(&str, &str)]) {
    for (port, adapter) in behind {
        info!(port, adapter, "plugged in");
    }
    let auth = &config.auth;
    if !auth.enabled {
        warn!("authentication is off (AUTH_ENABLED=false): every caller is who it says it is");
        return;
    }
    if auth.jwt_secret.is_some() {
        for (name, missing) in [
            ("JWT_ISSUER", auth.jwt_issuer.is_none()),
            ("JWT_AUDIENCE", auth.jwt_audience.is_none()),
        ] {
            if missing {
                warn!("{name} is not set: tokens that the same key signed for others count, too");
            }
        }
    }
}

/// Waits for the first answers, and makes sure that the database has what is needed.
async fn prepare(backends: Vec<Away>, database: Option<Database>, migrate: bool) -> Outcome<()> {
    for backend in backends {
        remote::answers(backend).await;
    }
    match database {
        Some(database) => database.prepare(migrate).await,
        None => Ok(()),
    }
}

/// The error that `task` ends with; one that ends well is waited for in vain.
async fn failure(task: impl Future<Output = Outcome<()>>) -> Box<dyn Error> {
    match task.await {
        Ok(()) => future::pending().await,
        Err(error) => error,
    }
}

async fn serve_operators(
    listener: Option<TcpListener>,
    api: Option<OperatorApi>,
    readiness: Readiness,
    metrics: admin::Metrics,
    drained: CancellationToken,
) -> Outcome<()> {
    if let Some(listener) = listener {
        let shutdown = drained.cancelled_owned();
        admin::serve(listener, api, readiness, metrics, shutdown).await?;
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

fn listener(enabled: bool, name: &str, address: SocketAddr) -> Outcome<Option<TcpListener>> {
    if !enabled {
        return Ok(None);
    }
    let listener = inbound::listen(address).map_err(|error| {
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
