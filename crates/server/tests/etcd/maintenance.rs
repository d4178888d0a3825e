//! What operators ask: hashes, alarms, versions.

use super::outside::http_get;
use super::{Fixture, Front, all, check, put, serve_node};
use quorate_driver::{
    AutoCompaction, Member, NodeConfig, Quota, Running, Timing, UpkeepOptions, node_id, start,
};
use quorate_node::declaration::{DEFAULT_KEYSPACE, Declarations};
use quorate_proto::etcdserverpb::alarm_request::AlarmAction;
use quorate_proto::etcdserverpb::downgrade_request::DowngradeAction;
use quorate_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_proto::etcdserverpb::{self as pb, AlarmType};
use std::time::Duration;
use tonic::Code;
use tonic::transport::Channel;

const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
const FUTURE: &str = "etcdserver: mvcc: required revision is a future revision";

async fn maintenance(fixture: &Fixture) -> MaintenanceClient<Channel> {
    MaintenanceClient::new(fixture.channel().await)
}

#[tokio::test]
async fn hashes_say_what_they_cover() {
    let fixture = Fixture::start().await;
    let (mut kv, mut maintenance) = (fixture.kv().await, maintenance(&fixture).await);
    let mut hash = async |revision| {
        maintenance.hash_kv(pb::HashKvRequest { revision }).await.map(tonic::Response::into_inner)
    };
    for value in ["1", "2", "3"] {
        kv.put(put("a", value)).await.unwrap();
    }
    let whole = hash(0).await.unwrap();
    assert_eq!((whole.compact_revision, whole.hash_revision, whole.header.unwrap().revision), (-1, 4, 4));
    assert_eq!(hash(4).await.unwrap().hash, whole.hash);
    assert_ne!(hash(3).await.unwrap().hash, whole.hash);
    check(hash(5).await, Code::OutOfRange, FUTURE);
    kv.compact(pb::CompactionRequest { revision: 3, physical: false }).await.unwrap();
    check(hash(2).await, Code::OutOfRange, COMPACTED);
    let rest = hash(3).await.unwrap();
    assert_eq!((rest.compact_revision, rest.hash_revision, rest.header.unwrap().revision), (3, 3, 4));
    let all = maintenance.hash(pb::HashRequest {}).await.unwrap().into_inner();
    assert_eq!(all.header.unwrap().revision, 4);
    assert_ne!(all.hash, 0);
    fixture.close().await;
}

fn request(action: AlarmAction, alarm: AlarmType, member_id: u64) -> pb::AlarmRequest {
    pb::AlarmRequest { action: action.into(), member_id, alarm: alarm.into() }
}

async fn alarm(
    client: &mut MaintenanceClient<Channel>,
    action: AlarmAction,
    alarm: AlarmType,
) -> Vec<(u64, AlarmType)> {
    let response = client.alarm(request(action, alarm, 7)).await.unwrap().into_inner();
    response.alarms.iter().map(|alarm| (alarm.member_id, alarm.alarm())).collect()
}

const NO_SPACE: &str = "etcdserver: mvcc: database space exceeded";

#[tokio::test]
async fn alarms_refuse_until_they_are_disarmed() {
    let fixture = Fixture::start().await;
    let (mut kv, mut client) = (fixture.kv().await, maintenance(&fixture).await);
    let address = fixture.front.address;
    let health = async |query: &str| http_get(address, &format!("/health{query}")).await;
    kv.put(put("a", "1")).await.unwrap();
    let no_space = (7, AlarmType::Nospace);
    assert_eq!(alarm(&mut client, AlarmAction::Activate, AlarmType::None).await, []);
    assert_eq!(alarm(&mut client, AlarmAction::Activate, AlarmType::Nospace).await, [no_space]);
    assert_eq!(alarm(&mut client, AlarmAction::Activate, AlarmType::Nospace).await, [no_space]);
    assert_eq!(alarm(&mut client, AlarmAction::Get, AlarmType::None).await, [no_space]);
    assert_eq!(alarm(&mut client, AlarmAction::Get, AlarmType::Corrupt).await, []);
    check(kv.put(put("a", "2")).await, Code::ResourceExhausted, NO_SPACE);
    let mut leases = pb::lease_client::LeaseClient::new(fixture.channel().await);
    let grant = pb::LeaseGrantRequest { ttl: 9, id: 1 };
    check(leases.lease_grant(grant).await, Code::ResourceExhausted, NO_SPACE);
    let unhealthy = |alarm| (503, format!("{{\"health\":\"false\",\"reason\":\"ALARM {alarm}\"}}"));
    assert_eq!(health("").await, unhealthy("NOSPACE"));
    assert_eq!(health("?exclude=NOSPACE").await.0, 200);
    assert_eq!(
        alarm(&mut client, AlarmAction::Activate, AlarmType::Corrupt).await,
        [(7, AlarmType::Corrupt)]
    );
    let delete = || pb::DeleteRangeRequest { key: "a".into(), ..Default::default() };
    check(kv.delete_range(delete()).await, Code::DataLoss, "etcdserver: corrupt cluster");
    assert_eq!(kv.range(all()).await.unwrap().into_inner().count, 1);
    assert_eq!(health("?exclude=NOSPACE").await, unhealthy("CORRUPT"));
    assert_eq!(http_get(address, "/readyz/data_corruption").await.0, 503);
    let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.errors, ["memberID:7 alarm:NOSPACE ", "memberID:7 alarm:CORRUPT "]);
    for kind in [AlarmType::Corrupt, AlarmType::Nospace] {
        assert_eq!(alarm(&mut client, AlarmAction::Deactivate, kind).await, [(7, kind)]);
    }
    assert_eq!(alarm(&mut client, AlarmAction::Deactivate, AlarmType::Nospace).await, []);
    kv.put(put("a", "2")).await.unwrap();
    assert_eq!(health("").await.0, 200);
    fixture.close().await;
}

/// A cluster of one in memory, with what its leader does by itself.
async fn kept_up(upkeep: UpkeepOptions) -> (Running, Front) {
    let id = node_id("t", "a");
    let member = Member { id, name: "a".to_owned(), peer_address: String::new(), client_urls: Vec::new() };
    let node = start(&NodeConfig {
        name: "a".to_owned(),
        cluster_token: "t".to_owned(),
        members: vec![member],
        data_dir: None,
        listen_peer: None,
        declarations: Declarations::default(),
        timing: Timing::default(),
        upkeep,
        peer_tls: None,
    });
    let node = node.unwrap();
    let mut status = node.handle().keyspace(DEFAULT_KEYSPACE).unwrap().status();
    status.wait_for(|status| status.leader.is_some()).await.unwrap();
    let front = serve_node(node.handle().clone()).await;
    (node, front)
}

#[tokio::test]
async fn a_full_store_takes_deletions_and_then_writes_again() {
    let upkeep = UpkeepOptions { quota: Quota { len_bytes: 10_000 }, ..UpkeepOptions::default() };
    let (node, front) = kept_up(upkeep).await;
    let mut kv = pb::kv_client::KvClient::new(front.channel().await);
    let mut client = MaintenanceClient::new(front.channel().await);
    let large = |key: &'static str| pb::PutRequest {
        key: key.into(),
        value: vec![0; 4700].into(),
        ..Default::default()
    };
    kv.put(large("a")).await.unwrap();
    kv.put(large("b")).await.unwrap();
    check(kv.put(large("c")).await, Code::ResourceExhausted, NO_SPACE);
    assert_eq!(alarm(&mut client, AlarmAction::Get, AlarmType::None).await, []);
    kv.put(pb::PutRequest { value: vec![0; 200].into(), ..put("d", "") }).await.unwrap();
    check(kv.put(large("c")).await, Code::ResourceExhausted, NO_SPACE);
    let me = node.handle().node_id().0;
    assert_eq!(alarm(&mut client, AlarmAction::Get, AlarmType::None).await, [(me, AlarmType::Nospace)]);
    let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.db_size_quota, 10_000);
    kv.delete_range(pb::DeleteRangeRequest { key: "a".into(), ..Default::default() }).await.unwrap();
    let mut writes = 0;
    while let Err(refused) = kv.put(put("e", "")).await {
        assert_eq!(refused.message(), NO_SPACE);
        writes += 1;
        assert!(writes < 10_000, "the alarm ends once there is room");
    }
    assert_eq!(alarm(&mut client, AlarmAction::Get, AlarmType::None).await, []);
    front.close().await;
    node.shut_down().await;
}

#[tokio::test]
async fn history_is_given_up_in_time() {
    let retention = Duration::from_millis(20);
    let auto_compaction = AutoCompaction::Periodic { retention };
    let (node, front) = kept_up(UpkeepOptions { auto_compaction, ..UpkeepOptions::default() }).await;
    let mut kv = pb::kv_client::KvClient::new(front.channel().await);
    let keyspace = node.handle().keyspace(DEFAULT_KEYSPACE).unwrap();
    let mut compacted = 0;
    for write in 0.. {
        kv.put(put("a", "1")).await.unwrap();
        compacted = keyspace.local_view().compacted().0;
        if compacted > 1 {
            break;
        }
        assert!(write < 100_000, "the history is given up by itself");
    }
    let old = pb::RangeRequest { revision: compacted - 1, ..all() };
    check(kv.range(old).await, Code::OutOfRange, COMPACTED);
    front.close().await;
    node.shut_down().await;
}

#[tokio::test]
async fn there_is_nothing_to_downgrade_to() {
    let fixture = Fixture::start().await;
    let mut client = maintenance(&fixture).await;
    let mut downgrade = async |action: DowngradeAction, version: &str| {
        let request = pb::DowngradeRequest { action: action.into(), version: version.to_owned() };
        client.downgrade(request).await.map(tonic::Response::into_inner)
    };
    let valid = downgrade(DowngradeAction::Validate, "3.5.0").await.unwrap();
    assert_eq!((valid.version.as_str(), valid.header.is_some()), ("3.6.0", true));
    let invalid = "etcdserver: invalid downgrade target version";
    check(downgrade(DowngradeAction::Validate, "3.4.0").await, Code::InvalidArgument, invalid);
    check(downgrade(DowngradeAction::Enable, "3.4.0").await, Code::InvalidArgument, invalid);
    assert_eq!(downgrade(DowngradeAction::Enable, "3.5").await.unwrap_err().code(), Code::FailedPrecondition);
    let none = "etcdserver: no inflight downgrade job";
    check(downgrade(DowngradeAction::Cancel, "").await, Code::FailedPrecondition, none);
    fixture.close().await;
}
