//! The contract of `WorkerRegistry`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::time::Timestamp;
use gateway_core::domain::worker::{Heartbeat, Load, Os, Percent, Registration, WorkerStatus};
use gateway_core::ports::{WorkerRegistry, WorkerView};
use tokio::time::{Instant, sleep};

use super::{LONG, worker};

/// A backend that knows its workers.
pub(super) trait Registries {
    fn registry(&self) -> Arc<dyn WorkerRegistry>;

    /// The workers that it knows, by their names.
    async fn workers(&self) -> Vec<WorkerView>;

    /// How long a worker may be silent.
    fn heartbeat_timeout(&self) -> Duration;
}

contract!(memory, memory_live, redis, guarded, cluster => {
    a_worker_that_registers_is_known,
    a_worker_that_never_registered_is_known_by_its_heartbeat,
    a_plain_heartbeat_leaves_what_is_known_of_the_system,
    a_heartbeat_that_knows_better_is_believed,
    a_silent_worker_is_forgotten,
    a_worker_that_is_heard_of_is_kept,
    a_worker_that_was_forgotten_begins_anew,
});

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("is a time")
}

fn os() -> Os {
    Os {
        kind: "Linux".into(),
        version: "6.1".into(),
        python: "3.12.1".into(),
        arch: "x86_64".into(),
    }
}

fn able(to: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(to.to_owned(), "true".to_owned())])
}

fn registration(of: &str) -> Registration {
    Registration {
        worker: worker(of),
        os: os(),
        capabilities: able("spider"),
        at: at(0),
    }
}

fn load(running: u32) -> Load {
    Load {
        cpu: Percent::nearest(12.5),
        memory: Percent::nearest(50.0),
        disk: Percent::nearest(75.0),
        running,
        capacity: 4,
    }
}

fn plain(of: &str) -> Heartbeat {
    Heartbeat {
        worker: worker(of),
        status: WorkerStatus::Busy,
        load: Some(load(3)),
        version: "2.1.0".into(),
        os: None,
        capabilities: None,
        at: at(10),
    }
}

async fn register(bench: &impl Registries, registration: &Registration) {
    let registered = bench.registry().register(registration).await;
    registered.expect("registers");
}

async fn beat(bench: &impl Registries, heartbeat: &Heartbeat) {
    let noted = bench.registry().heartbeat(heartbeat).await;
    noted.expect("notes");
}

async fn only(bench: &impl Registries) -> WorkerView {
    let mut workers = bench.workers().await;
    assert_eq!(workers.len(), 1, "{workers:?}");
    workers.remove(0)
}

async fn a_worker_that_registers_is_known(bench: &impl Registries) {
    register(bench, &registration("w")).await;

    let known = only(bench).await;
    assert_eq!(known.id, worker("w"));
    assert_eq!((known.os, known.capabilities), (os(), able("spider")));
    assert_eq!((known.status, known.at), (WorkerStatus::Online, at(0)));
}

async fn a_worker_that_never_registered_is_known_by_its_heartbeat(bench: &impl Registries) {
    beat(bench, &plain("w")).await;

    let known = only(bench).await;
    assert_eq!((known.status, known.at), (WorkerStatus::Busy, at(10)));
    assert_eq!((known.load, &*known.version), (load(3), "2.1.0"));
    assert_eq!(known.os, Os::default());
}

async fn a_plain_heartbeat_leaves_what_is_known_of_the_system(bench: &impl Registries) {
    register(bench, &registration("w")).await;
    beat(bench, &plain("w")).await;

    let known = only(bench).await;
    assert_eq!((known.os, known.capabilities), (os(), able("spider")));
    assert_eq!((known.status, known.load), (WorkerStatus::Busy, load(3)));
}

async fn a_heartbeat_that_knows_better_is_believed(bench: &impl Registries) {
    register(bench, &registration("w")).await;
    let upgraded = Os {
        version: "6.6".into(),
        ..os()
    };
    let telling = Heartbeat {
        os: Some(upgraded.clone()),
        capabilities: Some(able("render")),
        ..plain("w")
    };
    beat(bench, &telling).await;

    let known = only(bench).await;
    assert_eq!((known.os, known.capabilities), (upgraded, able("render")));
}

/// Waits until nobody is known.
async fn wait_for_silence(bench: &impl Registries) {
    let begun = Instant::now();
    while !bench.workers().await.is_empty() {
        assert!(begun.elapsed() < LONG, "somebody is never forgotten");
        sleep(bench.heartbeat_timeout() / 20).await;
    }
}

async fn a_silent_worker_is_forgotten(bench: &impl Registries) {
    let begun = Instant::now();
    beat(bench, &plain("w")).await;
    assert_eq!(only(bench).await.id, worker("w"));

    wait_for_silence(bench).await;
    assert!(begun.elapsed() >= bench.heartbeat_timeout());
}

async fn a_worker_that_is_heard_of_is_kept(bench: &impl Registries) {
    register(bench, &registration("quiet")).await;
    let begun = Instant::now();
    while begun.elapsed() < bench.heartbeat_timeout() * 3 / 2 {
        beat(bench, &plain("w")).await;
        sleep(bench.heartbeat_timeout() / 8).await;
    }

    assert_eq!(only(bench).await.id, worker("w"));
}

async fn a_worker_that_was_forgotten_begins_anew(bench: &impl Registries) {
    register(bench, &registration("w")).await;
    wait_for_silence(bench).await;

    beat(bench, &plain("w")).await;
    assert_eq!(only(bench).await.os, Os::default());
}
