//! Settings that ask for an adapter that this build lacks. Each is refused, lest an operator
//! believe in a database, say, that nothing is written to.

use super::reader::Reader;
use super::{Backend, Config, ResultStore};

pub(super) fn check(config: &Config, read: &mut Reader) {
    let redis = config.backend == Backend::Redis && read.is_sound("GATEWAY_BACKEND");
    if redis && !cfg!(feature = "redis") {
        let name = asked_by(read, "GATEWAY_BACKEND", "REDIS_URL");
        let cited = read.cite(name);
        read.blame(format!(
            "{cited} asks for Redis, but this program was built without the feature redis; \
             unset it, or set GATEWAY_BACKEND=memory"
        ));
    }
    if config.asks_database() && !cfg!(feature = "mysql") {
        let name = match config.results.store {
            ResultStore::Mysql => asked_by(read, "RESULT_STORE", "DATABASE_URL"),
            ResultStore::Memory | ResultStore::Stream => "DATABASE_URL",
        };
        let cited = read.cite(name);
        read.blame(format!(
            "{cited} asks for MySQL, but this program was built without the feature mysql; unset \
             it, or set RESULT_STORE=memory and API_KEYS_FILE"
        ));
    }
}

/// The setting that made the choice: the one that names it, else the one that implies it.
fn asked_by(read: &Reader, named: &'static str, implied: &'static str) -> &'static str {
    if read.is_given(named) { named } else { implied }
}
