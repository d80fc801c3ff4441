//! What a gateway keeps does not grow with the names that clients make up (T28).

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::{SystemClock, jwt, memory};
use gateway_core::app::{self, Ports};
use gateway_core::domain::identity::{Credential, Presented, Secret};
use gateway_core::domain::limit::Limits;
use gateway_core::domain::task::Patience;
use gateway_core::ports::{Attempts, Authenticator, Clock};

use super::rate;
use crate::support::worker_id;

/// Names that are made up.
const STRANGERS: u32 = 1_000_000;

/// What may be kept of them, in KiB.
const GROWTH: u64 = 64 * 1024;

/// Set for a process that does nothing else.
const ALONE: &str = "ANTCODE_TEST_ALONE";

#[expect(
    clippy::disallowed_methods,
    reason = "this is no setting of the gateway's"
)]
fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// T28: those who fail do not make it grow, whatever name, proof and address each has. What it has
/// is measured in a process of its own, where no other test takes any.
#[test]
fn a_million_names_leave_nothing_behind() {
    const NAME: &str = "edge::limits::growth::a_million_names_leave_nothing_behind";

    if is_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("is built");
        runtime.block_on(strangers());
        return;
    }
    let program = std::env::current_exe().expect("is a program");
    let alone = Command::new(program)
        .args(["--exact", NAME, "--nocapture"])
        .env(ALONE, "")
        .output();
    let alone = alone.expect("runs");
    let said = String::from_utf8_lossy(&alone.stdout);
    let trouble = String::from_utf8_lossy(&alone.stderr);
    assert!(alone.status.success(), "{said}{trouble}");
    assert!(said.contains("1 passed"), "{said}");
}

/// What this process has, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("is a process");
    let resident = status.lines().find_map(|line| {
        let size = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
        size.parse().ok()
    });
    resident.expect("says how much")
}

#[track_caller]
fn assert_bounded(what: &str, before: u64) {
    let grown = resident().saturating_sub(before);
    println!("{what}: {grown} KiB more than {before} KiB");
    assert!(grown < GROWTH, "{what}: {grown} KiB more");
}

fn limits() -> Limits {
    // Nobody's buckets are ever full again, so that there is something to remember of everybody.
    Limits::even(rate(0.001, 10))
}

fn ports(authenticator: Arc<dyn Authenticator>, attempts: Arc<dyn Attempts>) -> Ports {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What logs and results may take is for the operator to say, and no more than that is taken.
    let settings = memory::Settings {
        log_bytes: 4 << 20,
        chunk_bytes: 4 << 20,
        result_bytes: 4 << 20,
        ..memory::Settings::default()
    };
    let max_workers = settings.max_workers;
    let backend = memory::Backend::new(&settings, &clock);
    Ports {
        attempts,
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator,
        clock,
        control_channel: backend.control_channel,
        limiter: Arc::new(memory::Limiter::fixed(limits(), max_workers)),
        log_sink: backend.log_sink,
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    }
}

fn presented(number: u32, credential: Credential) -> Presented {
    Presented {
        credentials: vec![credential],
        claimed: Some(worker_id(&format!("w-{number}"))),
        peer: Some(IpAddr::V4(Ipv4Addr::from_bits(number))),
        request: None,
    }
}

/// Keys and tokens that are nobody's, each from an address of its own.
async fn strangers() {
    let key = [0; 64];
    let keys = jwt::Keys::parse(jwt::Algorithm::Hs256, &key).expect("is a key");
    let settings = jwt::Settings {
        issuer: None,
        audience: None,
        max_lifetime: Duration::from_hours(24),
        cache: Duration::from_secs(30),
    };
    let attempts = || Arc::new(memory::Attempts::new(10));
    let of_keys = memory::ApiKeys::from_iter([(worker_id("w"), [0; 32])]);
    let of_keys = app::Gateway::new(&ports(Arc::new(of_keys), attempts()), Patience::default());
    let of_tokens = jwt::Tokens::new(keys, settings, Arc::new(SystemClock));
    let of_tokens = app::Gateway::new(&ports(Arc::new(of_tokens), attempts()), Patience::default());

    let before = resident();
    for number in 0..STRANGERS {
        let text = Secret::new(format!("e30.e30.{number}"));
        let (gateway, credential) = match number % 2 {
            0 => (&of_keys, Credential::Key(text)),
            _ => (&of_tokens, Credential::Token(text)),
        };
        let refused = gateway
            .access
            .identify(&presented(number, credential))
            .await;
        refused.expect_err("is nobody's");
    }
    assert_bounded("strangers", before);
}
