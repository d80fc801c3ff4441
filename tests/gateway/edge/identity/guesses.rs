//! What guessing costs the database (T13, T14).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::StreamExt as _;
use gateway_adapters::outbound::mysql::{ApiKeySettings, ApiKeys, KeyStorage};
use gateway_core::app::Ports;
use gateway_core::domain::identity::{Credential, Presented, Secret};
use gateway_core::domain::task::Patience;
use tonic::Code;

use super::*;
use crate::support::Worker;
use crate::support::servers::{Database, MariaDb};

async fn keys(database: &Database) -> Arc<dyn Authenticator> {
    let settings = ApiKeySettings {
        storage: KeyStorage::Plain,
        cache: Duration::from_secs(30),
        stale_max: Duration::from_mins(10),
    };
    let keys = ApiKeys::new(database.link().await, settings);
    Arc::new(ByKind::new(Ways {
        keys: Some(Arc::new(keys)),
        ..Ways::default()
    }))
}

/// T13: ten thousand wrong keys from one address, and what they cost.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_wrong_keys_cost_twenty_questions_at_most() {
    const WRONG: usize = 10_000;

    let server = MariaDb::start_with(&["--general-log", "--log-output=TABLE"]).await;
    let database = server.database().await;
    database.add_worker("w-1", "the key of w-1").await;
    let gateway = Gateway::start_with(Options {
        authenticator: Some(keys(&database).await),
        attempts: Arc::new(memory::Attempts::new(10)),
        ..Options::default()
    })
    .await;
    let known = Worker::new(gateway.address, "w-1", Some("the key of w-1"));
    known.beat(0).await.expect("is let in");
    let before = questions(&server).await;

    let strangers: Vec<Worker> = (0..8)
        .map(|_| Worker::new(gateway.address, "", None))
        .collect();
    let calls = futures::stream::iter(0..WRONG).map(|number| {
        let client = strangers[number % strangers.len()].client();
        let request = beat(&key(&format!("wrong key {number}")));
        async move { client.clone().send_heartbeat(request).await }
    });
    let mut answers = calls.buffer_unordered(256);
    let mut told = 0;
    while let Some(answer) = answers.next().await {
        let code = answer.expect_err("is nobody's").code();
        assert!(
            matches!(code, Code::Unauthenticated | Code::ResourceExhausted),
            "{code:?}"
        );
        told += 1;
        if told % 100 == 0 {
            known.beat(0).await.expect("is let in all the while");
        }
    }
    assert_eq!(told, WRONG);
    let asked = questions(&server).await - before;
    assert!((1..=20).contains(&asked), "{asked} questions");
    gateway.stop().await;
}

/// How often the tables were asked whose a key is.
async fn questions(server: &MariaDb) -> usize {
    let count = "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Execute' \
                 AND argument LIKE '%gateway_api_keys%'";
    server.query(count).await[0][0]
        .parse()
        .expect("is a number")
}

/// T14: keys from everywhere get four connections between them, and a worker that is known none
/// of it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_from_everywhere_get_few_connections_and_nobodys_place() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    database.add_worker("w-1", "the key of w-1").await;
    let settings = gateway_adapters::outbound::mysql::LinkSettings {
        pool_size: 32,
        ..database.settings()
    };
    let link = gateway_adapters::outbound::mysql::Link::connect(&settings).expect("connects");
    let _answers = link.away().wait_for(Option::is_none).await.is_ok();
    let settings = ApiKeySettings {
        storage: KeyStorage::Plain,
        cache: Duration::from_secs(30),
        stale_max: Duration::from_mins(10),
    };
    let authenticator = Arc::new(ApiKeys::new(link, settings));
    let gateway = access(authenticator);
    let known = presented("the key of w-1", Ipv4Addr::LOCALHOST);
    gateway.access.identify(&known).await.expect("is let in");

    let calls = futures::stream::iter(0..3000_u32).map(|number| {
        let stranger = presented(
            &format!("wrong key {number}"),
            Ipv4Addr::from_bits(0x0a00_0000 + number),
        );
        let (gateway, known) = (&gateway, &known);
        async move {
            let refused = gateway.access.identify(&stranger).await;
            refused.expect_err("is nobody's");
            gateway.access.identify(known).await.expect("is let in");
        }
    });
    calls.buffer_unordered(500).collect::<Vec<()>>().await;
    let most = server
        .query("SHOW GLOBAL STATUS LIKE 'Max_used_connections'")
        .await;
    let most: u32 = most[0][1].parse().expect("is a number");
    // Four that look keys up, those of this test, and the pulse.
    assert!(most <= 8, "{most} connections");
}

fn presented(key: &str, peer: Ipv4Addr) -> Presented {
    Presented {
        credentials: vec![Credential::Key(Secret::new(key))],
        peer: Some(IpAddr::V4(peer)),
        ..Presented::default()
    }
}

/// The use cases without a way in.
fn access(authenticator: Arc<dyn Authenticator>) -> gateway_core::app::Gateway {
    let clock: Arc<dyn gateway_core::ports::Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(10)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator,
        clock,
        control_channel: backend.control_channel,
        limiter: Arc::new(memory::Unlimited),
        log_sink: backend.log_sink,
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    gateway_core::app::Gateway::new(&ports, Patience::default())
}
