//! The audit, as the settings have it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures::future::BoxFuture;
use gateway_adapters::host::cli::Audit as Asked;
use gateway_adapters::host::reload::Observer;
use gateway_adapters::host::{AuditTarget, Config};
use gateway_adapters::outbound::audit::{
    AuditFile, Break, Coalesced, Settings, Tee, Verified, verify, verify_all_of,
};
use gateway_adapters::outbound::memory;
use gateway_core::domain::audit::{Action, AuditEvent};
use gateway_core::ports::{AuditLog, Clock};

use super::Outcome;

/// What has to be done for a copy of the audit to end in good order.
pub(super) type Farewell = BoxFuture<'static, ()>;

/// Where events go, and what has to be ended in good order.
#[derive(Clone)]
pub(super) struct Audit {
    pub(super) log: Arc<Coalesced>,
    /// What passes on to others what is written.
    #[cfg(feature = "redis")]
    pub(super) copies: Arc<Tee>,
    pub(super) file: Option<Arc<AuditFile>>,
    pub(super) what: &'static str,
}

impl Audit {
    /// It, without a file, for those who only look at what would be started.
    #[expect(clippy::unnecessary_wraps, reason = "it stands in for `open`")]
    pub(super) fn unopened(config: &Config, _clock: &Arc<dyn Clock>) -> Outcome<Self> {
        Ok(Self {
            what: what(config),
            ..Self::in_log()
        })
    }

    fn in_log() -> Self {
        Self::of(
            Arc::new(memory::AuditLog::default()),
            None,
            "the log, target audit",
        )
    }

    fn of(log: Arc<dyn AuditLog>, file: Option<Arc<AuditFile>>, what: &'static str) -> Self {
        let copies = Arc::new(Tee::new(log));
        Self {
            log: Arc::new(Coalesced::new(copies.clone())),
            #[cfg(feature = "redis")]
            copies,
            file,
            what,
        }
    }

    /// Opens it.
    pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>) -> Outcome<Self> {
        let Some(to) = &config.audit.to else {
            return Ok(Self::in_log());
        };
        let file = match to {
            AuditTarget::Stdout => None,
            AuditTarget::File(file) => Some(file.clone()),
        };
        let opened = AuditFile::open(settings(config, file, false), clock.clone());
        let file = Arc::new(opened.map_err(|error| format!("AUDIT_FILE: {error}"))?);
        Ok(Self::of(file.clone(), Some(file), what(config)))
    }

    /// Writes what is counted when its time has come, for as long as there is a runtime.
    pub(super) fn keep_up(&self) {
        let log = self.log.clone();
        tokio::spawn(async move { log.upkeep().await });
    }

    /// Writes what is left, here and where `copies` go.
    pub(super) async fn close(&self, copies: Option<Farewell>) {
        self.log.flush();
        let file = async {
            if let Some(file) = &self.file {
                file.close().await;
            }
        };
        let copies = async {
            if let Some(copies) = copies {
                copies.await;
            }
        };
        tokio::join!(file, copies);
    }
}

fn what(config: &Config) -> &'static str {
    match config.audit.to {
        None => "the log, target audit",
        Some(AuditTarget::Stdout) => "standard output, chained",
        Some(AuditTarget::File(_)) => "AUDIT_FILE, chained",
    }
}

/// What a tool writes down what it does in, for it is a process of its own: a file beside that of
/// the gateway. Without a file there is none.
#[cfg(feature = "mysql")]
pub(super) fn of_tools(config: &Config, clock: Arc<dyn Clock>) -> Outcome<Option<AuditFile>> {
    let Some(AuditTarget::File(file)) = &config.audit.to else {
        return Ok(None);
    };
    let opened = AuditFile::open(settings(config, Some(tools(file)), true), clock);
    Ok(Some(
        opened.map_err(|error| format!("AUDIT_FILE: {error}"))?,
    ))
}

/// Writes down what a tool did, if that is written down.
#[cfg(feature = "mysql")]
pub(super) fn note(audit: Option<&AuditFile>, clock: &dyn Clock, action: Action) {
    let Some(audit) = audit else { return };
    audit.record(AuditEvent {
        at: clock.now(),
        actor: None,
        peer: None,
        request: None,
        action,
    });
}

/// The file of what tools did.
fn tools(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".tools");
    name.into()
}

fn settings(config: &Config, file: Option<PathBuf>, patient: bool) -> Settings {
    Settings {
        file,
        max_bytes: config.audit.max_bytes,
        kept: config.audit.kept,
        patient,
    }
}

/// What writes down that files were read anew.
pub(super) fn of_reloads(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Observer {
    Arc::new(move |what, failure| {
        log.record(AuditEvent {
            at: clock.now(),
            actor: None,
            peer: None,
            request: None,
            action: Action::Reloaded {
                what,
                failure: failure.map(ToOwned::to_owned),
            },
        });
    })
}

/// Carries out what is `asked` about the audit.
pub(super) fn run(asked: Asked, config: &Config) -> Outcome<ExitCode> {
    let Asked::Verify { files } = asked;
    if !files.is_empty() {
        // What came before those that are named may be elsewhere.
        return tell(&files[files.len() - 1], verify(&files));
    }
    let Some(AuditTarget::File(file)) = &config.audit.to else {
        return Err("AUDIT_FILE is no file; name the files to look at".into());
    };
    let mut code = check(file)?;
    let tools = tools(file);
    if tools.exists() {
        let tools = check(&tools)?;
        code = if tools == ExitCode::SUCCESS {
            code
        } else {
            tools
        };
    }
    Ok(code)
}

/// Follows the whole chain that ends in `file`, and says how far it holds.
fn check(file: &Path) -> Outcome<ExitCode> {
    let verified = verify_all_of(file);
    let missing = verified.as_ref().ok().and_then(Verified::missing);
    let code = tell(file, verified)?;
    let Some(missing) = missing else {
        return Ok(code);
    };
    let (from, to) = missing.into_inner();
    writeln!(
        io::stdout(),
        "broken: records {from} to {to} are missing, and no record says that rotation removed them"
    )?;
    Ok(ExitCode::FAILURE)
}

/// Says what came of following the chain that ends in `file`.
fn tell(file: &Path, verified: Result<Verified, Break>) -> Outcome<ExitCode> {
    let chain = match verified {
        Ok(chain) => chain,
        Err(error) => {
            writeln!(io::stdout(), "broken: {error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let (name, records, count) = (file.display(), chain.records, chain.files);
    let (first, last) = (chain.first, chain.last);
    let more = if chain.unfinished {
        "; another is being written"
    } else {
        ""
    };
    writeln!(
        io::stdout(),
        "{name}: {records} records in {count} files, unbroken from record {}, {}, up to record {}, {}{more}",
        first.number,
        first.hash,
        last.number,
        last.hash
    )?;
    Ok(ExitCode::SUCCESS)
}
