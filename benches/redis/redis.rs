use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fred::prelude::{Builder, Client, ClientLike as _, Config};
use fred::types::{ClusterHash, CustomCommand};
use serde_json::json;
use tokio::time::sleep;

use crate::Outcome;
use crate::process::Process;
use crate::worker;

/// Commands that go out together.
const PIPELINE: usize = 1_000;

/// A Redis of our own, and a connection to it.
pub(crate) struct Redis {
    pub(crate) process: Process,
    pub(crate) url: String,
    client: Client,
}

/// A task to queue: for which worker, by which name, when.
pub(crate) struct NewTask {
    pub(crate) worker: u32,
    pub(crate) id: String,
    pub(crate) at: u64,
}

impl Redis {
    /// Starts it in `folder`, and waits until it answers.
    pub(crate) async fn start(folder: &Path) -> Outcome<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .arg("--dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let child = child.map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                "redis-server is missing: apt-get install redis-server".to_owned()
            } else {
                format!("redis-server does not start: {error}")
            }
        })?;
        let mut process = Process::new(child);
        let url = format!("redis://127.0.0.1:{port}/0");
        let client = loop {
            if process.has_ended()? {
                return Err("redis-server ended at its start".into());
            }
            let client = Builder::from_config(Config::from_url(&url)?).build()?;
            if client.init().await.is_ok() {
                break client;
            }
            sleep(Duration::from_millis(20)).await;
        };
        Ok(Self {
            process,
            url,
            client,
        })
    }

    /// Queues a task as the Master does.
    pub(crate) async fn enqueue(&self, task: &NewTask) -> Outcome<()> {
        Ok(self.client.custom::<(), _>(xadd(), entry(task)).await?)
    }

    /// Queues tasks, many at a time.
    pub(crate) async fn enqueue_all(&self, tasks: &[NewTask]) -> Outcome<()> {
        for tasks in tasks.chunks(PIPELINE) {
            let pipeline = self.client.pipeline();
            for task in tasks {
                pipeline.custom::<(), _>(xadd(), entry(task)).await?;
            }
            let _ids: Vec<String> = pipeline.all().await?;
        }
        Ok(())
    }

    /// Tasks that are in the queues of the first so many workers.
    pub(crate) async fn waiting(&self, workers: u32) -> Outcome<u64> {
        let mut waiting = 0;
        for worker in 0..workers {
            let xlen = CustomCommand::new_static("XLEN", ClusterHash::FirstKey, false);
            waiting += self
                .client
                .custom::<u64, _>(xlen, vec![key(worker)])
                .await?;
        }
        Ok(waiting)
    }

    /// How many connections others than we have.
    pub(crate) async fn connections(&self) -> Outcome<usize> {
        let command = CustomCommand::new_static("CLIENT", ClusterHash::Random, false);
        let list: String = self.client.custom(command, vec!["LIST"]).await?;
        Ok(list.lines().count() - 1)
    }
}

fn xadd() -> CustomCommand {
    CustomCommand::new_static("XADD", ClusterHash::FirstKey, false)
}

fn key(worker: u32) -> String {
    format!("antcode:task:ready:{}", worker::name(worker))
}

fn entry(task: &NewTask) -> Vec<String> {
    let params = json!({ "url": "https://example.com/", "at": task.at.to_string() });
    let fields = [
        ("task_id", task.id.clone()),
        ("run_id", format!("run-{}", task.id)),
        ("project_id", "project-1".to_owned()),
        ("project_type", "code".to_owned()),
        ("priority", "5".to_owned()),
        ("params", params.to_string()),
        ("environment", "{}".to_owned()),
        ("timeout", "3600".to_owned()),
        (
            "download_url",
            "https://example.com/files/project-1.zip".to_owned(),
        ),
        ("file_hash", format!("{:064x}", 1)),
        ("entry_point", "main.py".to_owned()),
        ("is_compressed", "true".to_owned()),
    ];
    let fields = fields.into_iter();
    let fields = fields.flat_map(|(name, value)| [name.to_owned(), value]);
    let head = [key(task.worker), "*".to_owned()];
    head.into_iter().chain(fields).collect()
}
