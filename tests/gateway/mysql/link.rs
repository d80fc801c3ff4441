//! The connections: who is away is known, who is back is found.

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use diesel_async::SimpleAsyncConnection as _;
use gateway_adapters::outbound::mysql::{Fault, Link, LinkError, LinkSettings};
use gateway_core::domain::identity::Secret;
use tokio::time::timeout;

use crate::support::servers::{LONG, MariaDb, Proxy};

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Text)]
    value: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_strict_and_does_not_wait_for_long() {
    let database = MariaDb::shared().await.empty_database().await;
    let link = database.link().await;

    for (variable, value) in [
        ("@@innodb_lock_wait_timeout", "3"),
        ("FLOOR(@@max_statement_time)", "3"),
        ("@@tx_isolation", "READ-COMMITTED"),
        ("@@autocommit", "1"),
        ("@@time_zone", "+00:00"),
        ("@@lc_messages", "en_US"),
        ("@@character_set_client", "utf8mb4"),
        ("@@character_set_results", "utf8mb4"),
        ("FIND_IN_SET('STRICT_ALL_TABLES', @@sql_mode) > 0", "1"),
    ] {
        assert_eq!(ask(&link, variable).await, value, "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_tells_how_many_rows_it_found() {
    let database = MariaDb::shared().await.empty_database().await;
    database.query("CREATE TABLE t (n INT)").await;
    database.query("INSERT INTO t VALUES (1), (1)").await;
    let link = database.link().await;
    let mut connection = link.connection().await.expect("connects");

    let same = sql_query("UPDATE t SET n = 1");
    assert_eq!(same.execute(&mut connection).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_away_at_the_start_is_found_later() {
    let server = MariaDb::start().await;
    let database = server.empty_database().await;
    server.stop();

    let link = Link::connect(&database.settings()).expect("starts without it");
    let mut away = link.away();
    let told = away.wait_for(|reason| is_refused(reason.as_deref())).await;
    told.expect("is told");
    assert_away(&link).await;

    server.restart().await;
    back(&link).await;
    assert_eq!(ask(&link, "7").await, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_is_away_at_once_and_back_with_fresh_connections() {
    let server = MariaDb::start().await;
    let link = server.empty_database().await.link().await;
    assert_eq!(ask(&link, "1").await, "1");

    for end in [MariaDb::kill, MariaDb::stop] {
        end(&server);
        gone(&link).await;
        assert_away(&link).await;
        server.restart().await;
        back(&link).await;
        // Not one of the old connections is handed out.
        for _ in 0..8 {
            assert_eq!(ask(&link, "1").await, "1");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_no_answer_is_away_until_it_does() {
    let server = MariaDb::start().await;
    let link = server.empty_database().await.link().await;
    assert_eq!(ask(&link, "1").await, "1");

    server.pause();
    gone(&link).await;
    assert_away(&link).await;
    server.resume();
    back(&link).await;
    assert_eq!(ask(&link, "1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_all_connections_is_no_outage_and_nobody_notices() {
    let server = MariaDb::start().await;
    let link = server.empty_database().await.link().await;
    let mut away = link.away();
    away.mark_unchanged();

    for round in 0..20 {
        // All the pool has are in use, then idle.
        let all = futures::future::join_all((0..4).map(|_| link.connection())).await;
        assert!(all.iter().all(Result::is_ok), "round {round}");
        drop(all);
        server.kill_connections().await;
        assert_eq!(ask(&link, "1").await, "1");
    }
    assert!(!away.has_changed().expect("lives"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_waits_a_while_and_no_longer() {
    let database = MariaDb::shared().await.empty_database().await;
    let link = database.link().await;
    let all = futures::future::join_all((0..4).map(|_| link.connection())).await;

    let none = link.connection().await;
    assert!(matches!(none, Err(LinkError::Busy(_))), "{:?}", none.err());
    drop(all);
    assert!(link.connection().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_left_open_is_not_handed_to_the_next() {
    use diesel_async::{AnsiTransactionManager, TransactionManager};

    let database = MariaDb::shared().await.empty_database().await;
    let settings = LinkSettings {
        pool_size: 1,
        ..database.settings()
    };
    let link = Link::connect(&settings).expect("is an address");
    back(&link).await;
    let mut connection = link.connection().await.expect("connects");
    let before = id(&mut connection).await;
    AnsiTransactionManager::begin_transaction(&mut *connection)
        .await
        .expect("begins");

    drop(connection);
    let mut next = link.connection().await.expect("connects");
    assert_ne!(id(&mut next).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_has_all_connections_made_anew() {
    let server = MariaDb::start().await;
    let database = server.empty_database().await;
    database.query("CREATE TABLE t (n INT)").await;
    let settings = LinkSettings {
        pool_size: 1,
        ..database.settings()
    };
    let link = Link::connect(&settings).expect("is an address");
    back(&link).await;
    server.query("SET GLOBAL read_only = 1").await;

    let mut connection = link.connection().await.expect("connects");
    let before = id(&mut connection).await;
    let write = connection.batch_execute("INSERT INTO t VALUES (1)").await;
    assert_eq!(link.judge(&write.expect_err("is refused")), Fault::ReadOnly);
    drop(connection);

    let mut next = link.connection().await.expect("connects");
    assert_ne!(id(&mut next).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_not_shown() {
    let database = MariaDb::shared().await.empty_database().await;
    let url = database.url.replace("p%40ss%2Fword", "hunter2");
    let link = Link::connect(&LinkSettings {
        url: Secret::new(url),
        ..database.settings()
    });
    let link = link.expect("is an address");

    let mut away = link.away();
    let denied = |reason: &Option<String>| {
        let denied = reason
            .as_ref()
            .is_some_and(|text| text.contains("Access denied"));
        denied && !format!("{reason:?}").contains("hunter2")
    };
    let told = timeout(LONG, away.wait_for(denied)).await.expect("in time");
    told.expect("is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_is_known_to() {
    let server = MariaDb::shared().await;
    let database = server.empty_database().await;
    let proxy = Proxy::start(server.port()).await;
    let port = |port: u16| format!("127.0.0.1:{port}/");
    let url = database
        .url
        .replace(&port(server.port()), &port(proxy.port()));
    let link = Link::connect(&LinkSettings {
        url: Secret::new(url),
        ..database.settings()
    });
    let link = link.expect("is an address");
    back(&link).await;

    proxy.black_hole();
    gone(&link).await;
    proxy.pass();
    back(&link).await;
    proxy.cut_all();
    assert_eq!(ask(&link, "1").await, "1");
}

fn is_refused(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.contains("refused"))
}

async fn assert_away(link: &Link) {
    let none = link.connection().await;
    assert!(matches!(none, Err(LinkError::Away(_))), "{:?}", none.err());
}

async fn gone(link: &Link) {
    let mut away = link.away();
    let told = timeout(LONG, away.wait_for(Option::is_some)).await;
    told.expect("in time").expect("is told");
}

async fn back(link: &Link) {
    let mut away = link.away();
    let told = timeout(LONG, away.wait_for(Option::is_none)).await;
    told.expect("in time").expect("is told");
}

async fn ask(link: &Link, what: &str) -> String {
    let mut connection = link.connection().await.expect("connects");
    let query = sql_query(format!("SELECT CAST({what} AS CHAR) AS value"));
    let answer: Answer = query.get_result(&mut connection).await.expect("answers");
    answer.value
}

async fn id(connection: &mut gateway_adapters::outbound::mysql::Connection) -> String {
    let query = sql_query("SELECT CAST(CONNECTION_ID() AS CHAR) AS value");
    let answer: Answer = query.get_result(connection).await.expect("answers");
    answer.value
}
