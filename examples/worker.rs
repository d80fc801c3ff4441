//! `cargo run --example worker` (`-- --help`): a worker to start from, which takes tasks from a
//! gateway, as a rule one that `cargo run` serves from the same folder, and runs them as processes.
#![expect(clippy::needless_update, clippy::disallowed_methods)] // By `call!`; no ports here.
use std::{collections::BTreeMap, error::Error, fs, io::Write, os::unix::fs::FileExt};
use std::{process::Stdio, sync::Arc, time::Duration};

use futures::stream::{self, Stream};
use jiff::Timestamp;
use proto::gateway_service_client::GatewayServiceClient as Client;
use proto::{LogEntry, TaskDispatch, control_message::Payload};
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};
use tokio::io::{self, AsyncBufReadExt, AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::signal::{ctrl_c, unix::SignalKind, unix::signal};
use tokio::{sync::Mutex, sync::OwnedSemaphorePermit as Slot, sync::Semaphore, time};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken as Token;
use tonic::{Code, Request, Status, transport::Channel};

#[path = "worker/connection.rs"]
mod connection;
#[expect(clippy::all, clippy::pedantic, clippy::restriction, unreachable_pub)] // Generated.
mod proto {
    tonic::include_proto!("antcode.v1");
}

/// For any call; leaves a poll, which waits for five seconds at most, as much again.
const LIMIT: Duration = Duration::from_secs(10);
/// Status, exit code, what went wrong, and when the process ended.
type End = (&'static str, i32, String, Timestamp);

/// Takes tasks from a gateway and runs each as a process of its own.
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    gateway: connection::Connection,
    /// [default: what a local gateway wrote to .antcode-local-key]
    #[arg(long, env = "ANTCODE_API_KEY", hide_env_values = true, hide_default_value = true,
        default_value_t = fs::read_to_string(".antcode-local-key").unwrap_or_default())]
    api_key: String,
    #[arg(long, env = "ANTCODE_WORKER_ID", default_value = "local")]
    worker_id: String,
    /// How many tasks may run at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    slots: u16,
    /// Seconds that running tasks have to end in when the worker is told to stop
    #[arg(long, default_value_t = 30)]
    grace: u64,
}

struct Worker {
    client: Client<Channel>,
    slots: Arc<Semaphore>,
    /// By run id: the task's id, and what cancels the run.
    runs: Mutex<BTreeMap<String, (String, Token)>>,
    args: Args,
}

/// Calls until the gateway answers or refuses: `call! { worker.rpc(Message { field, }) }`.
macro_rules! call {
    ($worker:ident.$rpc:ident($message:ident { $($fields:tt)* })) => { async {
        let (body, mut pause) = (proto::$message { $($fields)* ..Default::default() }, LIMIT / 20);
        loop {
            let mut request = Request::new(body.clone());
            request.metadata_mut().insert("x-api-key", $worker.args.api_key.trim().parse().ok()?);
            request.metadata_mut().insert("x-worker-id", $worker.args.worker_id.parse().ok()?);
            match $worker.client.clone().$rpc(request).await {
                Ok(answer) => break Some(answer.into_inner()),
                Err(status) => pause = bear(stringify!($rpc), &status, pause).await?,
            }
        }
    }.await };
}

/// Works until a signal comes or the gateway refuses the worker; a second signal cuts the grace.
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = <Args as clap::Parser>::parse();
    let worker = Arc::new(Worker {
        client: Client::new(connection::open(&args.gateway, LIMIT)?),
        slots: Arc::new(Semaphore::new(args.slots.into())),
        runs: Mutex::default(),
        args,
    });
    let mut sigterm = signal(SignalKind::terminate())?;
    let mut told = async || tokio::select! { _ = ctrl_c() => {}, _ = sigterm.recv() => {} };
    let end = tokio::select! { _ = worker.work() => Err("gateway refuses"), () = told() => Ok(()) };
    println!("stopping");
    let grace = Duration::from_secs(if end.is_ok() { worker.args.grace } else { 0 });
    let idle = || worker.slots.acquire_many(worker.args.slots.into());
    tokio::select! { _ = idle() => {}, () = time::sleep(grace) => {}, () = told() => {} }
    for (_, cancel) in worker.runs.lock().await.values() {
        cancel.cancel();
    }
    let reported = time::timeout(LIMIT, idle()).await;
    let _ = time::timeout(LIMIT / 20, worker.send_heartbeats("offline", LIMIT)).await;
    let _ = reported.map_err(|_| "not every result could be reported")??;
    Ok(end?)
}

impl Worker {
    async fn work(self: &Arc<Self>) -> Option<()> {
        // Once only: to register again would make the gateway hand out anew what runs here.
        let api_key = self.args.api_key.trim().to_owned();
        let welcome = call! { self.register(RegisterRequest { api_key, }) }?;
        println!("registered; waiting for tasks");
        let every = Duration::from_secs(welcome.heartbeat_interval.try_into().ok()?);
        // A task on its way when this ends is not lost: it comes again after the next start.
        tokio::select! {
            () = self.take_tasks() => None, () = self.take_controls() => None,
            () = self.send_heartbeats("online", every.max(LIMIT / 10)) => None,
        }
    }

    async fn send_heartbeats(&self, status: &str, every: Duration) {
        loop {
            call! { self.send_heartbeat(SendHeartbeatRequest {
                status: status.to_owned(), max_concurrent_tasks: self.args.slots.into(),
                running_tasks: self.runs.lock().await.len().try_into().unwrap_or(0),
            }) };
            time::sleep(every).await;
        }
    }

    async fn take_tasks(self: &Arc<Self>) {
        while let Ok(slot) = self.slots.clone().acquire_owned().await
            && let Some(answer) = call! { self.poll_task(PollTaskRequest {}) }
        {
            if let Some(task) = answer.task {
                tokio::spawn(self.clone().see_through(task, answer.receipt_id, slot));
            }
        }
    }

    /// Runs a task and reports its end.
    async fn see_through(self: Arc<Self>, task: TaskDispatch, receipt_id: String, _slot: Slot) {
        let (run, cancel, started) = (&task.run_id, Token::new(), Timestamp::now());
        println!("run {run}: {} {:?}", task.entry_point, task.params);
        let entry = (task.task_id.clone(), cancel.clone());
        self.runs.lock().await.insert(run.clone(), entry);
        let end = async {
            call! { self.report_result(ReportResultRequest {
                run_id: run.clone(), status: "running".into(), started_at: started.to_string(),
            }) };
            let mut process = command(&task).spawn()?;
            let (out, err) = (process.stdout.take(), process.stderr.take());
            let output = self.send_output(run, out.zip(err).expect("both are piped"));
            let (end, sent) = tokio::join!(supervise(process, task.timeout, &cancel), output);
            let _ = sent.inspect_err(|error| println!("run {run}: output lost: {error}"));
            end
        };
        let fail = |error: io::Error| ("failed", 127, error.to_string(), Timestamp::now());
        let (status, exit_code, error_message, ended) = end.await.unwrap_or_else(fail);
        println!("run {run}: {status} {error_message}");
        call! { self.report_result(ReportResultRequest {
            run_id: run.clone(), task_id: task.task_id.clone(), started_at: started.to_string(),
            status: status.to_owned(), exit_code, error_message, finished_at: ended.to_string(),
            duration_ms: ended.as_millisecond() - started.as_millisecond(),
        }) };
        call! { self.ack_task(AckTaskRequest { receipt_id, accepted: true, }) };
        self.runs.lock().await.remove(run);
    }

    /// Sends what a process says, line by line as it comes, and as two files in the end.
    async fn send_output(&self, run: &str, pipes: (ChildStdout, ChildStderr)) -> io::Result<()> {
        let (mut files, mut numbers) = ([tempfile::tempfile()?, tempfile::tempfile()?], 1..);
        let out = lines(pipes.0).map(|line| (0, line));
        let both = stream::select(out, lines(pipes.1).map(|line| (1, line)));
        let mut batches = Box::pin(both.chunks_timeout(500, LIMIT / 100));
        while let Some(batch) = batches.next().await {
            for (stream, (_, line)) in &batch {
                files[*stream].write_all(line)?;
            }
            // Nothing is read meanwhile: the pipes fill up, and the process waits.
            call! { self.send_log_batch(SendLogBatchRequest {
                logs: batch.iter().zip(&mut numbers).map(|((stream, (at, line)), number)| LogEntry {
                    run_id: run.to_owned(), timestamp: at.to_string(), sequence: number,
                    log_type: ["stdout", "stderr"][*stream].to_owned(),
                    content: String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).into(),
                }).collect(),
            }) };
        }
        self.send_file(run, "stdout", &files[0]).await?;
        self.send_file(run, "stderr", &files[1]).await
    }

    /// Sends a file in chunks, each from where the gateway says that it has got to.
    async fn send_file(&self, run: &str, name: &str, file: &fs::File) -> io::Result<()> {
        let (total, mut offset) = (file.metadata()?.len(), 0);
        loop {
            let mut data = vec![0; 256 << 10];
            let read = file.read_at(&mut data, offset)?;
            data.truncate(read);
            let is_final = offset + data.len() as u64 == total;
            let answer = call! { self.send_log_chunk(SendLogChunkRequest {
                run_id: run.to_owned(), log_type: name.to_owned(), is_final,
                checksum: Sha256::digest(&data).map(|byte| format!("{byte:02x}")).join(""),
                offset: offset.cast_signed(), total_size: total.cast_signed(), data: data.into(),
            }) };
            let held = answer.map_or(offset, |answer| answer.ack_offset.cast_unsigned());
            // To hold less than before is well: a gateway that was started anew has forgotten.
            if held == offset || held == total && is_final {
                let whole = (held == total).then_some(());
                return whole.ok_or_else(|| io::Error::other("the gateway took a part only"));
            }
            offset = held;
        }
    }

    async fn take_controls(&self) {
        while let Some(answer) = call! { self.poll_control(PollControlRequest {}) } {
            let Some(msg) = answer.control else { continue };
            match msg.payload {
                Some(Payload::TaskCancel(proto::TaskCancel { run_id, task_id })) => {
                    for (run, (task, cancel)) in self.runs.lock().await.iter() {
                        if *run == run_id || run_id.is_empty() && *task == task_id {
                            cancel.cancel();
                        }
                    }
                }
                Some(Payload::ConfigUpdate(update)) => println!("settings {:?}", update.config),
                Some(Payload::RuntimeControl(request)) => {
                    let (success, json, error) = match request.action.as_str() {
                        "ping" => (true, r#"{"pong":true}"#, ""),
                        _ => (false, "", "unknown action"),
                    };
                    call! { self.report_control_result(ControlResultRequest {
                        request_id: request.request_id, reply_stream: request.reply_stream,
                        success, payload_json: json.to_owned(), error: error.to_owned(),
                    }) };
                }
                None => println!("a control message of an unknown kind"),
            }
            call! { self.ack_control(AckControlRequest { receipt_id: answer.receipt_id, }) };
        }
    }
}

/// Waits until a call may be made again, and tells the next pause; none if the gateway refused it.
async fn bear(rpc: &str, status: &Status, pause: Duration) -> Option<Duration> {
    let asked = status.metadata().get("grpc-retry-pushback-ms");
    let asked = asked.and_then(|millis| millis.to_str().ok()?.parse().ok());
    let wait = asked.map_or(pause, Duration::from_millis) + pause.mul_f64(rand::random());
    // Only trouble that this side found has a source: a broken connection.
    let passes = matches! { status.code(), Code::Cancelled | Code::Unknown | Code::Unavailable }
        || matches! { status.code(), Code::DeadlineExceeded | Code::ResourceExhausted }
        || status.source().is_some();
    println!("{rpc}: {:?}: {}", status.code(), status.message());
    time::sleep(if passes { wait } else { Duration::ZERO }).await;
    passes.then_some(LIMIT.min(pause * 2))
}

/// Makes `a b --x=y` of the params `{"2": "b", "1": "a", "x": "y"}`.
fn command(task: &TaskDispatch) -> Command {
    let (mut positional, mut named) = (BTreeMap::new(), Vec::new());
    for (key, value) in &task.params {
        match key.parse::<u64>() {
            Ok(place) => drop(positional.insert(place, value)),
            Err(_) => named.push(format!("--{key}={value}")),
        }
    }
    let mut command = Command::new(&task.entry_point);
    command.args(positional.values()).args(named);
    command.env_remove("ANTCODE_API_KEY"); // None of the task's business.
    command.envs(&task.environment).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true); // A kill reaches its children, too.
    command
}

/// Waits for a process to end, or ends it, and all that it has started.
async fn supervise(mut process: Child, timeout: i32, cancel: &Token) -> io::Result<End> {
    let id = process.id().map_or(0, u32::cast_signed);
    let group = Pid::from_raw(id).expect("not waited for yet");
    let limit = u64::try_from(timeout).unwrap_or(0);
    let cut = tokio::select! {
        _ = process.wait() => None,
        () = cancel.cancelled() => Some("cancelled"),
        () = time::sleep(Duration::from_secs(limit)), if limit > 0 => Some("timeout"),
    };
    if cut.is_some() && kill_process_group(group, Signal::TERM).is_ok() {
        let _ = time::timeout(LIMIT / 4, process.wait()).await;
    }
    let _ = kill_process_group(group, Signal::KILL);
    let exit = process.wait().await?;
    let status = cut.unwrap_or(if exit.success() { "success" } else { "failed" });
    let error = (!exit.success()).then(|| exit.to_string());
    let code = exit.code().unwrap_or(-1);
    Ok((status, code, error.unwrap_or_default(), Timestamp::now()))
}

/// The lines of a pipe. A long one comes in pieces, so that no output can fill the memory.
fn lines(pipe: impl AsyncRead + Unpin) -> impl Stream<Item = (Timestamp, Vec<u8>)> {
    stream::unfold(io::BufReader::new(pipe), move |mut pipe| async move {
        let (mut line, mut piece) = (Vec::new(), (&mut pipe).take(16 << 10));
        let read = piece.read_until(b'\n', &mut line).await.ok()?;
        (read > 0).then(|| ((Timestamp::now(), line), pipe))
    })
}
