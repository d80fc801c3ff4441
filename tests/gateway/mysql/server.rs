//! The servers that these tests start.

use mysql_async::prelude::Queryable as _;

use crate::support::servers::MariaDb;

#[tokio::test(flavor = "multi_thread")]
async fn databases_of_one_server_are_each_a_tests_own() {
    let server = MariaDb::shared().await;
    let (one, other) = (server.database().await, server.empty_database().await);

    assert_eq!(server.port(), MariaDb::shared().await.port());
    assert_ne!(one.name, other.name);
    assert!(one.url.contains("p%40ss%2Fword"));
    let tables = one.query("SHOW TABLES").await.concat();
    assert!(tables.contains(&"task_executions".to_owned()), "{tables:?}");
    assert!(other.query("SHOW TABLES").await.is_empty());
    assert_eq!(one.query("SELECT 1, NULL").await, [["1", "NULL"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_outlives_each_end() {
    let server = MariaDb::start().await;
    let database = server.empty_database().await;
    database.query("CREATE TABLE t (n INT)").await;

    for end in [MariaDb::kill, MariaDb::stop] {
        database.query("INSERT INTO t VALUES (1)").await;
        end(&server);
        server.restart().await;
    }
    assert_eq!(database.query("SELECT COUNT(*) FROM t").await, [["2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_let_go_is_gone_with_its_folder_though_it_is_paused() {
    let server = MariaDb::start().await;
    let folder = server.folder().to_owned();
    let mut waiting = server.empty_database().await.connect().await;
    server.pause();

    drop(server);
    assert!(waiting.query_drop("DO 1").await.is_err());
    assert!(!folder.exists());
}
