//! The embedded store, from the outside.

use quorate_driver::{Quorate, Watched};
use quorate_kv::{
    Compare, CompareResult, CompareTarget, KeyRange, Operation, PutRequest, RangeRequest, TxnRequest,
};
use quorate_types::{Bytes, Revision};

fn one(key: &'static str) -> KeyRange {
    KeyRange { key: Bytes::from(key), end: Bytes::new() }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Quorate::open(dir.path()).expect("a new store");
    let first = store.put("a", "1").await.expect("written");
    let second = store.put("b", "2").await.expect("written");
    assert_eq!((first, second), (Revision(2), Revision(3)));
    store.close().await;
    let store = Quorate::open(dir.path()).expect("the same store");
    let pair = store.get("b").await.expect("read").expect("there");
    assert_eq!((pair.value, pair.mod_revision), (Bytes::from("2"), second));
    let all = KeyRange { key: Bytes::from_static(b"\0"), end: Bytes::from_static(b"\0") };
    assert_eq!(
        store.range(RangeRequest { range: all, ..RangeRequest::default() }).await.expect("read").count,
        2
    );
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let _store = Quorate::open(dir.path()).expect("a new store");
    let error = Quorate::open(dir.path()).err().expect("in use");
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn transactions_compare_and_watchers_see_both_sides() {
    let store = Quorate::in_memory().expect("a store");
    let mut watcher = store.watch(one("k"), Revision(2));
    let create = TxnRequest {
        compare: vec![Compare {
            range: one("k"),
            result: CompareResult::Equal,
            target: CompareTarget::Create(0),
        }],
        success: vec![Operation::Put(PutRequest {
            key: Bytes::from("k"),
            value: Bytes::from("v"),
            ..PutRequest::default()
        })],
        failure: Vec::new(),
    };
    assert!(store.txn(create.clone()).await.expect("done").succeeded);
    assert!(!store.txn(create).await.expect("done").succeeded);
    assert_eq!(store.delete(one("k")).await.expect("done"), 1);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match watcher.next().await.expect("the store runs") {
            Watched::Events(events) => seen.extend(events),
            Watched::Compacted(at) => panic!("nothing was compacted at {at}"),
        }
    }
    assert_eq!(seen[0].kv.value, Bytes::from("v"));
    assert_eq!(seen[1].prev_kv.as_ref().map(|prev| prev.value.clone()), Some(Bytes::from("v")));
}

#[tokio::test]
async fn a_lease_takes_its_keys_along() {
    let store = Quorate::in_memory().expect("a store");
    let lease = store.lease_grant(60).await.expect("granted");
    let put = PutRequest { key: Bytes::from("k"), lease: Some(lease), ..PutRequest::default() };
    store.put_with(put).await.expect("written");
    let status = store.lease(lease).await.expect("read").expect("there");
    assert_eq!((status.keys, status.granted_ttl_s), (vec![Bytes::from("k")], 60));
    assert_eq!(store.lease_renew(lease).await.expect("renewed"), Some(60));
    store.lease_revoke(lease).await.expect("revoked");
    assert_eq!(store.get("k").await.expect("read"), None);
    assert_eq!(store.lease_renew(lease).await.expect("answered"), None);
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_runs_out() {
    let store = Quorate::in_memory().expect("a store");
    let lease = store.lease_grant(1).await.expect("granted");
    let put = PutRequest { key: Bytes::from("k"), lease: Some(lease), ..PutRequest::default() };
    let (written, _) = store.put_with(put).await.expect("written");
    let mut watcher = store.watch(one("k"), written.next());
    match watcher.next().await.expect("the store runs") {
        Watched::Events(events) => assert_eq!(events[0].kv.key, Bytes::from("k")),
        Watched::Compacted(at) => panic!("nothing was compacted at {at}"),
    }
    assert!(store.lease(lease).await.expect("read").is_none());
}

/// A node that forgot what it promised its peers must not go on as if it had promised nothing.
#[tokio::test]
async fn a_lost_log_is_noticed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Quorate::open(dir.path()).expect("a new store");
    store.put("a", "1").await.expect("written");
    store.close().await;
    std::fs::remove_dir_all(dir.path().join("log")).expect("removed");
    for _ in 0..2 {
        let error = Quorate::open(dir.path()).err().expect("refused").to_string();
        assert!(error.contains("its log is missing"), "{error}");
    }
    std::fs::remove_dir_all(dir.path().join("tables")).expect("removed");
    let error = Quorate::open(dir.path()).err().expect("refused").to_string();
    assert!(error.contains("its log is missing"), "no tables are no excuse: {error}");
}
