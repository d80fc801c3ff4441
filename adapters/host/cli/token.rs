use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

/// What to do about bearer tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum Token {
    /// Make a token for a worker, and print it
    ///
    /// It is signed with the secret in JWT_SECRET_FILE, or with --key where JWT_ALGORITHM is one of
    /// key pairs, and says what JWT_ISSUER and JWT_AUDIENCE ask for.
    Mint {
        /// The worker
        #[arg(long)]
        worker: String,
        /// For how long it is good: a number and s, m, h or d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
        ttl: Duration,
        /// The name of the key to sign with, if there are several
        #[arg(long, value_name = "NAME")]
        kid: Option<String>,
        /// PEM file of the private key to sign with
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

fn ttl(text: &str) -> Result<Duration, &'static str> {
    const WANTED: &str = "expected a number and s, m, h or d, such as 30m";
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or(WANTED)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(WANTED),
    };
    let number: u32 = number.parse().map_err(|_| WANTED)?;
    match u64::from(number) * seconds {
        0 => Err(WANTED),
        total => Ok(Duration::from_secs(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::tests::{parse, read};
    use super::*;

    #[test]
    fn a_token_is_a_workers_and_good_for_an_hour_unless_that_is_said() {
        let line = "token mint --worker w-1 --kid new --key k.pem";
        let Some(Command::Token(Token::Mint {
            worker,
            ttl,
            kid,
            key,
        })) = read(line).command
        else {
            panic!("not mint");
        };
        assert_eq!((worker.as_str(), kid.as_deref()), ("w-1", Some("new")));
        assert_eq!((ttl, key), (Duration::from_hours(1), Some("k.pem".into())));
        for line in ["token", "token mint", "token mint --worker w --ttl 1w"] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(ttl(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1", "0s", "-1h", "1.5h", "1ü", "99999999999s"] {
            assert!(ttl(text).is_err(), "{text}");
        }
    }
}
