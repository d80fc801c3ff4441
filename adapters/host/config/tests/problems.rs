use super::*;

#[test]
fn a_problem_names_the_setting_its_value_its_origin_and_what_would_do() {
    assert_eq!(
        problems([("GRPC_PORT", "70000")]),
        ["GRPC_PORT is \"70000\" (environment variable GRPC_PORT), \
          but must be a port number from 0 to 65535"]
    );

    let flags = Flags {
        host: Some("nowhere\n".to_owned()),
        ..Flags::default()
    };
    let told = texts(Config::load(&flags, &Environment::default()));
    assert!(
        told[0].starts_with("GRPC_HOST is \"nowhere\" (flag --host), but must be"),
        "{told:?}"
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let told = problems([
        ("GRPC_PORT", "x"),
        ("GRPC_HEARTBEAT_INTERVAL", "0"),
        ("GRPC_SHUTDOWN_GRACE_PERIOD", "inf"),
        ("AUTH_ENABLED", "maybe"),
        ("JWT_ALGORITHM", "none"),
        ("API_KEY_STORAGE", "md5"),
        ("RATE_LIMIT_RATE", "0"),
        ("RATE_LIMIT_CAPACITY", "0"),
        ("TASK_MAX_DELIVERIES", "0"),
        ("MEMORY_MAX_TASKS", "-1"),
        ("REDIS_NAMESPACE", "a b"),
        ("REDIS_POOL_SIZE", "65"),
        ("REDIS_COMMAND_TIMEOUT_MS", "99"),
        ("REDIS_DEAD_MAXLEN", "0"),
        ("ADMIN_API", "perhaps"),
        ("DATABASE_TIMEZONE", "+8"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_TLS", "maybe"),
        ("RESULT_BATCH_MAX", "0"),
        ("RESULT_BATCH_WAIT_MS", "1001"),
        ("RESULT_COMMIT_TIMEOUT_MS", "99"),
        ("RESULT_UNKNOWN_RUN_SECONDS", "-1"),
        ("AUTH_CACHE_SECONDS", "0"),
        ("AUTH_STALE_MAX", "x"),
        ("GATEWAY_BACKEND", "rdis"),
        ("RESULT_STORE", "disk"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ]);

    assert_eq!(told.len(), 28, "{told:#?}");
    assert!(
        told.iter()
            .all(|problem| problem.contains(", but must be ")),
        "{told:#?}"
    );
}

#[test]
fn the_message_counts_and_lists_them() {
    let problems = load([("GRPC_PORT", "x"), ("LOG_FORMAT", "y")]).expect_err("is refused");
    let message = problems.to_string();

    assert!(
        message.starts_with("the settings have 2 problems:\n  GRPC_PORT"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused_without_a_guess() {
    use std::os::unix::ffi::OsStringExt;

    let value = std::ffi::OsString::from_vec(vec![b'1', 0xff]);
    let environment =
        Environment::from_iter([("GRPC_PORT".into(), value)] as [(std::ffi::OsString, _); 1]);

    let told = texts(Config::load(&Flags::default(), &environment));
    assert_eq!(
        told,
        ["GRPC_PORT (environment variable GRPC_PORT) is not Unicode text"]
    );
}

#[test]
fn an_unknown_key_is_a_problem_and_the_nearest_is_suggested() {
    let told = texts(from_toml("grpc_prot = 1\ncolour = 2\n[grpc]\nport = 1"));

    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("\"colour\" (file "), "{told:#?}");
    assert!(told[1].contains("keys are flat"), "{told:#?}");
    assert!(told[2].ends_with("did you mean grpc_port?"), "{told:#?}");
}

#[test]
fn a_table_or_list_is_no_value() {
    let told = texts(from_toml("grpc_host = [\"::1\"]\n[grpc_port]\nvalue = 1"));

    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told.iter()
            .all(|problem| problem.ends_with("must be a single value")),
        "{told:#?}"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_a_problem() {
    let flags = Flags {
        config: Some("nowhere.toml".into()),
        ..Flags::default()
    };
    let told = texts(Config::load(&flags, &Environment::default()));
    assert!(
        told[0].starts_with("nowhere.toml (flag --config) cannot be read: "),
        "{told:?}"
    );

    let told = texts(from_toml("grpc_port = 1\ngrpc_port = 2"));
    assert!(
        told[0].contains("g.toml, line 2, is not TOML: "),
        "{told:?}"
    );
}
