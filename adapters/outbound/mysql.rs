//! Results and API keys in `MySQL` or `MariaDB`, in the tables that the Master and the web API own.
//!
//! - `link`: the connections. `error`: what the server meant by an error.
//! - `migrations`: the tables that must be there.
//! - `keys`: what an operator does about API keys.
//! - `questions`, `remembered`: how somebody is looked up. `workers`: which there are.
//! - `schema`: the statements. `zone`: the clock on the database's wall.
//! - one file, or folder, for each port.

mod api_keys;
mod digest;
mod error;
mod keys;
mod link;
mod lock;
mod migrations;
mod questions;
mod remembered;
mod result_store;
mod schema;
mod workers;
mod zone;

pub use self::api_keys::{ApiKeySettings, ApiKeys, KeyStorage};
pub use self::error::Fault;
pub use self::keys::{KeyBook, KeyError, KeyState, KeyView, NewKey};
pub use self::link::{AddressError, Connection, Link, LinkError, Settings as LinkSettings, Tls};
pub use self::migrations::{MigrationError, migrate, missing};
pub use self::result_store::{ResultStore, Settings as ResultSettings};
pub use self::workers::Workers;
pub use self::zone::{UnknownZone, Zone};
