//! What clients are told when something is refused or fails.

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_core::app::Error;
use gateway_core::domain::identity::RequestId;
use gateway_core::ports::{
    AuthError, Cause, ControlError, KnownOutage, LimitError, LogError, OwnerError, QueueError,
    RegistryError, ResultError,
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::request_id;

/// Outages that are told of at once; beyond it, one a second.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("ten is more than nothing");

/// When to come back after an outage of ours.
const OUTAGE_RETRY: Duration = Duration::from_secs(1);

/// What the client is told of `error`.
///
/// The match has no catch-all: a new error does not compile until it has a code. The message is
/// the error's own text; its source goes to the log and no further.
pub(super) fn status(error: &Error) -> Status {
    let code = match error {
        Error::Invalid(_)
        | Error::Log(LogError::Misfit(_))
        | Error::Result(ResultError::Unwritable { .. }) => Code::InvalidArgument,
        Error::Auth(AuthError::Rejected) => Code::Unauthenticated,
        Error::Impostor { .. }
        | Error::Queue(QueueError::NotTheirs(_))
        | Error::Owner(OwnerError::NotTheirs { .. })
        | Error::Result(ResultError::NotTheirs { .. })
        | Error::Control(ControlError::ReceiptNotTheirs(_) | ControlError::RequestNotTheirs(_)) => {
            Code::PermissionDenied
        }
        Error::Result(ResultError::UnknownRun(_))
        | Error::Control(ControlError::UnknownRequest(_)) => Code::NotFound,
        Error::Log(LogError::Full) => Code::ResourceExhausted,
        Error::Throttled(throttled) => {
            return exceeded(error, throttled.retry_after, throttled.full_after);
        }
        Error::Limit(LimitError::Exceeded {
            retry_after,
            full_after,
        }) => return exceeded(error, *retry_after, *full_after),
        Error::Auth(AuthError::Exceeded { retry_after })
        | Error::Limit(LimitError::Crowded { retry_after, .. }) => {
            return exceeded(error, *retry_after, *retry_after);
        }
        Error::Auth(AuthError::Unavailable(cause))
        | Error::Limit(LimitError::Unavailable(cause))
        | Error::Queue(QueueError::Unavailable(cause))
        | Error::Log(LogError::Unavailable(cause))
        | Error::Result(ResultError::Unavailable(cause))
        | Error::Owner(OwnerError::Unavailable(cause))
        | Error::Control(ControlError::Unavailable(cause))
        | Error::Registry(RegistryError::Unavailable(cause)) => return outage(error, cause),
    };
    Status::new(code, error.to_string())
}

/// The gateway is about to leave; another, or the next, will serve.
pub(super) fn stopping() -> Status {
    retry_later(
        Code::Unavailable,
        "the gateway is stopping; connect again",
        OUTAGE_RETRY,
        MetadataMap::new(),
    )
}

fn outage(error: &Error, cause: &Cause) -> Status {
    tell_log(error, cause);
    retry_later(
        Code::Unavailable,
        &error.to_string(),
        OUTAGE_RETRY,
        MetadataMap::new(),
    )
}

/// Writes down what lies beneath an outage, unless that was told when it began, or others like it
/// were just now: a thousand calls that fail in a second say no more than a few.
fn tell_log(error: &Error, cause: &Cause) {
    static WORTH_TELLING: LazyLock<DefaultDirectRateLimiter> = LazyLock::new(|| {
        RateLimiter::direct(Quota::per_second(NonZeroU32::MIN).allow_burst(BURST))
    });
    static UNTOLD: AtomicU64 = AtomicU64::new(0);

    let request = request_id::current();
    let request = request.as_ref().map(RequestId::as_str);
    let mut beneath = cause.to_string();
    let mut known = cause.is::<KnownOutage>();
    let mut source = cause.source();
    while let Some(deeper) = source {
        known |= deeper.is::<KnownOutage>();
        beneath = format!("{beneath}: {deeper}");
        source = deeper.source();
    }
    if known {
        tracing::debug!(cause = beneath, request, "{error}");
    } else if WORTH_TELLING.check().is_ok() {
        let untold = UNTOLD.swap(0, Ordering::Relaxed);
        tracing::error!(cause = beneath, request, untold, "{error}");
    } else {
        UNTOLD.fetch_add(1, Ordering::Relaxed);
    }
}

/// A limit, in all the ways that clients know of saying when to come back.
fn exceeded(error: &Error, retry_after: Duration, full_after: Duration) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("retry-after", whole_seconds(retry_after).into());
    metadata.insert("x-ratelimit-remaining", 0.into());
    metadata.insert("x-ratelimit-reset", whole_seconds(full_after).into());
    retry_later(
        Code::ResourceExhausted,
        &error.to_string(),
        retry_after,
        metadata,
    )
}

fn retry_later(code: Code, message: &str, after: Duration, mut metadata: MetadataMap) -> Status {
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1);
    metadata.insert("grpc-retry-pushback-ms", millis.into());
    let details = ErrorDetails::with_retry_info(Some(after));
    Status::with_error_details_and_metadata(code, message, details, metadata)
}

/// Rounded up: who comes back too early is refused again.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_does_not_show_what_lies_beneath() {
        let cause = "redis://:hunter2@10.0.0.7 refused the connection";
        let status = status(&QueueError::Unavailable(cause.into()).into());

        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "task queue is temporarily unavailable");
        assert!(!format!("{status:?}").contains("hunter2"));
    }

    #[test]
    fn a_limit_says_in_every_way_when_to_come_back() {
        let status = status(
            &LimitError::Exceeded {
                retry_after: Duration::from_millis(10),
                full_after: Duration::from_secs(2),
            }
            .into(),
        );

        assert_eq!(status.code(), Code::ResourceExhausted);
        for (name, value) in [
            ("retry-after", "1"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "2"),
            ("grpc-retry-pushback-ms", "10"),
        ] {
            let said = status.metadata().get(name).expect(name);
            assert_eq!(said.to_str().expect("is text"), value, "{name}");
        }
        let info = status.get_details_retry_info().expect("says when");
        assert_eq!(info.retry_delay, Some(Duration::from_millis(10)));
    }

    #[test]
    fn trouble_of_our_own_is_never_the_callers_credential() {
        let status = status(&AuthError::Unavailable("database is down".into()).into());

        assert_eq!(status.code(), Code::Unavailable);
    }
}
