use std::collections::BTreeMap;

use clap::Args;

use super::pair;

/// A task to give to a worker.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  antcode-gateway enqueue --follow -- echo hello
  antcode-gateway enqueue --timeout 60 --env LANG=C.UTF-8 -- python3 -c 'print(1)'
  antcode-gateway enqueue --worker worker-1 --entry-point main.py --param url=https://example.org")]
pub struct Enqueue {
    /// The worker that shall run it
    #[arg(long, value_name = "ID", default_value = "local")]
    pub worker: String,
    /// Id of the task; left out, one is made up
    #[arg(long, value_name = "ID")]
    pub task_id: Option<String>,
    /// Id of this run of the task; left out, one is made up
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
    /// Project that the task belongs to
    #[arg(long, value_name = "ID")]
    pub project_id: Option<String>,
    /// Kind of the project, as the worker understands it
    #[arg(long, value_name = "TYPE")]
    pub project_type: Option<String>,
    /// Priority that the worker is told
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub priority: Option<i32>,
    /// Seconds that the task may run until the worker kills it
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub timeout: Option<u32>,
    /// Parameter of the task; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub params: Vec<(String, String)>,
    /// Environment variable for the task; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub environment: Vec<(String, String)>,
    /// Where the worker finds the project's files
    #[arg(long, value_name = "URL")]
    pub download_url: Option<String>,
    /// Hash of the downloaded file
    #[arg(long, value_name = "HASH")]
    pub file_hash: Option<String>,
    /// What the worker starts; or write the program and its arguments after --
    #[arg(long, value_name = "NAME", conflicts_with = "program")]
    pub entry_point: Option<String>,
    /// Print the log lines until the run has ended
    #[arg(long, short)]
    pub follow: bool,
    /// Program to run and its arguments, which become the parameters 0, 1, 2 …
    #[arg(last = true, value_names = ["PROGRAM", "ARGUMENTS"])]
    pub program: Vec<String>,
}

/// What a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What the worker starts, if that was said.
    pub entry_point: Option<String>,
    /// Its parameters. One given by name wins over an argument of the program.
    pub params: BTreeMap<String, String>,
}

impl Enqueue {
    /// What the task runs: the program after `--`, or the entry point.
    pub fn work(&self) -> Work {
        let mut words = self.program.iter().cloned();
        let entry_point = self.entry_point.clone().or_else(|| words.next());
        let arguments = words.enumerate().map(|(i, word)| (i.to_string(), word));
        Work {
            entry_point,
            params: arguments.chain(self.params.iter().cloned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parse, read};
    use super::super::{Command, Enqueue};

    #[test]
    fn a_program_becomes_the_entry_point_and_its_arguments_numbered_parameters() {
        let work = enqueue("enqueue --param k=a=b -- python3 -c --help").work();

        assert_eq!(work.entry_point.as_deref(), Some("python3"));
        let params: Vec<_> = work
            .params
            .iter()
            .map(|(k, v)| format!("{k}:{v}"))
            .collect();
        assert_eq!(params, ["0:-c", "1:--help", "k:a=b"]);
    }

    #[test]
    fn an_entry_point_stands_by_itself() {
        let enqueue = enqueue("enqueue --entry-point main.py --timeout 5 --priority -1 --env A=");

        assert_eq!(enqueue.work().entry_point.as_deref(), Some("main.py"));
        assert_eq!(enqueue.worker, "local");
        assert_eq!(enqueue.timeout, Some(5));
        assert_eq!(enqueue.priority, Some(-1));
        assert_eq!(enqueue.environment, [("A".to_owned(), String::new())]);
    }

    #[test]
    fn what_cannot_be_a_task_is_a_usage_error() {
        for line in [
            "enqueue --entry-point a -- b",
            "enqueue --timeout 0",
            "enqueue --param =v",
            "enqueue --env NAME",
            "enqueue echo",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }

    fn enqueue(line: &str) -> Enqueue {
        match read(line).command {
            Some(Command::Enqueue(enqueue)) => enqueue,
            other => panic!("{other:?}"),
        }
    }
}
