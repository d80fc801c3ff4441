//! What the server meant by an error.

use diesel::result::{DatabaseErrorKind, Error};

/// What can be done about an error of the server's.
///
/// Diesel keeps the text of an error and drops its number, so it is the text that tells. Sessions
/// ask for English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two transactions wanted each other's rows and this one was rolled back: run it again.
    Deadlock,
    /// Somebody held a row for too long, or the statement took too long. It was rolled back, and
    /// its transaction was not: end that, and run it again.
    LockTimeout,
    /// The server takes no writes. Another one may, to which its name leads by now.
    ReadOnly,
    /// The server has no room left.
    Full,
    /// The connection is no more; what was under way may or may not have happened.
    Gone,
    /// What was to be written does not fit, and never will.
    Misfit,
    /// Something else.
    Other,
}

/// How messages of `MySQL`, `MariaDB` and the library begin, in lower case.
///
/// A message may quote what was to be written, but does not begin with it.
const BEGINNINGS: [(Fault, &[&str]); 5] = [
    (
        Fault::Deadlock,
        &[
            "deadlock found",
            // MariaDB with innodb_snapshot_isolation.
            "record has changed since last read",
        ],
    ),
    (
        Fault::LockTimeout,
        &[
            "lock wait timeout exceeded",
            "query execution was interrupted",
        ],
    ),
    (
        Fault::ReadOnly,
        &[
            "running in read-only mode",
            "innodb is in read only mode",
            "cannot execute statement in a read only transaction",
        ],
    ),
    (
        Fault::Gone,
        &[
            "input/output error:",
            "driver error: `connection to the server is closed",
            "driver error: `packet out of order",
            "connection was killed",
            "server shutdown in progress",
            "the client was disconnected by the server",
        ],
    ),
    (
        Fault::Misfit,
        &[
            "data too long for column",
            "out of range value for column",
            "bigint value is out of range",
            "double value is out of range",
            "incorrect string value",
            "incorrect integer value",
            "incorrect double value",
            "incorrect datetime value",
            "data truncated for column",
            "invalid json text",
            "got a packet bigger than 'max_allowed_packet'",
            "driver error: `packet too large",
            "row size too large",
        ],
    ),
];

impl Fault {
    /// What `error` comes to.
    pub fn of(error: &Error) -> Self {
        let Error::DatabaseError(kind, told) = error else {
            return Self::Other;
        };
        match kind {
            DatabaseErrorKind::ReadOnlyTransaction => Self::ReadOnly,
            DatabaseErrorKind::SerializationFailure => Self::Deadlock,
            DatabaseErrorKind::ClosedConnection => Self::Gone,
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation => Self::Misfit,
            DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation
            | _ => Self::told(&told.message().to_lowercase()),
        }
    }

    fn told(message: &str) -> Self {
        let begins = |beginnings: &[&str]| beginnings.iter().any(|text| message.starts_with(text));
        let known = BEGINNINGS.iter().find(|(_, texts)| begins(texts));
        let holds = |part: &str| message.contains(part);
        match known {
            Some((fault, _)) => *fault,
            // `The MariaDB server is running with the --read-only option so it cannot …`
            None if holds(" server is running with the ") && holds("read-only option") => {
                Self::ReadOnly
            }
            // MariaDB's check of a JSON column: `CONSTRAINT `t.c` failed for `d`.`t``
            None if message.starts_with("constraint ") && holds(" failed for ") => Self::Misfit,
            None if is_full(message) => Self::Full,
            None => Self::Other,
        }
    }
}

/// Whether a disk, or a limit on a table, has no room: the engine, the server and the system each
/// say so in their own way.
fn is_full(message: &str) -> bool {
    [
        "disk full",
        "disk is full",
        "no space left on device",
        "' is full",
    ]
    .iter()
    .any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_servers_that_are_not_here_are_known() {
        for (told, fault) in [
            (
                "Query execution was interrupted, maximum statement execution time exceeded",
                Fault::LockTimeout,
            ),
            (
                "The MySQL server is running with the --super-read-only option so it cannot \
                 execute this statement",
                Fault::ReadOnly,
            ),
            ("Running in read-only mode", Fault::ReadOnly),
            ("InnoDB is in read only mode.", Fault::ReadOnly),
            (
                "Invalid JSON text: \"Invalid value.\" at position 0 in value for column 't.c'.",
                Fault::Misfit,
            ),
            (
                "The client was disconnected by the server because of inactivity. See \
                 wait_timeout and interactive_timeout for configuring this behavior.",
                Fault::Gone,
            ),
            ("The table 'task_executions' is full", Fault::Full),
            (
                "Got error 28 \"No space left on device\" from storage engine InnoDB",
                Fault::Full,
            ),
            (
                "Disk full (/tmp/#sql); waiting for someone to free some space... (errno: 28)",
                Fault::Full,
            ),
            (
                "Incorrect key file for table 'x'; try to repair it",
                Fault::Other,
            ),
            ("Unknown column 'read_only' in 'field list'", Fault::Other),
        ] {
            let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(told.to_owned()));
            assert_eq!(Fault::of(&error), fault, "{told}");
        }
    }

    #[test]
    fn what_a_message_quotes_does_not_count() {
        let told = "Incorrect string value: 'Deadlock found; disk full' for column `d`.`t`.`c`";
        let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(told.to_owned()));
        assert_eq!(Fault::of(&error), Fault::Misfit);
    }
}
