use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use gateway_core::domain::id::RunId;
use gateway_core::ports::{LogPage, MasterError};
use serde::Serialize;

use super::dto;
use super::error::{Refusal, log_outage};
use super::local::{Local, unknown};
use super::path::Path;

/// How long to wait for the next line before it is asked whether the run is still known.
const PATIENCE: Duration = Duration::from_secs(15);

/// `GET /api/runs/{run_id}/logs`
pub(super) async fn lines(
    State(local): State<Local>,
    Path(run): Path<String>,
    asked: Result<Query<dto::Part>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    let run = RunId::parse(&run)?;
    if !is_known(&local, &run).await? {
        return Err(unknown(&run));
    }
    let reader = Reader {
        local,
        run,
        from: asked.from,
        follow: asked.follow,
        done: false,
    };
    let pages = stream::try_unfold(reader, Reader::next);
    let headers = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// Somebody who reads a log. A client that goes away drops it, and with it the wait it is in.
struct Reader {
    local: Local,
    run: RunId,
    from: u64,
    follow: bool,
    done: bool,
}

impl Reader {
    /// The next lines, as soon as there are any; none at the end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, MasterError> {
        while !self.done {
            let Some(page) = self.page().await? else {
                break;
            };
            self.from = page.next;
            let empty = page.lines.is_empty() && page.dropped == 0;
            self.done = page.ended || (!self.follow && empty);
            if let Some(text) = ndjson(&page) {
                return Ok(Some((text, self)));
            }
            let known = is_known(&self.local, &self.run);
            if !self.done && !known.await.inspect_err(log_outage)? {
                break;
            }
        }
        Ok(None)
    }

    /// The next page; none if the port closes.
    async fn page(&self) -> Result<Option<LogPage>, MasterError> {
        let wait = if self.follow {
            PATIENCE
        } else {
            Duration::ZERO
        };
        let page = self.local.master.lines(&self.run, self.from, wait);
        let page = self.local.stop.run_until_cancelled(page).await;
        page.transpose().inspect_err(log_outage)
    }
}

/// Whether there is such a run, as far as can be told. One that was forgotten never ends.
async fn is_known(local: &Local, run: &RunId) -> Result<bool, MasterError> {
    match local.master.run(run).await {
        Err(MasterError::NotKept(_)) => Ok(true),
        found => Ok(found?.is_some()),
    }
}

fn ndjson(page: &LogPage) -> Option<Bytes> {
    let mut text = Vec::new();
    if page.dropped > 0 {
        let dropped = page.dropped;
        push(&mut text, &dto::Dropped { dropped });
    }
    for line in &page.lines {
        push(&mut text, &dto::Line::from(line));
    }
    (!text.is_empty()).then(|| text.into())
}

fn push(text: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *text, line).expect("texts and numbers, into memory");
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use gateway_core::domain::log::LogStream::{Stderr, Stdout};
    use gateway_core::domain::run::RunStatus;
    use serde_json::{Value, json};

    use super::super::testing::{Port, error, run};

    #[tokio::test]
    async fn a_line_is_sent_with_all_that_is_known_of_it() {
        let port = Port::with_master();
        let run = port.master.open("r");
        port.master.write(&run, Stderr, "ü\n\"");

        let answer = port.open("/api/runs/r/logs").await;
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let wanted = json!({
            "index": 0, "log_type": "stderr", "content": "ü\n\"",
            "timestamp": "2026-11-22T10:00:01Z", "sequence": 7,
        });
        assert_eq!(read(&port, "/api/runs/r/logs").await, [wanted]);
    }

    #[tokio::test]
    async fn the_lines_so_far_come_page_by_page_in_their_order() {
        let port = Port::with_master();
        let run = port.master.open("r");
        for number in 0..7 {
            port.master.write(&run, Stdout, &number.to_string());
        }

        assert_eq!(
            indices(&port, "/api/runs/r/logs").await,
            [0, 1, 2, 3, 4, 5, 6]
        );
        assert_eq!(indices(&port, "/api/runs/r/logs?from=5").await, [5, 6]);
        assert_eq!(indices(&port, "/api/runs/r/logs?from=9").await, [0; 0]);
    }

    #[tokio::test]
    async fn lines_that_are_kept_no_more_are_counted() {
        let port = Port::with_master();
        let run = port.master.open("r");
        for content in ["a", "b", "c"] {
            port.master.write(&run, Stdout, content);
        }
        port.master.with(|books| books.dropped = 2);

        let lines = read(&port, "/api/runs/r/logs").await;

        assert_eq!(lines[0], json!({"dropped": 2}));
        assert_eq!(lines[1]["content"], "c");
        assert_eq!(lines.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_gets_each_line_as_it_comes_until_the_run_has_ended() {
        let port = Port::with_master();
        let run = port.master.open("r");
        let follow = port.open("/api/runs/r/logs?follow=true").await;
        let mut pages = follow.into_body().into_data_stream();

        for content in ["a", "b"] {
            let master = std::sync::Arc::clone(&port.master);
            let run = run.clone();
            tokio::spawn(async move {
                master.is_waited_for(1).await;
                master.write(&run, Stdout, content);
            });
            let page = pages.next().await.expect("comes").expect("is whole");
            let line: Value = serde_json::from_slice(&page).expect("is JSON");
            assert_eq!(line["content"], content);
        }
        port.master.write(&run, Stdout, "c");
        port.master.end(&run, RunStatus::Success, 0);
        assert!(pages.next().await.is_some());
        assert!(pages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn following_ends_with_the_port() {
        let port = Port::with_master();
        port.master.open("r");
        let follow = port.open("/api/runs/r/logs?follow=true").await;
        let mut pages = follow.into_body().into_data_stream();
        let stop = port.stop.clone();
        let master = std::sync::Arc::clone(&port.master);
        tokio::spawn(async move {
            master.is_waited_for(1).await;
            stop.cancel();
        });

        assert!(pages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn following_a_run_that_was_forgotten_ends() {
        let port = Port::with_master();
        port.master.open("r");
        let follow = port.open("/api/runs/r/logs?follow=true").await;
        port.master.with(|books| books.runs.clear());

        assert!(follow.into_body().into_data_stream().next().await.is_none());
    }

    #[tokio::test]
    async fn a_log_can_be_read_where_runs_are_not_known() {
        let port = Port::with_master();
        port.master.write(&run("r"), Stdout, "a");
        port.master.with(|books| books.runs_unknown = true);

        assert_eq!(indices(&port, "/api/runs/r/logs").await, [0]);
        let (status, text) = port.get("/api/runs/r").await;
        assert_eq!(status.as_u16(), 501);
        let told = "runs are not kept here: only the platform's Master knows them";
        assert_eq!(error(&text), told);
    }

    #[tokio::test]
    async fn a_backend_that_fails_breaks_the_log_off() {
        let port = Port::with_master();
        let run = run("r");
        port.master.open("r");
        port.master.write(&run, Stdout, "a");
        let answer = port.open("/api/runs/r/logs").await;
        let mut pages = answer.into_body().into_data_stream();
        assert!(pages.next().await.is_some_and(|page| page.is_ok()));

        port.master.with(|books| books.down = true);

        assert!(pages.next().await.is_some_and(|page| page.is_err()));
    }

    async fn indices(port: &Port, path: &str) -> Vec<u64> {
        let lines = read(port, path).await;
        let index = |line: &Value| line["index"].as_u64().expect("is a number");
        lines.iter().map(index).collect()
    }

    async fn read(port: &Port, path: &str) -> Vec<Value> {
        let (_, text) = port.get(path).await;
        let lines = text.lines();
        lines.map(|line| line.parse().expect("is JSON")).collect()
    }
}
