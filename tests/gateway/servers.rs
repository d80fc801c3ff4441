//! The servers that tests start: alive when asked for, dead when let go.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::servers::{
    Connection, LONG, Proxy, RedisCluster, RedisOptions, RedisSentinel, RedisServer, Reply,
    namespace, until,
};

#[tokio::test]
async fn a_server_answers() {
    let server = RedisServer::start().await;
    assert_eq!(
        server.url(),
        format!("redis://127.0.0.1:{}/0", server.port())
    );

    assert_eq!(server.command(&["SET", "k", "v"]).await.text(), "OK");
    assert_eq!(server.command(&["GET", "k"]).await.text(), "v");
    assert_eq!(server.command(&["GET", "none"]).await, Reply::Nil);
    assert_eq!(server.command(&["RPUSH", "l", "a", "b"]).await.int(), 2);
    let list = server.command(&["LRANGE", "l", "0", "-1"]).await;
    assert_eq!(list.texts(), ["a", "b"]);
    let refused = server.command(&["INCR", "l"]).await;
    assert!(refused.error().is_some_and(|e| e.starts_with("WRONGTYPE")));
}

#[tokio::test]
async fn replies_to_commands_sent_together_come_in_their_order() {
    let server = RedisServer::shared().await;
    let key = format!("{}:count", namespace());
    let mut connection = server.connect().await;

    for _ in 0..3 {
        connection.send(&["INCR", &key]).await.expect("sends");
    }
    for count in 1..=3 {
        assert_eq!(connection.receive().await.expect("answers").int(), count);
    }
}

#[tokio::test]
async fn a_shared_server_is_one_and_a_namespace_is_nobody_elses() {
    let (one, other) = (RedisServer::shared().await, RedisServer::shared().await);

    assert_eq!(one.port(), other.port());
    assert_ne!(namespace(), namespace());
}

#[tokio::test]
async fn a_killed_server_restarts_empty_on_its_port() {
    let server = RedisServer::start().await;
    server.command(&["SET", "k", "v"]).await;

    server.kill();
    assert!(Connection::open(server.port()).await.is_err());
    server.restart().await;
    assert_eq!(server.command(&["GET", "k"]).await, Reply::Nil);
}

#[tokio::test]
async fn a_server_that_appends_keeps_what_it_answered() {
    let server = RedisServer::start_with(RedisOptions {
        append_only: true,
        arguments: vec!["--databases".into(), "3".into()],
    })
    .await;
    for end in [RedisServer::kill, RedisServer::stop] {
        server.command(&["INCR", "k"]).await;
        end(&server);
        server.restart().await;
    }

    assert_eq!(server.command(&["GET", "k"]).await.text(), "2");
    let databases = server.command(&["CONFIG", "GET", "databases"]).await;
    assert_eq!(databases.texts(), ["databases", "3"]);
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() {
    let server = RedisServer::start().await;
    let mut connection = server.connect().await;
    server.pause();

    let asked = connection.call(&["PING"]);
    tokio::pin!(asked);
    let early = timeout(Duration::from_millis(50), &mut asked).await;
    assert!(early.is_err(), "{early:?}");
    server.resume();
    let answer = timeout(LONG, asked).await.expect("in time");
    assert_eq!(answer.expect("answers").text(), "PONG");
}

#[tokio::test]
async fn a_server_that_is_let_go_is_gone_with_its_folder_though_it_is_paused() {
    let server = RedisServer::start().await;
    let port = server.port();
    let folder = server.command(&["CONFIG", "GET", "dir"]).await.texts()[1].clone();
    server.pause();

    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert!(!std::path::Path::new(&folder).exists());
}

#[tokio::test]
async fn a_cluster_spreads_keys_over_three_masters() {
    let cluster = RedisCluster::shared().await;
    let space = namespace();
    for key in 0..60 {
        let key = format!("{space}:{key}");
        assert_eq!(cluster.command(&["SET", &key, &key]).await.text(), "OK");
        assert_eq!(cluster.command(&["GET", &key]).await.text(), key);
    }

    let mut masters = BTreeSet::new();
    for node in cluster.nodes() {
        let role = node.command(&["ROLE"]).await.array()[0].text();
        if role == "master" {
            assert!(node.command(&["DBSIZE"]).await.int() > 0, "{}", node.port());
            masters.insert(node.port());
        }
        assert!(cluster.url().contains(&node.port().to_string()));
    }
    assert_eq!((masters.len(), cluster.nodes().len()), (3, 6));
}

#[tokio::test]
async fn sentinels_name_a_new_primary_when_the_old_one_is_killed() {
    let sentinel = RedisSentinel::start().await;
    assert_eq!(sentinel.url().matches("&node=127.0.0.1:").count(), 2);
    let told = sentinel.primary().await.command(&["SET", "k", "v"]).await;
    assert_eq!(told.text(), "OK");

    let killed = sentinel.kill_primary().await;
    until("another is primary", || async {
        (sentinel.primary_port().await != killed).then_some(())
    })
    .await;
    let primary = sentinel.primary().await;
    assert_eq!(primary.command(&["ROLE"]).await.array()[0].text(), "master");
    let servers: Vec<_> = sentinel.servers().iter().map(RedisServer::port).collect();
    assert!(servers.contains(&killed) && servers.contains(&primary.port()));
}

#[tokio::test]
async fn a_proxy_loses_replies_but_not_commands() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    proxy.lose_replies(0.2);

    let mut answered = 0;
    for _ in 0..50 {
        let mut connection = Connection::open(proxy.port()).await.expect("connects");
        // Two at a time, as a pipeline has them.
        'alive: for _ in 0..10 {
            for _ in 0..2 {
                if connection.send(&["INCR", "k"]).await.is_err() {
                    break 'alive;
                }
            }
            for _ in 0..2 {
                if connection.receive().await.is_err() {
                    break 'alive;
                }
                answered += 1;
            }
        }
    }
    let done = server.command(&["GET", "k"]).await.text();
    let done: u64 = done.parse().expect("is a number");
    assert_eq!(done, answered + proxy.lost());
    assert!(proxy.lost() > 0);
}

#[tokio::test]
async fn a_proxy_delays_holds_back_and_refuses() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    assert!(proxy.url().ends_with(&format!(":{}/0", proxy.port())));
    let mut connection = Connection::open(proxy.port()).await.expect("connects");

    let delay = Duration::from_millis(30);
    proxy.delay(delay);
    let begun = Instant::now();
    connection.call(&["PING"]).await.expect("answers");
    assert!(begun.elapsed() >= delay);

    proxy.black_hole();
    connection.send(&["PING"]).await.expect("sends");
    let mut new = Connection::open(proxy.port()).await.expect("connects");
    let nothing = timeout(Duration::from_millis(50), new.call(&["PING"])).await;
    assert!(nothing.is_err(), "{nothing:?}");
    proxy.pass();
    assert_eq!(connection.receive().await.expect("answers").text(), "PONG");

    proxy.refuse();
    assert!(connection.receive().await.is_err());
    let mut refused = Connection::open(proxy.port()).await.expect("connects");
    assert!(refused.call(&["PING"]).await.is_err());
}

#[tokio::test]
async fn a_proxy_leads_those_who_come_elsewhere() {
    let (one, other) = (RedisServer::start().await, RedisServer::start().await);
    let proxy = Proxy::start(one.port()).await;
    let mut old = Connection::open(proxy.port()).await.expect("connects");
    let set = ["SET", "who", "one"];
    assert_eq!(old.call(&set).await.expect("answers").text(), "OK");

    proxy.lead_to(other.port());
    let mut new = Connection::open(proxy.port()).await.expect("connects");
    let who = ["GET", "who"];
    assert_eq!(new.call(&who).await.expect("answers"), Reply::Nil);
    assert_eq!(old.call(&who).await.expect("answers").text(), "one");
}

#[tokio::test]
async fn a_proxy_cuts_every_connection_and_takes_new_ones() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let mut connection = Connection::open(proxy.port()).await.expect("connects");
    connection.call(&["PING"]).await.expect("answers");

    proxy.cut_all();
    assert!(connection.call(&["PING"]).await.is_err());
    let mut new = Connection::open(proxy.port()).await.expect("connects");
    assert_eq!(new.call(&["PING"]).await.expect("answers").text(), "PONG");
}
