use gateway_adapters::outbound::mysql::{Link, LinkSettings, Tls};
use gateway_core::domain::identity::Secret;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};
use tokio::time::timeout;

use super::super::LONG;

/// A database that no other test has, with a way around the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// Its name.
    pub(crate) name: String,
    /// Where the gateway finds it, with its user and password.
    pub(crate) url: String,
    pub(super) port: u16,
}

impl Database {
    /// What a gateway uses it by, once it answers.
    pub(crate) async fn link(&self) -> Link {
        let link = Link::connect(&self.settings()).expect("is an address");
        let answers = async { link.away().wait_for(Option::is_none).await.is_ok() };
        assert!(timeout(LONG, answers).await.expect("in time"));
        link
    }

    /// How a gateway uses it.
    pub(crate) fn settings(&self) -> LinkSettings {
        LinkSettings {
            url: Secret::new(&self.url),
            tls: Tls::Disabled,
            ca: None,
            pool_size: 4,
        }
    }

    /// What the server answers to its administrator: rows of text, in which nothing is `NULL`.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&mut self.connect().await, sql).await
    }

    /// Makes a worker as the Master would; the number of its row.
    pub(crate) async fn add_worker(&self, worker: &str, api_key: &str) -> u64 {
        let mut master = self.connect().await;
        let row = "INSERT INTO workers (public_id, name, host, port, status, tags, \
                   transport_mode, api_key, created_at, updated_at) \
                   VALUES (?, ?, '10.0.0.1', 8001, 'online', '[]', 'gateway', ?, NOW(6), NOW(6))";
        let inserted = master.exec_drop(row, (worker, worker, api_key)).await;
        inserted.expect("inserts");
        master.last_insert_id().expect("has a number")
    }

    /// A connection of its administrator's.
    pub(crate) async fn connect(&self) -> Conn {
        connect(self.port, Some(&self.name)).await
    }
}

pub(super) async fn connect(port: u16, database: Option<&str>) -> Conn {
    Conn::new(options(port, database)).await.expect("connects")
}

pub(super) fn options(port: u16, database: Option<&str>) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .db_name(database)
        // Its socket may be taken by another's server on another's port.
        .prefer_socket(false)
        .into()
}

pub(super) async fn rows(connection: &mut Conn, sql: &str) -> Vec<Vec<String>> {
    let rows: Vec<Row> = match connection.query(sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error}"),
    };
    let texts = |row: Row| row.unwrap().into_iter().map(text).collect();
    rows.into_iter().map(texts).collect()
}

fn text(value: Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other @ (Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..)) => unreachable!("text protocol: {other:?}"),
    }
}
