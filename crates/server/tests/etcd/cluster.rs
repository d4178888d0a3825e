//! Three nodes, each with its front end.

use super::{Front, get, put, serve_node, with};
use quorate_driver::{Member, NodeConfig, Running, Timing, UpkeepOptions, node_id, start};
use quorate_node::declaration::{DEFAULT_KEYSPACE, Declarations};
use quorate_proto::etcdserverpb as pb;
use tonic::{Code, Request};

const TOKEN: &str = "t";
const CATALOGUE: &str = "[[keyspace]]\nname = \"catalogue\"\nlevel = \"sequential\"\n";

struct Cluster {
    nodes: Vec<(Running, Front)>,
}

impl Cluster {
    async fn start() -> Self {
        let member = |name: &str| {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            Member {
                id: node_id(TOKEN, name),
                name: name.to_owned(),
                peer_address: format!("127.0.0.1:{port}"),
                client_urls: Vec::new(),
            }
        };
        let members = ["a", "b", "c"].map(member).to_vec();
        let mut nodes = Vec::new();
        for member in &members {
            let node = start(&NodeConfig {
                name: member.name.clone(),
                cluster_token: TOKEN.to_owned(),
                members: members.clone(),
                data_dir: None,
                listen_peer: Some(member.peer_address.clone()),
                peer_tls: None,
                declarations: Declarations::parse(CATALOGUE).unwrap(),
                timing: Timing::default(),
                upkeep: UpkeepOptions::default(),
            });
            let node = node.unwrap();
            let front = serve_node(node.handle().clone()).await;
            nodes.push((node, front));
        }
        Cluster { nodes }
    }

    /// The position of the leader, once all know it.
    async fn leader(&self) -> usize {
        let mut leader = None;
        for (node, _) in &self.nodes {
            let mut status = node.handle().keyspace(DEFAULT_KEYSPACE).unwrap().status();
            leader = status.wait_for(|status| status.leader.is_some()).await.unwrap().leader;
        }
        self.nodes.iter().position(|(node, _)| Some(node.handle().node_id()) == leader).unwrap()
    }

    async fn close(self) {
        let (nodes, fronts): (Vec<_>, Vec<_>) = self.nodes.into_iter().unzip();
        for front in fronts {
            front.close().await;
        }
        for node in nodes {
            node.shut_down().await;
        }
    }
}

fn in_session<T>(message: T, token: &str) -> Request<T> {
    let mut request = with(message, "quorate-keyspace", "catalogue");
    request.metadata_mut().insert("quorate-session", token.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_from_node_to_node() {
    let cluster = Cluster::start().await;
    let mut clients = Vec::new();
    for (_, front) in &cluster.nodes {
        clients.push(pb::kv_client::KvClient::new(front.channel().await));
    }
    let mut token = String::new();
    for round in 1..=100 {
        let request = in_session(put("a", "1"), &token);
        let written = clients[round % 3].put(request).await.unwrap();
        token = written.metadata().get("quorate-session").unwrap().to_str().unwrap().to_owned();
        let request = in_session(get("a"), &token);
        let read = clients[(round + 1) % 3].range(request).await.unwrap().into_inner();
        assert_eq!(read.kvs[0].version, round as i64, "a session reads its own write, on whatever node");
    }
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_when_its_leader_is_asked() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let target_id = cluster.nodes[(leader + 1) % 3].0.handle().node_id().0;
    let ask = async |position: usize| {
        let channel = cluster.nodes[position].1.channel().await;
        let mut client = pb::maintenance_client::MaintenanceClient::new(channel);
        client.move_leader(pb::MoveLeaderRequest { target_id }).await
    };
    let refused = ask((leader + 2) % 3).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "etcdserver: not leader"));
    ask(leader).await.unwrap();
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_need_a_leader_are_cut_without_one() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let channel = cluster.nodes[leader].1.channel().await;
    let open = tokio_stream::pending::<pb::WatchRequest>();
    let open = with(open, "hasleader", "true");
    let mut watch =
        pb::watch_client::WatchClient::new(channel.clone()).watch(open).await.unwrap().into_inner();
    let open = with(tokio_stream::pending::<pb::LeaseKeepAliveRequest>(), "hasleader", "true");
    let mut leases = pb::lease_client::LeaseClient::new(channel);
    let mut renewals = leases.lease_keep_alive(open).await.unwrap().into_inner();
    let (kept, others): (Vec<_>, Vec<_>) =
        cluster.nodes.drain(..).enumerate().partition(|(position, _)| *position == leader);
    for (_, (node, front)) in others {
        front.close().await;
        drop(node);
    }
    let cut = watch.message().await.unwrap_err();
    assert_eq!((cut.code(), cut.message()), (Code::Unavailable, "etcdserver: no leader"));
    let cut = renewals.message().await.unwrap_err();
    assert_eq!((cut.code(), cut.message()), (Code::Unavailable, "etcdserver: no leader"));
    for (_, (node, front)) in kept {
        front.close().await;
        drop(node);
    }
}
