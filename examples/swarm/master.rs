use std::sync::Arc;
use std::time::Duration;

use fred::prelude::{Builder, Client, ClientLike as _, Config, Value};
use fred::types::{ClusterHash, CustomCommand};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use ureq::Agent;

use crate::Outcome;
use crate::args::Args;
use crate::tally::{NewTask, QUEUED_AT};

const PATIENCE: Duration = Duration::from_secs(5);

/// Who queues tasks.
#[derive(Clone)]
pub(crate) enum Master {
    /// The operator, by hand.
    Api(Agent, Arc<str>),
    /// The Master, in Redis.
    Redis(Client, Arc<str>),
}

impl Master {
    pub(crate) async fn connect(args: &Args) -> Outcome<Self> {
        let Some(url) = &args.redis_url else {
            let agent = Agent::config_builder().proxy(None);
            let agent = agent.timeout_global(Some(PATIENCE)).build().into();
            let tasks = format!("{}/api/tasks", args.admin.trim_end_matches('/'));
            return Ok(Self::Api(agent, tasks.into()));
        };
        let client = Builder::from_config(Config::from_url(url)?)
            .with_performance_config(|config| config.default_command_timeout = PATIENCE)
            .build()?;
        // It goes on trying by itself, for ever.
        let connected = timeout(PATIENCE, client.init()).await;
        let _task = connected.map_err(|_| "no connection to --redis-url")??;
        Ok(Self::Redis(client, args.namespace.as_str().into()))
    }

    /// Tasks that may be on their way to the queue at a time.
    pub(crate) fn at_once(&self) -> usize {
        match self {
            Self::Api(..) => 16,
            Self::Redis(..) => 512,
        }
    }

    /// Queues a task for a worker.
    pub(crate) async fn enqueue(&self, worker: &str, task: &NewTask) -> Result<(), String> {
        let params = json!({ QUEUED_AT: task.at.to_string() });
        match self {
            Self::Api(agent, url) => {
                let (agent, url) = (agent.clone(), url.clone());
                let task = json!({
                    "worker_id": worker, "task_id": task.id, "run_id": task.id, "params": params,
                    "entry_point": "swarm", "timeout": 60,
                });
                let sent = spawn_blocking(move || agent.post(&*url).send_json(task)).await;
                let answer = sent.map_err(|error| error.to_string())?;
                answer.map(drop).map_err(|error| error.to_string())
            }
            Self::Redis(client, namespace) => {
                let key = format!("{namespace}:task:ready:{worker}");
                let entry = entry(key, task, params.to_string());
                let xadd = CustomCommand::new_static("XADD", ClusterHash::FirstKey, false);
                let added = client.custom::<Value, _>(xadd, entry).await;
                added.map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

/// What the Master writes: all of it text, nested values as JSON.
fn entry(key: String, task: &NewTask, params: String) -> Vec<String> {
    let fields = [
        ("task_id", task.id.clone()),
        ("run_id", task.id.clone()),
        ("project_id", "swarm".to_owned()),
        ("project_type", "code".to_owned()),
        ("priority", "0".to_owned()),
        ("params", params),
        ("environment", "{}".to_owned()),
        ("timeout", "60".to_owned()),
        ("download_url", String::new()),
        ("file_hash", String::new()),
        ("entry_point", "swarm".to_owned()),
        ("is_compressed", "false".to_owned()),
    ];
    let fields = fields.into_iter();
    let fields = fields.flat_map(|(name, value)| [name.to_owned(), value]);
    [key, "*".to_owned()].into_iter().chain(fields).collect()
}
