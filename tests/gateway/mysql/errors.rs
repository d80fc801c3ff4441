//! What the server says is understood: from its own mouth, so that a change of words is noticed.

use diesel::result::Error;
use diesel_async::SimpleAsyncConnection as _;
use gateway_adapters::outbound::mysql::{Connection, Fault, Link};

use crate::support::servers::{Database, MariaDb};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(3), n TINYINT, d DATETIME(6), \
                     j JSON, r INT NOT NULL)";

async fn table() -> (Database, Link) {
    let database = MariaDb::shared().await.empty_database().await;
    database.query(TABLE).await;
    database
        .query("INSERT INTO t (id, n, r) VALUES (1, 0, 0), (2, 0, 0)")
        .await;
    let link = database.link().await;
    (database, link)
}

async fn refused(connection: &mut Connection, sql: &str) -> Error {
    let answer = connection.batch_execute(sql).await;
    answer.expect_err(sql)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_never_will() {
    let (_, link) = table().await;
    let mut connection = link.connection().await.expect("connects");
    for sql in [
        "UPDATE t SET s = 'four'",
        "UPDATE t SET n = 128",
        "UPDATE t SET n = 'x'",
        "UPDATE t SET s = X'FF'",
        "UPDATE t SET d = 'yesterday'",
        "UPDATE t SET j = '{'",
        "UPDATE t SET r = NULL",
        "UPDATE t SET n = 9223372036854775807 + 1",
        "INSERT INTO t (id, r) VALUES (1, 1)",
        "INSERT INTO t (id) VALUES (3)",
    ] {
        let error = refused(&mut connection, sql).await;
        assert_eq!(Fault::of(&error), Fault::Misfit, "{sql}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_known_as_one() {
    let (_, link) = table().await;
    let mut one = link.connection().await.expect("connects");
    let mut other = link.connection().await.expect("connects");
    for (connection, row) in [(&mut one, 1), (&mut other, 2)] {
        let locked = format!("BEGIN; UPDATE t SET n = 1 WHERE id = {row}");
        connection.batch_execute(&locked).await.expect("locks");
    }

    let (first, second) = tokio::join!(
        one.batch_execute("UPDATE t SET n = 1 WHERE id = 2"),
        other.batch_execute("UPDATE t SET n = 1 WHERE id = 1"),
    );
    let error = first.and(second).expect_err("one of them is the victim");
    assert_eq!(Fault::of(&error), Fault::Deadlock, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_takes_too_long_is_known_as_one() {
    let (_, link) = table().await;
    let mut holder = link.connection().await.expect("connects");
    let mut waiter = link.connection().await.expect("connects");
    let locked = holder.batch_execute("BEGIN; UPDATE t SET n = 1 WHERE id = 1");
    locked.await.expect("locks");

    // Whichever of the two limits is noticed first.
    let error = refused(&mut waiter, "UPDATE t SET n = 2 WHERE id = 1").await;
    assert_eq!(Fault::of(&error), Fault::LockTimeout, "{error}");
    let error = refused(
        &mut waiter,
        "SET SESSION innodb_lock_wait_timeout = 1; UPDATE t SET n = 2 WHERE id = 1",
    );
    let error = error.await;
    assert!(
        error.to_string().starts_with("Lock wait timeout"),
        "{error}"
    );
    assert_eq!(Fault::of(&error), Fault::LockTimeout, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_known_as_one() {
    let (_, link) = table().await;
    let mut connection = link.connection().await.expect("connects");

    let error = refused(&mut connection, "UPDATE t SET n = SLEEP(60)").await;
    assert!(error.to_string().contains("max_statement_time"), "{error}");
    assert_eq!(Fault::of(&error), Fault::LockTimeout, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_no_more_is_gone() {
    let server = MariaDb::start().await;
    let link = server.empty_database().await.link().await;

    let mut cut = link.connection().await.expect("connects");
    server.kill_connections().await;
    let error = refused(&mut cut, "DO 1").await;
    assert_eq!(Fault::of(&error), Fault::Gone, "{error}");
    let error = refused(&mut cut, "DO 1").await;
    assert_eq!(Fault::of(&error), Fault::Gone, "{error}");

    let mut dead = link.connection().await.expect("connects");
    server.kill();
    let error = refused(&mut dead, "DO 1").await;
    assert_eq!(Fault::of(&error), Fault::Gone, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_connection_is_killed_says_so() {
    let server = MariaDb::start().await;
    let link = server.empty_database().await.link().await;
    let mut running = link.connection().await.expect("connects");

    let slow = running.batch_execute("SET SESSION max_statement_time = 0; DO SLEEP(60)");
    let kill = async {
        crate::support::servers::until("it runs", || async {
            let running =
                "SELECT id FROM information_schema.processlist WHERE state = 'User sleep'";
            (!server.query(running).await.is_empty()).then_some(())
        })
        .await;
        server.kill_connections().await;
    };
    let (ended, ()) = tokio::join!(slow, kill);
    let error = ended.expect_err("is killed");
    assert_eq!(Fault::of(&error), Fault::Gone, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_is_read_only() {
    let server = MariaDb::start().await;
    let database = server.empty_database().await;
    database.query("CREATE TABLE t (n INT)").await;
    let link = database.link().await;
    let mut connection = link.connection().await.expect("connects");
    server.query("SET GLOBAL read_only = 1").await;

    let error = refused(&mut connection, "INSERT INTO t VALUES (1)").await;
    assert_eq!(Fault::of(&error), Fault::ReadOnly, "{error}");
    server.query("SET GLOBAL read_only = 0").await;
    let sql = "SET SESSION TRANSACTION READ ONLY; INSERT INTO t VALUES (1)";
    let error = refused(&mut connection, sql).await;
    assert_eq!(Fault::of(&error), Fault::ReadOnly, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_room_is_full() {
    let (_, link) = table().await;
    let mut connection = link.connection().await.expect("connects");

    let error = refused(
        &mut connection,
        "SET SESSION max_heap_table_size = 16384; \
         CREATE TABLE m (s CHAR(200)) ENGINE = MEMORY; \
         INSERT INTO m SELECT 'x' FROM seq_1_to_10000",
    );
    let error = error.await;
    assert_eq!(Fault::of(&error), Fault::Full, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_simply_wrong_is_nothing_of_all_this() {
    let (_, link) = table().await;
    let mut connection = link.connection().await.expect("connects");
    for sql in ["SELEKT", "SELECT nothing FROM t", "SELECT 1 FROM nowhere"] {
        let error = refused(&mut connection, sql).await;
        assert_eq!(Fault::of(&error), Fault::Other, "{sql}: {error}");
    }
}
