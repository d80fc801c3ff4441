use std::path::PathBuf;

use clap::Subcommand;

/// What to do about the audit.
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Follow the chain of the records, and name the first that does not fit
    ///
    /// The exit code is 0 if all fit, and 1 if not.
    Verify {
        /// The files, the oldest first; left out, AUDIT_FILE and all that was rotated out of it
        files: Vec<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::tests::read;
    use super::*;

    #[test]
    fn a_chain_may_be_of_files_or_of_those_that_are_set() {
        for (line, count) in [("audit verify", 0), ("audit verify a b", 2)] {
            let Some(Command::Audit(Audit::Verify { files })) = read(line).command else {
                panic!("{line}");
            };
            assert_eq!(files.len(), count, "{line}");
        }
    }
}
