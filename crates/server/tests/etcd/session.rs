//! Keyspaces, levels and sessions, chosen by metadata.

use super::{Fixture, all, get, put, with};
use quorate_proto::etcdserverpb as pb;
use tonic::Code;

const KEYSPACE: &str = "quorate-keyspace";
const CONSISTENCY: &str = "quorate-consistency";
const SESSION: &str = "quorate-session";
const CATALOGUE: &str = "[[keyspace]]\nname = \"catalogue\"\nlevel = \"sequential\"\n";

#[tokio::test]
async fn keyspaces_are_apart() {
    let fixture = Fixture::with(CATALOGUE).await;
    let mut kv = fixture.kv().await;
    kv.put(with(put("a", "1"), KEYSPACE, "catalogue")).await.unwrap();
    assert_eq!(kv.range(get("a")).await.unwrap().into_inner().count, 0);
    let refused = kv.range(with(get("a"), KEYSPACE, "orders")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("catalogue, default"), "{}", refused.message());
    fixture.close().await;
}

#[tokio::test]
async fn a_session_reads_its_own_writes() {
    let fixture = Fixture::with(CATALOGUE).await;
    let mut kv = fixture.kv().await;
    let mut token = String::new();
    for round in 1..50 {
        let mut request = with(put("a", "1"), KEYSPACE, "catalogue");
        request.metadata_mut().insert(SESSION, token.parse().unwrap());
        let written = kv.put(request).await.unwrap();
        token = written.metadata().get(SESSION).unwrap().to_str().unwrap().to_owned();
        let mut request = with(get("a"), KEYSPACE, "catalogue");
        request.metadata_mut().insert(SESSION, token.parse().unwrap());
        let read = kv.range(request).await.unwrap();
        assert!(read.metadata().get(SESSION).is_some());
        assert_eq!(read.into_inner().kvs[0].version, round);
    }
    let elsewhere = kv.range(with(get("a"), SESSION, &token)).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::InvalidArgument);
    assert_eq!(
        kv.range(with(get("a"), SESSION, "nonsense")).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let unasked = kv.range(get("a")).await.unwrap();
    assert!(unasked.metadata().get(SESSION).is_none());
    fixture.close().await;
}

#[tokio::test]
async fn a_level_can_be_weakened_and_not_strengthened() {
    let fixture = Fixture::with(CATALOGUE).await;
    let mut kv = fixture.kv().await;
    kv.range(with(all(), CONSISTENCY, "eventual")).await.unwrap();
    kv.range(with(all(), CONSISTENCY, "linearizable")).await.unwrap();
    assert_eq!(kv.range(with(all(), CONSISTENCY, "best")).await.unwrap_err().code(), Code::InvalidArgument);
    let mut stronger = with(all(), CONSISTENCY, "linearizable");
    stronger.metadata_mut().insert(KEYSPACE, "catalogue".parse().unwrap());
    let refused = kv.range(stronger).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("is sequential"), "{}", refused.message());
    let compare = pb::Compare { key: "a".into(), ..Default::default() };
    let write = pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put("a", "1"))) };
    let txn = pb::TxnRequest { compare: vec![compare], success: vec![write], failure: Vec::new() };
    kv.txn(txn.clone()).await.unwrap();
    let refused = kv.txn(with(txn, KEYSPACE, "catalogue")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("linearizable keyspace"), "{}", refused.message());
    fixture.close().await;
}
