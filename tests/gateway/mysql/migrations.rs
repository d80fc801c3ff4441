//! The tables that are made where they are absent, and left alone where not.

use futures::future::join_all;
use gateway_adapters::outbound::mysql::{migrate, missing};

use crate::support::servers::MariaDb;

const ALL: [&str; 5] = [
    "workers",
    "scheduled_tasks",
    "task_executions",
    "gateway_api_keys",
    "gateway_outbox",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_is_made_and_only_once() {
    let database = MariaDb::shared().await.empty_database().await;
    let link = database.link().await;

    assert_eq!(missing(&link).await.expect("looks"), ALL);
    assert_eq!(migrate(&link).await.expect("makes"), ALL);
    assert!(missing(&link).await.expect("looks").is_empty());
    assert!(migrate(&link).await.expect("looks").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_gateways_may_make_them_at_once() {
    let database = MariaDb::shared().await.empty_database().await;
    let links = join_all((0..8).map(|_| database.link())).await;

    let made = join_all(links.iter().map(migrate)).await;
    let made = made.into_iter().flat_map(|made| made.expect("makes"));
    let mut made: Vec<_> = made.collect();
    made.sort_unstable();
    let mut all = ALL;
    all.sort_unstable();
    assert_eq!(made, all, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_the_master_stay_as_they_are_and_what_they_lack_is_named() {
    let database = MariaDb::shared().await.empty_database().await;
    database
        .query("CREATE TABLE workers (id BIGINT PRIMARY KEY, Public_Id VARCHAR(32))")
        .await;
    database
        .query("INSERT INTO workers VALUES (1, 'w-1')")
        .await;
    let before = database.query("SHOW CREATE TABLE workers").await;
    let link = database.link().await;

    let made = migrate(&link).await.expect("makes the others");
    assert_eq!(made, ALL[1..]);
    assert_eq!(database.query("SHOW CREATE TABLE workers").await, before);
    let lacking = missing(&link).await.expect("looks");
    assert_eq!(lacking, ["workers.status", "workers.api_key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_make_tables_need_not_where_they_are_there() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    let link = database.link().await;
    for sql in [
        "REVOKE ALL ON `test\\_%`.* FROM 'gateway'@'%'",
        "GRANT SELECT ON `test\\_%`.* TO 'gateway'@'%'",
    ] {
        server.query(sql).await;
    }
    assert!(migrate(&link).await.expect("has nothing to do").is_empty());

    database.query("DROP TABLE gateway_outbox").await;
    let refused = migrate(&link).await.expect_err("may not").to_string();
    assert!(refused.contains("CREATE command denied"), "{refused}");
    assert_eq!(missing(&link).await.expect("looks"), ["gateway_outbox"]);
}
