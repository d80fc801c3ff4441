use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::thread;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use crate::Outcome;
use crate::process::Process;
use crate::worker;

/// Workers that have a key.
const WORKERS: u32 = 10_000;

/// Troubles that are shown, at most.
const SHOWN: usize = 20;

/// The built gateway.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts it in `folder` on the Redis at `url`, and waits until it serves.
    pub(crate) async fn start(folder: &Path, url: &str) -> Outcome<Self> {
        let keys = folder.join("keys.json");
        fs::write(&keys, serde_json::to_string(&digests())?)?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_antcode-gateway"))
            .current_dir(folder)
            // Whatever is set here is not for this gateway.
            .env_clear()
            .envs([
                ("GRPC_HOST", "127.0.0.1"),
                ("GRPC_PORT", "0"),
                ("ADMIN_PORT", "0"),
                ("LOG_FORMAT", "json"),
                ("REDIS_URL", url),
                // On, and never in the way.
                ("RATE_LIMIT_RATE", "100000"),
                ("RATE_LIMIT_CAPACITY", "100000"),
                // All workers come from one address.
                ("GRPC_MAX_CONNECTIONS_PER_ADDRESS", "12000"),
            ])
            .env("API_KEYS_FILE", &keys)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().ok_or("stderr is piped")?;
        let process = Process::new(child);
        let (tell, told) = oneshot::channel();
        thread::spawn(move || listen(log, tell));
        let address = told.await.map_err(|_| "the gateway ended at its start")?;
        Ok(Self { process, address })
    }
}

/// By worker, what its key hashes to.
fn digests() -> BTreeMap<String, String> {
    let digest = |worker| Sha256::digest(worker::key(worker));
    let hex = |worker| digest(worker).map(|byte| format!("{byte:02x}")).join("");
    let entry = |worker| (worker::name(worker), hex(worker));
    (0..WORKERS).map(entry).collect()
}

/// Reads the log to its end, tells where the gateway serves, and shows what troubles it.
fn listen(log: ChildStderr, tell: oneshot::Sender<SocketAddr>) {
    let (mut tell, mut shown) = (Some(tell), 0);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["message"] == "serving gRPC" {
            let address = event["address"].as_str().and_then(|text| text.parse().ok());
            if let (Some(tell), Some(address)) = (tell.take(), address) {
                let _nobody_waits = tell.send(address);
            }
        } else if event["level"] != "INFO" && shown < SHOWN {
            shown += 1;
            eprintln!("gateway: {line}");
        }
    }
}
