use std::collections::HashMap;
use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm as Signature, DecodingKey};
use sha2::{Digest as _, Sha256};

/// How tokens are signed. One of these, and it is the operator who says which.
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) fn signature(self) -> Signature {
        match self {
            Self::Hs256 => Signature::HS256,
            Self::Hs384 => Signature::HS384,
            Self::Hs512 => Signature::HS512,
            Self::Rs256 => Signature::RS256,
            Self::Ps256 => Signature::PS256,
            Self::Es256 => Signature::ES256,
            Self::EdDsa => Signature::EdDSA,
        }
    }

    /// The bytes that a secret must have, if the key is one: as many as its hash.
    fn secret_len(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            Self::Rs256 | Self::Ps256 | Self::Es256 | Self::EdDsa => None,
        }
    }

    fn reads(self, key: &AlgorithmParameters) -> bool {
        match key {
            AlgorithmParameters::OctetKey(_) => self.secret_len().is_some(),
            AlgorithmParameters::RSA(_) => matches!(self, Self::Rs256 | Self::Ps256),
            AlgorithmParameters::EllipticCurve(key) => {
                self == Self::Es256 && key.curve == EllipticCurve::P256
            }
            AlgorithmParameters::OctetKeyPair(key) => {
                self == Self::EdDsa && key.curve == EllipticCurve::Ed25519
            }
            // Kinds of keys that no algorithm of ours is made of.
            AlgorithmParameters::Other(_) | _ => false,
        }
    }
}

/// The keys that tokens are verified with.
pub struct Keys {
    algorithm: Algorithm,
    /// The one of a file that holds no more, for tokens that name any key, or none.
    only: Option<Key>,
    named: HashMap<String, Key>,
}

/// One of them.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    /// What it is known by: not what it is, which may be secret.
    pub(super) print: Print,
}

/// The SHA-256 of a key, or of all.
pub(super) type Print = [u8; 32];

/// Why a file of keys is of no use. It shows nothing of a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Too short to be safe.
    #[error("a secret for this algorithm has {needed} bytes or more, not {found}")]
    ShortSecret {
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// It is a key of a pair, which others may know.
    #[error("a PEM key is no secret; JWT_ALGORITHM names an algorithm that needs one")]
    NoSecret,
    /// It begins like a set of keys, and is none.
    #[error("no JSON Web Key Set: {0}")]
    NoSet(String),
    /// A key of the set has no name, and there are others.
    #[error("a key set of several keys must name each by \"kid\"")]
    Nameless,
    /// Two keys of the set have one name.
    #[error("two keys are named {0:?}")]
    Twice(String),
    /// No key of the set is for the algorithm.
    #[error("no key for the algorithm that JWT_ALGORITHM names")]
    NoneFits,
    /// It is no public key of the algorithm.
    #[error("no PEM public key for the algorithm that JWT_ALGORITHM names")]
    NoPublicKey,
}

impl Keys {
    /// Reads a file: a JSON Web Key Set, or else a secret (HMAC) or a PEM public key.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if there is no key in it that is safe to use with `algorithm`.
    pub fn parse(algorithm: Algorithm, file: &[u8]) -> Result<Self, KeysError> {
        if file.trim_ascii_start().starts_with(b"{") {
            return Self::set(algorithm, file);
        }
        let key = match algorithm.secret_len() {
            // Editors end a file with a new line, which is no part of the secret.
            Some(needed) => secret(file.trim_ascii_end(), needed)?,
            None => public_key(algorithm, file)?,
        };
        Ok(Self {
            algorithm,
            only: Some(key),
            named: HashMap::new(),
        })
    }

    fn set(algorithm: Algorithm, file: &[u8]) -> Result<Self, KeysError> {
        let set: JwkSet =
            serde_json::from_slice(file).map_err(|error| KeysError::NoSet(place(&error)))?;
        let fitting = set
            .keys
            .iter()
            .filter(|key| algorithm.reads(&key.algorithm) && is_for_signatures(key));
        let fitting: Vec<&Jwk> = fitting.collect();
        if let [key] = fitting[..] {
            return Ok(Self {
                algorithm,
                only: Some(read(algorithm, key)?),
                named: HashMap::new(),
            });
        }
        let mut named = HashMap::new();
        for key in fitting {
            let name = key.common.key_id.clone().ok_or(KeysError::Nameless)?;
            if named.insert(name.clone(), read(algorithm, key)?).is_some() {
                return Err(KeysError::Twice(name));
            }
        }
        if named.is_empty() {
            return Err(KeysError::NoneFits);
        }
        Ok(Self {
            algorithm,
            only: None,
            named,
        })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key of this name. A name only ever picks one of these.
    pub(super) fn find(&self, name: Option<&str>) -> Option<&Key> {
        self.only.as_ref().or_else(|| self.named.get(name?))
    }

    /// Whether a key of this print is among them, by whatever name.
    pub(super) fn hold(&self, print: &Print) -> bool {
        let mut all = self.only.iter().chain(self.named.values());
        all.any(|key| key.print == *print)
    }

    /// The print of all, names included.
    pub(super) fn print(&self) -> Print {
        let mut named: Vec<(&str, &Print)> = self
            .named
            .iter()
            .map(|(name, key)| (name.as_str(), &key.print))
            .collect();
        named.sort_unstable();
        let mut all = Sha256::new();
        if let Some(key) = &self.only {
            all.update(key.print);
        }
        for (name, print) in named {
            // Prints are of one length and lengths come first, so that no two sets read alike.
            all.update(name.len().to_be_bytes());
            all.update(name);
            all.update(print);
        }
        all.finalize().into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.named.len() + usize::from(self.only.is_some());
        write!(f, "Keys({:?}, {count})", self.algorithm)
    }
}

fn secret(bytes: &[u8], needed: usize) -> Result<Key, KeysError> {
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err(KeysError::NoSecret);
    }
    let found = bytes.len();
    if found < needed {
        return Err(KeysError::ShortSecret { needed, found });
    }
    Ok(Key {
        decoding: DecodingKey::from_secret(bytes),
        print: Sha256::digest(bytes).into(),
    })
}

fn public_key(algorithm: Algorithm, pem: &[u8]) -> Result<Key, KeysError> {
    let key = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => DecodingKey::from_rsa_pem(pem),
        Algorithm::Es256 => DecodingKey::from_ec_pem(pem),
        Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
            return Err(KeysError::NoPublicKey);
        }
    };
    Ok(Key {
        decoding: key.map_err(|_| KeysError::NoPublicKey)?,
        print: Sha256::digest(pem.trim_ascii()).into(),
    })
}

fn read(algorithm: Algorithm, key: &Jwk) -> Result<Key, KeysError> {
    let decoding =
        DecodingKey::from_jwk(key).map_err(|error| KeysError::NoSet(error.to_string()))?;
    if let Some(needed) = algorithm.secret_len() {
        let bytes = decoding.try_get_as_bytes().unwrap_or_default();
        let found = bytes.len();
        if found < needed {
            return Err(KeysError::ShortSecret { needed, found });
        }
        let print = Sha256::digest(bytes).into();
        return Ok(Key { decoding, print });
    }
    let public = serde_json::to_vec(&key.algorithm);
    let public = public.map_err(|error| KeysError::NoSet(error.to_string()))?;
    Ok(Key {
        decoding,
        print: Sha256::digest(public).into(),
    })
}

/// Whether a key may verify something, as far as it says what it is for.
fn is_for_signatures(key: &Jwk) -> bool {
    let of_use = key.common.public_key_use.as_ref();
    of_use.is_none_or(|of_use| *of_use == PublicKeyUse::Signature)
}

/// Where a JSON text goes wrong, without showing any of it.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}
