use std::process::ExitCode;

use gateway_core::domain::id::RunId;

use super::api::Api;
use super::runs::duration;
use super::{ClientError, Console, NewTask, logs, wire};

/// A task to queue, and whether to stay with it.
#[derive(Clone, Debug, Default)]
pub struct Enqueue {
    /// The task.
    pub task: NewTask,
    /// Print its log until it has ended, and tell how it did.
    pub follow: bool,
}

pub(super) fn run(
    api: &Api<'_>,
    asked: &Enqueue,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let wire::Queued {
        task_id,
        run_id,
        worker_id,
    } = api.post("/api/tasks", &asked.task)?;
    let queued = format!("queued run {run_id} (task {task_id}) for {worker_id}");
    console.out.line(&queued)?;
    if !asked.follow {
        let hint = format!("follow it with: antcode-gateway logs {run_id} --follow");
        console.err.line(&hint)?;
        return Ok(ExitCode::SUCCESS);
    }
    let ended = logs::follow(api, &RunId::parse(&run_id)?, console)?;
    console.out.line(&result(&ended))?;
    Ok(match ended.status.as_str() {
        "success" => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// How `run` ended, in a line.
fn result(run: &wire::Run) -> String {
    let code = run.exit_code.map(|code| format!(", exit code {code}"));
    let after = run.duration_seconds.map(duration);
    let after = after.map(|duration| format!(", after {duration}"));
    let message = run.error_message.as_ref().map(|text| format!(": {text}"));
    let facts = [code, after, message].into_iter().flatten();
    let head = format!("run {} ended: {}", run.run_id, run.status);
    std::iter::once(head).chain(facts).collect()
}
