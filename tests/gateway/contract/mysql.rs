//! The adapters on `MariaDB`, put to the test.

mod results;

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::mysql::{ApiKeySettings, ApiKeys, KeyStorage, Link};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports;

use crate::support::servers::{Database, MariaDb};

use super::authenticator::Doors;

/// A database of its own.
pub(super) struct Mysql {
    database: Database,
    link: Link,
}

/// A database with nothing in its tables.
pub(super) async fn start() -> Mysql {
    let database = MariaDb::shared().await.database().await;
    let link = database.link().await;
    Mysql { database, link }
}

impl Doors for Mysql {
    async fn door(&self) -> (Arc<dyn ports::Authenticator>, Credential, WorkerId) {
        self.database.add_worker("w-1", "a-key").await;
        let settings = ApiKeySettings {
            storage: KeyStorage::Plain,
            cache: Duration::from_secs(30),
            stale_max: Duration::from_mins(10),
        };
        let keys = ApiKeys::new(self.link.clone(), settings);
        let key = Credential::Key(Secret::new("a-key"));
        (Arc::new(keys), key, super::worker("w-1"))
    }
}
