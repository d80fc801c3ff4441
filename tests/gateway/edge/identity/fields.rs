//! T17, T18: the table of every call × every field that names something × what may stand there.
//! What is another's is refused and audited, what is no name is refused, and nothing changes.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_core::domain::audit::AuditEvent;
use gateway_core::domain::control::{Command, Recipient};
use gateway_core::domain::id::{RequestId, TaskId};
use gateway_core::domain::log::LogStream;
use gateway_core::ports::{DeadLetters as _, Master};
use tonic::Code;

use super::rows::{Names, Objects, Row, headers, streamed, unary};
use crate::support::proto::control_message::Payload;
use crate::support::{Gateway, Worker, run_id, task, worker_id};

/// What names nothing: what is no identifier, and what would end one within a key or a path.
const SEPARATORS: [&str; 12] = [
    "a b", "w-1:1", "../w-1", "w-1/1", "{w-1}", "w-1\n", "w-1\0", "w-1*", "ü", " ", "w-1,w-2", "$",
];

/// A backend, seen from behind: by the names of its parts.
type Snapshot = BTreeMap<String, String>;

/// What the table is tried on.
trait Bench {
    fn master(&self) -> &dyn Master;
    fn worker(&self, name: &str) -> Worker;
    fn audit(&self) -> Vec<AuditEvent>;
    async fn snapshot(&self) -> Snapshot;
}

/// Gives `name` a task, a command and a request, and has it take them.
async fn equip(bench: &impl Bench, name: &str) -> Objects {
    let (worker, to) = (bench.worker(name), Recipient::Worker(worker_id(name)));
    let (run, request) = (format!("run-of-{name}"), format!("request-of-{name}"));
    bench
        .master()
        .enqueue(&worker_id(name), task(&run))
        .await
        .expect("queues");
    let (_, receipt) = worker.take().await;
    let cancel = Command::Cancel {
        task: TaskId::parse(&run).expect("is an identifier"),
        run: Some(run_id(&run)),
        reason: String::new(),
    };
    let ask = Command::Runtime {
        request: RequestId::parse(&request).expect("is an identifier"),
        action: "ping".into(),
        reply_stream: String::new(),
        payload: "{}".into(),
    };
    let mut commands = Vec::new();
    for command in [ask, cancel] {
        bench.master().send(&to, command).await.expect("sends");
        let polled = worker.poll_control(30_000).await.expect("polls");
        let control = polled.control.and_then(|control| control.payload);
        assert!(matches!(
            control,
            Some(Payload::RuntimeControl(_) | Payload::TaskCancel(_))
        ));
        commands.push(polled.receipt_id);
    }
    Objects {
        worker: name.to_owned(),
        run,
        receipt,
        command: commands.pop().expect("there are two"),
        request,
    }
}

/// Tries what is not `own` in each of `rows`.
async fn walk(bench: &impl Bench, rows: &[Row], own: &Objects, other: &Objects) -> usize {
    let worker = bench.worker(&own.worker);
    let (long, longer) = ("x".repeat(65), "x".repeat(10_000));
    let mut tried = 0;
    for row in rows {
        let others = (row.of)(other);
        let values = [others, "", &long, &longer].into_iter().chain(SEPARATORS);
        for value in values {
            let (before, noted) = (bench.snapshot().await, bench.audit().len());
            let answer = (row.send)(&worker, own, value.to_owned()).await;
            let code = answer
                .as_ref()
                .map_or_else(tonic::Status::code, |()| Code::Ok);
            let shown = format!("{} = {value:.70?}: {code:?}", row.field);
            let is_others = value == others;
            match row.names {
                _ if value.is_empty() && row.names == Names::Worker => {}
                Names::Worker | Names::Given if is_others => {
                    assert_eq!(code, Code::PermissionDenied, "{shown}");
                }
                Names::Worker | Names::Given => assert_eq!(code, Code::InvalidArgument, "{shown}"),
                Names::Own => assert!(matches!(code, Code::Ok | Code::InvalidArgument), "{shown}"),
            }
            if code != Code::Ok || is_others {
                let records = usize::from(code == Code::PermissionDenied);
                assert_eq!(bench.audit().len() - noted, records, "{shown}");
                assert_eq!(before, bench.snapshot().await, "{shown}");
            }
            tried += 1;
        }
    }
    tried
}

/// Each of `rows` with what is one's own, which is let in.
async fn own(bench: &impl Bench, rows: &[Row], own: &Objects) {
    let worker = bench.worker(&own.worker);
    for row in rows {
        let answer = (row.send)(&worker, own, (row.of)(own).to_owned()).await;
        answer.unwrap_or_else(|status| panic!("{}: {status:?}", row.field));
    }
}

/// What nobody else took from it can still be used by the one whose it is.
async fn all_is_there(bench: &impl Bench, objects: &Objects) {
    let worker = bench.worker(&objects.worker);
    worker
        .report(&objects.run, "success")
        .await
        .expect("is its own");
    worker
        .ack(&objects.receipt, true)
        .await
        .expect("is its own");
    worker
        .ack_control(&objects.command)
        .await
        .expect("is its own");
    worker
        .reply(&objects.request, "")
        .await
        .expect("is its own");
    let request = RequestId::parse(&objects.request).expect("is an identifier");
    let replies = bench.master().replies(&request, Duration::ZERO).await;
    assert_eq!(replies.expect("are there").len(), 1);
}

impl Bench for Gateway {
    fn master(&self) -> &dyn Master {
        &*self.backend.master
    }

    fn worker(&self, name: &str) -> Worker {
        Gateway::worker(self, name)
    }

    fn audit(&self) -> Vec<AuditEvent> {
        self.audit.latest()
    }

    async fn snapshot(&self) -> Snapshot {
        let master = self.master();
        let mut seen = Snapshot::new();
        let runs = master.runs().await.expect("lists");
        for run in &runs {
            let lines = master.lines(&run.id, 0, Duration::ZERO).await;
            seen.insert(format!("lines of {}", run.id), format!("{lines:?}"));
            for stream in [LogStream::Stdout, LogStream::Stderr] {
                let file = master.file(&run.id, stream).await;
                seen.insert(format!("{stream:?} of {}", run.id), format!("{file:?}"));
            }
        }
        seen.insert("runs".into(), format!("{runs:?}"));
        seen.insert("workers".into(), format!("{:?}", master.workers().await));
        seen.insert("queues".into(), format!("{:?}", master.queues().await));
        let dead = self.backend.dead_letters.list(usize::MAX).await;
        seen.insert("dead letters".into(), format!("{dead:?}"));
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_what_is_anothers_stays_as_it_is() {
    let gateway = Gateway::start().await;
    let (one, other) = (equip(&gateway, "w-1").await, equip(&gateway, "w-2").await);

    let mut tried = 0;
    for rows in [unary(), streamed(), headers()] {
        tried += walk(&gateway, &rows, &one, &other).await;
    }
    assert_eq!(tried, 34 * 16);
    own(&gateway, &unary(), &one).await;
    own(&gateway, &streamed(), &one).await;
    all_is_there(&gateway, &other).await;
    gateway.stop().await;
}

#[cfg(feature = "redis")]
mod on_redis {
    use super::*;
    use crate::support::OnRedis;
    use crate::support::servers::{RedisServer, namespace};

    struct Redis {
        gateway: OnRedis,
        server: &'static RedisServer,
        namespace: String,
        /// What has this in its name may change.
        lively: &'static str,
    }

    impl Bench for Redis {
        fn master(&self) -> &dyn Master {
            &*self.gateway.backend.master
        }

        fn worker(&self, name: &str) -> Worker {
            self.gateway.worker(name)
        }

        fn audit(&self) -> Vec<AuditEvent> {
            self.gateway.audit.latest()
        }

        /// Every key, as Redis would write it down.
        async fn snapshot(&self) -> Snapshot {
            let pattern = format!("{}:*", self.namespace);
            let keys = self
                .server
                .command(&["KEYS", pattern.as_str()])
                .await
                .texts();
            let mut seen = Snapshot::new();
            // Gateways leave a mark of life.
            let quiet = |key: &String| !key.contains(":probe:") && !key.contains(self.lively);
            for key in keys.into_iter().filter(quiet) {
                // What runs out between two looks would pass for a change.
                self.server.command(&["PERSIST", key.as_str()]).await;
                let dump = format!("{:?}", self.server.command(&["DUMP", key.as_str()]).await);
                // One had run out before.
                if dump != "Nil" {
                    seen.insert(key, dump);
                }
            }
            seen
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn on_redis_what_is_anothers_stays_as_it_is() {
        let (server, namespace) = (RedisServer::shared().await, namespace());
        let gateway = OnRedis::start(&server.url(), &namespace).await;
        let mut redis = Redis {
            gateway,
            server,
            namespace,
            lively: "\n",
        };
        let (one, other) = (equip(&redis, "w-1").await, equip(&redis, "w-2").await);

        let tried = walk(&redis, &unary(), &one, &other).await;
        assert_eq!(tried, 18 * 16);
        // Whoever opens a live channel waits for commands of its own there.
        redis.lively = "w-1";
        let tried = walk(&redis, &streamed(), &one, &other).await;
        assert_eq!(tried, 4 * 16);
        own(&redis, &unary(), &one).await;
        all_is_there(&redis, &other).await;
        redis.gateway.stop().await;
    }
}
