//! The contract of `Authenticator`.

use std::sync::Arc;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports::{AuthError, Authenticator};

use super::worker;

/// A backend that tells whose a credential is.
pub(super) trait Doors {
    /// Somebody who can tell, a credential, and whose it is.
    async fn door(&self) -> (Arc<dyn Authenticator>, Credential, WorkerId);
}

contract!(memory, mariadb => {
    a_credential_opens_for_its_owner,
    what_belongs_to_nobody_is_rejected,
});

async fn a_credential_opens_for_its_owner(bench: &impl Doors) {
    let (door, credential, owner) = bench.door().await;

    let found = door.authenticate(&credential).await;
    assert_eq!(found.expect("is known"), owner);
}

async fn what_belongs_to_nobody_is_rejected(bench: &impl Doors) {
    let (door, _, owner) = bench.door().await;
    for nobodys in [
        Credential::Key(Secret::new("")),
        Credential::Key(Secret::new("no key of ours")),
        Credential::Token(Secret::new("no.token.either")),
        Credential::Claim(owner.clone()),
        Credential::Claim(worker("stranger")),
    ] {
        let refused = door.authenticate(&nobodys).await;
        assert!(matches!(refused, Err(AuthError::Rejected)), "{nobodys:?}");
    }
}
