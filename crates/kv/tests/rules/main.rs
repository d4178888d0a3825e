//! One named case per rule of etcd's key-value API: writes here, the rest by kind of request.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod alarms;
mod leases;
mod reads;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod transactions;

use quorate_kv::{
    Command, Compare, CompareResult, CompareTarget, DeleteRequest, Event, EventKind, History, HistoryError,
    KeyRange, KeyValue, Kv, Operation, OperationResponse, Outcome, PutRequest, RangeRequest, RangeResponse,
    ReadError, Refusal, SortOrder, SortTarget, TxnRequest, TxnResponse,
};
use quorate_types::{Bytes, LeaseId, Revision, Term};
use support::{apply, apply_at, bytes, empty};

const SECOND_NS: u64 = 1_000_000_000;

fn put(key: &str, value: &str) -> PutRequest {
    PutRequest { key: bytes(key), value: bytes(value), prev_kv: true, ..PutRequest::default() }
}

fn leased(key: &str, lease: i64) -> PutRequest {
    PutRequest { lease: Some(LeaseId(lease)), ..put(key, "v") }
}

fn one(key: &str) -> KeyRange {
    KeyRange::one(bytes(key))
}

fn span(key: &str, end: &str) -> KeyRange {
    KeyRange { key: bytes(key), end: bytes(end) }
}

fn delete(range: KeyRange) -> DeleteRequest {
    DeleteRequest { range, prev_kv: true }
}

fn range(range: KeyRange) -> RangeRequest {
    RangeRequest { range, ..RangeRequest::default() }
}

fn do_put(kv: &mut Kv, key: &str, value: &str) -> Result<Outcome, Refusal> {
    apply(kv, Command::Put(put(key, value)))
}

fn do_txn(kv: &mut Kv, txn: TxnRequest) -> Result<TxnResponse, Refusal> {
    apply(kv, Command::Txn(txn)).map(|outcome| match outcome {
        Outcome::Txn(response) => response,
        other => panic!("{other:?}"),
    })
}

fn grant(kv: &mut Kv, id: i64, ttl_s: i64) -> Result<Outcome, Refusal> {
    apply(kv, Command::LeaseGrant { id: LeaseId(id), ttl_s })
}

fn read(kv: &mut Kv, request: &RangeRequest) -> Result<RangeResponse, Refusal> {
    kv.commit().unwrap().view.range(request).map_err(|error| match error {
        ReadError::Refused(refusal) => refusal,
        ReadError::Tables(error) => panic!("{error}"),
    })
}

/// The pair under `key` as (create, mod, version, value).
fn get(kv: &mut Kv, key: &str) -> Option<(i64, i64, i64, String)> {
    let pair = read(kv, &range(one(key))).unwrap().kvs.pop()?;
    let value = String::from_utf8(pair.value.to_vec()).unwrap();
    Some((pair.create_revision.0, pair.mod_revision.0, pair.version, value))
}

fn keys(response: &RangeResponse) -> Vec<&str> {
    response.kvs.iter().map(|pair| std::str::from_utf8(&pair.key).unwrap()).collect()
}

/// Revisions 2, 3, 4: a=1, b=2, c=3.
fn abc() -> Kv {
    let mut kv = empty();
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        do_put(&mut kv, key, value).unwrap();
    }
    kv
}

#[test]
fn an_empty_store_is_at_revision_1_and_the_first_write_makes_2() {
    let mut kv = empty();
    assert_eq!(kv.view().revision(), Revision(1));
    do_put(&mut kv, "a", "1").unwrap();
    assert_eq!(kv.revision(), Revision(2));
    assert_eq!(kv.view().revision(), Revision(1), "not visible before the commit");
    assert_eq!(kv.commit().unwrap().view.revision(), Revision(2));
}

#[test]
fn versions_count_one_life_of_a_key() {
    let mut kv = empty();
    do_put(&mut kv, "a", "1").unwrap();
    do_put(&mut kv, "a", "2").unwrap();
    assert_eq!(get(&mut kv, "a"), Some((2, 3, 2, "2".into())));
    apply(&mut kv, Command::Delete(delete(one("a")))).unwrap();
    do_put(&mut kv, "a", "3").unwrap();
    assert_eq!(get(&mut kv, "a"), Some((5, 5, 1, "3".into())));
}

#[test]
fn a_put_answers_with_the_old_pair_if_asked() {
    let mut kv = empty();
    assert_eq!(do_put(&mut kv, "a", "1"), Ok(Outcome::Put { prev_kv: None }));
    let Ok(Outcome::Put { prev_kv: Some(old) }) = do_put(&mut kv, "a", "2") else { panic!() };
    assert_eq!((old.mod_revision.0, &old.value[..]), (2, &b"1"[..]));
    let silent = PutRequest { prev_kv: false, ..put("a", "3") };
    assert_eq!(apply(&mut kv, Command::Put(silent)), Ok(Outcome::Put { prev_kv: None }));
}

#[test]
fn refused_puts() {
    let check = |request: PutRequest, expect: Refusal| {
        let mut kv = abc();
        let (before, hash) = (kv.revision(), kv.state_hash());
        assert_eq!(apply(&mut kv, Command::Put(request)), Err(expect));
        assert_eq!((kv.revision(), kv.state_hash()), (before, hash));
        assert_eq!(kv.commit().unwrap().events.len(), 3, "no event of a refused put");
    };
    let ignore_value = |key, value| PutRequest { ignore_value: true, ..put(key, value) };
    let ignore_lease = |key| PutRequest { ignore_lease: true, ..put(key, "v") };
    check(put("", "1"), Refusal::EmptyKey);
    check(ignore_value("a", "1"), Refusal::ValueProvided);
    check(PutRequest { lease: Some(LeaseId(1)), ..ignore_lease("a") }, Refusal::LeaseProvided);
    check(ignore_value("missing", ""), Refusal::KeyNotFound);
    check(ignore_lease("missing"), Refusal::KeyNotFound);
    check(leased("a", 9), Refusal::LeaseNotFound);
    check(
        PutRequest { key: vec![b'k'; quorate_kv::KEY_LEN_MAX_BYTES + 1].into(), ..put("", "") },
        Refusal::TooLarge,
    );
}

#[test]
fn the_longest_key_is_stored_even_if_every_byte_needs_an_escape() {
    let mut kv = empty();
    let key = Bytes::from(vec![0; quorate_kv::KEY_LEN_MAX_BYTES]);
    apply(&mut kv, Command::Put(PutRequest { key: key.clone(), ..put("", "1") })).unwrap();
    let found = read(&mut kv, &RangeRequest { revision: 2, ..range(KeyRange::one(key)) }).unwrap();
    assert_eq!(found.count, 1);
}

#[test]
fn ignore_value_and_ignore_lease_keep_what_was() {
    let mut kv = empty();
    grant(&mut kv, 7, 10).unwrap();
    apply(&mut kv, Command::Put(leased("a", 7))).unwrap();
    apply(&mut kv, Command::Put(PutRequest { ignore_lease: true, ..put("a", "new") })).unwrap();
    let pair = read(&mut kv, &range(one("a"))).unwrap().kvs.remove(0);
    assert_eq!((pair.lease, &pair.value[..]), (Some(LeaseId(7)), &b"new"[..]));
    apply(&mut kv, Command::Put(PutRequest { ignore_value: true, ..put("a", "") })).unwrap();
    let pair = read(&mut kv, &range(one("a"))).unwrap().kvs.remove(0);
    assert_eq!((pair.lease, &pair.value[..], pair.version), (None, &b"new"[..], 3));
}

#[test]
fn deletes_count_and_answer_and_deleting_nothing_makes_no_revision() {
    let mut kv = abc();
    let Ok(Outcome::Delete { deleted, prev_kvs }) = apply(&mut kv, Command::Delete(delete(span("a", "c"))))
    else {
        panic!()
    };
    assert_eq!((deleted, prev_kvs.len(), kv.revision()), (2, 2, Revision(5)));
    let nothing = apply(&mut kv, Command::Delete(delete(span("a", "c"))));
    assert_eq!(nothing, Ok(Outcome::Delete { deleted: 0, prev_kvs: Vec::new() }));
    assert_eq!(kv.revision(), Revision(5));
    assert_eq!(apply(&mut kv, Command::Delete(delete(one("")))), Err(Refusal::EmptyKey));
}
