//! How long an open connection stays.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::activity::Activity;
use super::open::Opened;
use super::requests::{Leaving, Requests};
use super::{Calls, End, Limits, Port};

/// What the headers of a call may weigh, in bytes.
const MAX_HEADERS: u32 = 16 * 1024;

/// What may be under way to us unread: on one stream, and on one connection, in bytes. Times the
/// connections this is memory, so it is no more than a large result needs to flow.
pub(super) const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Peers that are gone without a word are noticed after the sum of these.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Resets that a client may cause, or leave unread, before its connection is closed.
const MAX_LOCAL_RESETS: usize = 1024;
const MAX_PENDING_RESETS: usize = 20;

/// How long a connection that was asked to end stays without a call when the gateway leaves: its
/// peer may be far away, and learn of it when it has just made another.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// What it takes to tell the calls that are left that they are cut off.
const FAREWELL: Duration = Duration::from_millis(250);

/// How far a connection's age may be from what it is set to. Those that came at the same time do
/// not go at the same time.
const JITTER: f64 = 0.1;

impl<S: Calls> Port<S> {
    /// Serves what comes over a connection until either side has had enough of it; why it ended.
    pub(super) async fn drive(&self, opened: Opened) -> End {
        let Opened { stream, known } = opened;
        let activity = Arc::new(Activity::default());
        let leaving = Leaving::default();
        let requests = Requests::new(self, known, activity.clone(), leaving.clone());
        let connection = self
            .protocol()
            .serve_connection(TokioIo::new(stream), requests);
        let mut connection = pin!(connection);
        let end = tokio::select! {
            ended = connection.as_mut() => return reason(ended),
            () = self.stop.cancelled() => End::Shutdown,
            end = over(&self.limits, &activity) => end,
        };
        connection.as_mut().graceful_shutdown();
        leaving.asked.cancel();
        tokio::select! {
            _ended = connection.as_mut() => return end,
            () = self.cut.cancelled() => {}
            () = self.unheard(&activity) => {}
            () = sleep(self.limits.max_age_grace), if end != End::Shutdown => {}
        }
        leaving.over.cancel();
        if activity.quiet_since().is_none() {
            let _cut = timeout(FAREWELL, connection).await;
        }
        end
    }

    /// Waits until the gateway leaves and nothing more is heard over a connection.
    async fn unheard(&self, activity: &Activity) {
        self.stop.cancelled().await;
        activity.silence(LAST_WORDS).await;
    }

    /// HTTP/2 with its limits. Several are off in the library, or may be one day, unless set.
    fn protocol(&self) -> Builder<TokioExecutor> {
        let mut http2 = Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_concurrent_streams)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_header_list_size(MAX_HEADERS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .adaptive_window(false)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .auto_date_header(false);
        http2
    }
}

fn reason(ended: hyper::Result<()>) -> End {
    match ended {
        Ok(()) => End::Closed,
        Err(error) => {
            tracing::debug!(%error, "connection broken");
            if error.is_timeout() {
                End::Silent
            } else {
                End::Failed
            }
        }
    }
}

/// Waits until a connection has been open for long enough, or for long enough without a call.
async fn over(limits: &Limits, activity: &Activity) -> End {
    let began = Instant::now();
    let share = rand::random_range(1.0 - JITTER..=1.0 + JITTER);
    let aged = after(began, limits.max_age.mul_f64(share));
    let mut idle = after(began, limits.idle);
    loop {
        let next = match (aged, idle) {
            (Some(aged), Some(idle)) => aged.min(idle),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return std::future::pending().await,
        };
        sleep_until(next).await;
        if aged.is_some_and(|aged| aged <= next) {
            return End::Aged;
        }
        let quiet_since = activity.quiet_since().unwrap_or_else(Instant::now);
        let due = after(quiet_since, limits.idle);
        if due.is_some_and(|due| due <= next) {
            return End::Idle;
        }
        idle = due;
    }
}

/// The moment so long after `start`; none for no time at all.
fn after(start: Instant, wait: Duration) -> Option<Instant> {
    (!wait.is_zero()).then(|| start + wait)
}
