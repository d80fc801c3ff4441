use std::time::Duration;

use gateway_core::domain::limit::{Limits, Rate};

use super::*;
use crate::host::telemetry::Format;

#[test]
fn with_nothing_set_the_defaults_hold() {
    let config = load([]).expect("loads");

    assert_eq!(config.grpc.address().to_string(), "0.0.0.0:50051");
    assert_eq!(config.admin.address().to_string(), "127.0.0.1:50052");
    assert_eq!(config.grpc.shutdown_grace, Duration::from_secs(5));
    assert_eq!(config.grpc.heartbeat_timeout, Duration::from_secs(90));
    assert_eq!(config.grpc.tls, None);
    let rate = Rate::new(100.0, 200).expect("is a rate");
    assert!(config.auth.enabled);
    assert_eq!(config.limit.limits, Some(Limits::even(rate)));
    assert_eq!(config.backend, Backend::Memory);
    assert_eq!(config.results.store, ResultStore::Memory);
    assert_eq!(config.redis.url.expose(), "redis://localhost:6379/0");
    assert!((1..=10).contains(&config.grpc.threads()));
}

#[test]
fn every_setting_is_read() {
    let config = load([]).expect("loads");

    for setting in table::all() {
        assert!(
            config.effective.contains_key(setting.name),
            "{}",
            setting.name
        );
    }
}

#[test]
fn a_later_layer_wins() {
    let place = Place::new();
    let file = place.write(
        "g.toml",
        "grpc_port = 1\nadmin_port = 1\ngrpc_max_workers = 1\nlog_format = \"json\"",
    );
    place.write(".env", "GRPC_PORT=2\nADMIN_PORT=2\nGRPC_MAX_WORKERS=2\n");
    let flags = Flags {
        port: Some("4".to_owned()),
        config: Some(file.clone()),
        ..Flags::default()
    };
    let environment = place.environment([("GRPC_PORT", "3"), ("ADMIN_PORT", "3")]);

    let config = Config::load(&flags, &environment).expect("loads");

    assert_eq!(config.grpc.port, 4);
    assert_eq!(config.admin.port, 3);
    assert_eq!(config.grpc.max_workers, 2);
    assert_eq!(config.log.format, Format::Json);
    let file = file.display();
    let dotenv = place.path(".env");
    for (name, origin) in [
        ("GRPC_PORT", "flag --port".to_owned()),
        ("ADMIN_PORT", "environment variable ADMIN_PORT".to_owned()),
        (
            "GRPC_MAX_WORKERS",
            format!("GRPC_MAX_WORKERS in {}", dotenv.display()),
        ),
        ("LOG_FORMAT", format!("file {file}")),
        ("GRPC_HOST", "default".to_owned()),
    ] {
        assert_eq!(config.effective[name].origin, origin, "{name}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let place = Place::new();
    place.write(".env", "GRPC_PORT=2\nADMIN_PORT=\n");

    let environment = place.environment([("GRPC_PORT", ""), ("REDIS_URL", " ")]);
    let config = Config::load(&Flags::default(), &environment).expect("loads");

    assert_eq!(config.grpc.port, 2);
    assert_eq!(config.admin.port, 50052);
    assert_eq!(config.backend, Backend::Memory);
}

#[test]
fn the_file_may_be_named_by_a_variable_and_a_flag_wins_over_it() {
    let place = Place::new();
    let one = place.write("one.toml", "grpc_port = 1");
    let two = place.write("two.toml", "grpc_port = 2");
    let environment = place.environment([("GATEWAY_CONFIG", one.to_str().expect("Unicode"))]);

    let config = Config::load(&Flags::default(), &environment).expect("loads");
    assert_eq!(config.grpc.port, 1);

    let flags = Flags {
        config: Some(two),
        ..Flags::default()
    };
    let config = Config::load(&flags, &environment).expect("loads");
    assert_eq!(config.grpc.port, 2);
}

#[test]
fn the_file_may_be_named_in_dotenv() {
    let place = Place::new();
    let file = place.write("one.toml", "grpc_port = 1");
    place.write(".env", &format!("GATEWAY_CONFIG='{}'", file.display()));

    let config = Config::load(&Flags::default(), &place.environment([])).expect("loads");
    assert_eq!(config.grpc.port, 1);
}

#[test]
fn dotenv_may_have_quotes_comments_exports_and_a_mark_of_its_encoding() {
    let place = Place::new();
    place.write(
        ".env",
        "\u{feff}# ours\nexport GRPC_HOST='::1' # local\nGRPC_PORT=\"7\"\r\nOTHERS=thing\nGRPC_PORT=8\n",
    );

    let config = Config::load(&Flags::default(), &place.environment([])).expect("loads");
    assert_eq!(config.grpc.address().to_string(), "[::1]:8");
}

#[test]
fn a_dollar_in_single_quotes_stands_for_itself() {
    let place = Place::new();
    place.write(
        ".env",
        "REDIS_URL='redis://:a$b@h'\nGATEWAY_BACKEND=memory\n",
    );

    let config = Config::load(&Flags::default(), &place.environment([])).expect("loads");
    assert_eq!(config.redis.url.expose(), "redis://:a$b@h");
}

#[test]
fn a_folder_named_dotenv_is_somebody_elses() {
    let place = Place::new();
    fs::create_dir(place.path(".env")).expect("creates");

    Config::load(&Flags::default(), &place.environment([])).expect("loads");
}

#[test]
fn the_flag_for_debugging_sets_the_level() {
    let flags = Flags {
        debug: true,
        ..Flags::default()
    };

    let config = Config::load(&flags, &Environment::from_iter([("LOG_LEVEL", "ERROR")]));
    let config = config.expect("loads");

    assert_eq!(config.log.filter, "debug".parse().expect("a filter"));
}

#[test]
fn values_in_the_file_may_be_typed_or_text() {
    let config = from_toml(
        "grpc_enabled = false\ngrpc_port = \"1\"\nrate_limit_rate = 0.5\ngrpc_shutdown_grace_period = 3",
    )
    .expect("loads");

    assert!(!config.grpc.enabled);
    assert_eq!(config.grpc.port, 1);
    let limits = config.limit.limits.expect("are on");
    assert_eq!(limits.control, Rate::new(0.5, 200).expect("is a rate"));
    assert_eq!(config.grpc.shutdown_grace, Duration::from_secs(3));
}
