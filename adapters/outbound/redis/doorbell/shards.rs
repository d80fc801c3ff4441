//! Hearing of new entries by waiting on the streams, where Redis does not tell of them.
//!
//! To wait on a stream costs Redis something each time it begins, so the streams are spread over a
//! few connections, and one that was waited for stays a while.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike as _;
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::super::link::{Link, LinkError};
use super::super::reply;
use super::super::script::Script;
use super::{Doorbell, Ear, Inner};

/// Connections that wait.
const SHARDS: usize = 4;

/// How long one waits in Redis at a time, and how much later its answer is overdue.
const BLOCK: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(2);

/// How long newcomers are gathered before the wait begins anew with them.
const GATHER: Duration = Duration::from_millis(10);

/// How long a stream is waited on after the last who asked for it: longer than a poll may wait, and
/// polls come again and again.
const LINGER: Duration = Duration::from_secs(90);

/// What all know of an empty stream.
const BEGINNING: &str = "0-0";

/// The streams that somebody waits for, spread over a few.
pub(super) struct Shards {
    each: [Shard; SHARDS],
    spread: RandomState,
}

#[derive(Default)]
struct Shard {
    wanted: Mutex<HashSet<String>>,
    newcomers: Notify,
    /// Whether somebody waits on them.
    served: AtomicBool,
}

impl Default for Shards {
    fn default() -> Self {
        Self {
            each: std::array::from_fn(|_| Shard::default()),
            spread: RandomState::new(),
        }
    }
}

impl Shards {
    /// From now on a new entry in `stream` rings. It rings once as it begins, too: what came
    /// before is for a look to find.
    pub(super) fn watch(&self, stream: String) {
        let count = SHARDS as u64;
        let place = usize::try_from(self.spread.hash_one(&stream) % count);
        self.each[place.unwrap_or_default()].want(stream);
    }

    /// What is to be watched and is not yet.
    #[cfg(test)]
    pub(super) fn watched(&self) -> Vec<String> {
        let wanted = self.each.iter().map(|shard| shard.wanted().clone());
        wanted.flatten().collect()
    }
}

impl Shard {
    fn want(&self, stream: String) {
        self.wanted().insert(stream);
        self.newcomers.notify_one();
    }

    /// Whether whoever asks is to wait on them from now on, as nobody does.
    fn serve(&self) -> bool {
        !self.served.swap(true, Ordering::SeqCst)
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to wait on all that is watched, until the doorbell hears another way. It must hear this
/// way by now.
pub(super) fn spawn(link: &Link, doorbell: &Doorbell) {
    for (place, shard) in doorbell.0.shards.each.iter().enumerate() {
        if !shard.serve() {
            continue;
        }
        let waiter = Waiter {
            place,
            link: link.clone(),
            doorbell: Arc::downgrade(&doorbell.0),
            client: link.client(),
            wake: doorbell
                .0
                .keys
                .probe(&format!("{:016x}", rand::random::<u64>())),
            script: Script::new(include_str!("../lua/probe.lua")),
            streams: HashMap::new(),
        };
        tokio::spawn(waiter.run());
    }
}

/// One of the connections that wait.
struct Waiter {
    place: usize,
    link: Link,
    doorbell: Weak<Inner>,
    client: Client,
    /// A stream of its own: an entry there, which this script makes, ends the wait.
    wake: String,
    script: Script,
    streams: HashMap<String, Watched>,
}

struct Watched {
    /// The last entry that was heard of.
    last: String,
    wanted: Instant,
}

impl Waiter {
    async fn run(mut self) {
        let _task = self.client.connect();
        while let Some(doorbell) = self.doorbell.upgrade().map(Doorbell) {
            let shard = &doorbell.0.shards.each[self.place];
            if doorbell.ear() != Ear::Shards {
                shard.served.store(false, Ordering::SeqCst);
                // It may hear this way again, and have found us still there.
                if doorbell.ear() != Ear::Shards || !shard.serve() {
                    break;
                }
            }
            if let Err(error) = self.turn(&doorbell).await {
                debug!(%error, "waiting on the streams failed");
                // Whoever waits looks by itself meanwhile, and once all is well.
                sleep(GRACE / 4).await;
                self.streams.clear();
                doorbell.watch_all();
                doorbell.ring_all();
            }
        }
        // A connection that does not end in order ends with the process.
        let _quit = self.client.quit().await;
    }

    async fn turn(&mut self, doorbell: &Doorbell) -> Result<(), LinkError> {
        self.take_up(doorbell).await?;
        let shard = &doorbell.0.shards.each[self.place];
        if self.streams.is_empty() {
            let _over = timeout(BLOCK, shard.newcomers.notified()).await;
            return Ok(());
        }
        let wait = self.wait();
        tokio::pin!(wait);
        let heard = tokio::select! {
            heard = &mut wait => heard?,
            () = shard.newcomers.notified() => {
                sleep(GATHER).await;
                let wakes = vec![self.wake.clone()];
                self.link.eval(&self.script, wakes, Vec::new()).await?;
                wait.await?
            }
        };
        for (stream, last) in heard {
            doorbell.ring_stream(&stream);
            if let Some(watched) = self.streams.get_mut(&stream) {
                watched.last = last;
            }
        }
        Ok(())
    }

    /// Takes the newcomers in, and lets go of those nobody has asked for lately.
    async fn take_up(&mut self, doorbell: &Doorbell) -> Result<(), LinkError> {
        let now = Instant::now();
        let mut wanted = std::mem::take(&mut *doorbell.0.shards.each[self.place].wanted());
        if self.place == 0 {
            wanted.insert(doorbell.0.keys.control_global());
        }
        self.streams
            .retain(|_, watched| now.duration_since(watched.wanted) < LINGER);
        for stream in wanted {
            if let Some(watched) = self.streams.get_mut(&stream) {
                watched.wanted = now;
                continue;
            }
            let last = self.last_entry(&stream).await?;
            // Up to here a look finds everything; what comes later ends the wait.
            doorbell.ring_stream(&stream);
            self.streams.insert(stream, Watched { last, wanted: now });
        }
        Ok(())
    }

    async fn last_entry(&self, stream: &str) -> Result<String, LinkError> {
        let args = vec![
            stream.into(),
            "+".into(),
            "-".into(),
            "COUNT".into(),
            1.into(),
        ];
        let newest = reply::entries(self.link.read("XREVRANGE", args).await?)?;
        let id = newest.into_iter().next().map(|(id, _)| id);
        Ok(id.unwrap_or_else(|| BEGINNING.to_owned()))
    }

    /// The streams that have something new, each with its first new entry.
    fn wait(&self) -> impl Future<Output = Result<Vec<(String, String)>, LinkError>> + use<> {
        let mut args: Vec<Value> = vec!["COUNT".into(), 1.into(), "BLOCK".into()];
        args.push(i64::try_from(BLOCK.as_millis()).unwrap_or(i64::MAX).into());
        args.push("STREAMS".into());
        args.push(self.wake.as_str().into());
        args.extend(
            self.streams
                .keys()
                .map(|stream| Value::from(stream.as_str())),
        );
        args.push("$".into());
        let lasts = self.streams.values();
        args.extend(lasts.map(|watched| Value::from(watched.last.as_str())));
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(BLOCK + GRACE),
            fail_fast: true,
            ..Options::default()
        };
        let client = self.client.with_options(&options);
        async move {
            let command = CustomCommand::new_static("XREAD", ClusterHash::Random, true);
            heard(Box::pin(client.custom(command, args)).await?)
        }
    }
}

fn heard(answer: Value) -> Result<Vec<(String, String)>, LinkError> {
    let streams = reply::list(answer)?.into_iter();
    let heard = streams.map(|stream| {
        let mut parts = reply::list(stream)?.into_iter();
        let name = reply::text(&parts.next().unwrap_or(Value::Null))?;
        let entries = reply::entries(parts.next().unwrap_or(Value::Null))?;
        Ok(entries.into_iter().next_back().map(|(id, _)| (name, id)))
    });
    heard.filter_map(Result::transpose).collect()
}
