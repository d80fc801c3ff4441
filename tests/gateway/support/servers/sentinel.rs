use futures::future::join_all;

use super::redis::{RedisOptions, RedisServer};
use super::resp::Reply;
use super::until;

/// What the Sentinels call the primary.
const SERVICE: &str = "main";

/// A primary with two replicas, and three Sentinels that watch them.
pub(crate) struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// Starts them, and waits until all know of each other.
    pub(crate) async fn start() -> Self {
        let primary = RedisServer::start().await;
        let replica = || RedisOptions {
            append_only: false,
            arguments: words(&["--replicaof", "127.0.0.1", &primary.port().to_string()]),
        };
        let replicas = join_all((0..2).map(|_| RedisServer::start_with(replica()))).await;
        // A Sentinel asks a primary for its replicas at once, and then not for ten seconds.
        until("the replicas follow", || async {
            let said = primary.command(&["INFO", "replication"]).await.text();
            (said.matches("state=online").count() == 2).then_some(())
        })
        .await;
        let sentinel = || RedisServer::launch("redis-sentinel", &[]);
        let sentinels = join_all((0..3).map(|_| sentinel())).await;
        for sentinel in &sentinels {
            watch(sentinel, primary.port()).await;
        }
        for sentinel in &sentinels {
            until("the Sentinels know of each other", || knows_all(sentinel)).await;
        }
        let mut servers = vec![primary];
        servers.extend(replicas);
        Self { servers, sentinels }
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        let addresses = self.sentinels.iter().map(RedisServer::address);
        let addresses: Vec<_> = addresses.collect();
        let service = format!("sentinelServiceName={SERVICE}");
        let (first, others) = (&addresses[0], addresses[1..].join("&node="));
        format!("redis-sentinel://{first}/0?{service}&node={others}")
    }

    /// The primary and its replicas, whichever is which.
    pub(crate) fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The port of the primary, as the first Sentinel has it.
    pub(crate) async fn primary_port(&self) -> u16 {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
        let address = self.sentinels[0].command(&ask).await.texts();
        address[1].parse().expect("is a port")
    }

    /// The primary, as the first Sentinel has it.
    pub(crate) async fn primary(&self) -> &RedisServer {
        let port = self.primary_port().await;
        let primary = self.servers.iter().find(|server| server.port() == port);
        primary.expect("is one of ours")
    }

    /// Ends the primary by SIGKILL; its port.
    pub(crate) async fn kill_primary(&self) -> u16 {
        let primary = self.primary().await;
        primary.kill();
        primary.port()
    }
}

async fn watch(sentinel: &RedisServer, primary: u16) {
    let primary = primary.to_string();
    let monitor = ["SENTINEL", "MONITOR", SERVICE, "127.0.0.1", &primary, "2"];
    assert_eq!(sentinel.command(&monitor).await.text(), "OK");
    let patience = [
        ["down-after-milliseconds", "1000"],
        ["failover-timeout", "5000"],
    ];
    let set = [&["SENTINEL", "SET", SERVICE][..], &patience.concat()].concat();
    assert_eq!(sentinel.command(&set).await.text(), "OK");
}

/// Whether `sentinel` knows the replicas and the other Sentinels, and finds nobody missing.
async fn knows_all(sentinel: &RedisServer) -> Option<()> {
    let known = sentinel.command(&["SENTINEL", "CKQUORUM", SERVICE]).await;
    let replicas = sentinel.command(&["SENTINEL", "REPLICAS", SERVICE]).await;
    let others = sentinel.command(&["SENTINEL", "SENTINELS", SERVICE]).await;
    let up = |those: &Reply| {
        let flags = those.array().iter().filter_map(flags);
        flags.filter(|flags| !flags.contains("down")).count()
    };
    (known.error().is_none() && up(&replicas) == 2 && up(&others) == 2).then_some(())
}

fn flags(about: &Reply) -> Option<String> {
    let about = about.texts();
    let (pairs, _) = about.as_chunks::<2>();
    let found = pairs.iter().find(|[name, _]| name == "flags");
    found.map(|[_, value]| value.clone())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
