//! Hearing of new entries by keyspace notifications, and of what other gateways say.

use std::collections::HashSet;
use std::sync::Weak;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _};
use fred::types::config::Server;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use super::super::link::{Link, LinkError};
use super::super::reply;
use super::super::script::Script;
use super::{Doorbell, Ear, Inner, shards};

/// How often it is put to the test.
const PERIOD: Duration = Duration::from_secs(1);

/// How many tests may go unheard: until another way is taken, and until the connection is made anew.
const DEAF_AFTER: u32 = 3;
const RECONNECT_AFTER: u32 = 6;

/// What Redis must tell of: channels by key (K), for stream commands (t).
const FLAGS: &str = "notify-keyspace-events";

pub(super) fn spawn(link: &Link, doorbell: &Doorbell) {
    let (link, doorbell) = (link.clone(), std::sync::Arc::downgrade(&doorbell.0));
    tokio::spawn(async move {
        let mut listener = Listener::new(link, doorbell);
        listener.run().await;
    });
}

struct Listener {
    link: Link,
    doorbell: Weak<Inner>,
    client: Client,
    /// What the entries and messages of its own tests are named by.
    probe: String,
    script: Script,
    /// Tests since the last entry, and the last message, that it was told of.
    entry_misses: u32,
    message_misses: u32,
    /// Nodes that were asked to tell of entries over the connection there is, and answered, be it
    /// that they will not.
    asked: HashSet<Server>,
    /// The nodes there were at the last test.
    nodes: Vec<Server>,
    /// Whether an operator was told that notifications cannot be had.
    warned: bool,
}

impl Listener {
    fn new(link: Link, doorbell: Weak<Inner>) -> Self {
        let gateway = format!("{:016x}", rand::random::<u64>());
        let keys = doorbell.upgrade().map(|inner| inner.keys.clone());
        Self {
            client: link.client(),
            probe: keys.map(|keys| keys.probe(&gateway)).unwrap_or_default(),
            script: Script::new(include_str!("../lua/probe.lua")),
            link,
            doorbell,
            entry_misses: 0,
            message_misses: 0,
            asked: HashSet::new(),
            nodes: Vec::new(),
            warned: false,
        }
    }

    async fn run(&mut self) {
        let mut entries = self.client.keyspace_event_rx();
        let mut messages = self.client.message_rx();
        let mut connections = self.client.reconnect_rx();
        let _task = self.client.connect();
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(doorbell) = self.doorbell.upgrade().map(Doorbell) {
            tokio::select! {
                entry = entries.recv() => match entry {
                    Ok(entry) => if entry.operation == "xadd" {
                        self.heard_entry(&doorbell, &entry.key.as_str_lossy());
                    },
                    Err(RecvError::Lagged(_)) => doorbell.ring_all(),
                    Err(RecvError::Closed) => return,
                },
                message = messages.recv() => match message {
                    Ok(message) if &*message.channel == self.probe.as_str() => self.message_misses = 0,
                    Ok(message) => {
                        if let Ok(text) = reply::text(&message.value) {
                            doorbell.ring_message(&text);
                        }
                    }
                    Err(RecvError::Lagged(_)) => doorbell.ring_all(),
                    Err(RecvError::Closed) => return,
                },
                // It is told before the connection can be used: if now is too soon, the next test
                // is not.
                connected = connections.recv() => {
                    match connected {
                        Ok(node) => drop(self.asked.remove(&node)),
                        Err(_) => self.asked.clear(),
                    }
                    self.listen(&doorbell).await;
                }
                _ = ticks.tick() => {
                    doorbell.sweep();
                    self.test(&doorbell).await;
                }
            }
        }
        // Nobody waits any more; a connection that does not end in order ends with the process.
        let _quit = self.client.quit().await;
    }

    fn heard_entry(&mut self, doorbell: &Doorbell, key: &str) {
        if key != self.probe {
            doorbell.ring_stream(key);
            return;
        }
        self.entry_misses = 0;
        if doorbell.ear() != Ear::Events {
            info!("waiting polls are woken by keyspace notifications");
            doorbell.hear_by(Ear::Events);
        }
    }

    /// Has a look at what came of the last test, and makes the next.
    async fn test(&mut self, doorbell: &Doorbell) {
        if self.link.away().borrow().is_some() {
            return;
        }
        self.listen(doorbell).await;
        if self.misses_a_node() {
            debug!("the listener connects to the nodes that came since");
            self.connect_anew(doorbell).await;
        } else if self.message_misses >= RECONNECT_AFTER {
            debug!("the listener at Redis is deaf and connects anew");
            self.connect_anew(doorbell).await;
        } else if self.entry_misses >= DEAF_AFTER && doorbell.ear() != Ear::Shards {
            self.without_notifications(doorbell).await;
        }
        let keys = vec![self.probe.clone()];
        let args = vec![self.probe.as_str().into()];
        if self.link.eval(&self.script, keys, args).await.is_ok() {
            self.entry_misses = self.entry_misses.saturating_add(1);
            self.message_misses = self.message_misses.saturating_add(1);
        }
    }

    /// Takes the other way, if there is one, and says so once.
    async fn without_notifications(&mut self, doorbell: &Doorbell) {
        if doorbell.ear() == Ear::Events {
            // Somebody may have turned them off.
            self.asked.clear();
            self.listen(doorbell).await;
        }
        let clustered = self.link.is_clustered();
        if !self.warned {
            self.warned = true;
            let way = if clustered {
                "looking twice a second"
            } else {
                "waiting on the streams"
            };
            warn!(
                "no keyspace notifications from Redis, and no right to turn them on: {way}; \
                   CONFIG SET {FLAGS} Kt would make it cheaper"
            );
        }
        if clustered {
            doorbell.hear_by(Ear::Deaf);
        } else {
            doorbell.hear_by(Ear::Shards);
            shards::spawn(&self.link, doorbell);
        }
    }

    /// Whether a cluster has a node that came since it connected: nothing else tells of it.
    fn misses_a_node(&mut self) -> bool {
        let nodes = self.link.nodes();
        if self.nodes == nodes {
            return false;
        }
        self.nodes = nodes;
        let known = self.client.active_connections();
        self.link.is_clustered() && self.nodes.iter().any(|node| !known.contains(node))
    }

    /// Has its connections made anew, in their own time; the next test tells.
    async fn connect_anew(&mut self, doorbell: &Doorbell) {
        self.message_misses = 0;
        doorbell.hear_by(Ear::Deaf);
        let _begun = tokio::time::timeout(PERIOD, self.client.force_reconnection()).await;
    }

    /// Asks the nodes that were not asked yet: turns notifications on where that is allowed, and
    /// subscribes to all there is to hear.
    async fn listen(&mut self, doorbell: &Doorbell) {
        let nodes = self.client.active_connections();
        self.asked.retain(|node| nodes.contains(node));
        let unasked = nodes.into_iter().filter(|node| !self.asked.contains(node));
        let unasked: Vec<_> = unasked.collect();
        if unasked.is_empty() {
            return;
        }
        // What gateways tell each other is heard whatever becomes of the rest.
        let channels = vec![doorbell.0.keys.bell(), self.probe.clone()];
        let subscribed = self.client.subscribe(channels).await;
        let subscribed = subscribed.map_err(LinkError::from);
        for node in unasked {
            let answers = [
                subscribed.clone(),
                self.turn_on(&node).await,
                self.subscribe(doorbell, &node).await,
            ];
            let errors = || answers.iter().filter_map(|answer| answer.as_ref().err());
            for error in errors() {
                debug!(%node, %error, "the listener was not heard out");
            }
            if errors().all(LinkError::is_refusal) {
                self.asked.insert(node);
                // Whatever came while nobody listened.
                doorbell.ring_all();
            }
        }
    }

    /// Subscribes to what a node tells of entries.
    async fn subscribe(&self, doorbell: &Doorbell, node: &Server) -> Result<(), LinkError> {
        let keys = &doorbell.0.keys;
        let channel = |key: &str| format!("__keyspace@{}__:{key}", self.link.database());
        // A user must have the right to each of them word for word. Redis tells of all or of none, so
        // whoever hears of the tests hears of the rest; fred does not say what was refused.
        let patterns = vec![
            channel(&format!("{}*", keys.ready_prefix())),
            channel(&format!("{}*", keys.control_prefix())),
            channel(&keys.probe("*")),
        ];
        if self.link.is_clustered() {
            let client = self.client.with_cluster_node(node);
            Ok(client.psubscribe(patterns).await?)
        } else {
            Ok(self.client.psubscribe(patterns).await?)
        }
    }

    async fn turn_on(&self, node: &Server) -> Result<(), LinkError> {
        let get = vec!["GET".into(), FLAGS.into()];
        let answer = self.link.ask_node(node.clone(), "CONFIG", get).await?;
        let known = reply::fields(answer)?;
        let flags = known.into_iter().next().map(|(_, flags)| flags);
        let mut flags = flags.unwrap_or_default();
        let told = |flag: char| flags.contains(flag);
        if told('K') && (told('t') || told('A')) {
            return Ok(());
        }
        // Whatever others asked for stays.
        flags.push_str("Kt");
        let set = vec!["SET".into(), FLAGS.into(), flags.into()];
        self.link.ask_node(node.clone(), "CONFIG", set).await?;
        Ok(())
    }
}
