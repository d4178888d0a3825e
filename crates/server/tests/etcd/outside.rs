//! What operators see: status, members, health, metrics; and a node without a quorum.

use super::{Fixture, check, get, put, serve_node, with};
use quorate_driver::{Member, NodeConfig, Timing, UpkeepOptions, node_id, start};
use quorate_node::declaration::Declarations;
use quorate_proto::etcdserverpb as pb;
use quorate_proto::health::{HealthCheckRequest, health_client::HealthClient};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

/// Status code and body.
pub async fn http_get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn status_members_and_what_is_missing() {
    let fixture = Fixture::start().await;
    fixture.kv().await.put(put("a", "1")).await.unwrap();
    let mut maintenance = pb::maintenance_client::MaintenanceClient::new(fixture.channel().await);
    let status = maintenance.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert!(status.db_size > 0 && status.db_size_in_use > 0 && status.errors.is_empty());
    assert_eq!(status.leader, fixture.node.handle().node_id().0);
    assert!(status.raft_applied_index > 0 && status.raft_index >= status.raft_applied_index);
    let alarms = maintenance.alarm(pb::AlarmRequest::default()).await.unwrap().into_inner();
    assert!(alarms.alarms.is_empty() && alarms.header.is_some());
    assert!(maintenance.defragment(pb::DefragmentRequest {}).await.unwrap().into_inner().header.is_none());
    let to_itself = pb::MoveLeaderRequest { target_id: status.leader };
    maintenance.move_leader(to_itself).await.unwrap();
    let nowhere = maintenance.move_leader(pb::MoveLeaderRequest { target_id: 1 }).await;
    check(nowhere, Code::FailedPrecondition, "etcdserver: bad leader transferee");
    let mut cluster = pb::cluster_client::ClusterClient::new(fixture.channel().await);
    let members =
        cluster.member_list(pb::MemberListRequest { linearizable: true }).await.unwrap().into_inner();
    assert_eq!((members.members.len(), members.header.unwrap().revision), (1, 0));
    assert_eq!(members.members[0].id, status.leader);
    let mut auth = pb::auth_client::AuthClient::new(fixture.channel().await);
    assert!(!auth.auth_status(pb::AuthStatusRequest {}).await.unwrap().into_inner().enabled);
    let refused = auth.authenticate(pb::AuthenticateRequest::default()).await;
    check(refused, Code::FailedPrecondition, "etcdserver: authentication is not enabled");
    let unknown = auth.user_list(pb::AuthUserListRequest {}).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    let mut health = HealthClient::new(fixture.channel().await);
    assert_eq!(health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status, 1);
    let other = HealthCheckRequest { service: "other".into() };
    assert_eq!(health.check(other).await.unwrap_err().code(), Code::NotFound);
    fixture.close().await;
}

#[tokio::test]
async fn http_beside_grpc() {
    let fixture = Fixture::start().await;
    fixture.kv().await.put(put("a", "1")).await.unwrap();
    let check = async |path: &str, status, body: &str| {
        assert_eq!(http_get(fixture.front.address, path).await, (status, body.to_owned()), "{path}");
    };
    check("/health", 200, r#"{"health":"true","reason":""}"#).await;
    check("/health?serializable=true", 200, r#"{"health":"true","reason":""}"#).await;
    check("/livez", 200, "ok\n").await;
    check("/livez/serializable_read", 200, "ok\n").await;
    check("/livez/linearizable_read", 404, "404 page not found\n").await;
    let lines = "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read excluded: ok\n[+]non_learner ok\nok\n";
    check("/readyz?verbose&exclude=linearizable_read", 200, lines).await;
    check("/nothing", 404, "404 page not found\n").await;
    let (status, version) = http_get(fixture.front.address, "/version").await;
    assert!(status == 200 && version.contains(r#""etcdserver":"3.6.14""#), "{version}");
    let (status, metrics) = http_get(fixture.front.address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "etcd_server_has_leader 1",
        "etcd_debugging_mvcc_keys_total 1",
        r#"grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1"#,
        r#"quorate_keyspace_keys{keyspace="default"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
    assert!(metrics.contains("process_resident_memory_bytes "));
    for name in ["etcd_disk_wal_fsync_duration_seconds", "etcd_disk_backend_commit_duration_seconds"] {
        let count = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name}_count ")));
        assert!(count.is_some_and(|count| count != "0"), "{name} in\n{metrics}");
    }
    fixture.close().await;
}

/// One of three members, the others of which were never started.
fn alone() -> NodeConfig {
    let member = |name: &str| Member {
        id: node_id("t", name),
        name: name.to_owned(),
        peer_address: "127.0.0.1:1".to_owned(),
        client_urls: Vec::new(),
    };
    NodeConfig {
        name: "a".to_owned(),
        cluster_token: "t".to_owned(),
        members: ["a", "b", "c"].map(member).into(),
        data_dir: None,
        listen_peer: Some("127.0.0.1:0".to_owned()),
        peer_tls: None,
        declarations: Declarations::default(),
        timing: Timing::default(),
        upkeep: UpkeepOptions::default(),
    }
}

#[tokio::test]
async fn without_a_quorum() {
    let node = start(&alone()).unwrap();
    let front = serve_node(node.handle().clone()).await;
    let mut kv = pb::kv_client::KvClient::new(front.channel().await);
    let no_leader = "etcdserver: no leader";
    check(kv.put(with(put("a", "1"), "hasleader", "true")).await, Code::Unavailable, no_leader);
    let serializable = pb::RangeRequest { serializable: true, ..get("a") };
    assert_eq!(kv.range(serializable).await.unwrap().into_inner().header.unwrap().revision, 1);
    let mut hurried = tonic::Request::new(put("a", "1"));
    hurried.set_timeout(std::time::Duration::from_millis(50));
    let code = kv.put(hurried).await.unwrap_err().code();
    assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&code), "{code:?}");
    let mut watches = pb::watch_client::WatchClient::new(front.channel().await);
    let nothing = tokio_stream::pending::<pb::WatchRequest>();
    check(watches.watch(with(nothing, "hasleader", "true")).await, Code::Unavailable, no_leader);
    let unhealthy = r#"{"health":"false","reason":"RAFT NO LEADER"}"#;
    assert_eq!(http_get(front.address, "/health").await, (503, unhealthy.to_owned()));
    assert_eq!(http_get(front.address, "/livez").await.0, 200);
    let mut maintenance = pb::maintenance_client::MaintenanceClient::new(front.channel().await);
    let status = maintenance.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.leader, status.errors), (0, vec![no_leader.to_owned()]));
    front.close().await;
    node.shut_down().await;
}
