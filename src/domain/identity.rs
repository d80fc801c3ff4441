//! Who calls, and what they prove it with.

mod certificate;
mod signature;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use zeroize::Zeroize as _;

use crate::domain::id::WorkerId;

pub use certificate::Certificate;
#[cfg(test)]
pub(crate) use signature::VERIFIED;
pub use signature::{NONCE_MEMORY, Signature};

/// A text that nobody may read by accident: `Debug` prints `***`, there is no `Display`, and its
/// memory is overwritten when it is dropped.
///
/// Nor are two of them compared as they are: how long that takes tells how much of a guess is
/// right. Whoever checks one hashes it, and compares digests (T16).
///
/// ```compile_fail,E0369
/// # use gateway_core::domain::identity::Secret;
/// Secret::new("guess") == Secret::new("secret");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who checks it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a caller presents to prove who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// An API key.
    Key(Secret),
    /// A bearer token.
    Token(Secret),
    /// A client certificate whose chain, use and revocation TLS has verified.
    Certificate(Arc<Certificate>),
    /// A proof that the caller holds a worker's secret, without showing it.
    Signature(Signature),
    /// The name a client says it has, proven by nothing.
    Claim(WorkerId),
}

impl Credential {
    /// What kind it is, for the audit.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "api key",
            Self::Token(_) => "token",
            Self::Certificate(_) => "certificate",
            Self::Signature(_) => "signature",
            Self::Claim(_) => "claim",
        }
    }
}

/// What a call goes by in logs and in the audit, so that they can be read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    text: Arc<str>,
    call: Option<&'static str>,
}

impl RequestId {
    /// Takes `text`; whoever makes one sees to it that it is short and printable.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            call: None,
        }
    }

    /// The same, of a call of this kind.
    #[must_use]
    pub fn of_call(self, call: Option<&'static str>) -> Self {
        Self { call, ..self }
    }

    /// It as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of call it is, if it is one that we know.
    pub fn call(&self) -> Option<&'static str> {
        self.call
    }
}

/// All that a call brings with it about the one who makes it.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// The credentials, in the order they are to be tried.
    pub credentials: Vec<Credential>,
    /// The worker that the call says it is from.
    pub claimed: Option<WorkerId>,
    /// The address the call came from.
    pub peer: Option<IpAddr>,
    /// What the call goes by.
    pub request: Option<RequestId>,
}

/// A caller whose identity is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The worker that the credential belongs to; what else a message says does not matter.
    pub worker: WorkerId,
    /// The address the call came from.
    pub peer: Option<IpAddr>,
    /// What the call goes by.
    pub request: Option<RequestId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        let credential = Credential::Key(Secret::new("hunter2"));

        assert_eq!(format!("{credential:?}"), "Key(***)");
    }
}
