//! What it takes to try mTLS: a command, a gateway, and the example worker.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::reload::LONG;
use crate::support::Program;

async fn certs(folder: &Path, others: &[&str]) -> (Option<i32>, String, String) {
    let folder = folder.to_str().expect("is UTF-8");
    let arguments = [&["certs", "dev", folder][..], others].concat();
    // What else is wrong with the settings does not matter here.
    let (status, said, complaint) = Program::run(&arguments, &[("GRPC_PORT", "x")]).await;
    (status.code(), said, complaint)
}

#[tokio::test]
async fn the_example_worker_runs_a_task_by_mtls() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let (code, said, complaint) = certs(folder.path(), &[]).await;
    assert_eq!(code, Some(0), "{complaint}");
    assert!(
        said.contains("GRPC_TLS_CERT_PATH=") && said.contains("--cert"),
        "{said}"
    );
    let file = |name: &str| {
        let file = folder.path().join(name);
        file.to_str().expect("is UTF-8").to_owned()
    };
    let (certificate, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let program = Program::start(&[
        ("GRPC_TLS_CERT_PATH", &certificate),
        ("GRPC_TLS_KEY_PATH", &key),
        ("GRPC_TLS_CA_PATH", &ca),
    ])
    .await;
    let (own, own_key) = (file("worker-local.pem"), file("worker-local.key"));
    let files = ["--ca", &ca, "--cert", &own, "--key", &own_key];
    let _worker = example(&program, &files);

    let port = program.admin.port().to_string();
    let arguments = ["enqueue", "--follow", "--", "echo", "well"];
    let port = [("ADMIN_PORT", port.as_str())];
    let run = timeout(LONG, Program::run(&arguments, &port)).await;
    let (status, said, complaint) = run.expect("ends");
    assert!(
        status.success() && said.contains("well\n"),
        "{said}\n{complaint}"
    );
    program.stop().await;
}

#[tokio::test]
async fn certificates_that_are_there_are_not_replaced() {
    let folder = tempfile::tempdir().expect("makes a folder");
    assert_eq!(certs(folder.path(), &[]).await.0, Some(0));

    let (code, _, complaint) = certs(folder.path(), &[]).await;
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("--force"), "{complaint}");
    assert_eq!(certs(folder.path(), &["--force"]).await.0, Some(0));

    let (code, _, complaint) = certs(folder.path(), &["--worker", "w/1"]).await;
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("--worker"), "{complaint}");
}

/// Starts the example worker beside `program`.
fn example(program: &Program, files: &[&str]) -> Child {
    let itself = PathBuf::from(env!("CARGO_BIN_EXE_antcode-gateway"));
    Command::new(itself.with_file_name("examples").join("worker"))
        .args(["--gateway", &format!("https://{}", program.grpc)])
        .args(files)
        .current_dir(program.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("is built; build it with: cargo build --example worker")
}
