use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::gateway::Gateway;
use crate::redis::Redis;
use crate::worker::{Worker, connect};

/// How long a gateway may take until it has found its Redis.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway on a Redis, both new.
pub(crate) struct Testbed {
    // The gateway goes before its Redis, and both before their folder.
    pub(crate) gateway: Gateway,
    pub(crate) redis: Redis,
    _folder: TempDir,
}

impl Testbed {
    /// Starts both, and waits until a worker is answered.
    pub(crate) async fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Redis::start(folder.path()).await?;
        let gateway = Gateway::start(folder.path(), &redis.url).await?;
        let channels = connect(gateway.address, 1).await?;
        let worker = Worker::new(0, channels.first().ok_or("there is a connection")?)?;
        let late = Instant::now() + PATIENCE;
        while let Err(status) = worker.poll_task(1).await {
            if Instant::now() > late {
                return Err(status.into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        worker.poll_control(1).await?;
        worker.beat().await?;
        Ok(Self {
            gateway,
            redis,
            _folder: folder,
        })
    }
}
