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
            vec![("RESULT_PUBLISH", "1")],
            "is true, which needs GATEWAY_BACKEND=redis",
        ),
    ] {
        let told = problems(set.clone());
        let found = told
            .iter()
            .any(|problem| problem.starts_with(set[0].0) && problem.contains(part));
        assert!(
            found || told.iter().any(|p| p.contains(part)),
            "{set:?}: {told:#?}"
        );
    }
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
fn what_this_build_cannot_serve_is_refused_by_name() {
    for (name, value) in [
        ("GATEWAY_BACKEND", "redis"),
        ("REDIS_URL", "rediss-cluster://a:1,b:2"),
        ("RESULT_STORE", "mysql"),
        ("RESULT_STORE", "stream"),
        ("RESULT_PUBLISH", "true"),
        ("DATABASE_URL", "mysql://h/d"),
        ("GRPC_TLS_CERT_PATH", "c"),
        ("GRPC_TLS_KEY_PATH", "k"),
        ("GRPC_TLS_CA_PATH", "a"),
        ("JWT_SECRET_FILE", "j"),
    ] {
        let told = problems([(name, value)]);
        let found = told
            .iter()
            .find(|problem| problem.contains("does not have yet"));
        let problem = found.unwrap_or_else(|| panic!("{name}: {told:#?}"));
        assert!(problem.starts_with(name), "{problem}");
    }
}

#[test]
fn memory_by_name_wins_over_an_address_that_is_set() {
    let config = load([
        ("REDIS_URL", "redis://h"),
        ("DATABASE_URL", "mysql://h/d"),
        ("GATEWAY_BACKEND", "memory"),
        ("RESULT_STORE", "Memory"),
    ])
    .expect("loads");

    assert_eq!(config.backend, Backend::Memory);
    assert_eq!(config.results.store, ResultStore::Memory);
}
