use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use gateway_core::domain::id::RunId;
use gateway_core::domain::log::LogStream;

use super::api::Api;
use super::console::CopyError;
use super::{Body, ClientError, Console, wire};

/// Which log to print, and how.
#[derive(Clone, Debug)]
pub struct Logs {
    /// The run it is of.
    pub run: String,
    /// Go on until the run has ended.
    pub follow: bool,
    /// Print JSON, an object a line.
    pub json: bool,
}

pub(super) fn run(
    api: &Api<'_>,
    asked: &Logs,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let run = RunId::parse(&asked.run)?;
    let log = Log { api, run: &run };
    if asked.json {
        log.pass_on(asked.follow, console)?;
    } else {
        log.print(asked.follow, console)?;
    }
    if asked.follow {
        match log.end() {
            // Where runs are not kept, the log's own end has to do.
            Ok(_) | Err(ClientError::NotKept(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the log of `run` until it has ended, and tells how it ended.
pub(super) fn follow(
    api: &Api<'_>,
    run: &RunId,
    console: &mut Console<'_>,
) -> Result<wire::Run, ClientError> {
    let log = Log { api, run };
    log.print(true, console)?;
    log.end()
}

struct Log<'a> {
    api: &'a Api<'a>,
    run: &'a RunId,
}

impl Log<'_> {
    /// Prints the lines as JSON, as they come.
    fn pass_on(&self, follow: bool, console: &mut Console<'_>) -> Result<(), ClientError> {
        for line in self.lines(follow)? {
            console.out.line(&line?)?;
        }
        Ok(())
    }

    /// Prints each line to where its program wrote it.
    ///
    /// If lines are missing from the start, the complete files are printed instead, if they came.
    fn print(&self, follow: bool, console: &mut Console<'_>) -> Result<(), ClientError> {
        let (mut lines, mut missing, mut replaced) = (0_u64, 0_u64, false);
        for line in self.lines(follow)? {
            match self.api.parse(&line?)? {
                wire::Entry::Line { .. } if replaced => {}
                wire::Entry::Line { log_type, content } => {
                    lines += 1;
                    match log_type.as_str() {
                        "stderr" => console.err.line(&content)?,
                        _ => console.out.line(&content)?,
                    }
                }
                wire::Entry::Dropped { dropped } => {
                    missing += dropped;
                    let note = format!("lines no longer held in memory: {dropped}");
                    console.err.line(&note)?;
                    replaced |= lines == 0 && self.print_files(console)?;
                }
            }
        }
        if missing > 0 && !replaced && self.files()?.is_some() {
            let run = self.run;
            let hint = format!("the complete log is printed by: antcode-gateway logs {run}");
            console.err.line(&hint)?;
        }
        Ok(())
    }

    /// The run, which has ended.
    ///
    /// A gateway that shuts down ends a log in good order, whatever the run does.
    fn end(&self) -> Result<wire::Run, ClientError> {
        match self.api.read(&format!("/api/runs/{}", self.run)) {
            Ok(wire::Run { status, .. }) if is_open(&status) => {}
            Err(ClientError::Unreachable { .. }) => {}
            run => return run,
        }
        let reason = "its log ended before the run did";
        Err(self.api.broken_off(&reason))
    }

    fn lines(
        &self,
        follow: bool,
    ) -> Result<impl Iterator<Item = Result<String, ClientError>>, ClientError> {
        let path = format!("/api/runs/{}/logs?follow={follow}", self.run);
        let lines = BufReader::new(self.api.open(&path)?).lines();
        Ok(lines.map(|line| line.map_err(|error| self.api.broken_off(&error))))
    }

    /// Prints the complete files, if they came.
    fn print_files(&self, console: &mut Console<'_>) -> Result<bool, ClientError> {
        let Some(files) = self.files()? else {
            return Ok(false);
        };
        console.err.line("printing the log files instead")?;
        for (output, file) in [&mut console.out, &mut console.err].into_iter().zip(files) {
            output.copy(file).map_err(|error| match error {
                CopyError::In(error) => self.api.broken_off(&error),
                CopyError::Out(error) => error,
            })?;
        }
        Ok(true)
    }

    /// The two files, if one came and whatever came is complete.
    ///
    /// A program that wrote nothing to one of its outputs has no file of it.
    fn files(&self) -> Result<Option<[Body; 2]>, ClientError> {
        let (mut came, mut complete) = (false, true);
        let mut file = |stream: LogStream| {
            let path = format!("/api/runs/{}/files/{}", self.run, stream.as_str());
            Ok::<_, ClientError>(match self.api.file(&path)? {
                Some((file, whole)) => {
                    came = true;
                    complete &= whole;
                    file
                }
                None => Box::new(std::io::empty()),
            })
        };
        let files = [file(LogStream::Stdout)?, file(LogStream::Stderr)?];
        Ok((came && complete).then_some(files))
    }
}

fn is_open(status: &str) -> bool {
    matches!(status, "pending" | "queued" | "running")
}
