//! Ways to part: the gateway that leaves, the reader that leaves.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::log::LogStream::{Stderr, Stdout};
use gateway_core::domain::run::RunStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;

use super::gateway::{Gateway, Now};
use super::*;
use crate::inbound::admin::testing::run;

/// Far more than it takes, for a machine that is busy.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn lines_that_are_dropped_while_one_follows_come_with_a_hint() {
    let gateway = Gateway::start().await;
    let id = gateway.master.open("r");
    gateway.master.write(&id, Stdout, "a");
    let master = Arc::clone(&gateway.master);
    tokio::spawn(async move {
        master.is_waited_for(1).await;
        master.with(|books| {
            books.dropped = 2;
            let file = (b"a\nb\nc\n".to_vec(), true);
            books.files.insert((run("r"), Stdout), file);
        });
        for content in ["b", "c"] {
            master.write(&run("r"), Stdout, content);
        }
        master.end(&run("r"), RunStatus::Success, 0);
    });

    let seen = gateway.tool(follow("r")).await;

    assert_eq!(
        (seen.code, seen.out.as_str()),
        (Ok(ExitCode::SUCCESS), "a\nc\n")
    );
    assert_eq!(
        seen.err,
        "lines no longer held in memory: 1\n\
         the complete log is printed by: antcode-gateway logs r\n"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn where_runs_are_not_kept_a_log_ends_all_the_same() {
    let gateway = Gateway::start().await;
    let id = gateway.master.open("r");
    gateway.master.write(&id, Stdout, "a");
    gateway.master.end(&id, RunStatus::Success, 0);
    gateway.master.with(|books| books.runs_unknown = true);

    let seen = gateway.tool(follow("r")).await;
    assert_eq!(
        (seen.code, seen.out.as_str()),
        (Ok(ExitCode::SUCCESS), "a\n")
    );

    let runs = Command::Runs(Runs::default());
    let told = gateway.tool(runs).await.code.expect_err("is refused");
    assert_eq!(
        told,
        "runs are not kept here: only the platform's Master knows them"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_that_shuts_down_sends_followers_away() {
    let gateway = Gateway::start().await;
    gateway.master.open("r");
    let following = tokio::spawn(gateway.tool(follow("r")));
    gateway.master.is_waited_for(1).await;

    time::timeout(SOON, gateway.stop()).await.expect("ends");

    let seen = time::timeout(SOON, following)
        .await
        .expect("ends")
        .expect("runs");
    let told = seen.code.expect_err("has not seen the end of the run");
    assert!(
        told.ends_with("broke off: its log ended before the run did"),
        "{told}"
    );
}

#[tokio::test]
async fn a_follower_that_does_not_read_cannot_hold_up_the_end() {
    let gateway = Gateway::start().await;
    let id = gateway.master.open("r");
    let mut follower = request(&gateway, "GET", "/api/runs/r/logs?follow=true", "localhost").await;
    for _ in 0..8 {
        gateway.master.write(&id, Stdout, &"x".repeat(1 << 22));
    }
    // The answer has begun; the rest of it fills the socket and stays there.
    let mut head = [0; 8];
    follower.read_exact(&mut head).await.expect("begins");

    time::timeout(SOON, gateway.stop()).await.expect("ends");
}

#[tokio::test]
async fn nobody_waits_for_a_follower_that_went_away() {
    let gateway = Gateway::start().await;
    gateway.master.open("r");
    let follower = request(&gateway, "GET", "/api/runs/r/logs?follow=true", "localhost").await;
    gateway.master.is_waited_for(1).await;

    drop(follower);

    let gone = gateway.master.is_waited_for(0);
    time::timeout(SOON, gone).await.expect("is noticed");
    gateway.stop().await;
}

#[tokio::test]
async fn a_page_of_another_host_is_refused_over_the_wire() {
    let gateway = Gateway::start().await;
    gateway.master.open("r");

    for (method, host, wanted) in [
        ("GET", "example.org", "HTTP/1.1 403"),
        ("POST", "127.0.0.1.example.org", "HTTP/1.1 403"),
        ("GET", "127.0.0.1:1", "HTTP/1.1 200"),
    ] {
        let mut answer = request(&gateway, method, "/api/runs", host).await;
        let mut head = [0; 12];
        answer.read_exact(&mut head).await.expect("answers");
        assert_eq!(head, *wanted.as_bytes(), "{host}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_output_that_was_closed_ends_a_tool_quietly_and_any_other_trouble_does_not() {
    let gateway = Gateway::start().await;
    let id = gateway.master.open("r");
    gateway.master.write(&id, Stderr, "a");

    for (kind, wanted) in [
        (ErrorKind::BrokenPipe, Ok(ExitCode::SUCCESS)),
        (
            ErrorKind::StorageFull,
            Err("cannot write: no storage space".to_owned()),
        ),
    ] {
        let base = gateway.base.clone();
        let printing = tokio::task::spawn_blocking(move || {
            let mut console = Console {
                out: Output::new(false, io::empty()),
                err: Output::new(false, Broken(kind)),
            };
            let http = Http::new(&base);
            let done = crate::client::run(&http, &Now, &follow("r"), &mut console);
            done.map_err(|error| error.to_string())
        });
        assert_eq!(printing.await.expect("does not panic"), wanted);
    }
    gateway.stop().await;
}

/// An output that takes nothing.
struct Broken(ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

fn follow(run: &str) -> Command {
    Command::Logs(Logs {
        run: run.to_owned(),
        follow: true,
        json: false,
    })
}

/// A request to `host`, whose answer is still to be read.
async fn request(gateway: &Gateway, method: &str, path: &str, host: &str) -> TcpStream {
    let address = gateway.base.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("connects");
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("is sent");
    socket
}
