use clap::Subcommand;

/// What to do about dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum Dead {
    /// List them, newest first
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one with everything in it
    Show {
        /// Its id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Queue its task for the same worker again, as if it were new
    Requeue {
        /// Its id
        id: String,
    },
    /// Take it away for good
    Drop {
        /// Its id
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::tests::{parse, read};
    use super::*;

    #[test]
    fn letters_are_listed_or_named() {
        let Dead::List { limit, json } = dead("dead list") else {
            panic!("not list");
        };
        assert!(limit == 100 && !json);
        for line in ["dead show 1-0", "dead requeue 1-0", "dead drop 1-0"] {
            match dead(line) {
                Dead::Show { id, json: false } | Dead::Requeue { id } | Dead::Drop { id } => {
                    assert_eq!(id, "1-0");
                }
                Dead::List { .. } | Dead::Show { .. } => panic!("{line}"),
            }
        }
        for line in ["dead", "dead drop", "dead list --limit 0", "queue x"] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }

    fn dead(line: &str) -> Dead {
        match read(line).command {
            Some(Command::Dead(dead)) => dead,
            other => panic!("{other:?}"),
        }
    }
}
