use std::path::PathBuf;
use std::time::Duration;

use super::super::parse::{self, DAY, Parsed};
use super::super::reader::Reader;

/// How workers prove who they are.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether they must; if not, each is who it says.
    pub enabled: bool,
    /// JSON file of worker ids with the SHA-256 of their keys.
    pub api_keys: Option<PathBuf>,
    /// For how long an answer on a key, a worker or a token is believed.
    pub cache: Duration,
    /// For how long old answers are believed while the database is away.
    pub stale_max: Duration,
    /// What the database holds of a key.
    pub key_storage: KeyStorage,
    /// The one algorithm of bearer tokens.
    pub jwt_algorithm: JwtAlgorithm,
    /// File with the secret or public key of bearer tokens; without it none is accepted.
    pub jwt_secret: Option<PathBuf>,
    /// Who must have issued them, if that is said.
    pub jwt_issuer: Option<String>,
    /// Whom they must be for, if that is said.
    pub jwt_audience: Option<String>,
    /// How long they may be good for. Too long and a stolen one is good for as long.
    pub jwt_max_lifetime: Duration,
    /// JSON file of worker ids with what they sign with.
    pub signing_keys: Option<PathBuf>,
    /// Whether client certificates of unknown workers are refused.
    pub known_workers_only: bool,
    /// Failures that an address may have in a minute. Too few and workers behind one address stop
    /// each other; too many and keys can be tried.
    pub failures_per_minute: u32,
}

/// What the database holds of an API key. Never both: a leaked hash could pass for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStorage {
    /// The key.
    Plain,
    /// Its SHA-256 in lower-case hex.
    Sha256,
}

/// How bearer tokens are signed.
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl Auth {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        Self {
            enabled: from.get("AUTH_ENABLED", parse::switch),
            api_keys: from.find("API_KEYS_FILE", parse::path),
            cache: from.get("AUTH_CACHE_SECONDS", parse::seconds(1..=DAY)),
            stale_max: from.get("AUTH_STALE_MAX", parse::seconds(0..=DAY)),
            key_storage: from.get("API_KEY_STORAGE", key_storage),
            jwt_algorithm: from.get("JWT_ALGORITHM", jwt_algorithm),
            jwt_secret: from.find("JWT_SECRET_FILE", parse::path),
            jwt_issuer: from.find("JWT_ISSUER", parse::text),
            jwt_audience: from.find("JWT_AUDIENCE", parse::text),
            jwt_max_lifetime: from.get("JWT_MAX_LIFETIME_SECONDS", parse::seconds(1..=3650 * DAY)),
            signing_keys: from.find("SIGNING_KEYS_FILE", parse::path),
            known_workers_only: from.get("CERT_KNOWN_WORKERS_ONLY", parse::switch),
            failures_per_minute: from.get("AUTH_FAILURES_PER_MINUTE", parse::whole(1..=1_000_000)),
        }
    }
}

fn key_storage(text: &str) -> Parsed<KeyStorage> {
    parse::one_of(&[("plain", KeyStorage::Plain), ("sha256", KeyStorage::Sha256)])(text)
}

fn jwt_algorithm(text: &str) -> Parsed<JwtAlgorithm> {
    parse::one_of(&[
        ("HS256", JwtAlgorithm::Hs256),
        ("HS384", JwtAlgorithm::Hs384),
        ("HS512", JwtAlgorithm::Hs512),
        ("RS256", JwtAlgorithm::Rs256),
        ("PS256", JwtAlgorithm::Ps256),
        ("ES256", JwtAlgorithm::Es256),
        ("EdDSA", JwtAlgorithm::EdDsa),
    ])(text)
}
