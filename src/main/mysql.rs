//! The tools that speak to `MySQL`.

use std::process::ExitCode;

use gateway_adapters::host::Config;
use gateway_adapters::host::cli::Keys;

use super::Outcome;

#[cfg(feature = "mysql")]
pub(super) use self::tools::{keys, migrate};

/// Without the feature there is nobody to ask.
#[cfg(not(feature = "mysql"))]
pub(super) fn keys(_asked: Keys, _config: &Config) -> Outcome<ExitCode> {
    Err(LEFT_OUT.into())
}

/// Without the feature there is nothing to make tables in.
#[cfg(not(feature = "mysql"))]
pub(super) fn migrate(_config: &Config) -> Outcome<ExitCode> {
    Err(LEFT_OUT.into())
}

#[cfg(not(feature = "mysql"))]
const LEFT_OUT: &str = "this program was built without the feature mysql";

#[cfg(feature = "mysql")]
mod tools {
    use std::sync::Arc;
    use std::time::Duration;

    use gateway_adapters::client::{Console, table};
    use gateway_adapters::host::telemetry::{self, LogSettings};
    use gateway_adapters::outbound::SystemClock;
    use gateway_adapters::outbound::audit::AuditFile;
    use gateway_adapters::outbound::mysql::{self, KeyBook, KeyState, KeyView, Link, NewKey};
    use gateway_core::domain::audit::Action;
    use gateway_core::domain::id::WorkerId;
    use serde_json::{Value, json};

    use super::super::audit;
    use super::super::database::link;
    use super::{Config, ExitCode, Keys, Outcome};

    /// How long a tool waits for the database.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Makes the tables that are absent.
    pub(in super::super) fn migrate(config: &Config) -> Outcome<ExitCode> {
        at_database(config, async |link| {
            let made = mysql::migrate(&link).await?;
            let mut lines: Vec<_> = made.iter().map(|table| format!("made: {table}")).collect();
            if made.is_empty() {
                lines.push("every table was there".to_owned());
            }
            let missing = mysql::missing(&link).await?;
            if !missing.is_empty() {
                return Err(format!("the database lacks: {}", missing.join(", ")).into());
            }
            Ok(Console::standard().lines(&lines)?)
        })
    }

    /// Does something about API keys.
    pub(in super::super) fn keys(asked: Keys, config: &Config) -> Outcome<ExitCode> {
        // Nothing is changed that could not be written down.
        let audit = match asked {
            Keys::List { .. } => None,
            Keys::Create { .. } | Keys::Rotate { .. } | Keys::Revoke { .. } => {
                audit::of_tools(config, Arc::new(SystemClock))?
            }
        };
        at_database(config, async |link| {
            let done = change(asked, &KeyBook::new(link), audit.as_ref()).await;
            if let Some(audit) = audit {
                audit.close().await;
            }
            done
        })
    }

    async fn change(asked: Keys, book: &KeyBook, audit: Option<&AuditFile>) -> Outcome<ExitCode> {
        let note = |what, key, worker| {
            let action = Action::KeyChanged { what, key, worker };
            audit::note(audit, &SystemClock, action);
        };
        match asked {
            Keys::Create { worker, label } => {
                let worker = WorkerId::parse(&worker)?;
                let made = book.create(&worker, label.as_deref()).await?;
                note("create", made.id, Some(worker));
                show(&made)
            }
            Keys::Rotate {
                worker,
                label,
                keep,
            } => {
                let worker = WorkerId::parse(&worker)?;
                let keep = keep.map(Duration::from_secs);
                let made = book.rotate(&worker, label.as_deref(), keep).await?;
                note("rotate", made.id, Some(worker));
                show(&made)
            }
            Keys::List { json } => list(&book.list().await?, json),
            Keys::Revoke { id } => {
                book.revoke(id).await?;
                note("revoke", id, None);
                let done = format!("revoked: key {id}");
                Ok(Console::standard().lines(&[done])?)
            }
        }
    }

    /// Prints a key alone, for whoever captures it; what there is to say goes elsewhere.
    fn show(made: &NewKey) -> Outcome<ExitCode> {
        eprintln!("key {}, shown this once:", made.id);
        Ok(Console::standard().lines(&[made.key.expose().to_owned()])?)
    }

    fn list(keys: &[KeyView], json: bool) -> Outcome<ExitCode> {
        let mut console = Console::standard();
        if json {
            let all = keys.iter().map(object).collect();
            return Ok(console.json(&Value::Array(all))?);
        }
        let none = || "-".to_owned();
        let rows: Vec<_> = keys
            .iter()
            .map(|key| {
                let ended = key.revoked_at.as_ref().or(key.expires_at.as_ref());
                [
                    key.id.to_string(),
                    key.worker.clone(),
                    word(key.state).to_owned(),
                    key.created_at.clone(),
                    ended.cloned().unwrap_or_else(none),
                    key.label.clone().unwrap_or_else(none),
                ]
            })
            .collect();
        let titles = ["KEY", "WORKER", "STATE", "CREATED", "ENDS", "LABEL"];
        Ok(console.lines(&table(titles, &rows))?)
    }

    fn object(key: &KeyView) -> Value {
        json!({
            "id": key.id,
            "worker_id": key.worker,
            "state": word(key.state),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
            "label": key.label,
        })
    }

    fn word(state: KeyState) -> &'static str {
        match state {
            KeyState::Live => "live",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        }
    }

    /// Runs `work` with the database of the settings, once that answers.
    fn at_database(
        config: &Config,
        work: impl AsyncFnOnce(Link) -> Outcome<ExitCode>,
    ) -> Outcome<ExitCode> {
        let Some(url) = &config.database.url else {
            return Err("DATABASE_URL is not set; it says where the tables are".into());
        };
        telemetry::init(&LogSettings {
            filter: "off".parse()?,
            ..config.log.clone()
        })?;
        // The connections need a thread while the tool blocks.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let done = runtime.block_on(async {
            let link = link(config, url)?;
            let mut away = link.away();
            let answers = tokio::time::timeout(PATIENCE, away.wait_for(Option::is_none)).await;
            if answers.is_err() {
                let reason = link.away().borrow().clone().unwrap_or_default();
                return Err(format!("DATABASE_URL={url}: {reason}").into());
            }
            work(link).await
        });
        runtime.shutdown_background();
        done
    }
}
