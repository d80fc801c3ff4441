//! The operator's tools: they speak to the admin port of a gateway that runs on this machine.
//!
//! What they are told on the command line is not their concern, nor whether they write to a
//! terminal: both are handed to [`run`].

mod arguments;
mod console;
mod control;
mod enqueue;
mod error;
mod http;
mod logs;
mod runs;
mod table;
#[expect(clippy::struct_field_names, reason = "the names are those on the wire")]
mod wire;

use std::io;
use std::process::ExitCode;

pub use self::console::{Console, Output};
pub use self::control::{Configure, Control, End, Runtime};
pub use self::enqueue::Enqueue;
pub use self::error::ClientError;
pub use self::logs::Logs;
pub use self::runs::Runs;
pub use self::wire::NewTask;

use self::http::Http;

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Give a task to a worker.
    Enqueue(Enqueue),
    /// Show runs.
    Runs(Runs),
    /// Print a log.
    Logs(Logs),
    /// Tell workers something.
    Control(Control),
}

/// Carries out `command` against the gateway at `base`, such as `http://127.0.0.1:50052`.
///
/// It blocks. A reader that goes away, as `head` does, ends it without a complaint.
///
/// # Errors
///
/// [`ClientError`], a sentence each, if the gateway cannot be reached or refuses.
pub fn run(
    base: &str,
    command: &Command,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let http = Http::new(base);
    let done = match command {
        Command::Enqueue(enqueue) => enqueue::run(&http, enqueue, console),
        Command::Runs(runs) => runs::run(&http, runs, console),
        Command::Logs(logs) => logs::run(&http, logs, console),
        Command::Control(control) => control::run(&http, control, console),
    };
    match done {
        Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests;
