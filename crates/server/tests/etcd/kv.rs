//! The KV service: answers, headers, errors.

use super::{Fixture, all, check, get, put};
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use quorate_proto::etcdserverpb::request_op::Request;
use quorate_proto::etcdserverpb::response_op::Response;
use tokio_stream::StreamExt;
use tonic::Code;

fn operation(request: Request) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

#[tokio::test]
async fn put_get_delete() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    let answer = kv.put(put("a", "1")).await.unwrap().into_inner();
    let header = answer.header.unwrap();
    assert_eq!((header.revision, answer.prev_kv), (2, None));
    assert_eq!(header.member_id, fixture.node.handle().node_id().0);
    assert_eq!(header.cluster_id, fixture.node.handle().cluster_id().0);
    assert!(header.raft_term > 0);
    let again = pb::PutRequest { prev_kv: true, ..put("a", "2") };
    let answer = kv.put(again).await.unwrap().into_inner();
    assert_eq!(answer.prev_kv.unwrap().value, "1");
    let answer = kv.range(get("a")).await.unwrap().into_inner();
    assert_eq!(answer.header.unwrap().revision, 3);
    let pair = &answer.kvs[0];
    assert_eq!((answer.count, answer.more, &pair.value[..]), (1, false, &b"2"[..]));
    assert_eq!((pair.create_revision, pair.mod_revision, pair.version, pair.lease), (2, 3, 2, 0));
    let past = pb::RangeRequest { revision: 2, ..get("a") };
    assert_eq!(kv.range(past).await.unwrap().into_inner().kvs[0].value, "1");
    let delete = pb::DeleteRangeRequest { key: "a".into(), prev_kv: true, ..Default::default() };
    let answer = kv.delete_range(delete).await.unwrap().into_inner();
    assert_eq!((answer.deleted, answer.prev_kvs.len(), answer.header.unwrap().revision), (1, 1, 4));
    assert!(kv.range(get("a")).await.unwrap().into_inner().kvs.is_empty());
    fixture.close().await;
}

#[tokio::test]
async fn refusals() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    check(kv.put(put("", "1")).await, Code::InvalidArgument, "etcdserver: key is not provided");
    check(kv.range(get("")).await, Code::InvalidArgument, "etcdserver: key is not provided");
    let unsorted = pb::RangeRequest { sort_target: 9, ..get("a") };
    check(kv.range(unsorted).await, Code::InvalidArgument, "etcdserver: invalid sort option");
    let future = pb::RangeRequest { revision: 100, ..get("a") };
    let text = "etcdserver: mvcc: required revision is a future revision";
    check(kv.range(future).await, Code::OutOfRange, text);
    let leased = pb::PutRequest { lease: 77, ..put("a", "1") };
    check(kv.put(leased).await, Code::NotFound, "etcdserver: requested lease not found");
    let kept = pb::PutRequest { ignore_value: true, ..put("a", "") };
    check(kv.put(kept).await, Code::InvalidArgument, "etcdserver: key not found");
    let empty = pb::TxnRequest { success: vec![pb::RequestOp { request: None }], ..Default::default() };
    check(kv.txn(empty).await, Code::InvalidArgument, "etcdserver: key not found");
    let twice =
        vec![operation(Request::RequestPut(put("a", "1"))), operation(Request::RequestPut(put("a", "2")))];
    let twice = pb::TxnRequest { success: twice, ..Default::default() };
    check(kv.txn(twice).await, Code::InvalidArgument, "etcdserver: duplicate key given in txn request");
    let many = vec![operation(Request::RequestRange(get("a"))); 129];
    let many = pb::TxnRequest { success: many, ..Default::default() };
    check(kv.txn(many).await, Code::InvalidArgument, "etcdserver: too many operations in txn request");
    let large = pb::PutRequest { key: "a".into(), value: vec![0; 1_572_864].into(), ..Default::default() };
    check(kv.put(large).await, Code::InvalidArgument, "etcdserver: request is too large");
    let larger = pb::PutRequest { key: "a".into(), value: vec![0; 3 << 20].into(), ..Default::default() };
    assert_eq!(kv.put(larger).await.unwrap_err().code(), Code::ResourceExhausted);
    fixture.close().await;
}

#[tokio::test]
async fn transactions() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    let is_new = pb::Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Version as i32,
        key: "a".into(),
        target_union: Some(TargetUnion::Version(0)),
        ..Default::default()
    };
    let nested =
        pb::TxnRequest { success: vec![operation(Request::RequestPut(put("b", "1")))], ..Default::default() };
    let create = pb::TxnRequest {
        compare: vec![is_new],
        success: vec![
            operation(Request::RequestRange(get("a"))),
            operation(Request::RequestPut(put("a", "1"))),
            operation(Request::RequestTxn(nested)),
        ],
        failure: vec![operation(Request::RequestRange(get("a")))],
    };
    let answer = kv.txn(create.clone()).await.unwrap().into_inner();
    assert!(answer.succeeded);
    assert_eq!(answer.header.unwrap().revision, 2);
    let headers: Vec<_> = answer.responses.iter().map(|response| header(response).unwrap()).collect();
    assert_eq!(headers.iter().map(|header| header.revision).collect::<Vec<_>>(), [1, 2, 0]);
    assert!(headers.iter().all(|header| header.member_id == 0 && header.raft_term == 0));
    let answer = kv.txn(create).await.unwrap().into_inner();
    assert!(!answer.succeeded);
    let Some(Response::ResponseRange(range)) = &answer.responses[0].response else { panic!("{answer:?}") };
    assert_eq!((range.kvs.len(), answer.header.unwrap().revision), (1, 2));
    let reads = vec![operation(Request::RequestRange(all()))];
    let read = pb::TxnRequest { success: reads, ..Default::default() };
    let answer = kv.txn(read).await.unwrap().into_inner();
    assert_eq!((answer.header.unwrap().revision, answer.responses.len()), (2, 1));
    fixture.close().await;
}

fn header(response: &pb::ResponseOp) -> Option<pb::ResponseHeader> {
    match response.response.as_ref().unwrap() {
        Response::ResponseRange(response) => response.header,
        Response::ResponsePut(response) => response.header,
        Response::ResponseDeleteRange(response) => response.header,
        Response::ResponseTxn(response) => response.header,
    }
}

#[tokio::test]
async fn compaction() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    for _ in 0..3 {
        kv.put(put("a", "1")).await.unwrap();
    }
    let compact = |revision| pb::CompactionRequest { revision, physical: true };
    assert_eq!(kv.compact(compact(3)).await.unwrap().into_inner().header.unwrap().revision, 4);
    let compacted = "etcdserver: mvcc: required revision has been compacted";
    check(kv.compact(compact(3)).await, Code::OutOfRange, compacted);
    check(
        kv.compact(compact(9)).await,
        Code::OutOfRange,
        "etcdserver: mvcc: required revision is a future revision",
    );
    let at = |revision| pb::RangeRequest { revision, ..get("a") };
    check(kv.range(at(2)).await, Code::OutOfRange, compacted);
    assert_eq!(kv.range(at(3)).await.unwrap().into_inner().kvs[0].version, 2);
    fixture.close().await;
}

#[tokio::test]
async fn large_ranges_come_whole_and_in_pieces() {
    const KEYS: usize = 2500;
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    for first in (0..KEYS).step_by(100) {
        let puts = (first..first + 100).map(|key| {
            let request = pb::PutRequest {
                key: format!("{key:05}").into(),
                value: vec![1; 100].into(),
                ..Default::default()
            };
            operation(Request::RequestPut(request))
        });
        kv.txn(pb::TxnRequest { success: puts.collect(), ..Default::default() }).await.unwrap();
    }
    let whole = kv.range(all()).await.unwrap().into_inner();
    assert_eq!((whole.kvs.len(), whole.count, whole.more), (KEYS, KEYS as i64, false));
    for limit in [0, 1, 15, 2499, 9999] {
        let request = pb::RangeRequest { limit, ..all() };
        let expect = kv.range(request.clone()).await.unwrap().into_inner();
        let mut pieces = kv.range_stream(request).await.unwrap().into_inner();
        let mut kvs = Vec::new();
        let mut last = pb::RangeResponse::default();
        while let Some(piece) = pieces.next().await {
            assert!(last.header.is_none(), "only the last piece has a header");
            last = piece.unwrap().range_response.unwrap();
            kvs.append(&mut last.kvs);
        }
        assert_eq!(
            (last.header, last.more, last.count),
            (expect.header, expect.more, expect.count),
            "limit {limit}"
        );
        assert!(kvs == expect.kvs, "limit {limit}");
    }
    let sorted = pb::RangeRequest { sort_target: 3, ..all() };
    assert_eq!(kv.range_stream(sorted).await.unwrap_err().code(), Code::Unimplemented);
    fixture.close().await;
}
