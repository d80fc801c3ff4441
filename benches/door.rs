//! What the door costs a call whose maker is known already: who is it, and may it?
//!
//! ```text
//! cargo bench --bench door
//! ```
//!
//! In this process, on one thread, so that its time is its CPU time: the owner of a credential is
//! looked up, its claim is checked, and a call is taken from its budgets. A thousand workers take
//! turns, so that the processor's caches do not know the one who comes next.

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::{ByKind, Overall, SystemClock, Ways, jwt, memory};
use gateway_core::app::{Certificates, Gateway, Ports};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Certificate, Credential, Presented, Secret};
use gateway_core::domain::limit::{Class, Limits, Rate};
use gateway_core::domain::task::Patience;
use gateway_core::ports::{Authenticator, Clock, Limiter};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const WORKERS: usize = 1_000;
const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 5;

/// What tokens are signed with.
const SECRET: &[u8] = b"a secret of no less than 32 bytes";

/// What a worker proves itself with.
type Proof = fn(usize) -> Outcome<Credential>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let rate = Rate::new(1e9, 1_000_000_000)?;
    let limits = Limits::even(rate);
    let each = || -> Arc<dyn Limiter> { Arc::new(memory::Limiter::fixed(limits, 20_000)) };
    let together = Limits {
        overall: Some(rate),
        ..limits
    };
    let (_set, together) = watch::channel(Some(together));
    let all = || -> Arc<dyn Limiter> { Arc::new(Overall::new(each(), together.clone())) };
    println!("µs of CPU a call   who and how many");
    for (what, proof, limiter) in [
        (
            "an API key, no limits",
            (|worker| Ok(key(worker))) as Proof,
            Arc::new(memory::Unlimited) as _,
        ),
        (
            "an API key, a budget for each worker",
            |worker| Ok(key(worker)),
            each(),
        ),
        (
            "an API key, and a budget for all together",
            |worker| Ok(key(worker)),
            all(),
        ),
        ("a bearer token, both budgets", token, all()),
        ("a client certificate, both budgets", certificate, all()),
    ] {
        let presented = (0..WORKERS).map(|worker| presented(worker, proof));
        let presented: Vec<_> = presented.collect::<Outcome<_>>()?;
        println!(
            "{:16.3}   {what}",
            measure(&gateway(limiter)?, &presented).await?
        );
    }
    Ok(())
}

/// The median of what a call took, in µs.
async fn measure(gateway: &Gateway, presented: &[Presented]) -> Outcome<f64> {
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

fn presented(worker: usize, proof: Proof) -> Outcome<Presented> {
    Ok(Presented {
        credentials: vec![proof(worker)?],
        claimed: Some(id(worker)?),
        peer: None,
        request: None,
    })
}

fn id(worker: usize) -> Outcome<WorkerId> {
    Ok(WorkerId::parse(&format!("w-{worker}"))?)
}

/// As long as those in the field.
fn key_text(worker: usize) -> String {
    format!("{worker:064x}")
}

fn key(worker: usize) -> Credential {
    Credential::Key(Secret::new(key_text(worker)))
}

fn token(worker: usize) -> Outcome<Credential> {
    let minter = jwt::Minter::new(jwt_keys()?, jwt_settings(), SECRET, None, None)?;
    let (now, ttl) = (SystemClock.now(), Duration::from_hours(1));
    Ok(Credential::Token(minter.mint(
        &id(worker)?,
        None,
        now,
        ttl,
    )?))
}

fn certificate(worker: usize) -> Outcome<Credential> {
    let uri = format!("spiffe://antcode/worker/{}", id(worker)?);
    Ok(Credential::Certificate(Arc::new(Certificate {
        uris: vec![uri],
        ..Certificate::default()
    })))
}

fn jwt_keys() -> Outcome<jwt::Keys> {
    Ok(jwt::Keys::parse(jwt::Algorithm::Hs256, SECRET)?)
}

fn jwt_settings() -> jwt::Settings {
    jwt::Settings {
        issuer: Some("bench".into()),
        audience: Some("antcode-gateway".into()),
        max_lifetime: Duration::from_hours(24),
        cache: Duration::from_secs(30),
    }
}

/// Whoever tells whose a credential is, put together as the program does.
fn authenticator(clock: &Arc<dyn Clock>) -> Outcome<Arc<dyn Authenticator>> {
    let keys =
        (0..WORKERS).map(|worker| Ok((id(worker)?, Sha256::digest(key_text(worker)).into())));
    let keys: memory::ApiKeys = keys.collect::<Outcome<_>>()?;
    let tokens = jwt::Tokens::new(jwt_keys()?, jwt_settings(), clock.clone());
    Ok(Arc::new(ByKind::new(Ways {
        keys: Some(Arc::new(keys)),
        tokens: Some(Arc::new(tokens)),
        certificates: Some(Arc::new(Certificates::new(None))),
        signatures: None,
    })))
}

fn gateway(limiter: Arc<dyn Limiter>) -> Outcome<Gateway> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: authenticator(&clock)?,
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
