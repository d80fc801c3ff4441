use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::Outcome;

/// Loads a gateway with workers, tasks and log lines, and tells how it does.
///
/// Ends with 1 if a task was lost.
#[derive(Debug, clap::Parser)]
#[command(group = clap::ArgGroup::new("credentials").required(true).args(["keys", "open"]))]
pub(crate) struct Args {
    /// Where the gateway serves workers
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    pub(crate) gateway: String,
    #[arg(long, default_value_t = 100, value_parser = above_zero)]
    pub(crate) workers: usize,
    /// Connections that the workers share [default: one for each worker]. The gateway takes 256
    /// calls at once on one, and a worker has two waiting
    #[arg(long, value_parser = above_zero)]
    pub(crate) connections: Option<usize>,
    /// JSON file of worker ids with their keys: {"w-1": "key"}
    #[arg(long)]
    keys: Option<PathBuf>,
    /// Present no key: the gateway has `AUTH_ENABLED=false`
    #[arg(long)]
    open: bool,
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    pub(crate) tasks_per_second: f64,
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub(crate) log_lines_per_second: f64,
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Queue the tasks through the operator's API
    #[arg(
        long,
        default_value = "http://127.0.0.1:50052",
        conflicts_with = "redis_url"
    )]
    pub(crate) admin: String,
    /// Queue the tasks in Redis, as the Master does
    #[arg(long)]
    pub(crate) redis_url: Option<String>,
    #[arg(long, default_value = "antcode", requires = "redis_url")]
    pub(crate) namespace: String,
    /// How long a worker asks the gateway to wait for a task
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) poll_timeout_ms: i32,
    /// Tell the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who a worker is, and how it proves it.
pub(crate) type Identity = (String, Option<String>);

impl Args {
    /// Who the workers are.
    pub(crate) fn identities(&self) -> Outcome<Vec<Identity>> {
        let Some(file) = &self.keys else {
            let ids = 1..=self.workers;
            return Ok(ids
                .map(|number| (format!("swarm-{number}"), None))
                .collect());
        };
        let name = file.display();
        let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
        let keys: BTreeMap<String, String> =
            serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        if keys.len() < self.workers {
            let (has, wants) = (keys.len(), self.workers);
            return Err(format!("{name} has {has} keys for {wants} workers").into());
        }
        let keys = keys.into_iter().take(self.workers);
        Ok(keys.map(|(id, key)| (id, Some(key))).collect())
    }
}

fn above_zero(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be above zero".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(rate),
        Ok(_) => Err("must be 0 to 1000000".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}
