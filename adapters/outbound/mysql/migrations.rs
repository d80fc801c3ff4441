//! The tables that must be there. Those of the Master and the web API are made where they are
//! absent, and left as they are where not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use tracing::warn;

use super::link::{Link, LinkError};
use super::lock::{lock, unlock};

/// A table, how it is made, and which of its columns the gateway uses.
struct Table {
    name: &'static str,
    create: &'static str,
    columns: &'static [&'static str],
}

const TABLES: [Table; 5] = [
    Table {
        name: "workers",
        create: include_str!("migrations/workers.sql"),
        columns: &["id", "public_id", "status", "api_key"],
    },
    Table {
        name: "scheduled_tasks",
        create: include_str!("migrations/scheduled_tasks.sql"),
        columns: &[
            "id",
            "status",
            "last_run_time",
            "failure_count",
            "success_count",
        ],
    },
    Table {
        name: "task_executions",
        create: include_str!("migrations/task_executions.sql"),
        columns: &[
            "id",
            "public_id",
            "task_id",
            "run_id",
            "start_time",
            "end_time",
            "duration_seconds",
            "dispatch_status",
            "runtime_status",
            "status",
            "dispatch_updated_at",
            "runtime_updated_at",
            "exit_code",
            "error_message",
            "result_data",
            "last_heartbeat",
            "worker_id",
        ],
    },
    Table {
        name: "gateway_api_keys",
        create: include_str!("migrations/gateway_api_keys.sql"),
        columns: &[
            "id",
            "worker_id",
            "digest",
            "label",
            "created_at",
            "expires_at",
            "revoked_at",
        ],
    },
    Table {
        name: "gateway_outbox",
        create: include_str!("migrations/gateway_outbox.sql"),
        columns: &["id", "fields", "created_at"],
    },
];

/// Whoever makes tables holds this lock, and the others wait for it.
const LOCK: &str = "gateway_migrate_";
const PATIENCE: Duration = Duration::from_mins(1);

/// A table may take longer to make than other statements may take. Only `MariaDB` reads the comment.
const TAKE_TIME: &str = "SET SESSION lock_wait_timeout = 60 /*M! , max_statement_time = 0 */";

/// Why the tables could not be looked at or made.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// There is no connection.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The database refuses.
    #[error("the database refuses: {0}")]
    Refused(#[from] diesel::result::Error),
    /// Another gateway is at it.
    #[error("another gateway has been making tables for a minute")]
    Locked,
}

/// Makes the tables that are absent; their names. Several gateways may do so at once.
///
/// # Errors
///
/// [`MigrationError`] if the database is out of reach, or its user may not make tables.
pub async fn migrate(link: &Link) -> Result<Vec<&'static str>, MigrationError> {
    let mut session = link.session().await?;
    let connection = &mut session.connection;
    connection.batch_execute(TAKE_TIME).await?;
    if !lock(connection, LOCK, PATIENCE).await? {
        return Err(MigrationError::Locked);
    }
    let made = make(connection).await;
    // The lock ends with the session, too.
    if let Err(error) = unlock(connection, LOCK).await {
        warn!(%error, "the lock on the making of tables could not be given back");
    }
    made
}

/// What the database lacks of what the gateway needs: tables, and columns as `table.column`.
///
/// # Errors
///
/// [`MigrationError`] if it cannot be asked.
pub async fn missing(link: &Link) -> Result<Vec<String>, MigrationError> {
    let mut session = link.session().await?;
    let there = columns(&mut session.connection).await?;
    let lacks = |table: &Table| match there.get(table.name) {
        None => vec![table.name.to_owned()],
        Some(there) => {
            let absent = table.columns.iter().filter(|name| !there.contains(**name));
            absent
                .map(|name| format!("{}.{name}", table.name))
                .collect()
        }
    };
    Ok(TABLES.iter().flat_map(lacks).collect())
}

async fn make(connection: &mut AsyncMysqlConnection) -> Result<Vec<&'static str>, MigrationError> {
    let there = columns(connection).await?;
    let mut made = Vec::new();
    // Who may not make tables need not, where they are there.
    for table in TABLES
        .iter()
        .filter(|table| !there.contains_key(table.name))
    {
        connection.batch_execute(table.create).await?;
        made.push(table.name);
    }
    Ok(made)
}

/// The columns of each table, in lower case.
async fn columns(
    connection: &mut AsyncMysqlConnection,
) -> Result<BTreeMap<String, BTreeSet<String>>, MigrationError> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        of: String,
        #[diesel(sql_type = Text)]
        name: String,
    }

    let all: Vec<Column> = sql_query(
        "SELECT LOWER(table_name) AS of, LOWER(column_name) AS name \
         FROM information_schema.columns WHERE table_schema = DATABASE()",
    )
    .load(connection)
    .await?;
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for column in all {
        tables.entry(column.of).or_default().insert(column.name);
    }
    Ok(tables)
}
