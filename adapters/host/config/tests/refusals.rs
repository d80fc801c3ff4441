use super::*;

#[test]
fn combinations_that_cannot_work_are_problems() {
    for (set, part) in [
        (
            vec![("GRPC_TLS_CERT_PATH", "c")],
            "is set without GRPC_TLS_KEY_PATH",
        ),
        (
            vec![("GRPC_TLS_KEY_PATH", "k")],
            "is set without GRPC_TLS_CERT_PATH",
        ),
        (
            vec![("GRPC_TLS_CA_PATH", "a")],
            "needs GRPC_TLS_CERT_PATH and GRPC_TLS_KEY_PATH",
        ),
        (
            vec![("GRPC_HEARTBEAT_TIMEOUT", "30")],
            "is 30 seconds, but must exceed",
        ),
        (vec![("ADMIN_PORT", "50051")], "are both 50051"),
        (
            vec![("GRPC_ENABLED", "0"), ("ADMIN_ENABLED", "0")],
            "nothing is served",
        ),
        (
            vec![("RESULT_STORE", "stream")],
            "is stream, which needs GATEWAY_BACKEND=redis",
        ),
        (
            vec![("RESULT_PUBLISH", "1"), ("DATABASE_URL", "mysql://h/d")],
            "is true, which needs GATEWAY_BACKEND=redis",
        ),
        (
            vec![("RESULT_PUBLISH", "1"), ("REDIS_URL", "redis://h")],
            "is true, which needs RESULT_STORE=mysql",
        ),
        (
            vec![("RESULT_STORE", "mysql")],
            "is mysql, which needs DATABASE_URL",
        ),
        (
            vec![
                ("DATABASE_URL", "mysql://h/d"),
                ("DATABASE_TLS", "required"),
                ("DATABASE_TLS_CA_PATH", "ca.pem"),
            ],
            "which DATABASE_TLS (environment variable DATABASE_TLS) forgoes",
        ),
    ] {
        refused(&set, part);
    }
}

#[test]
fn settings_that_need_others_are_problems_without_them() {
    for (set, part) in [
        (
            vec![("GRPC_TLS_CRL_PATH", "l")],
            "is about client certificates, which needs GRPC_TLS_CA_PATH",
        ),
        (
            vec![("GRPC_TLS_CLIENT_AUTH", "optional")],
            "is about client certificates, which needs GRPC_TLS_CA_PATH",
        ),
        (
            vec![("REDIS_TLS_CERT_PATH", "c"), ("REDIS_URL", "rediss://h")],
            "is set without REDIS_TLS_KEY_PATH",
        ),
        (
            vec![("REDIS_TLS_KEY_PATH", "k"), ("REDIS_URL", "rediss://h")],
            "is set without REDIS_TLS_CERT_PATH",
        ),
        (
            vec![
                ("REDIS_TLS_CA_PATH", "c"),
                ("REDIS_URL", "redis-cluster://h"),
            ],
            "needs a REDIS_URL of scheme rediss",
        ),
        (
            vec![("REDIS_TLS_KEY_PATH", "k")],
            "REDIS_TLS_KEY_PATH (environment variable REDIS_TLS_KEY_PATH) is for TLS",
        ),
        (
            vec![("ADMIN_API", "true"), ("ADMIN_HOST", "0.0.0.0")],
            "mend ADMIN_HOST",
        ),
        (
            vec![("ADMIN_API", "true"), ("ADMIN_ENABLED", "false")],
            "mend ADMIN_ENABLED",
        ),
    ] {
        refused(&set, part);
    }
}

/// One of the problems with `set` says `part`.
#[track_caller]
fn refused(set: &[(&str, &str)], part: &str) {
    let told = problems(set.iter().copied());
    let found = told.iter().any(|problem| problem.contains(part));
    assert!(found, "{set:?}: {told:#?}");
}

#[test]
fn a_combination_is_not_judged_by_a_value_that_did_not_parse() {
    let told = problems([
        ("GRPC_HEARTBEAT_INTERVAL", "100"),
        ("GRPC_HEARTBEAT_TIMEOUT", "x"),
    ]);

    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn a_client_certificate_is_required_unless_it_is_said_to_be_optional() {
    let tls = [
        ("GRPC_TLS_CERT_PATH", "c"),
        ("GRPC_TLS_KEY_PATH", "k"),
        ("GRPC_TLS_CA_PATH", "a"),
    ];
    for (set, required) in [
        (None, true),
        (Some("Required"), true),
        (Some("optional"), false),
    ] {
        let auth = set.map(|word| ("GRPC_TLS_CLIENT_AUTH", word));
        let environment = tls.into_iter().chain(auth).collect();
        let config = Config::load(&Flags::default(), &environment).expect("loads");
        let clients = config.grpc.tls.and_then(|tls| tls.clients);
        assert_eq!(clients.expect("are verified").required, required, "{set:?}");
    }
}

#[test]
fn memory_by_name_wins_over_an_address_that_is_set() {
    let config = load([
        ("REDIS_URL", "redis://h"),
        ("DATABASE_URL", "mysql://h/d"),
        ("GATEWAY_BACKEND", "memory"),
        ("RESULT_STORE", "Memory"),
        ("API_KEYS_FILE", "keys.json"),
    ])
    .expect("loads");

    assert_eq!(config.backend, Backend::Memory);
    assert_eq!(config.results.store, ResultStore::Memory);
}

#[cfg(feature = "redis")]
#[test]
fn on_redis_the_api_is_there_on_demand_only() {
    let redis = ("REDIS_URL", "rediss-cluster://u:p@a:1,b:2");
    for (set, api) in [
        (vec![redis], false),
        (vec![redis, ("ADMIN_API", "true")], true),
        (vec![], true),
        (vec![("ADMIN_API", "off")], false),
        (vec![("ADMIN_HOST", "0.0.0.0")], false),
    ] {
        let environment = Environment::from_iter(set.clone());
        let config = Config::load(&Flags::default(), &environment).expect("loads");
        assert_eq!(config.admin.serves_api(), api, "{set:?}");
    }
    let lines = load([redis]).expect("loads").describe().join("\n");
    assert!(lines.contains("default on redis"), "{lines}");
}

#[cfg(feature = "redis")]
#[test]
fn what_is_set_of_redis_is_read() {
    let config = load([
        ("REDIS_URL", "rediss://h"),
        ("REDIS_POOL_SIZE", "3"),
        ("REDIS_COMMAND_TIMEOUT_MS", "150"),
        ("REDIS_DEAD_MAXLEN", "7"),
        ("REDIS_TLS_CA_PATH", "ca.pem"),
        ("REDIS_TLS_CERT_PATH", "cert.pem"),
        ("REDIS_TLS_KEY_PATH", "key.pem"),
    ])
    .expect("loads");

    let redis = config.redis;
    assert_eq!((redis.pool_size, redis.max_dead), (3, 7));
    assert_eq!(redis.command_timeout, std::time::Duration::from_millis(150));
    assert_eq!(redis.tls.ca, Some("ca.pem".into()));
    let client = Some(("cert.pem".into(), "key.pem".into()));
    assert_eq!(redis.tls.client, client);
}

#[cfg(not(feature = "redis"))]
#[test]
fn redis_is_refused_by_the_feature_that_is_missing() {
    for (name, value) in [
        ("GATEWAY_BACKEND", "redis"),
        ("REDIS_URL", "rediss-cluster://a:1,b:2"),
    ] {
        let told = problems([(name, value)]);
        let found = told.iter().find(|problem| problem.starts_with(name));
        let problem = found.unwrap_or_else(|| panic!("{name}: {told:#?}"));
        assert!(problem.contains("without the feature redis"), "{problem}");
    }
}

#[cfg(not(feature = "mysql"))]
#[test]
fn mysql_is_refused_by_the_feature_that_is_missing() {
    for store in ["mysql", "memory"] {
        let told = problems([("DATABASE_URL", "mysql://h/d"), ("RESULT_STORE", store)]);
        let found = told
            .iter()
            .find(|problem| problem.contains("without the feature mysql"));
        assert!(found.is_some(), "{told:#?}");
    }
}

#[cfg(feature = "mysql")]
#[test]
fn what_is_set_of_mysql_is_read() {
    let config = load([
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("DATABASE_TLS_CA_PATH", "ca.pem"),
        ("DATABASE_POOL_SIZE", "3"),
        ("DATABASE_MIGRATE", "yes"),
        ("API_KEYS_FILE", "keys.json"),
        ("RESULT_BATCH_MAX", "7"),
    ])
    .expect("loads");

    assert_eq!(config.results.store, ResultStore::Mysql);
    assert_eq!(config.results.batch_max, 7);
    let database = &config.database;
    assert_eq!((database.pool_size, database.migrate), (3, true));
    assert_eq!(database.tls, DatabaseTls::Verified);
    assert_eq!(database.tls_ca, Some("ca.pem".into()));
    assert!(config.asks_database() && !config.keys_in_database());
    assert!(!config.describe().join("\n").contains("hunter2"));
}
