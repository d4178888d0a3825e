//! Three nodes on loopback, from the outside.

#[path = "../../tls/tests/pki/mod.rs"]
#[expect(clippy::unwrap_used, reason = "the functions there are tests' parts")]
mod pki;

use pki::{Authority, Wish, side};
use quorate_driver::{
    Freshness, Keyspace, Member, NodeConfig, RequestOptions, Running, Timing, UpkeepOptions, node_id, start,
};
use quorate_kv::{Command, KeyRange, PutRequest, RangeRequest};
use quorate_node::declaration::{DEFAULT_KEYSPACE, Declarations};
use quorate_types::Bytes;
use std::path::Path;
use std::time::Duration;

const TOKEN: &str = "test";

fn configs(dir: &Path, count: usize) -> Vec<NodeConfig> {
    let port = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let names: Vec<String> = (1..=count).map(|n| format!("n{n}")).collect();
    let members: Vec<Member> = names
        .iter()
        .map(|name| Member {
            id: node_id(TOKEN, name),
            name: name.clone(),
            peer_address: format!("127.0.0.1:{}", port()),
            client_urls: vec![format!("http://{name}")],
        })
        .collect();
    let config = |member: &Member| NodeConfig {
        name: member.name.clone(),
        cluster_token: TOKEN.to_owned(),
        members: members.clone(),
        data_dir: Some(dir.join(&member.name)),
        listen_peer: Some(member.peer_address.clone()),
        peer_tls: None,
        declarations: Declarations::default(),
        timing: Timing::default(),
        upkeep: UpkeepOptions::default(),
    };
    members.iter().map(config).collect()
}

fn default_of(node: &Running) -> Keyspace {
    node.handle().keyspace(DEFAULT_KEYSPACE).expect("always there")
}

async fn put(node: &Running, key: String, value: String) {
    let put = PutRequest { key: Bytes::from(key), value: Bytes::from(value), ..PutRequest::default() };
    let answer =
        default_of(node).execute(Command::Put(put), RequestOptions::default()).await.expect("an outcome");
    answer.outcome.expect("not refused");
}

async fn count(node: &Running) -> i64 {
    let view =
        default_of(node).view(Freshness::Linearizable, RequestOptions::default()).await.expect("a view");
    let range = KeyRange { key: Bytes::from_static(b"\0"), end: Bytes::from_static(b"\0") };
    view.range(&RangeRequest { range, count_only: true, ..RangeRequest::default() }).expect("read").count
}

async fn leader_position(nodes: &[Option<Running>]) -> usize {
    let node = nodes.iter().flatten().next().expect("one runs");
    let mut status = default_of(node).status();
    let alive = |id| nodes.iter().flatten().any(|node| node.handle().node_id() == id);
    let known = status.wait_for(|status| status.leader.is_some_and(alive));
    let leader =
        tokio::time::timeout(Duration::from_secs(10), known).await.expect("in time").expect("runs").leader;
    nodes
        .iter()
        .position(|node| node.as_ref().is_some_and(|node| Some(node.handle().node_id()) == leader))
        .expect("the leader runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_leader_is_replaced_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let configs = configs(dir.path(), 3);
    let mut nodes: Vec<Option<Running>> =
        configs.iter().map(|config| Some(start(config).expect("starts"))).collect();
    let mut written = 0;
    for round in 0..2 {
        for n in 0..50 {
            let node = nodes[n % 3].as_ref().expect("all run");
            put(node, format!("{round}/{n}"), "v".to_owned()).await;
            written += 1;
        }
        let leader = leader_position(&nodes).await;
        drop(nodes[leader].take());
        let survivor = nodes.iter().flatten().next().expect("two run");
        for n in 50..100 {
            put(survivor, format!("{round}/{n}"), "v".to_owned()).await;
            written += 1;
        }
        assert_eq!(count(survivor).await, written);
        let again = start(&configs[leader]).expect("starts again");
        assert_eq!(count(&again).await, written);
        nodes[leader] = Some(again);
    }
    drop(nodes);
    let nodes: Vec<Running> = configs.iter().map(|config| start(config).expect("starts again")).collect();
    for node in &nodes {
        assert_eq!(count(node).await, written);
    }
}

/// A serial number that counts no more.
const REVOKED: u64 = 9;

/// Every node with a certificate for the address that its peers dial.
fn with_tls(configs: &mut [NodeConfig], authority: &Authority, serial: u64) {
    for config in configs {
        let wish = Wish { serial, ..Wish::default() };
        let mut options = side(Some(authority.issue(&config.name, &wish)), authority);
        options.client_cert_auth = true;
        options.crl = Some(authority.revoke(&[REVOKED]));
        config.peer_tls = Some(options);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_talk_by_mutual_tls() {
    const LARGE_LEN_BYTES: usize = 1 << 20;
    const LARGE_COUNT: usize = 16;
    let dir = tempfile::tempdir().expect("a directory");
    let mut configs = configs(dir.path(), 3);
    with_tls(&mut configs, &Authority::new(dir.path(), "authority"), 1);
    let mut nodes: Vec<Option<Running>> =
        configs.iter().map(|config| Some(start(config).expect("starts"))).collect();
    let leader = leader_position(&nodes).await;
    let other = nodes[(leader + 1) % 3].as_ref().expect("all run");
    for n in 0..50 {
        put(other, format!("small/{n}"), "v".to_owned()).await;
    }
    // More than a session or a socket holds, so that flushes leave some to the lanes' tasks.
    for n in 0..LARGE_COUNT {
        put(other, format!("large/{n}"), "v".repeat(LARGE_LEN_BYTES)).await;
    }
    for node in nodes.iter().flatten() {
        assert_eq!(count(node).await, 50 + LARGE_COUNT as i64);
    }
    drop(nodes[leader].take());
    let survivor = nodes.iter().flatten().next().expect("two run");
    put(survivor, "after".to_owned(), "v".to_owned()).await;
    let again = start(&configs[leader]).expect("starts again");
    assert_eq!(count(&again).await, 51 + LARGE_COUNT as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nobody_vouches_for_stays_outside() {
    for (name, serial) in [("other", 1), ("authority", REVOKED)] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut configs = configs(dir.path(), 3);
        let authority = Authority::new(dir.path(), "authority");
        with_tls(&mut configs[..2], &authority, 1);
        let other = Authority::new(dir.path(), "other");
        with_tls(&mut configs[2..], if name == "other" { &other } else { &authority }, serial);
        let outsider = start(&configs[2]).expect("starts");
        let nodes: Vec<Option<Running>> =
            configs[..2].iter().map(|config| Some(start(config).expect("starts"))).collect();
        leader_position(&nodes).await;
        for n in 0..20 {
            put(nodes[0].as_ref().expect("runs"), format!("{n}"), "v".to_owned()).await;
        }
        let status = default_of(&outsider).status();
        let status = status.borrow();
        assert!(status.leader.is_none() && status.commit.0 == 0, "{name}: {status:?}");
    }
}
