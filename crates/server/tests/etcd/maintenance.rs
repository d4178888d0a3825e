//! What operators ask: hashes, alarms, versions.

use super::{Fixture, check, put};
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::maintenance_client::MaintenanceClient;
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
