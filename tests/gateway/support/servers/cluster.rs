use futures::future::join_all;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time;

use super::redis::{RedisOptions, RedisServer};
use super::resp::{Connection, Reply};
use super::{LONG, until};

/// Three that share the keys, and a replica of each.
const NODES: usize = 6;

/// A Redis Cluster of our own.
pub(crate) struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, and waits until every node knows it to be whole.
    pub(crate) async fn start() -> Self {
        let nodes = join_all((0..NODES).map(|_| RedisServer::start_with(options()))).await;
        create(&nodes).await;
        for node in &nodes {
            until("the cluster is whole", || async {
                let state = node.command(&["CLUSTER", "INFO"]).await.text();
                let role = node.command(&["INFO", "replication"]).await.text();
                let replicated =
                    role.contains("connected_slaves:1") || role.contains("master_link_status:up");
                (state.contains("cluster_state:ok") && replicated).then_some(())
            })
            .await;
        }
        Self { nodes }
    }

    /// The one that the tests of this process share, as [`RedisServer::shared`].
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<RedisCluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        let addresses = self.nodes.iter().map(RedisServer::address);
        let addresses: Vec<_> = addresses.collect();
        let (first, others) = (&addresses[0], addresses[1..].join("&node="));
        format!("redis-cluster://{first}?node={others}")
    }

    /// Its nodes, masters and replicas.
    pub(crate) fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// What the node that has the key replies to a command.
    pub(crate) async fn command<A: AsRef<[u8]>>(&self, command: &[A]) -> Reply {
        let reply = time::timeout(LONG, self.follow(command)).await;
        reply.expect("answers in time")
    }

    async fn follow<A: AsRef<[u8]>>(&self, command: &[A]) -> Reply {
        let mut connection = self.any().await;
        // A node may know less than the one it names, but a chain of them has an end.
        for _ in 0..NODES {
            let reply = connection.call(command).await.expect("answers");
            let Some((port, asking)) = reply.error().and_then(redirection) else {
                return reply;
            };
            connection = Connection::open(port).await.expect("connects");
            if asking {
                connection.call(&["ASKING"]).await.expect("answers");
            }
        }
        panic!("sent from node to node");
    }

    async fn any(&self) -> Connection {
        for node in &self.nodes {
            if let Ok(connection) = Connection::open(node.port()).await {
                return connection;
            }
        }
        panic!("no node is there");
    }
}

fn options() -> RedisOptions {
    let arguments = [
        ["--cluster-enabled", "yes"],
        ["--cluster-config-file", "nodes.conf"],
        ["--cluster-node-timeout", "2000"],
    ];
    RedisOptions {
        append_only: false,
        arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
    }
}

async fn create(nodes: &[RedisServer]) {
    let create = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(nodes.iter().map(RedisServer::address))
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .kill_on_drop(true)
        .output();
    // It waits for a node that is gone as long as one lets it.
    let created = time::timeout(LONG, create).await.expect("ends in time");
    let created = created.expect("redis-cli is missing: apt-get install redis-tools");
    let said = String::from_utf8_lossy(&created.stdout);
    assert!(created.status.success(), "{said}");
}

/// Where `error` sends us, and whether for this once.
fn redirection(error: &str) -> Option<(u16, bool)> {
    let mut words = error.split(' ');
    let asking = match words.next()? {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    let (_, port) = words.nth(1)?.rsplit_once(':')?;
    Some((port.parse().expect("is a port"), asking))
}
