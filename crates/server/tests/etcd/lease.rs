//! The Lease service.

use super::{Fixture, check, get, put};
use quorate_proto::etcdserverpb as pb;
use tonic::Code;

#[tokio::test]
async fn a_lease_from_grant_to_revocation() {
    let fixture = Fixture::start().await;
    let mut leases = pb::lease_client::LeaseClient::new(fixture.channel().await);
    let mut kv = fixture.kv().await;
    let granted = leases.lease_grant(pb::LeaseGrantRequest { ttl: 60, id: 0 }).await.unwrap().into_inner();
    assert!(granted.id > 0 && granted.ttl == 60 && granted.header.unwrap().revision == 1);
    let taken = pb::LeaseGrantRequest { ttl: 60, id: granted.id };
    check(leases.lease_grant(taken).await, Code::FailedPrecondition, "etcdserver: lease already exists");
    let endless = pb::LeaseGrantRequest { ttl: 9_000_000_001, id: 0 };
    check(leases.lease_grant(endless).await, Code::OutOfRange, "etcdserver: too large lease TTL");
    kv.put(pb::PutRequest { lease: granted.id, ..put("a", "1") }).await.unwrap();
    let ask = pb::LeaseTimeToLiveRequest { id: granted.id, keys: true };
    let left = leases.lease_time_to_live(ask).await.unwrap().into_inner();
    assert_eq!((left.granted_ttl, left.keys.len()), (60, 1));
    assert!((1..=60).contains(&left.ttl));
    let ask = |ids: Vec<i64>| tokio_stream::iter(ids.into_iter().map(|id| pb::LeaseKeepAliveRequest { id }));
    let mut answers = leases.lease_keep_alive(ask(vec![granted.id, 99])).await.unwrap().into_inner();
    let mut ttls = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        ttls.push((answer.id, answer.ttl));
    }
    assert_eq!(ttls, [(granted.id, 60), (99, 0)]);
    let listed = leases.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.leases, [pb::LeaseStatus { id: granted.id }]);
    let revoke = pb::LeaseRevokeRequest { id: granted.id };
    assert_eq!(leases.lease_revoke(revoke).await.unwrap().into_inner().header.unwrap().revision, 3);
    check(leases.lease_revoke(revoke).await, Code::NotFound, "etcdserver: requested lease not found");
    assert_eq!(kv.range(get("a")).await.unwrap().into_inner().count, 0);
    let ask = pb::LeaseTimeToLiveRequest { id: granted.id, keys: false };
    assert_eq!(leases.lease_time_to_live(ask).await.unwrap().into_inner().ttl, -1);
    fixture.close().await;
}
