use std::path::PathBuf;

use clap::Subcommand;

/// What certificates to make.
#[derive(Clone, Debug, Subcommand)]
pub enum Certs {
    /// Make a CA, a certificate for the gateway and one for each worker, good for a year
    ///
    /// They are for a laptop and for tests: whoever can read the folder can be the gateway and any
    /// worker.
    Dev {
        /// Where to put them
        #[arg(default_value = "certs")]
        folder: PathBuf,
        /// A name or an address of the gateway, beside localhost, 127.0.0.1 and ::1; may be repeated
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// A worker; may be repeated
        #[arg(long = "worker", value_name = "ID", default_value = "local")]
        workers: Vec<String>,
        /// Put new files in the place of those that are there
        #[arg(long)]
        force: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::super::tests::read;
    use super::*;

    #[test]
    fn names_and_workers_may_be_repeated() {
        let line = "certs dev there --name a --name 10.0.0.1 --worker w-1 --worker w-2 --force";
        let Certs::Dev {
            folder,
            names,
            workers,
            force,
        } = certs(line);
        assert_eq!((folder, force), ("there".into(), true));
        assert_eq!(names, ["a", "10.0.0.1"]);
        assert_eq!(workers, ["w-1", "w-2"]);

        let Certs::Dev {
            folder, workers, ..
        } = certs("certs dev");
        assert_eq!(folder, PathBuf::from("certs"));
        assert_eq!(workers, ["local"]);
    }

    fn certs(line: &str) -> Certs {
        match read(line).command {
            Some(Command::Certs(certs)) => certs,
            other => panic!("{other:?}"),
        }
    }
}
