//! Decorators that count and measure: a port around a port, whatever is behind it.

mod others;
mod stores;
mod task_queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_core::app::Ports;
use gateway_core::domain::task::Patience;
use metrics::{Histogram, histogram};
use tokio::time::Instant;

use self::stores::{Logs, Results};
use self::task_queue::Tasks;
use crate::metrics::BACKEND_SECONDS;

/// Puts a decorator around each of `ports` that is worth it. `patience` tells which tasks are given
/// up rather than handed out.
///
/// It counts by the recorder that is installed when it is called.
pub fn metered(ports: Ports, patience: Patience) -> Ports {
    let tasks = Tasks::new(patience);
    Ports {
        authenticator: Metered::around(ports.authenticator, "authenticator", ()),
        control_channel: Metered::around(ports.control_channel, "control channel", ()),
        limiter: Metered::around(ports.limiter, "limiter", ()),
        log_sink: Metered::around(ports.log_sink, "log sink", Logs::new()),
        result_store: Metered::around(ports.result_store, "result store", Results::new()),
        run_owners: Metered::around(ports.run_owners, "run owners", ()),
        task_queue: Metered::around(ports.task_queue, "task queue", tasks),
        worker_registry: Metered::around(ports.worker_registry, "worker registry", ()),
        ..ports
    }
}

/// A port whose calls are measured, and whose answers are counted where there is something to
/// count.
struct Metered<P: ?Sized, C> {
    port: Arc<P>,
    seconds: Histogram,
    counts: C,
}

impl<P: ?Sized, C> Metered<P, C> {
    fn around(port: Arc<P>, name: &'static str, counts: C) -> Arc<Self> {
        let seconds = histogram!(BACKEND_SECONDS, "port" => name);
        Arc::new(Self {
            port,
            seconds,
            counts,
        })
    }

    /// Measures `call`, also one that nobody waits for to its end. Nothing is awaited after its
    /// answer, so whoever must not lose one does not.
    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let _watch = Watch {
            seconds: &self.seconds,
            began: Instant::now(),
        };
        call.await
    }

    /// Measures `call` unless it `waits` for something to come.
    async fn timed_unless<T>(&self, waits: bool, call: impl Future<Output = T>) -> T {
        if waits {
            return call.await;
        }
        self.timed(call).await
    }
}

/// Records the time it is dropped after.
struct Watch<'a> {
    seconds: &'a Histogram,
    began: Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.seconds.record(self.began.elapsed());
    }
}
