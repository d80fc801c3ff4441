//! Settings that are sound each by itself, but cannot work together.

use super::reader::Reader;
use super::{Backend, Config, DatabaseTls, ResultStore};

pub(super) fn check(config: &Config, read: &mut Reader) {
    tls(read);
    redis_tls(config, read);
    heartbeats(config, read);
    ports(config, read);
    api(config, read);
    results(config, read);
    database(config, read);
    audit(config, read);
}

fn audit(config: &Config, read: &mut Reader) {
    if config.audit.stream.is_some() && config.backend != Backend::Redis {
        let cited = read.cite("AUDIT_STREAM");
        read.blame(format!("{cited} needs Redis; set REDIS_URL, or unset it"));
    }
}

fn tls(read: &mut Reader) {
    const CERT: &str = "GRPC_TLS_CERT_PATH";
    const KEY: &str = "GRPC_TLS_KEY_PATH";
    both_or_neither(read, CERT, KEY);
    if read.is_given("GRPC_TLS_CA_PATH") && !(read.is_given(CERT) || read.is_given(KEY)) {
        let cited = read.cite("GRPC_TLS_CA_PATH");
        read.blame(format!(
            "{cited} asks for client certificates, which needs {CERT} and {KEY}"
        ));
    }
    for name in ["GRPC_TLS_CRL_PATH", "GRPC_TLS_CLIENT_AUTH"] {
        if read.is_given(name) && !read.is_given("GRPC_TLS_CA_PATH") {
            let cited = read.cite(name);
            read.blame(format!(
                "{cited} is about client certificates, which needs GRPC_TLS_CA_PATH"
            ));
        }
    }
}

fn redis_tls(config: &Config, read: &mut Reader) {
    const CERT: &str = "REDIS_TLS_CERT_PATH";
    const KEY: &str = "REDIS_TLS_KEY_PATH";
    both_or_neither(read, CERT, KEY);
    let encrypted = config.redis.url.scheme().starts_with("rediss");
    if encrypted || !read.is_sound("REDIS_URL") {
        return;
    }
    for name in ["REDIS_TLS_CA_PATH", CERT, KEY] {
        if read.is_given(name) {
            let cited = read.cite(name);
            read.blame(format!(
                "{cited} is for TLS, which needs a REDIS_URL of scheme rediss, rediss-cluster or \
                 rediss-sentinel"
            ));
        }
    }
}

fn both_or_neither(read: &mut Reader, one: &str, other: &str) {
    for (given, missing) in [(one, other), (other, one)] {
        if read.is_given(given) && !read.is_given(missing) {
            let cited = read.cite(given);
            read.blame(format!(
                "{cited} is set without {missing}; set both, or neither"
            ));
        }
    }
}

fn api(config: &Config, read: &mut Reader) {
    const NAME: &str = "ADMIN_API";
    if !read.is_given(NAME) || !config.admin.api || config.admin.serves_api() {
        return;
    }
    let needed = if config.admin.enabled {
        "ADMIN_HOST"
    } else {
        "ADMIN_ENABLED"
    };
    if read.is_sound(NAME) && read.is_sound(needed) {
        let (cited, needed) = (read.cite(NAME), read.cite(needed));
        read.blame(format!(
            "{cited} is true, but the API is served on a loopback address of the admin port only; \
             mend {needed}, or leave it out"
        ));
    }
}

fn heartbeats(config: &Config, read: &mut Reader) {
    const INTERVAL: &str = "GRPC_HEARTBEAT_INTERVAL";
    const TIMEOUT: &str = "GRPC_HEARTBEAT_TIMEOUT";
    let sound = read.is_sound(INTERVAL) && read.is_sound(TIMEOUT);
    if sound && config.grpc.heartbeat_timeout <= config.grpc.heartbeat_interval {
        read.blame(format!(
            "{} is {} seconds, but must exceed {}, which is {}",
            read.cite(TIMEOUT),
            config.grpc.heartbeat_timeout.as_secs(),
            read.cite(INTERVAL),
            config.grpc.heartbeat_interval.as_secs()
        ));
    }
}

fn ports(config: &Config, read: &mut Reader) {
    let (grpc, admin) = (&config.grpc, &config.admin);
    if !grpc.enabled && !admin.enabled {
        let (grpc, admin) = (read.cite("GRPC_ENABLED"), read.cite("ADMIN_ENABLED"));
        read.blame(format!(
            "{grpc} and {admin} are both false, so that nothing is served"
        ));
        return;
    }
    let meet = grpc.host == admin.host || grpc.host.is_unspecified() || admin.host.is_unspecified();
    let sound = read.is_sound("GRPC_PORT") && read.is_sound("ADMIN_PORT");
    if grpc.enabled && admin.enabled && sound && meet && grpc.port == admin.port && grpc.port != 0 {
        let (one, other) = (read.cite("GRPC_PORT"), read.cite("ADMIN_PORT"));
        read.blame(format!(
            "{one} and {other} are both {}; give each its own",
            grpc.port
        ));
    }
}

fn results(config: &Config, read: &mut Reader) {
    const STORE: &str = "RESULT_STORE";
    const PUBLISH: &str = "RESULT_PUBLISH";
    let store = config.results.store;
    if !read.is_sound(STORE) {
        return;
    }
    if store == ResultStore::Mysql && !read.is_given("DATABASE_URL") {
        let cited = read.cite(STORE);
        read.blame(format!("{cited} is mysql, which needs DATABASE_URL"));
    }
    if config.results.publish && store == ResultStore::Memory {
        let cited = read.cite(PUBLISH);
        read.blame(format!("{cited} is true, which needs RESULT_STORE=mysql"));
    }
    if config.backend == Backend::Redis || !read.is_sound("GATEWAY_BACKEND") {
        return;
    }
    if store == ResultStore::Stream {
        let cited = read.cite(STORE);
        read.blame(format!(
            "{cited} is stream, which needs GATEWAY_BACKEND=redis"
        ));
    }
    if config.results.publish {
        let cited = read.cite(PUBLISH);
        read.blame(format!(
            "{cited} is true, which needs GATEWAY_BACKEND=redis"
        ));
    }
}

fn database(config: &Config, read: &mut Reader) {
    const TLS: &str = "DATABASE_TLS";
    const CA: &str = "DATABASE_TLS_CA_PATH";
    if read.is_given(CA) && read.is_sound(TLS) && config.database.tls != DatabaseTls::Verified {
        let (cited, tls) = (read.cite(CA), read.cite(TLS));
        read.blame(format!(
            "{cited} is to check the server with, which {tls} forgoes; set DATABASE_TLS=verified, \
             or leave it out"
        ));
    }
}
