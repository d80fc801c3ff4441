use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Credential;
use gateway_core::ports::{AuthError, Authenticator, Recall};

/// Believes whoever says who it is. For a network where nobody lies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

#[async_trait]
impl Authenticator for Open {
    fn recall(&self, credential: &Credential) -> Recall {
        match credential {
            Credential::Claim(worker) => Recall::Good(worker.clone()),
            Credential::Key(_)
            | Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Signature(_) => Recall::Unknown,
        }
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        match credential {
            Credential::Claim(worker) => Ok(worker.clone()),
            Credential::Key(_)
            | Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Signature(_) => Err(AuthError::Rejected),
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::domain::identity::Secret;

    use super::*;

    #[tokio::test]
    async fn a_claim_is_believed_and_nothing_else_is() {
        let worker = WorkerId::parse("w-1").expect("is an identifier");
        let claim = Credential::Claim(worker.clone());

        assert_eq!(
            Open.authenticate(&claim).await.expect("is believed"),
            worker
        );
        for other in [
            Credential::Key(Secret::new("w-1")),
            Credential::Token(Secret::new("w-1")),
        ] {
            let refused = Open.authenticate(&other).await;
            assert!(matches!(refused, Err(AuthError::Rejected)));
        }
    }
}
