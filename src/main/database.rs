//! The adapters on `MySQL`, as the settings have it.

use gateway_adapters::host::Config;

use super::Outcome;
use super::plug::{Common, Results};
use super::remote::Remote;
use super::scrape::Seen;
use super::store::Shared;
use super::who::Known;

#[cfg(feature = "mysql")]
use super::remote::answers;

#[cfg(feature = "mysql")]
pub(super) use with::{Database, link};
#[cfg(not(feature = "mysql"))]
pub(super) use without::Database;

#[cfg(feature = "mysql")]
mod with {
    use std::sync::Arc;

    use gateway_adapters::host::{BackendUrl, DatabaseTls, KeyStorage as Storage};
    use gateway_adapters::outbound::breaker::{Breaker, Guarded};
    use gateway_adapters::outbound::mysql::{
        self, ApiKeySettings, KeyStorage, Link, LinkSettings, MigrationError, ResultSettings, Tls,
        Workers, Zone,
    };
    use gateway_adapters::outbound::{SpoolSettings, Spooled};
    use gateway_core::domain::identity::Secret;
    use tokio::time::sleep;
    use tracing::info;

    use super::{Common, Config, Known, Outcome, Remote, Results, Seen, Shared, answers};

    /// Between looks at a database that is about to come or to go.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

    /// A database that something is asked of.
    pub(in super::super) struct Database {
        link: Link,
        result_breaker: Arc<Breaker>,
        key_breaker: Arc<Breaker>,
    }

    /// Begins to connect to the database at `url`.
    pub(in super::super) fn link(config: &Config, url: &BackendUrl) -> Outcome<Link> {
        let link = Link::connect(&LinkSettings {
            url: Secret::new(url.expose()),
            tls: match config.database.tls {
                DatabaseTls::Disabled => Tls::Disabled,
                DatabaseTls::Required => Tls::Required,
                DatabaseTls::Verified => Tls::Verified,
            },
            ca: config.database.tls_ca.clone(),
            pool_size: config.database.pool_size,
        });
        Ok(link.map_err(|error| format!("DATABASE_URL={url}: {error}"))?)
    }

    impl Database {
        /// Begins to connect, if the settings ask for anything that is in it.
        pub(in super::super) fn connect(config: &Config) -> Outcome<Option<Self>> {
            let Some(url) = &config.database.url else {
                return Ok(None);
            };
            if !config.asks_database() {
                return Ok(None);
            }
            let link = link(config, url)?;
            let breaker = |port| Breaker::new(port, config.breaker.slow, link.away());
            Ok(Some(Self {
                result_breaker: breaker("result store"),
                key_breaker: breaker("API keys"),
                link,
            }))
        }

        /// It, and what is asked of it, as those that can be away.
        pub(in super::super) fn remotes(&self, vital: bool) -> Vec<Remote> {
            let remote = |name, away, vital| Remote { name, away, vital };
            vec![
                remote("MySQL", self.link.away(), vital),
                remote("result store", self.result_breaker.open(), vital),
                remote("API keys", self.key_breaker.open(), false),
            ]
        }

        /// It, as the metrics have it.
        pub(in super::super) fn seen(&self) -> Seen {
            let link = self.link.clone();
            Seen {
                name: "mysql",
                away: self.link.away(),
                connections: Box::new(move || {
                    let (idle, busy) = link.connections();
                    vec![("idle", idle), ("busy", busy)]
                }),
            }
        }

        /// Waits until it answers, makes what is absent, if that is wanted, and sees to it that
        /// nothing is missing.
        pub(in super::super) async fn prepare(&self, migrate: bool) -> Outcome<()> {
            loop {
                answers(self.link.away()).await;
                match self.look(migrate).await {
                    // It is gone again.
                    Err(MigrationError::Link(error)) => {
                        tracing::warn!(%error, "the tables could not be looked at");
                        sleep(PAUSE).await;
                    }
                    Err(error) => return Err(format!("DATABASE_URL: {error}").into()),
                    Ok(missing) if missing.is_empty() => return Ok(()),
                    Ok(missing) => {
                        return Err(format!(
                            "DATABASE_URL: the database lacks {}; --migrate makes what is absent",
                            missing.join(", ")
                        )
                        .into());
                    }
                }
            }
        }

        /// What is missing, once what is absent was made, if that is wanted.
        async fn look(&self, migrate: bool) -> Result<Vec<String>, MigrationError> {
            if migrate {
                for table in mysql::migrate(&self.link).await? {
                    info!(table, "made");
                }
            }
            mysql::missing(&self.link).await
        }

        /// Results that are written here; while it is away, they wait where they can.
        pub(in super::super) fn results(
            &self,
            config: &Config,
            common: &Common,
            shared: Option<&Shared>,
        ) -> Outcome<Results> {
            let results = &config.results;
            let settings = ResultSettings {
                zone: Zone::named(&config.database.time_zone)?,
                batch_max: results.batch_max,
                batch_wait: results.batch_wait,
                commit_timeout: results.commit_timeout,
            };
            let feed = shared.filter(|_| results.publish);
            let feed = feed.map(|shared| shared.result_feed.clone());
            let store = mysql::ResultStore::new(self.link.clone(), settings, feed);
            let store = Guarded::new(Arc::new(store), self.result_breaker.clone());
            let store = Arc::new(store);
            let Some(shared) = shared.filter(|_| results.spool) else {
                return Ok(Results {
                    store,
                    vital: true,
                    backlog: None,
                    what: "MySQL",
                });
            };
            let settings = SpoolSettings {
                unknown_run_patience: results.unknown_run_patience,
            };
            let (clock, audit_log) = (common.clock.clone(), common.audit.clone());
            let spooled = Spooled::new(store, shared.spool.clone(), audit_log, clock, settings);
            Ok(Results {
                backlog: Some(spooled.backlog()),
                store: Arc::new(spooled),
                vital: false,
                what: "MySQL; Redis while it is away",
            })
        }

        /// Whose API keys are, and which workers there are.
        pub(in super::super) fn known(&self, config: &Config) -> Known {
            let auth = &config.auth;
            let settings = ApiKeySettings {
                storage: match auth.key_storage {
                    Storage::Plain => KeyStorage::Plain,
                    Storage::Sha256 => KeyStorage::Sha256,
                },
                cache: auth.cache,
                stale_max: auth.stale_max,
            };
            let breaker = self.key_breaker.clone();
            let (keys, workers) = Workers::with_keys(self.link.clone(), settings, Some(breaker));
            let workers = Arc::new(workers);
            Known {
                keys: Arc::new(keys),
                signing_keys: Some(workers.clone()),
                directory: workers,
                what: "API keys in MySQL",
            }
        }
    }
}

#[cfg(not(feature = "mysql"))]
mod without {
    use std::future::Ready;

    use super::{Common, Config, Known, Outcome, Remote, Results, Seen, Shared};

    /// None: settings that ask for one were refused before.
    pub(in super::super) enum Database {}

    impl Database {
        pub(in super::super) fn connect(config: &Config) -> Outcome<Option<Self>> {
            if config.asks_database() {
                return Err("this program was built without the feature mysql".into());
            }
            Ok(None)
        }

        pub(in super::super) fn remotes(&self, _vital: bool) -> Vec<Remote> {
            match *self {}
        }

        pub(in super::super) fn seen(&self) -> Seen {
            match *self {}
        }

        pub(in super::super) fn prepare(&self, _migrate: bool) -> Ready<Outcome<()>> {
            match *self {}
        }

        pub(in super::super) fn results(
            &self,
            _config: &Config,
            _common: &Common,
            _shared: Option<&Shared>,
        ) -> Outcome<Results> {
            match *self {}
        }

        pub(in super::super) fn known(&self, _config: &Config) -> Known {
            match *self {}
        }
    }
}
