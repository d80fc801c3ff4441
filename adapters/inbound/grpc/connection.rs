use std::net::IpAddr;
use std::sync::Arc;

use gateway_core::domain::identity::Certificate;

use super::listener::Standing;

/// What is known of the connection that a call comes over, as the listener leaves it with each of
/// its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// Where it comes from; behind a proxy that is believed, as the proxy says.
    pub(super) peer: Option<IpAddr>,
    /// The client's certificate, if TLS has verified one.
    pub(super) certificate: Option<Arc<Certificate>>,
    /// What keeps the connection, where connections are many.
    pub(super) standing: Option<Standing>,
}

impl Connection {
    /// Notes that somebody has proven over the connection who it is.
    pub(super) fn prove(&self) {
        if let Some(standing) = &self.standing {
            standing.prove();
        }
    }

    /// Whether anybody has.
    pub(super) fn is_proven(&self) -> bool {
        self.standing.as_ref().is_some_and(Standing::is_proven)
    }
}
