//! What is wrong with a value that came from outside.

use std::fmt;

/// A field that breaks its rule.
///
/// The message names the field, the rule and how large the value was, but never the value itself:
/// it ends up in answers and logs, and nobody knows what a stranger put there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule} (got {got})")]
pub struct Invalid {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What would have been accepted.
    pub rule: &'static str,
    /// The size of what came, or its number: `70 bytes`, `-1`.
    pub got: String,
}

impl Invalid {
    /// A text of the wrong form.
    pub fn text(field: &'static str, rule: &'static str, value: &str) -> Self {
        let got = match value.len() {
            0 => "nothing".to_owned(),
            1 => "1 byte".to_owned(),
            bytes => format!("{bytes} bytes"),
        };
        Self { field, rule, got }
    }

    /// A number out of its range.
    pub fn number(field: &'static str, rule: &'static str, value: &dyn fmt::Display) -> Self {
        let got = value.to_string();
        Self { field, rule, got }
    }
}
