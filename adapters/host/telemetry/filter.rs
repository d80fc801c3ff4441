use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};

/// The crates that a bare level is meant for.
const OURS: [&str; 3] = ["antcode_gateway", "gateway_adapters", "gateway_core"];

/// The target that the audit is written to.
const AUDIT: &str = "audit";

/// Which events are logged.
///
/// A bare level is for the gateway's own modules. The audit is written whatever the level, unless
/// its target `audit` is named: nobody turns it off by turning down the noise. Libraries log no more than INFO unless they are
/// named: at DEBUG they log every frame, and at TRACE the headers in it, which hold keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    level: LevelFilter,
    named: Vec<(String, LevelFilter)>,
}

impl Filter {
    pub(super) fn targets(&self) -> Targets {
        Targets::new()
            .with_default(self.level.min(LevelFilter::INFO))
            .with_target(AUDIT, LevelFilter::INFO)
            .with_targets(OURS.map(|target| (target, self.level)))
            .with_targets(self.named.iter().cloned())
    }
}

impl FromStr for Filter {
    /// What would be accepted.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Self {
            level: LevelFilter::INFO,
            named: Vec::new(),
        };
        for part in text.split(',') {
            let read = match part.split_once('=') {
                Some((target, word)) => level(word)
                    .filter(|_| is_target(target.trim()))
                    .map(|level| filter.named.push((target.trim().to_owned(), level))),
                None => level(part).map(|level| filter.level = level),
            };
            read.ok_or(
                "one of TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL, OFF, \
                 or directives such as info,gateway_adapters=debug",
            )?;
        }
        Ok(filter)
    }
}

fn level(word: &str) -> Option<LevelFilter> {
    match word.trim().to_ascii_uppercase().as_str() {
        "TRACE" => Some(LevelFilter::TRACE),
        "DEBUG" => Some(LevelFilter::DEBUG),
        "INFO" => Some(LevelFilter::INFO),
        "WARN" | "WARNING" => Some(LevelFilter::WARN),
        // Python's word for what is worse than an error.
        "ERROR" | "CRITICAL" => Some(LevelFilter::ERROR),
        "OFF" => Some(LevelFilter::OFF),
        _ => None,
    }
}

fn is_target(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_read_in_any_case_and_by_pythons_names() {
        for (text, level) in [
            ("INFO", LevelFilter::INFO),
            ("debug", LevelFilter::DEBUG),
            ("Warning", LevelFilter::WARN),
            ("CRITICAL", LevelFilter::ERROR),
        ] {
            assert_eq!(text.parse::<Filter>().expect(text).level, level);
        }
    }

    #[test]
    fn directives_name_targets() {
        let filter: Filter = "warn, gateway_adapters::inbound=trace"
            .parse()
            .expect("reads");
        let targets = filter.targets();

        assert!(targets.would_enable("gateway_adapters::inbound::grpc", &Level::TRACE));
        assert!(!targets.would_enable("gateway_adapters", &Level::INFO));
        assert!(!targets.would_enable("h2", &Level::INFO));
    }

    #[test]
    fn a_slip_is_refused_rather_than_taken_for_a_target() {
        for text in ["", "debgu", "info,", "h2", "=debug", "h2=loud", "a b=info"] {
            let wanted = text.parse::<Filter>().expect_err(text);
            assert!(wanted.contains("TRACE"), "{wanted}");
        }
    }
}
