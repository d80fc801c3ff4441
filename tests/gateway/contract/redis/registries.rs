use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::time::Timestamp;
use gateway_core::domain::worker::{Heartbeat, Load, Os, Percent, Registration, WorkerStatus};
use gateway_core::ports::{self, Master as _, WorkerView};

use super::super::worker;
use super::super::worker_registry::Registries;
use super::{Redis, on_one};

impl Registries for Redis {
    fn registry(&self) -> Arc<dyn ports::WorkerRegistry> {
        if self.guarded {
            return self.guard(&self.backend.worker_registry);
        }
        self.backend.worker_registry.clone()
    }

    async fn workers(&self) -> Vec<WorkerView> {
        self.backend.master.workers().await.expect("lists")
    }

    fn heartbeat_timeout(&self) -> Duration {
        self.settings.heartbeat_timeout
    }
}

async fn hash(redis: &Redis) -> BTreeMap<String, String> {
    let all = redis.command(&["HGETALL", &redis.key("heartbeat:w")]).await;
    let words = all.texts();
    let pairs = words.chunks(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const SYSTEM: [(&str, &str); 5] = [
    ("os_type", "Linux"),
    ("os_version", "6.1"),
    ("python_version", "3.12.1"),
    ("machine_arch", "x86_64"),
    ("capabilities", r#"{"spider":"true"}"#),
];

fn registration() -> Registration {
    Registration {
        worker: worker("w"),
        os: Os {
            kind: "Linux".into(),
            version: "6.1".into(),
            python: "3.12.1".into(),
            arch: "x86_64".into(),
        },
        capabilities: BTreeMap::from([("spider".to_owned(), "true".to_owned())]),
        at: Timestamp::from_second(1_800_000_000).expect("is a time"),
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        worker: worker("w"),
        status: WorkerStatus::Busy,
        load: Some(Load {
            cpu: Percent::nearest(12.5),
            memory: Percent::nearest(0.1),
            disk: Percent::nearest(75.0),
            running: 3,
            capacity: 4,
        }),
        version: "2.1.0".into(),
        os: None,
        capabilities: None,
        at: Timestamp::new(1_800_000_010, 123_456_789).expect("is a time"),
    }
}

#[tokio::test]
async fn the_hash_is_that_of_the_contract() {
    let redis = on_one().await;
    let registry = redis.registry();

    registry.register(&registration()).await.expect("registers");
    let mut expected = fields(&SYSTEM);
    expected.extend(fields(&[
        ("status", "online"),
        ("timestamp", "2027-01-15T08:00:00.000000+00:00"),
    ]));
    assert_eq!(hash(&redis).await, expected);

    registry.heartbeat(&heartbeat()).await.expect("notes");
    expected.extend(fields(&[
        ("status", "busy"),
        ("timestamp", "2027-01-15T08:00:10.123456+00:00"),
        ("cpu_percent", "12.5"),
        ("memory_percent", "0.1"),
        ("disk_percent", "75"),
        ("running_tasks", "3"),
        ("max_concurrent_tasks", "4"),
        ("version", "2.1.0"),
    ]));
    assert_eq!(hash(&redis).await, expected);
}

#[tokio::test]
async fn what_a_heartbeat_does_not_say_stays() {
    let redis = on_one().await;
    let registry = redis.registry();
    registry.heartbeat(&heartbeat()).await.expect("notes");
    let mut expected = hash(&redis).await;

    let silent = Heartbeat {
        status: WorkerStatus::Online,
        load: None,
        version: String::new(),
        ..heartbeat()
    };
    registry.heartbeat(&silent).await.expect("notes");
    expected.insert("status".into(), "online".into());
    assert_eq!(hash(&redis).await, expected);
}

#[tokio::test]
async fn each_sign_of_life_renews_the_expiry() {
    let redis = on_one().await;
    let timeout = i64::try_from(redis.heartbeat_timeout().as_millis()).expect("is short");
    let key = redis.key("heartbeat:w");
    let beat = heartbeat();
    let registration = registration();
    redis.registry().heartbeat(&beat).await.expect("notes");
    let ttl = redis.command(&["PTTL", &key]).await.int();
    assert!((1..=timeout).contains(&ttl), "{ttl}");

    redis.command(&["PERSIST", &key]).await;
    redis
        .registry()
        .register(&registration)
        .await
        .expect("registers");
    let renewed = redis.command(&["PTTL", &key]).await.int();
    assert!((1..=timeout).contains(&renewed), "{renewed}");
}
