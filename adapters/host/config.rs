//! All that an operator can set.
//!
//! A flag wins over a variable of the environment, which wins over one in `.env`, which wins over
//! the TOML file, which wins over the default. [`Setting`] rows name them all, once.

mod choice;
mod combinations;
mod layers;
mod parse;
mod problem;
mod reader;
mod sections;
mod table;
mod unserved;
mod url;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Environment;
use super::cli::Flags;
use super::telemetry::LogSettings;

pub use self::choice::{Backend, ResultStore, Results};
pub use self::problem::{Problem, Problems};
pub use self::sections::{
    Admin, Audit, AuditTarget, Auth, Breaker, ClientTls, Connections, Database, DatabaseTls, Grpc,
    JwtAlgorithm, KeyStorage, Limit, LimitStore, LogStreams, Memory, Redis, RedisTls, Task, Tls,
};
pub use self::table::{Section, Setting, settings};
pub use self::url::BackendUrl;

use self::reader::{Effective, Reader};

/// The settings in force, section by section.
#[expect(missing_docs, reason = "each section's type says what it is")]
#[derive(Clone, Debug)]
pub struct Config {
    pub grpc: Grpc,
    pub connections: Connections,
    pub admin: Admin,
    pub auth: Auth,
    pub limit: Limit,
    pub task: Task,
    pub backend: Backend,
    pub results: Results,
    pub memory: Memory,
    pub redis: Redis,
    pub database: Database,
    pub log_streams: LogStreams,
    pub audit: Audit,
    pub breaker: Breaker,
    pub log: LogSettings,
    effective: BTreeMap<&'static str, Effective>,
    origins: Origins,
}

/// Where settings were read, so that they can be read again.
#[derive(Clone, Default)]
struct Origins {
    flags: Flags,
    environment: Environment,
}

impl fmt::Debug for Origins {
    /// Without the environment, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").finish_non_exhaustive()
    }
}

impl Config {
    /// Reads all settings, or says everything that is wrong with them.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, Problems> {
        let (layers, problems) = layers::gather(flags, environment);
        let mut read = Reader::new(layers, problems);
        let mut config = Self::read(&mut read);
        combinations::check(&config, &mut read);
        unserved::check(&config, &mut read);
        config.effective = read.finish().map_err(Problems)?;
        config.origins = Origins {
            flags: flags.clone(),
            environment: environment.clone(),
        };
        Ok(config)
    }

    /// Reads all settings again, as they stand in their files by now.
    pub fn again(&self) -> Result<Self, Problems> {
        Self::load(&self.origins.flags, &self.origins.environment)
    }

    /// The files that settings are read from, whether or not they are there.
    pub fn files(&self) -> Vec<PathBuf> {
        layers::files(&self.origins.flags, &self.origins.environment)
    }

    /// Whether anything is to be found in the database: results, or whose keys are.
    pub fn asks_database(&self) -> bool {
        self.results.store == ResultStore::Mysql || self.keys_in_database()
    }

    /// Whether the database tells whose API keys are.
    pub fn keys_in_database(&self) -> bool {
        self.auth.enabled && self.auth.api_keys.is_none() && self.database.url.is_some()
    }

    fn read(from: &mut Reader) -> Self {
        let redis = Redis::read(from);
        let backend = Backend::read(from);
        Self {
            grpc: Grpc::read(from),
            connections: Connections::read(from),
            admin: Admin::read(from, backend),
            auth: Auth::read(from),
            limit: Limit::read(from, backend),
            task: Task::read(from),
            memory: Memory::read(from),
            redis,
            database: Database::read(from),
            backend,
            results: Results::read(from),
            log_streams: LogStreams::read(from),
            audit: Audit::read(from),
            breaker: Breaker::read(from),
            log: LogSettings::read(from),
            effective: BTreeMap::new(),
            origins: Origins::default(),
        }
    }

    /// The settings in force as lines to print, each with its origin; secrets are masked.
    pub fn describe(&self) -> Vec<String> {
        let names = table::all().map(|setting| setting.name.len());
        let shown = self.effective.values().map(|e| e.shown.chars().count());
        // One long value must not push the origins of all off the screen.
        let (names, shown) = (names.max().unwrap_or(0), shown.max().unwrap_or(0).min(40));
        let mut lines = Vec::new();
        for section in settings() {
            lines.push(section.title.to_owned());
            for setting in section.settings {
                if let Some(Effective {
                    shown: value,
                    origin,
                    ..
                }) = self.effective.get(setting.name)
                {
                    let name = setting.name;
                    lines.push(format!("  {name:names$}  {value:shown$}  {origin}"));
                }
            }
        }
        lines
    }
}
