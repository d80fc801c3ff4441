mod purse;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::{Class, Demand, Limits, Rate};
use gateway_core::ports::{self, LimitError};
use moka::sync::Cache;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

use self::purse::{Answer, Ask, Purse};
use super::keys::Keys;
use super::link::{Link, LinkError};
use super::reply;
use super::script::Script;

/// The part of the time for a command that Redis may take. It is no use to wait long for leave to
/// do something.
const PATIENCE: u32 = 20;

/// How long Redis is left alone after it gave no answer.
const REST: Duration = Duration::from_secs(1);

/// Workers whose purses are kept, and for how long after their last call.
const MAX_WORKERS: u64 = 20_000;
const IDLE: Duration = Duration::from_mins(1);

/// Token buckets for each worker, of all gateways together.
///
/// They are in Redis and filled by its clock. A gateway takes small slices out of them, spends them
/// by itself, and asks for nothing as long as a worker asks for little. When Redis gives no answer,
/// each gateway counts by itself.
pub struct Limiter {
    link: Link,
    keys: Keys,
    take: Script,
    limits: watch::Receiver<Option<Limits>>,
    alone: Arc<dyn ports::Limiter>,
    purses: Cache<WorkerId, Arc<Purses>>,
    begun: Instant,
    /// Until when Redis is not asked, in ms since the beginning; 0 if it answers.
    resting: AtomicU64,
}

/// The purses of one worker. Whoever asks Redis holds the lock meanwhile: those who come then spend
/// from what it brings.
#[derive(Default)]
struct Purses {
    control: Mutex<Purse>,
    poll: Mutex<Purse>,
    log: Mutex<Purse>,
    bytes: Mutex<Purse>,
}

/// Why something was not paid for.
enum Unpaid {
    Refused(LimitError),
    /// Redis did not say.
    Unknown,
}

impl Limiter {
    pub(super) fn new(
        link: Link,
        keys: Keys,
        limits: watch::Receiver<Option<Limits>>,
        alone: Arc<dyn ports::Limiter>,
    ) -> Self {
        let purses = Cache::builder()
            .max_capacity(MAX_WORKERS)
            .time_to_idle(IDLE)
            .build();
        Self {
            link,
            keys,
            take: Script::new(include_str!("lua/limit_take.lua")),
            limits,
            alone,
            purses,
            begun: Instant::now(),
            resting: AtomicU64::new(0),
        }
    }

    async fn pay(&self, worker: &WorkerId, limits: &Limits, demand: Demand) -> Result<(), Unpaid> {
        let purses = match self.purses.get(worker) {
            Some(purses) => purses,
            None => self.purses.get_with(worker.clone(), Arc::default),
        };
        let calls = f64::from(demand.calls);
        let purse = match demand.class {
            Class::Control => &purses.control,
            Class::Poll => &purses.poll,
            Class::Log => &purses.log,
        };
        let bucket = Bucket {
            worker,
            name: demand.class.name(),
            rate: limits.calls(demand.class),
        };
        if demand.calls > 0 {
            self.spend(purse, bucket, (calls, calls)).await?;
        }
        if demand.class != Class::Log {
            return Ok(());
        }
        let bytes = f64::from(u32::try_from(demand.bytes).unwrap_or(u32::MAX));
        let bucket = Bucket {
            worker,
            name: "bytes",
            rate: limits.log_bytes,
        };
        // They have been read: one must be left, and more than that may be lacking.
        let paid = self.spend(&purses.bytes, bucket, (1.0, bytes)).await;
        if paid.is_err() && demand.calls > 0 {
            purse.lock().await.put_back(calls);
        }
        paid
    }

    async fn spend(
        &self,
        purse: &Mutex<Purse>,
        bucket: Bucket<'_>,
        asked: (f64, f64),
    ) -> Result<(), Unpaid> {
        let mut purse = purse.lock().await;
        if self.is_resting() {
            return Err(Unpaid::Unknown);
        }
        let spent = purse.spend(bucket.rate, asked, self.begun.elapsed());
        let Some(ask) = spent.map_err(Unpaid::Refused)? else {
            return Ok(());
        };
        let patience = self.link.timeout() / PATIENCE;
        let answer = timeout(patience, self.ask(bucket, ask)).await;
        match answer.unwrap_or(Err(LinkError::Overdue(patience))) {
            Ok(answer) => {
                self.back();
                let settled = purse.settle(bucket.rate, ask, answer, self.begun.elapsed());
                settled.map_err(Unpaid::Refused)
            }
            Err(error) => {
                self.rest(&error);
                Err(Unpaid::Unknown)
            }
        }
    }

    async fn ask(&self, bucket: Bucket<'_>, ask: Ask) -> Result<Answer, LinkError> {
        let keys = vec![self.keys.limit(bucket.worker)];
        let numbers = [
            bucket.rate.per_second(),
            bucket.rate.capacity(),
            ask.need,
            ask.least,
            ask.most,
            ask.untold,
        ];
        let mut args: Vec<Value> = vec![bucket.name.into()];
        args.extend(numbers.map(|number| Value::from(number.to_string())));
        let mut parts = reply::list(self.link.eval(&self.take, keys, args).await?)?.into_iter();
        let mut number = || {
            let text = reply::text(&parts.next().unwrap_or(Value::Null))?;
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| LinkError::Nonsense("no number".to_owned()))
        };
        let (taken, missing) = (number()?, number()?);
        Ok(Answer {
            taken: (taken >= 0.0).then_some(taken),
            missing,
        })
    }

    fn is_resting(&self) -> bool {
        let until = self.resting.load(Ordering::Relaxed);
        until > 0 && self.begun.elapsed() < Duration::from_millis(until)
    }

    /// Leaves Redis alone for a while, and says so the first time.
    fn rest(&self, error: &LinkError) {
        let until = (self.begun.elapsed() + REST).as_millis();
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        if self.resting.swap(until, Ordering::Relaxed) == 0 {
            tracing::warn!(%error, "limits: Redis is out of reach, this gateway counts by itself");
        }
    }

    fn back(&self) {
        // Most of the time it was not away, and a look is cheaper than a write.
        let away = self.resting.load(Ordering::Relaxed) != 0;
        if away && self.resting.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("limits: Redis answers, all gateways count together");
        }
    }
}

/// One bucket of a worker's.
#[derive(Clone, Copy)]
struct Bucket<'a> {
    worker: &'a WorkerId,
    name: &'static str,
    rate: Rate,
}

#[async_trait]
impl ports::Limiter for Limiter {
    async fn admit(&self, worker: &WorkerId, demand: Demand) -> Result<(), LimitError> {
        let Some(limits) = *self.limits.borrow() else {
            return Ok(());
        };
        if self.is_resting() {
            return self.alone.admit(worker, demand).await;
        }
        match self.pay(worker, &limits, demand).await {
            Ok(()) => Ok(()),
            Err(Unpaid::Refused(refused)) => Err(refused),
            Err(Unpaid::Unknown) => self.alone.admit(worker, demand).await,
        }
    }
}
