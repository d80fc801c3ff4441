use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Secret;
use gateway_core::domain::time::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};

use super::{Algorithm, Keys, Settings, Verifier, seconds};

/// Makes tokens that a gateway with the same settings accepts.
pub struct Minter {
    key: EncodingKey,
    verifier: Verifier,
    settings: Settings,
    algorithm: Algorithm,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The key signs with another algorithm, or is none.
    #[error("no PEM private key for the algorithm that JWT_ALGORITHM names")]
    NoPrivateKey,
    /// The file has keys to verify with, and none to sign with.
    #[error("several secrets: name one that there is by --kid")]
    WhichSecret,
    /// Nobody would accept it.
    #[error("a token may be good for {} seconds at most (JWT_MAX_LIFETIME_SECONDS)", .0.as_secs())]
    TooLong(Duration),
    /// The gateway would refuse what this key signs.
    #[error("the gateway would refuse it: the key, or its name, does not fit JWT_SECRET_FILE")]
    Misfit,
}

impl Minter {
    /// Signs with `private`, a PEM private key, or with the secret named `kid` in `file`, which is
    /// what the gateway verifies with.
    ///
    /// # Errors
    ///
    /// [`MintError`] if there is nothing to sign with.
    pub fn new(
        keys: Keys,
        settings: Settings,
        file: &[u8],
        private: Option<&[u8]>,
        kid: Option<&str>,
    ) -> Result<Self, MintError> {
        let algorithm = keys.algorithm();
        let key = match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => secret(file, kid)?,
            Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::EdDsa => {
                private_key(algorithm, private.unwrap_or_default())?
            }
        };
        Ok(Self {
            key,
            verifier: Verifier::new(keys, &settings),
            settings,
            algorithm,
        })
    }

    /// A token of `worker` that is good from `now` on for `ttl`.
    ///
    /// # Errors
    ///
    /// [`MintError`] if a gateway would not accept it.
    pub fn mint(
        &self,
        worker: &WorkerId,
        kid: Option<&str>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Secret, MintError> {
        let max = self.settings.max_lifetime;
        if ttl > max {
            return Err(MintError::TooLong(max));
        }
        let issued = u64::try_from(now.as_second()).unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("sub".into(), worker.as_str().into());
        claims.insert("iat".into(), issued.into());
        claims.insert("exp".into(), (issued + ttl.as_secs()).into());
        for (name, text) in [
            ("iss", &self.settings.issuer),
            ("aud", &self.settings.audience),
        ] {
            let text = text.clone().map(Value::from);
            claims.extend(text.map(|text| (name.to_owned(), text)));
        }
        let header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(self.algorithm.signature())
        };
        let token = jsonwebtoken::encode(&header, &claims, &self.key);
        let token = token.map_err(|_| MintError::NoPrivateKey)?;
        // Nobody is helped by one that is refused later.
        let verified = self.verifier.claims(&token);
        let told = verified.and_then(|(claims, _)| claims.worker(seconds(now), max));
        match told {
            Some(told) if told == *worker => Ok(Secret::new(token)),
            _ => Err(MintError::Misfit),
        }
    }
}

fn secret(file: &[u8], kid: Option<&str>) -> Result<EncodingKey, MintError> {
    let Ok(set) = serde_json::from_slice::<JwkSet>(file) else {
        return Ok(EncodingKey::from_secret(file.trim_ascii_end()));
    };
    let mut fitting = set.keys.iter().filter(|key| {
        kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid))
            && matches!(key.algorithm, AlgorithmParameters::OctetKey(_))
    });
    let (Some(key), None) = (fitting.next(), fitting.next()) else {
        return Err(MintError::WhichSecret);
    };
    let AlgorithmParameters::OctetKey(key) = &key.algorithm else {
        return Err(MintError::WhichSecret);
    };
    EncodingKey::from_urlsafe_base64_secret(&key.value).map_err(|_| MintError::WhichSecret)
}

fn private_key(algorithm: Algorithm, pem: &[u8]) -> Result<EncodingKey, MintError> {
    let key = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => EncodingKey::from_rsa_pem(pem),
        Algorithm::Es256 => EncodingKey::from_ec_pem(pem),
        Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
            return Err(MintError::NoPrivateKey);
        }
    };
    key.map_err(|_| MintError::NoPrivateKey)
}
