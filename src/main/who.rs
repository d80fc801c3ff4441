//! Who tells whose credentials are, as the settings have it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gateway_adapters::host::reload::{Files, Reloadable};
use gateway_adapters::host::{Config, JwtAlgorithm};
use gateway_adapters::outbound::{ByKind, Ways, jwt, memory};
use gateway_core::app::{Certificates, Signatures};
use gateway_core::domain::identity::{NONCE_MEMORY, Secret};
use gateway_core::ports::{Attempts, Authenticator, Nonces, SigningKeys, WorkerDirectory};

use super::Outcome;
use super::database::Database;
use super::limits::Limits;
use super::plug::Common;

/// Who tells whose credentials are.
pub(super) struct Who {
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) attempts: Arc<dyn Attempts>,
    pub(super) reloadables: Vec<Reloadable>,
    /// The key that was made for a developer's own worker.
    pub(super) local_key: Option<Secret>,
    pub(super) what: &'static str,
}

/// Who knows of workers and their keys.
pub(super) struct Known {
    pub(super) keys: Arc<dyn Authenticator>,
    pub(super) directory: Arc<dyn WorkerDirectory>,
    /// What they sign with, if that is known there, too.
    pub(super) signing_keys: Option<Arc<dyn SigningKeys>>,
    pub(super) what: &'static str,
}

/// What signatures are held against.
pub(super) struct Signed {
    pub(super) nonces: Arc<dyn Nonces>,
    pub(super) limits: Limits,
}

impl Signed {
    /// Whose signatures are, by `keys`. Of each worker so many are remembered as it may make calls.
    fn by(&self, keys: Arc<dyn SigningKeys>, common: &Common) -> Signatures {
        let limits = self.limits.clone();
        let most = move || Some(limits.borrow().as_ref()?.calls_within(NONCE_MEMORY));
        Signatures::new(keys, self.nonces.clone(), common.clock.clone()).limited(most)
    }
}

/// Picks them.
pub(super) fn plug(
    config: &Config,
    common: &Common,
    signed: &Signed,
    database: Option<&Database>,
) -> Outcome<Who> {
    let auth = &config.auth;
    let mut who = Who {
        authenticator: Arc::new(memory::Open),
        attempts: Arc::new(memory::Attempts::new(auth.failures_per_minute)),
        reloadables: Vec::new(),
        local_key: None,
        what: "none: callers are believed",
    };
    if !auth.enabled {
        return Ok(who);
    }
    let known = known(config, database, &mut who)?;
    let signing_keys = match &auth.signing_keys {
        Some(file) => Some(signing_keys(file, &mut who)?),
        None => known.signing_keys,
    };
    let signatures =
        signing_keys.map(|keys| -> Arc<dyn Authenticator> { Arc::new(signed.by(keys, common)) });
    let directory = auth.known_workers_only.then_some(known.directory);
    who.what = known.what;
    who.authenticator = Arc::new(ByKind::new(Ways {
        keys: Some(known.keys),
        tokens: tokens(config, common, &mut who)?,
        certificates: Some(Arc::new(Certificates::new(directory))),
        signatures,
    }));
    Ok(who)
}

fn known(config: &Config, database: Option<&Database>, who: &mut Who) -> Outcome<Known> {
    if let Some(file) = &config.auth.api_keys {
        const NAME: &str = "API_KEYS_FILE";
        let read = |file: &Path| read_text(NAME, file, memory::ApiKeys::parse);
        let seen = seen(file);
        let keys = Arc::new(read(file)?);
        let held = keys.clone();
        let take = move |new| held.replace(&new);
        who.reloadables
            .push(reloadable("API keys", file, seen, read, take));
        return Ok(Known {
            keys: keys.clone(),
            directory: keys,
            signing_keys: None,
            what: "API keys of API_KEYS_FILE",
        });
    }
    if let Some(database) = database {
        return Ok(database.known(config));
    }
    let (keys, key) = memory::ApiKeys::local();
    let keys = Arc::new(keys);
    who.local_key = Some(key);
    Ok(Known {
        keys: keys.clone(),
        directory: keys,
        signing_keys: None,
        what: "one API key, made for worker local",
    })
}

fn signing_keys(file: &Path, who: &mut Who) -> Outcome<Arc<dyn SigningKeys>> {
    const NAME: &str = "SIGNING_KEYS_FILE";
    let read = |file: &Path| read_text(NAME, file, memory::SigningKeys::parse);
    let seen = seen(file);
    let keys = Arc::new(read(file)?);
    let held = keys.clone();
    let take = move |new| held.replace(&new);
    who.reloadables
        .push(reloadable("signing keys", file, seen, read, take));
    Ok(keys)
}

fn tokens(
    config: &Config,
    common: &Common,
    who: &mut Who,
) -> Outcome<Option<Arc<dyn Authenticator>>> {
    let Some(file) = &config.auth.jwt_secret else {
        return Ok(None);
    };
    let algorithm = algorithm(config);
    let read = move |file: &Path| jwt_keys(algorithm, file);
    let (settings, clock) = (jwt_settings(config), common.clock.clone());
    let seen = seen(file);
    let tokens = Arc::new(jwt::Tokens::new(read(file)?, settings, clock));
    let held = tokens.clone();
    let take = move |keys| held.replace(keys);
    who.reloadables
        .push(reloadable("JWT keys", file, seen, read, take));
    Ok(Some(tokens))
}

/// The keys in `JWT_SECRET_FILE`.
pub(super) fn jwt_keys(algorithm: jwt::Algorithm, file: &Path) -> Result<jwt::Keys, String> {
    read("JWT_SECRET_FILE", file, |bytes| {
        jwt::Keys::parse(algorithm, bytes).map_err(|error| error.to_string())
    })
}

pub(super) fn jwt_settings(config: &Config) -> jwt::Settings {
    jwt::Settings {
        issuer: config.auth.jwt_issuer.clone(),
        audience: config.auth.jwt_audience.clone(),
        max_lifetime: config.auth.jwt_max_lifetime,
        cache: config.auth.cache,
    }
}

pub(super) fn algorithm(config: &Config) -> jwt::Algorithm {
    match config.auth.jwt_algorithm {
        JwtAlgorithm::Hs256 => jwt::Algorithm::Hs256,
        JwtAlgorithm::Hs384 => jwt::Algorithm::Hs384,
        JwtAlgorithm::Hs512 => jwt::Algorithm::Hs512,
        JwtAlgorithm::Rs256 => jwt::Algorithm::Rs256,
        JwtAlgorithm::Ps256 => jwt::Algorithm::Ps256,
        JwtAlgorithm::Es256 => jwt::Algorithm::Es256,
        JwtAlgorithm::EdDsa => jwt::Algorithm::EdDsa,
    }
}

/// What a file holds, or what is wrong with it, by the name of the setting.
fn read<T>(
    name: &str,
    file: &Path,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, String> {
    let named = |error: String| format!("{name}={}: {error}", file.display());
    let bytes = fs::read(file).map_err(|error| named(error.to_string()))?;
    let parsed = match String::from_utf8(bytes) {
        Ok(text) => parse(Secret::new(text).expose().as_bytes()),
        Err(error) => parse(error.as_bytes()),
    };
    parsed.map_err(named)
}

/// The same of a file that must be text.
fn read_text<T, E: ToString>(
    name: &str,
    file: &Path,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, String> {
    read(name, file, |bytes| {
        let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
        parse(text).map_err(|error| error.to_string())
    })
}

/// `file`, before it is read for the first time.
fn seen(file: &Path) -> Files {
    Files::look(vec![file.to_owned()])
}

/// A file that is read anew when it changes from what was `seen` of it.
fn reloadable<T>(
    what: &'static str,
    file: &Path,
    seen: Files,
    read: impl Fn(&Path) -> Result<T, String> + Send + 'static,
    take: impl Fn(T) + Send + 'static,
) -> Reloadable {
    let file = file.to_owned();
    Reloadable {
        what,
        files: seen,
        reload: Box::new(move || read(&file).map(&take)),
    }
}
