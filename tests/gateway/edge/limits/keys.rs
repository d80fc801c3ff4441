//! What names that clients make up leave in Redis (T28).

use crate::support::servers::{RedisServer, namespace};
use crate::support::{OnRedis, proto};

use super::line;

/// T28: nothing stays for ever of a worker or a run that somebody made up. How many there are at
/// once is for the limits to say.
#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_a_name_that_was_made_up_ends_of_itself() {
    let (server, namespace) = (RedisServer::shared().await, namespace());
    let gateway = OnRedis::start(&server.url(), &namespace).await;
    let names: Vec<_> = (0..20).map(|number| format!("made-up-{number}")).collect();

    for name in &names {
        let worker = gateway.worker(name);
        let chunk = proto::SendLogChunkRequest {
            run_id: format!("{name}-file"),
            data: b"x".as_slice().into(),
            ..Default::default()
        };
        worker.register().await.expect("is believed");
        worker.beat(0).await.expect("is believed");
        worker.poll(1).await.expect("is believed");
        worker.poll_control(1).await.expect("is believed");
        // Some of it is refused, and all of it may be.
        let _either = worker.ack(name, true).await;
        let _either = worker.ack(name, false).await;
        let _either = worker.ack_control(name).await;
        let _either = worker.reply(name, "").await;
        let _either = worker.report(name, "success").await;
        let _either = worker.log(vec![line(name, "x".into())]).await;
        let _either = worker.chunk(chunk).await;
    }

    let mut lasting = Vec::new();
    let pattern = format!("{namespace}:*made-up-*");
    let keys = server.command(&["KEYS", &pattern]).await.texts();
    assert!(!keys.is_empty(), "workers that are alive are known");
    for key in keys {
        if server.command(&["PTTL", &key]).await.int() == -1 {
            lasting.push(key);
        }
    }
    // Those of workers that poll: the Master makes them, too, and what is in them must not end.
    // Where callers are not believed, nobody polls but who is in the directory.
    lasting.retain(|key| !key.contains(":task:ready:"));
    assert_eq!(lasting, [""; 0]);
    gateway.stop().await;
}
