//! Identifiers: parsed once at the edge, then trusted.
//!
//! They become parts of keys, file names and log lines. The alphabet has nothing that ends one of
//! those, so an identifier cannot break out of where it was put.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::domain::Invalid;

/// The longest identifier, in bytes.
pub const MAX_LEN: usize = 64;

const RULE: &str = "1 to 64 characters of A-Z a-z 0-9 . _ -";

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        ///
        /// Cheap to clone.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` as an identifier.
            ///
            /// # Errors
            ///
            /// [`Invalid`] unless it is 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                if !is_identifier(text) {
                    return Err(Invalid::text($field, RULE, text));
                }
                Ok(Self(text.into()))
            }

            /// Takes `text` as an identifier; an empty one is none.
            ///
            /// # Errors
            ///
            /// As [`parse`](Self::parse).
            pub fn parse_optional(text: &str) -> Result<Option<Self>, Invalid> {
                match text {
                    "" => Ok(None),
                    text => Self::parse(text).map(Some),
                }
            }

            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

identifier!(
    /// A worker, by the name the platform gave it.
    WorkerId,
    "worker_id"
);
identifier!(
    /// A task, as the scheduler knows it. It may run many times.
    TaskId,
    "task_id"
);
identifier!(
    /// One run of a task.
    RunId,
    "run_id"
);
identifier!(
    /// What a delivery is settled with. It means nothing to the worker that holds it.
    ReceiptId,
    "receipt_id"
);
identifier!(
    /// A task that was given up, among others of its kind.
    LetterId,
    "dead_letter_id"
);
identifier!(
    /// A result that waits in a spool, among others of its kind.
    SpoolId,
    "spool_id"
);
identifier!(
    /// A request to a worker's runtime, which its reply names.
    RequestId,
    "request_id"
);

impl From<TaskId> for RunId {
    /// A task that names no run is its own run.
    fn from(task: TaskId) -> Self {
        Self(task.0)
    }
}

impl From<RunId> for TaskId {
    /// A cancel that names no task names it by its run.
    fn from(run: RunId) -> Self {
        Self(run.0)
    }
}

fn is_identifier(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_identifier_round_trips(text in "[A-Za-z0-9._-]{1,64}") {
            let id = WorkerId::parse(&text).expect("fits the rule");

            prop_assert_eq!(id.as_str(), &text);
            prop_assert_eq!(id.to_string(), text);
        }

        #[test]
        fn whatever_is_accepted_has_no_separator(text in any::<String>()) {
            if let Ok(id) = RunId::parse(&text) {
                let broken_out = id.as_str().contains([':', '/', ' ', '\n', '\r', '\0', '{', '}', '*']);
                prop_assert!(!broken_out);
                prop_assert!((1..=MAX_LEN).contains(&id.as_str().len()));
            }
        }

        #[test]
        fn one_foreign_character_is_enough_to_be_refused(
            head in "[a-z]{0,10}",
            foreign in "[^A-Za-z0-9._-]",
            tail in "[a-z]{0,10}",
        ) {
            let text = format!("{head}{foreign}{tail}");
            prop_assert!(TaskId::parse(&text).is_err());
        }
    }

    #[test]
    fn the_refusal_names_the_field_the_rule_and_the_size() {
        let refusal = WorkerId::parse(&"x".repeat(65)).expect_err("is too long");

        assert_eq!(
            refusal.to_string(),
            "worker_id: 1 to 64 characters of A-Z a-z 0-9 . _ - (got 65 bytes)"
        );
    }

    #[test]
    fn nothing_is_no_identifier() {
        assert!(TaskId::parse("").is_err());
        assert_eq!(TaskId::parse_optional("").expect("is lawful"), None);
    }
}
