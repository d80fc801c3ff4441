//! The operator's tools: they speak to the API of a gateway, through a [`Door`].
//!
//! As a rule that is the admin port of a gateway on this machine, [`Http`]. What they are told on the command line is not their concern, nor whether they write to a
//! terminal: both are handed to [`run`].

mod api;
mod arguments;
mod console;
mod control;
mod dead;
mod door;
mod enqueue;
mod error;
mod http;
mod logs;
mod queue;
mod runs;
mod table;
#[expect(clippy::struct_field_names, reason = "the names are those on the wire")]
mod wire;

use std::io;
use std::process::ExitCode;

pub use self::console::{Console, Output};
pub use self::control::{Configure, Control, End, Runtime};
pub use self::dead::{Dead, DeadList, DeadShow};
pub use self::door::{Body, Door};
pub use self::enqueue::Enqueue;
pub use self::error::ClientError;
pub use self::http::Http;
pub use self::logs::Logs;
pub use self::queue::Queue;
pub use self::runs::Runs;
pub use self::table::table;
pub use self::wire::NewTask;

use gateway_core::ports::Clock;

use self::api::Api;

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Give a task to a worker.
    Enqueue(Enqueue),
    /// Show runs.
    Runs(Runs),
    /// Print a log.
    Logs(Logs),
    /// Show what waits.
    Queue(Queue),
    /// Deal with what was given up.
    Dead(Dead),
    /// Tell workers something.
    Control(Control),
}

/// Carries out `command` at the gateway behind `door`.
///
/// It blocks. A reader that goes away, as `head` does, ends it without a complaint.
///
/// # Errors
///
/// [`ClientError`], a sentence each, if the gateway cannot be reached or refuses.
pub fn run(
    door: &dyn Door,
    clock: &dyn Clock,
    command: &Command,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let api = Api(door);
    let done = match command {
        Command::Enqueue(enqueue) => enqueue::run(&api, enqueue, console),
        Command::Runs(runs) => runs::run(&api, runs, console),
        Command::Logs(logs) => logs::run(&api, logs, console),
        Command::Queue(queue) => queue::run(&api, clock, *queue, console),
        Command::Dead(dead) => dead::run(&api, dead, console),
        Command::Control(control) => control::run(&api, control, console),
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
