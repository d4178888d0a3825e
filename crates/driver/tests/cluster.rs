//! Three nodes on loopback, from the outside.

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
