//! What may be written on the command line; carrying it out is left to others.
#![expect(
    clippy::doc_markdown,
    reason = "clap prints doc comments as help, with their backticks"
)]

mod audit;
mod certs;
mod control;
mod dead;
mod enqueue;
mod keys;
mod token;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::audit::Audit;
pub use self::certs::Certs;
pub use self::control::{Configure, Control, End, Recipient, Runtime};
pub use self::dead::Dead;
pub use self::enqueue::{Enqueue, Work};
pub use self::keys::Keys;
pub use self::token::Token;

/// Hands tasks to AntCode workers and takes their logs and results.
///
/// Without a command it serves: workers call its gRPC port. Settings come from the file given with
/// --config, from the environment (and a .env file in the working directory) and from the flags below;
/// the command check prints them all.
///
/// The other commands speak to the admin port of the gateway that runs on this machine; on Redis
/// (REDIS_URL), unless ADMIN_API is true, to Redis itself. Keys and migrate speak to the database.
#[derive(Debug, Parser)]
#[command(name = "antcode-gateway", version, max_term_width = 100)]
pub struct Cli {
    /// Flags that every command knows.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that set what the environment sets as well, and win over it.
///
/// They are checked with the settings, so that all problems come in one message.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// Address to serve workers on [variable: GRPC_HOST]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Port to serve workers on, 0 for a free one [variable: GRPC_PORT]
    #[arg(long, global = true, value_name = "PORT")]
    pub port: Option<String>,
    /// Log in detail, as LOG_LEVEL=DEBUG does
    #[arg(long, global = true)]
    pub debug: bool,
    /// Create what the gateway needs in the database, then serve [variable: DATABASE_MIGRATE]
    #[arg(long, global = true)]
    pub migrate: bool,
    /// TOML file of settings; keys are the variables' names in lower case [variable: GATEWAY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the settings in force, where each comes from, and what they would start
    ///
    /// Secrets are masked. The exit code is 0 if the gateway would start, and 1 if not.
    Check,
    /// Give a task to a worker
    Enqueue(Enqueue),
    /// List the runs that the gateway knows, newest first, or show one
    Runs(Runs),
    /// Print the log lines of a run
    Logs(Logs),
    /// Show what waits for each worker and what it holds, and how many dead letters there are
    Queue(Queue),
    /// List the tasks that were given up, show one, queue it again or drop it
    #[command(subcommand)]
    Dead(Dead),
    /// Send a control message to workers: cancel, kill, config or runtime
    #[command(subcommand)]
    Control(Control),
    /// Make, list, rotate or revoke the API keys of workers, in the database of DATABASE_URL
    #[command(subcommand)]
    Keys(Keys),
    /// Make a bearer token for a worker, by the JWT settings
    #[command(subcommand)]
    Token(Token),
    /// Make certificates with which to try TLS and mTLS
    #[command(subcommand)]
    Certs(Certs),
    /// Verify the chain of the audit's records
    #[command(subcommand)]
    Audit(Audit),
    /// Create the tables that are absent in the database of DATABASE_URL, and leave the others as they are
    Migrate,
}

/// Which runs to show, and how.
#[derive(Args, Debug)]
pub struct Runs {
    /// The run to show; left out, all are listed
    pub run_id: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How to show what waits.
#[derive(Args, Debug)]
pub struct Queue {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which log to print, and how.
#[derive(Args, Debug)]
pub struct Logs {
    /// The run whose log it is
    pub run_id: String,
    /// Go on until the run has ended
    #[arg(long, short)]
    pub follow: bool,
    /// Print JSON, an object a line
    #[arg(long)]
    pub json: bool,
}

/// Reads `NAME=VALUE`; the value may hold further `=`.
fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        let cli = read("--host ::1 --port 0 --debug --config g.toml");

        assert!(cli.command.is_none());
        assert_eq!(cli.flags.host.as_deref(), Some("::1"));
        assert_eq!(cli.flags.port.as_deref(), Some("0"));
        assert!(cli.flags.debug);
        assert_eq!(cli.flags.config, Some("g.toml".into()));
    }

    #[test]
    fn settings_may_follow_the_command() {
        let cli = read("check --port 7");

        assert!(matches!(cli.command, Some(Command::Check)));
        assert_eq!(cli.flags.port.as_deref(), Some("7"));
    }

    #[test]
    fn runs_and_logs_take_a_run() {
        let Some(Command::Runs(runs)) = read("runs").command else {
            panic!("not runs");
        };
        assert!(runs.run_id.is_none() && !runs.json);

        let Some(Command::Logs(logs)) = read("logs r-1 --follow").command else {
            panic!("not logs");
        };
        assert!(logs.run_id == "r-1" && logs.follow && !logs.json);
    }

    #[test]
    fn help_and_version_are_told() {
        for (line, kind) in [
            ("--help", ErrorKind::DisplayHelp),
            ("control runtime --help", ErrorKind::DisplayHelp),
            ("--version", ErrorKind::DisplayVersion),
        ] {
            let told = parse(line).expect_err(line);
            assert_eq!(told.kind(), kind, "{line}");
        }
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for line in [
            "serve",
            "logs",
            "--prot 1",
            "control",
            "control config",
            "control config k",
        ] {
            let told = parse(line).expect_err(line);
            assert_eq!(told.exit_code(), 2, "{line}");
        }
    }

    pub(super) fn read(line: &str) -> Cli {
        parse(line).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(
            ["antcode-gateway"]
                .into_iter()
                .chain(line.split_whitespace()),
        )
    }
}
