use std::process::ExitCode;

use gateway_core::domain::id::RunId;
use serde_json::Value;

use super::api::Api;
use super::table::{glance, paragraph, table, to_the_second};
use super::{ClientError, Console, wire};

/// Which runs to show, and how.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// The one to show; none shows them all, the newest first.
    pub run: Option<String>,
    /// Print JSON.
    pub json: bool,
}

pub(super) fn run(
    api: &Api<'_>,
    asked: &Runs,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let path = match &asked.run {
        Some(run) => format!("/api/runs/{}", RunId::parse(run)?),
        None => "/api/runs".to_owned(),
    };
    if asked.json {
        return console.json(&api.read(&path)?);
    }
    let lines = match &asked.run {
        Some(_) => details(&api.read(&path)?),
        None => list(&api.read::<wire::Runs>(&path)?.runs),
    };
    console.lines(&lines)
}

const TITLES: [&str; 8] = [
    "RUN", "TASK", "WORKER", "STATUS", "EXIT", "STARTED", "DURATION", "MESSAGE",
];

fn list(runs: &[wire::Run]) -> Vec<String> {
    let rows: Vec<_> = runs.iter().map(row).collect();
    table(TITLES, &rows)
}

fn row(run: &wire::Run) -> [String; 8] {
    let message = run.error_message.as_deref().unwrap_or_default();
    [
        run.run_id.clone(),
        run.task_id.clone(),
        run.worker_id.clone(),
        run.status.clone(),
        run.exit_code
            .map(|code| code.to_string())
            .unwrap_or_default(),
        run.started_at
            .as_deref()
            .map(to_the_second)
            .unwrap_or_default(),
        run.duration_seconds.map(duration).unwrap_or_default(),
        glance(message),
    ]
}

fn details(run: &wire::Run) -> Vec<String> {
    const WIDTH: usize = 10;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let facts = [
        ("run", run.run_id.clone()),
        ("task", run.task_id.clone()),
        ("worker", run.worker_id.clone()),
        ("status", run.status.clone()),
        (
            "exit code",
            run.exit_code
                .map(|code| code.to_string())
                .unwrap_or_default(),
        ),
        ("created", run.created_at.clone()),
        ("started", optional(&run.started_at)),
        ("finished", optional(&run.finished_at)),
        (
            "duration",
            run.duration_seconds.map(duration).unwrap_or_default(),
        ),
        ("message", optional(&run.error_message)),
        ("data", data(run)),
    ];
    let known = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
    known
        .flat_map(|(name, fact)| paragraph(WIDTH, name, &fact))
        .collect()
}

fn data(run: &wire::Run) -> String {
    if run.data.is_empty() {
        return String::new();
    }
    format!("{:#}", Value::Object(run.data.clone()))
}

/// As a person would say it: `0.25s`, `61.0s`, `1h02m03s`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.2}s");
    }
    if seconds < 120.0 {
        return format!("{seconds:.1}s");
    }
    let whole = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whole = whole.as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}m{seconds:02}s"),
        hours => format!("{hours}h{minutes:02}m{seconds:02}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_as_exact_as_it_matters() {
        for (seconds, wanted) in [
            (0.0, "0.00s"),
            (0.25, "0.25s"),
            (61.04, "61.0s"),
            (125.9, "2m05s"),
            (3723.0, "1h02m03s"),
        ] {
            assert_eq!(duration(seconds), wanted);
        }
    }
}
