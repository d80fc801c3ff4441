use clap::Subcommand;

/// What to do about API keys.
#[derive(Clone, Debug, Subcommand)]
pub enum Keys {
    /// Make a key for a worker, and print it this once
    Create {
        /// The worker
        worker: String,
        /// What to call the key
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
    },
    /// List the keys that were made, never the keys themselves
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a second key for a worker, and print it this once; the first goes on
    ///
    /// Give the new one to the worker, then revoke the old one, or let it expire by --keep.
    Rotate {
        /// The worker
        worker: String,
        /// What to call the key
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// Seconds until the old key expires; left out, it does not
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
        keep: Option<u64>,
    },
    /// End a key
    Revoke {
        /// Its number in the list
        id: i64,
    },
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::tests::{parse, read};
    use super::*;

    #[test]
    fn keys_are_a_workers_or_have_a_number() {
        assert!(matches!(keys("keys list"), Keys::List { json: false }));
        assert!(matches!(keys("keys revoke 7"), Keys::Revoke { id: 7 }));
        let Keys::Create { worker, label } = keys("keys create w-1 --label lab") else {
            panic!("not create");
        };
        assert_eq!((worker.as_str(), label.as_deref()), ("w-1", Some("lab")));
        let Keys::Rotate { worker, keep, .. } = keys("keys rotate w-1 --keep 60") else {
            panic!("not rotate");
        };
        assert_eq!((worker.as_str(), keep), ("w-1", Some(60)));
        for line in [
            "keys",
            "keys create",
            "keys revoke x",
            "keys rotate w --keep 0",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }

    fn keys(line: &str) -> Keys {
        match read(line).command {
            Some(Command::Keys(keys)) => keys,
            other => panic!("{other:?}"),
        }
    }
}
