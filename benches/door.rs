//! What the door costs a call whose maker is known already: who is it, and may it?
//!
//! ```text
//! cargo bench --bench door
//! ```
//!
//! In this process, on one thread, so that its time is its CPU time: the owner of an API key is
//! looked up, its claim is checked, and a call is taken from its budget. A thousand workers take
//! turns, so that the processor's caches do not know the one who comes next.

use std::sync::Arc;

use gateway_adapters::outbound::{Overall, SystemClock, memory};
use gateway_core::app::{Gateway, Ports};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Presented, Secret};
use gateway_core::domain::limit::{Class, Limits, Rate};
use gateway_core::domain::task::Patience;
use gateway_core::ports::{Clock, Limiter};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const WORKERS: usize = 1_000;
const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let rate = Rate::new(1e6, 1_000_000)?;
    let limits = Limits::even(rate);
    let each = || -> Arc<dyn Limiter> { Arc::new(memory::Limiter::fixed(limits, 20_000)) };
    let together = Limits {
        overall: Some(rate),
        ..limits
    };
    let (_set, together) = watch::channel(Some(together));
    println!("µs of CPU a call   who and how many");
    for (what, limiter) in [
        ("a key, no limits", Arc::new(memory::Unlimited) as _),
        ("a key, a budget for each worker", each()),
        (
            "a key, a budget for each worker and one for all together",
            Arc::new(Overall::new(each(), together)) as _,
        ),
    ] {
        println!("{:16.3}   {what}", measure(&gateway(limiter)?).await?);
    }
    Ok(())
}

/// The median of what a call took, in µs.
async fn measure(gateway: &Gateway) -> Outcome<f64> {
    let presented: Vec<_> = (0..WORKERS).map(presented).collect::<Result<_, _>>()?;
    let mut each = Vec::new();
    for _ in 0..=ROUNDS {
        let begun = Instant::now();
        for presented in presented.iter().cycle().take(CALLS as usize) {
            let caller = gateway.access.identify(presented).await?;
            gateway.access.admit(&caller, Class::Control).await?;
        }
        each.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    // The first pays for what is done once.
    each.remove(0);
    each.sort_by(f64::total_cmp);
    Ok(each[ROUNDS / 2])
}

fn presented(worker: usize) -> Outcome<Presented> {
    Ok(Presented {
        credentials: vec![Credential::Key(Secret::new(key(worker)))],
        claimed: Some(WorkerId::parse(&name(worker))?),
        peer: None,
        request: None,
    })
}

fn name(worker: usize) -> String {
    format!("w-{worker}")
}

/// A key as long as those in the field.
fn key(worker: usize) -> String {
    format!("{worker:064x}")
}

fn gateway(limiter: Arc<dyn Limiter>) -> Outcome<Gateway> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let keys = (0..WORKERS).map(|worker| {
        let digest = Sha256::digest(key(worker)).into();
        WorkerId::parse(&name(worker)).map(|id| (id, digest))
    });
    let keys: memory::ApiKeys = keys.collect::<Result<_, _>>()?;
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: Arc::new(keys),
        clock,
        control_channel: backend.control_channel,
        limiter,
        log_sink: backend.log_sink,
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    Ok(Gateway::new(&ports, Patience::default()))
}
