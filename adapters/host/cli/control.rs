use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::pair;

/// A control message to workers.
#[derive(Clone, Debug, Subcommand)]
pub enum Control {
    /// Ask that a run be cancelled
    Cancel(End),
    /// Ask that a run be killed
    Kill(End),
    /// Change settings of workers
    Config(Configure),
    /// Have workers manage their runtime, and wait for what they answer
    Runtime(Runtime),
}

/// Which run is to end, and why.
#[derive(Args, Clone, Debug)]
pub struct End {
    /// The run
    pub run_id: String,
    /// The task that it is a run of, for workers that know it by that
    #[arg(long, value_name = "ID")]
    pub task_id: Option<String>,
    /// The worker to tell; left out, the one that has the run
    #[arg(long, value_name = "ID")]
    pub worker: Option<String>,
    /// Why, for the worker's log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Which settings to change, and whose.
#[derive(Args, Clone, Debug)]
pub struct Configure {
    /// The settings, such as max_concurrent_tasks=4
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = pair)]
    pub settings: Vec<(String, String)>,
    /// The worker to tell, or all
    #[arg(long, value_name = "ID", default_value = "all")]
    pub worker: Recipient,
}

/// What to do with the runtime, and whose.
#[derive(Args, Clone, Debug)]
pub struct Runtime {
    /// The action, as the worker understands it
    pub action: String,
    /// The worker to tell, or all
    #[arg(long, value_name = "ID", default_value = "all")]
    pub worker: Recipient,
    /// What the action needs, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub payload: Option<Map<String, Value>>,
    /// How long to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub wait: Duration,
}

/// Who gets a control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Every worker.
    All,
    /// The worker with this id.
    One(String),
}

impl FromStr for Recipient {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "all" => Self::All,
            id => Self::One(id.to_owned()),
        })
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .filter(|seconds| (0.0..=3600.0).contains(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or("expected seconds from 0 to 3600")
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::tests::{parse, read};
    use super::*;

    #[test]
    fn a_run_is_ended_where_it_is_unless_a_worker_is_named() {
        let Control::Cancel(end) = control("control cancel r-1") else {
            panic!("not cancel");
        };
        assert_eq!((end.run_id.as_str(), end.worker), ("r-1", None));

        let Control::Kill(end) = control("control kill r-1 --worker w --reason late") else {
            panic!("not kill");
        };
        assert_eq!(end.worker.as_deref(), Some("w"));
        assert_eq!(end.reason.as_deref(), Some("late"));
    }

    #[test]
    fn settings_are_pairs() {
        let Control::Config(configure) = control("control config a=1 b= --worker w") else {
            panic!("not config");
        };
        let pairs: Vec<_> = configure
            .settings
            .iter()
            .map(|(k, v)| format!("{k}:{v}"))
            .collect();
        assert_eq!(pairs, ["a:1", "b:"]);
    }

    #[test]
    fn a_payload_is_a_json_object() {
        let Control::Runtime(runtime) =
            control(r#"control runtime list --payload {"a":1} --wait 2.5"#)
        else {
            panic!("not runtime");
        };
        assert_eq!(runtime.payload.expect("is given")["a"], 1);
        assert_eq!(runtime.wait, Duration::from_millis(2500));

        for line in ["--payload [1]", "--payload {", "--wait -1", "--wait NaN"] {
            let line = format!("control runtime list {line}");
            assert_eq!(parse(&line).expect_err(&line).exit_code(), 2, "{line}");
        }
    }

    fn control(line: &str) -> Control {
        match read(line).command {
            Some(Command::Control(control)) => control,
            other => panic!("{other:?}"),
        }
    }
}
