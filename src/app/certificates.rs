use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::domain::identity::Credential;
use crate::ports::{AuthError, Authenticator, Recall, WorkerDirectory};

/// Whose client certificates are, by the names in them.
pub struct Certificates {
    directory: Option<Arc<dyn WorkerDirectory>>,
}

impl Certificates {
    /// Believes the names; those that `directory` does not know are refused, where there is one.
    pub fn new(directory: Option<Arc<dyn WorkerDirectory>>) -> Self {
        Self { directory }
    }
}

#[async_trait]
impl Authenticator for Certificates {
    fn recall(&self, credential: &Credential) -> Recall {
        let Some(worker) = named(credential) else {
            return Recall::Unknown;
        };
        match &self.directory {
            // It takes an authority of ours to make one, so that it is no guess.
            Some(directory) if !directory.recalls(&worker) => Recall::Genuine,
            _ => Recall::Good(worker),
        }
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        let worker = named(credential).ok_or(AuthError::Rejected)?;
        match &self.directory {
            Some(directory) if !directory.knows(&worker).await? => Err(AuthError::Rejected),
            _ => Ok(worker),
        }
    }
}

fn named(credential: &Credential) -> Option<WorkerId> {
    match credential {
        Credential::Certificate(certificate) => certificate.worker(),
        Credential::Key(_)
        | Credential::Token(_)
        | Credential::Signature(_)
        | Credential::Claim(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::worker;
    use crate::domain::identity::Certificate;
    use crate::ports::MockWorkerDirectory;

    fn of(name: &str) -> Credential {
        Credential::Certificate(Arc::new(Certificate {
            common_names: vec![name.to_owned()],
            ..Certificate::default()
        }))
    }

    /// Knows `w-1`, remembers nobody, and is out of order for `down`.
    fn directory() -> Arc<dyn WorkerDirectory> {
        let mut directory = MockWorkerDirectory::new();
        directory.expect_recalls().returning(|_| false);
        directory
            .expect_knows()
            .returning(|worker| match worker.as_str() {
                "down" => Err(AuthError::Unavailable("lost the list".into())),
                name => Ok(name == "w-1"),
            });
        Arc::new(directory)
    }

    #[pollster::test]
    async fn a_name_is_believed_unless_there_is_a_list() {
        let believed = Certificates::new(None);
        assert_eq!(believed.recall(&of("w-9")), Recall::Good(worker("w-9")));
        let told = believed.authenticate(&of("w-9")).await;
        assert_eq!(told.expect("is believed"), worker("w-9"));

        let listed = Certificates::new(Some(directory()));
        assert_eq!(listed.recall(&of("w-1")), Recall::Genuine);
        let told = listed.authenticate(&of("w-1")).await;
        assert_eq!(told.expect("is known"), worker("w-1"));
        let told = listed.authenticate(&of("w-9")).await;
        assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
        let told = listed.authenticate(&of("down")).await;
        assert!(matches!(told, Err(AuthError::Unavailable(_))), "{told:?}");
    }

    #[pollster::test]
    async fn one_that_names_nobody_is_nobodys() {
        let certificates = Certificates::new(None);
        for credential in [of("w 1"), Credential::Claim(worker("w-1"))] {
            assert_eq!(certificates.recall(&credential), Recall::Unknown);
            let told = certificates.authenticate(&credential).await;
            assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
        }
    }
}
