//! How much a worker may ask, and how many calls there may be at once.

mod budgets;
mod crowds;
mod growth;
#[cfg(feature = "redis")]
mod keys;
mod live;
mod reloads;
mod sizes;
mod strangers;
mod weights;

use std::sync::Arc;

use gateway_adapters::outbound::memory;
use gateway_core::domain::audit::Action;
use gateway_core::domain::limit::{Limits, Rate};
use gateway_core::ports::Limiter;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{Gateway, proto};

fn rate(per_second: f64, capacity: u32) -> Rate {
    Rate::new(per_second, capacity).expect("is a rate")
}

fn limiter(limits: Limits) -> Arc<dyn Limiter> {
    Arc::new(memory::Limiter::fixed(limits, 1_000))
}

/// Refused for its number or size, with a word on when to come back.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>) {
    let refused = answer.expect_err("is refused");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let info = refused.get_details_retry_info();
    assert!(info.is_some_and(|info| info.retry_delay.is_some()));
    assert!(refused.metadata().contains_key("grpc-retry-pushback-ms"));
}

/// How often it was written down that a worker asks too much.
fn trips(gateway: &Gateway) -> usize {
    let events = gateway.audit.latest();
    let trips = events
        .iter()
        .filter(|event| matches!(event.action, Action::Limited { .. }));
    trips.count()
}

fn line(run: &str, content: String) -> proto::LogEntry {
    proto::LogEntry {
        run_id: run.into(),
        content,
        ..Default::default()
    }
}
