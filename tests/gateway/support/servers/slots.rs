//! Whose a key of a cluster is, and giving it to another node while it is in use.

use std::collections::BTreeSet;

use super::cluster::RedisCluster;
use super::redis::RedisServer;
use super::until;

impl RedisCluster {
    /// The nodes that take writes.
    pub(crate) async fn masters(&self) -> Vec<&RedisServer> {
        let mut masters = Vec::new();
        for node in self.nodes() {
            let role = node.command(&["ROLE"]).await;
            if role.array()[0].text() == "master" {
                masters.push(node);
            }
        }
        masters
    }

    /// The node that has `key`.
    pub(crate) async fn owner(&self, key: &str) -> &RedisServer {
        for node in self.masters().await {
            // Whoever does not have it says who does.
            if node.command(&["EXISTS", key]).await.error().is_none() {
                return node;
            }
        }
        panic!("nobody has {key}");
    }

    /// Moves the slots of `keys`, and all that is in them, to the node `to`, as a resharding does.
    ///
    /// To one node at a time: two that take slots from each other before they have heard of each
    /// other's last take may both believe that they have one.
    pub(crate) async fn reshard(&self, keys: &[String], to: &RedisServer) {
        let masters = self.masters().await;
        for key in keys {
            let from = self.owner(key).await;
            if from.port() != to.port() {
                let slot = from.command(&["CLUSTER", "KEYSLOT", key]).await.int();
                move_slot(&slot.to_string(), from, to, &masters).await;
            }
        }
        until("all have heard of it", || async {
            let mut epochs = BTreeSet::new();
            for node in self.nodes() {
                let info = node.command(&["CLUSTER", "INFO"]).await.text();
                let epoch = info
                    .lines()
                    .find(|line| line.starts_with("cluster_current_epoch"));
                epochs.insert(epoch.expect("has one").to_owned());
            }
            (epochs.len() == 1).then_some(())
        })
        .await;
    }
}

async fn move_slot(slot: &str, from: &RedisServer, to: &RedisServer, all: &[&RedisServer]) {
    let (from_id, to_id) = (id(from).await, id(to).await);
    order(to, &["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]).await;
    order(from, &["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]).await;
    let port = to.port().to_string();
    let list = ["CLUSTER", "GETKEYSINSLOT", slot, "1"];
    // One by one, so that there are moments when some are here and some there.
    while let [key] = &from.command(&list).await.texts()[..] {
        order(from, &["MIGRATE", "127.0.0.1", &port, key, "0", "20000"]).await;
    }
    let belongs = ["CLUSTER", "SETSLOT", slot, "NODE", &to_id];
    order(to, &belongs).await;
    for node in all {
        order(node, &belongs).await;
    }
}

async fn id(node: &RedisServer) -> String {
    node.command(&["CLUSTER", "MYID"]).await.text()
}

async fn order(node: &RedisServer, command: &[&str]) {
    let answer = node.command(command).await;
    assert_eq!(answer.error(), None, "{command:?}");
}
