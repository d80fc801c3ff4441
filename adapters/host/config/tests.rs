mod layers;
mod problems;
mod readme;
mod refusals;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

#[test]
fn the_description_has_every_setting_with_its_origin() {
    let lines = load([("GRPC_PORT", "7")]).expect("loads").describe();

    let line = |name: &str| {
        let found = lines
            .iter()
            .find(|line| line.split_whitespace().next() == Some(name));
        let words: Vec<&str> = found.expect(name).split_whitespace().collect();
        words.join(" ")
    };
    for setting in table::all() {
        line(setting.name);
    }
    assert_eq!(lines[0], "gRPC");
    assert_eq!(
        line("GRPC_PORT"),
        "GRPC_PORT 7 environment variable GRPC_PORT"
    );
    assert_eq!(line("GRPC_HOST"), "GRPC_HOST 0.0.0.0 default");
    assert_eq!(line("API_KEYS_FILE"), "API_KEYS_FILE - not set");
    assert_eq!(
        line("GATEWAY_BACKEND"),
        "GATEWAY_BACKEND memory default, as REDIS_URL is not set"
    );
}

#[test]
fn no_secret_is_in_a_message_a_description_or_debug_output() {
    let place = Place::new();
    let file = place.write(
        "g.toml",
        "database_url = \"mysql://u:hunter2@h/d\nredis_url = 1",
    );
    place.write(".env", "REDIS_URL=redis://:hunter2@h oops\n");
    for set in [
        vec![("DATABASE_URL", "postgres://u:hunter2@h/d")],
        vec![("DATABASE_URL", "hunter2")],
        vec![
            ("REDIS_URL", "redis://u:hun/ter2@h"),
            ("GATEWAY_BACKEND", "memory"),
        ],
        vec![("REDIS_URL", "redis://u:hunter2@h"), ("LOG_FORMAT", "x")],
        vec![
            ("DATABASE_URL", "mysql://u:hunter2@h/d"),
            ("GRPC_PORT", "x"),
        ],
    ] {
        let flags = Flags {
            config: Some(file.clone()),
            ..Flags::default()
        };
        let problems = Config::load(&flags, &place.environment(set)).expect_err("is refused");
        let told = format!("{problems} {problems:?}");
        assert!(
            !told.contains("hunter2") && !told.contains("hun/ter2"),
            "{told}"
        );
        assert!(
            told.contains(".env, line 1,") && told.contains("g.toml, line 1,"),
            "{told}"
        );
    }

    let config = load([
        ("REDIS_URL", "redis://u:hunter2@h"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("GATEWAY_BACKEND", "memory"),
        ("RESULT_STORE", "memory"),
        ("API_KEYS_FILE", "keys.json"),
    ])
    .expect("loads");
    let told = format!("{config:?} {}", config.describe().join("\n"));
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("mysql://u:***@h/d"), "{told}");
}

fn load<const N: usize>(set: [(&str, &str); N]) -> Result<Config, Problems> {
    Config::load(&Flags::default(), &Environment::from_iter(set))
}

fn problems<'a>(set: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    texts(Config::load(
        &Flags::default(),
        &Environment::from_iter(set),
    ))
}

fn texts(loaded: Result<Config, Problems>) -> Vec<String> {
    let problems = loaded.expect_err("is refused");
    problems.iter().map(ToString::to_string).collect()
}

fn from_toml(text: &str) -> Result<Config, Problems> {
    let place = Place::new();
    let flags = Flags {
        config: Some(place.write("g.toml", text)),
        ..Flags::default()
    };
    Config::load(&flags, &Environment::default())
}

/// A folder that goes when the test ends.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("makes a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).expect("writes");
        self.path(name)
    }

    fn environment<'a>(&self, set: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
        Environment::from_iter(set).with_dotenv(self.path(".env"))
    }
}
