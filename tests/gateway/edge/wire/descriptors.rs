//! A process that may open no more files.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::net::TcpStream;

use super::raw::{Raw, kind};
use super::soon;
use crate::support::{Program, Worker};

/// How many files a process has open.
fn open_files(pid: u32) -> u64 {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("is there");
    u64::try_from(files.count()).expect("is a number")
}

/// What a process has had of a processor, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("is there");
    let (_, after_name) = stat.rsplit_once(") ").expect("has a name");
    let fields: Vec<&str> = after_name.split(' ').collect();
    let number = |at: usize| fields[at].parse::<u64>().expect("is a number");
    number(11) + number(12)
}

// T3
#[tokio::test]
async fn without_descriptors_it_does_not_spin_and_goes_on_afterwards() {
    let mut program = Program::start(&[]).await;
    let pid = program.pid();
    let room = Some(open_files(pid) + 10);
    let limit = Rlimit {
        current: room,
        maximum: room,
    };
    let process = Pid::from_raw(i32::try_from(pid).expect("is a pid"));
    prlimit(process, Resource::Nofile, limit).expect("is limited");

    let mut held = Vec::new();
    for _ in 0..40 {
        let connection = TcpStream::connect(program.grpc).await.expect("connects");
        held.push(Raw::begin(connection).await);
    }
    let told = "no connection can be accepted";
    soon(program.logged(told)).await;
    let before = ticks(pid);
    // It is told once a second.
    for _ in 0..3 {
        soon(program.logged(told)).await;
    }
    let taken = ticks(pid) - before;
    assert!(taken < 50, "{taken} hundredths of a second in three");

    drop(held);
    let mut raw = Raw::begin(TcpStream::connect(program.grpc).await.expect("connects")).await;
    let settings = soon(raw.down.next_of(kind::SETTINGS)).await;
    settings.expect("is served again");
    let key = fs::read_to_string(program.folder().join(".antcode-local-key")).expect("is there");
    let worker = Worker::new(program.grpc, "local", Some(key.trim()));
    soon(worker.beat(0)).await.expect("is served again");
    program.stop().await;
}
