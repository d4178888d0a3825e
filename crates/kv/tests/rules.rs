//! One named case per rule of etcd's key-value API.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

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

#[test]
fn ranges() {
    let mut kv = abc();
    let mut check = |key: &str, end: &str, expect: &[&str]| {
        let response = read(&mut kv, &range(span(key, end))).unwrap();
        assert_eq!(keys(&response), expect, "[{key:?}, {end:?})");
        assert_eq!((response.count, response.more), (expect.len() as i64, false));
    };
    check("b", "", &["b"]);
    check("missing", "", &[]);
    check("a", "c", &["a", "b"]);
    check("b", "\0", &["b", "c"]);
    check("\0", "\0", &["a", "b", "c"]);
    check("c", "a", &[]);
    check("b", "b", &[]);
    assert_eq!(read(&mut kv, &range(span("", "\0"))), Err(Refusal::EmptyKey));
}

#[test]
fn a_limit_cuts_but_the_count_stays() {
    let mut kv = abc();
    let mut check = |limit, expect: &[&str], more| {
        let response = read(&mut kv, &RangeRequest { limit, ..range(span("a", "\0")) }).unwrap();
        assert_eq!(
            (keys(&response), response.more, response.count),
            (expect.to_vec(), more, 3),
            "limit {limit}"
        );
    };
    check(0, &["a", "b", "c"], false);
    check(-1, &["a", "b", "c"], false);
    check(2, &["a", "b"], true);
    check(3, &["a", "b", "c"], false);
}

#[test]
fn filters_come_before_the_limit_and_not_into_the_count() {
    let mut kv = abc();
    do_put(&mut kv, "a", "again").unwrap();
    let mut check = |request: RangeRequest, expect: &[&str], more| {
        let response = read(&mut kv, &RangeRequest { range: span("a", "\0"), ..request }).unwrap();
        assert_eq!((keys(&response), response.more, response.count), (expect.to_vec(), more, 3));
    };
    let all = RangeRequest::default;
    check(RangeRequest { min_mod_revision: 4, ..all() }, &["a", "c"], false);
    check(RangeRequest { max_mod_revision: 3, ..all() }, &["b"], false);
    check(RangeRequest { min_create_revision: 3, max_create_revision: 3, ..all() }, &["b"], false);
    check(RangeRequest { min_mod_revision: 4, limit: 1, ..all() }, &["a"], true);
    check(RangeRequest { count_only: true, limit: 1, ..all() }, &[], false);
}

#[test]
fn sort_orders() {
    let mut kv = empty();
    for (key, value) in [("b", "1"), ("a", "3"), ("c", "2"), ("b", "9")] {
        do_put(&mut kv, key, value).unwrap();
    }
    let mut check = |sort_order, sort_target, limit, expect: &[&str]| {
        let request = RangeRequest { sort_order, sort_target, limit, ..range(span("a", "\0")) };
        assert_eq!(keys(&read(&mut kv, &request).unwrap()), expect, "{sort_order:?} {sort_target:?}");
    };
    check(SortOrder::None, SortTarget::Key, 0, &["a", "b", "c"]);
    check(SortOrder::Descend, SortTarget::Key, 0, &["c", "b", "a"]);
    check(SortOrder::Descend, SortTarget::Key, 1, &["c"]);
    check(SortOrder::None, SortTarget::Value, 0, &["c", "a", "b"]);
    check(SortOrder::Ascend, SortTarget::Create, 0, &["b", "a", "c"]);
    check(SortOrder::Ascend, SortTarget::Mod, 0, &["a", "c", "b"]);
    check(SortOrder::Descend, SortTarget::Version, 1, &["b"]);
    check(SortOrder::Descend, SortTarget::Value, 0, &["b", "a", "c"]);
}

#[test]
fn keys_only_sorts_by_the_values_that_it_leaves_out() {
    let mut kv = abc();
    let request = RangeRequest {
        keys_only: true,
        sort_order: SortOrder::Descend,
        sort_target: SortTarget::Value,
        ..range(span("a", "\0"))
    };
    let response = read(&mut kv, &request).unwrap();
    assert_eq!(keys(&response), ["c", "b", "a"]);
    assert!(response.kvs.iter().all(|pair| pair.value.is_empty() && pair.version == 1));
}

#[test]
fn old_revisions_read_as_they_were() {
    let mut kv = abc();
    apply(&mut kv, Command::Delete(delete(one("b")))).unwrap();
    do_put(&mut kv, "a", "later").unwrap();
    let mut check = |revision, expect: &[(&str, &str)]| {
        let response = read(&mut kv, &RangeRequest { revision, ..range(span("a", "\0")) }).unwrap();
        let found: Vec<_> = response
            .kvs
            .iter()
            .map(|pair| (pair.key.escape_ascii().to_string(), pair.value.clone()))
            .collect();
        let expect: Vec<_> = expect.iter().map(|(key, value)| (key.to_string(), bytes(value))).collect();
        assert_eq!((found, response.count), (expect.clone(), expect.len() as i64), "revision {revision}");
    };
    check(1, &[]);
    check(3, &[("a", "1"), ("b", "2")]);
    check(4, &[("a", "1"), ("b", "2"), ("c", "3")]);
    check(5, &[("a", "1"), ("c", "3")]);
    check(6, &[("a", "later"), ("c", "3")]);
    check(-5, &[("a", "later"), ("c", "3")]);
    assert_eq!(read(&mut kv, &RangeRequest { revision: 7, ..range(one("a")) }), Err(Refusal::FutureRevision));
}

#[test]
fn compaction_keeps_its_own_revision_readable() {
    let mut kv = abc();
    do_put(&mut kv, "a", "later").unwrap();
    let compact = |kv: &mut Kv, revision| apply(kv, Command::Compact { revision: Revision(revision) });
    assert_eq!(compact(&mut kv, 6), Err(Refusal::FutureRevision));
    assert_eq!(compact(&mut kv, -1), Err(Refusal::Compacted { at: Revision(0) }));
    assert_eq!(compact(&mut kv, 4), Ok(Outcome::Compacted));
    assert_eq!(compact(&mut kv, 4), Err(Refusal::Compacted { at: Revision(4) }));
    assert_eq!(compact(&mut kv, 3), Err(Refusal::Compacted { at: Revision(4) }));
    assert_eq!(kv.revision(), Revision(5), "a compaction makes no revision");
    while kv.compact_slice(1).unwrap() {}
    let at = |revision| RangeRequest { revision, ..range(one("a")) };
    assert_eq!(read(&mut kv, &at(3)), Err(Refusal::Compacted { at: Revision(4) }));
    assert_eq!(read(&mut kv, &at(4)).unwrap().kvs[0].value, bytes("1"));
    assert_eq!(compact(&mut kv, 5), Ok(Outcome::Compacted));
    assert_eq!(read(&mut kv, &at(5)).unwrap().kvs[0].value, bytes("later"));
}

#[test]
fn the_history_gives_whole_revisions_and_a_delete_at_the_compacted_one() {
    let mut kv = abc();
    apply(&mut kv, Command::Delete(delete(span("a", "c")))).unwrap();
    do_put(&mut kv, "c", "later").unwrap();
    apply(&mut kv, Command::Compact { revision: Revision(5) }).unwrap();
    while kv.compact_slice(2).unwrap() {}
    let view = kv.commit().unwrap().view;
    let mut events = Vec::new();
    let early = view.events(Revision(4), 10, 1000, &mut events);
    assert!(matches!(early, Err(HistoryError::Compacted { at: Revision(5) })));
    assert_eq!(view.events(Revision(5), 1, 1000, &mut events).unwrap(), Revision(6));
    let seen: Vec<_> =
        events.iter().map(|e: &Event| (e.kind, e.key().clone(), e.prev_kv.is_some())).collect();
    assert_eq!(seen, [(EventKind::Delete, bytes("a"), false), (EventKind::Delete, bytes("b"), false)]);
    assert_eq!(events[0].kv, KeyValue { key: bytes("a"), mod_revision: Revision(5), ..KeyValue::default() });
    events.clear();
    assert_eq!(view.events(Revision(6), 10, 1000, &mut events).unwrap(), Revision(7));
    assert_eq!((events.len(), &events[0].kv.value), (1, &bytes("later")));
    assert_eq!(events[0].prev_kv.as_ref().unwrap().value, bytes("3"));
}

fn compare(range: KeyRange, result: CompareResult, target: CompareTarget) -> Compare {
    Compare { range, result, target }
}

#[test]
fn compares() {
    let check = |compare: Compare, expect: bool| {
        let mut kv = abc();
        grant(&mut kv, 5, 10).unwrap();
        apply(&mut kv, Command::Put(leased("d", 5))).unwrap();
        let txn = TxnRequest { compare: vec![compare.clone()], ..TxnRequest::default() };
        assert_eq!(do_txn(&mut kv, txn).unwrap().succeeded, expect, "{compare:?}");
    };
    use CompareResult::{Equal, Greater, Less, NotEqual};
    use CompareTarget::{Create, Lease, Mod, Value, Version};
    check(compare(one("a"), Equal, Version(1)), true);
    check(compare(one("a"), Greater, Version(1)), false);
    check(compare(one("b"), Equal, Create(3)), true);
    check(compare(one("b"), Less, Mod(3)), false);
    check(compare(one("b"), NotEqual, Mod(4)), true);
    check(compare(one("d"), Equal, Lease(5)), true);
    check(compare(one("a"), Equal, Lease(0)), true);
    check(compare(one("a"), Equal, Value(bytes("1"))), true);
    check(compare(one("a"), Greater, Value(bytes("0"))), true);
    // A missing key is 0 in every number, and no value compare holds for it.
    check(compare(one("missing"), Equal, Mod(0)), true);
    check(compare(one("missing"), Equal, Version(0)), true);
    check(compare(one("missing"), NotEqual, Value(bytes("1"))), false);
    check(compare(one("missing"), Less, Value(bytes("1"))), false);
    // A range holds if each of its keys does; an empty one is a missing key.
    check(compare(span("a", "d"), Equal, Version(1)), true);
    check(compare(span("a", "d"), Less, Mod(4)), false);
    check(compare(span("x", "\0"), Equal, Create(0)), true);
}

fn puts(keys: &[&str]) -> Vec<Operation> {
    keys.iter().map(|key| Operation::Put(put(key, "txn"))).collect()
}

fn nested(success: Vec<Operation>, failure: Vec<Operation>) -> Operation {
    Operation::Txn(TxnRequest { compare: Vec::new(), success, failure })
}

#[test]
fn a_transaction_makes_one_revision_and_its_operations_see_one_another() {
    let mut kv = abc();
    let success = vec![
        Operation::Put(put("x", "1")),
        Operation::Range(range(one("x"))),
        Operation::Delete(delete(span("a", "c"))),
        Operation::Range(RangeRequest { count_only: true, ..range(span("a", "\0")) }),
        Operation::Range(RangeRequest { revision: 4, count_only: true, ..range(span("a", "\0")) }),
    ];
    let response = do_txn(&mut kv, TxnRequest { success, ..TxnRequest::default() }).unwrap();
    assert_eq!(kv.revision(), Revision(5));
    let OperationResponse::Range(found) = &response.responses[1] else { panic!() };
    assert_eq!(found.kvs[0].mod_revision, Revision(5));
    let counts: Vec<i64> = response.responses[3..]
        .iter()
        .map(|response| match response {
            OperationResponse::Range(range) => range.count,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [2, 3], "now {{c, x}}, before {{a, b, c}}");
    let events = kv.commit().unwrap().events;
    let kinds: Vec<_> = events[3..].iter().map(|event| (event.kind, event.revision().0)).collect();
    assert_eq!(kinds, [(EventKind::Put, 5), (EventKind::Delete, 5), (EventKind::Delete, 5)]);
}

#[test]
fn a_transaction_that_changes_nothing_makes_no_revision() {
    let mut kv = abc();
    let success = vec![Operation::Delete(delete(one("missing"))), Operation::Range(range(one("a")))];
    do_txn(&mut kv, TxnRequest { success, ..TxnRequest::default() }).unwrap();
    assert_eq!(kv.revision(), Revision(4));
}

#[test]
fn nested_conditions_are_decided_before_the_first_write() {
    let mut kv = empty();
    let exists = compare(one("a"), CompareResult::Greater, CompareTarget::Version(0));
    let inner = TxnRequest { compare: vec![exists], success: puts(&["yes"]), failure: puts(&["no"]) };
    let success = vec![Operation::Put(put("a", "1")), Operation::Txn(inner)];
    do_txn(&mut kv, TxnRequest { success, ..TxnRequest::default() }).unwrap();
    assert!(get(&mut kv, "no").is_some() && get(&mut kv, "yes").is_none());
}

#[test]
fn a_check_that_fails_late_on_the_path_undoes_nothing_because_nothing_was_done() {
    let check = |last: Operation, expect: Refusal| {
        let mut kv = abc();
        apply(&mut kv, Command::Compact { revision: Revision(3) }).unwrap();
        let hash = kv.state_hash();
        let success = [puts(&["x", "y"]), vec![nested(vec![last], Vec::new())]].concat();
        assert_eq!(do_txn(&mut kv, TxnRequest { success, ..TxnRequest::default() }), Err(expect));
        assert_eq!((kv.state_hash(), kv.revision()), (hash, Revision(4)));
        assert_eq!(get(&mut kv, "x"), None);
    };
    let at = |revision| Operation::Range(RangeRequest { revision, ..range(one("a")) });
    check(Operation::Put(leased("z", 1)), Refusal::LeaseNotFound);
    check(Operation::Put(PutRequest { ignore_lease: true, ..put("z", "1") }), Refusal::KeyNotFound);
    check(at(5), Refusal::FutureRevision);
    check(at(2), Refusal::Compacted { at: Revision(3) });
    check(at(-1), Refusal::Compacted { at: Revision(3) });
}

#[test]
fn checks_of_the_path_not_taken_do_not_matter() {
    let mut kv = abc();
    let failure = vec![Operation::Put(leased("z", 1))];
    assert!(
        do_txn(&mut kv, TxnRequest { failure, success: puts(&["x"]), ..TxnRequest::default() })
            .unwrap()
            .succeeded
    );
}

#[test]
fn duplicate_keys() {
    let dup = Err(Refusal::DuplicateKey);
    let check = |success: Vec<Operation>, expect: Result<(), Refusal>| {
        let found = quorate_kv::validate(&Command::Txn(TxnRequest { success, ..TxnRequest::default() }));
        assert_eq!(found, expect);
    };
    let del = |key, end| Operation::Delete(delete(span(key, end)));
    check(puts(&["a", "b"]), Ok(()));
    check(puts(&["a", "b", "a"]), dup);
    check([puts(&["b"]), vec![del("a", "c")]].concat(), dup);
    check([vec![del("a", "c")], puts(&["b"])].concat(), dup);
    check([vec![del("a", "c")], puts(&["c"])].concat(), Ok(()));
    check([vec![del("b", "\0")], puts(&["z"])].concat(), dup);
    check([vec![del("b", "")], puts(&["b\0"])].concat(), Ok(()));
    check([vec![del("c", "a")], puts(&["b"])].concat(), Ok(()));
    check(vec![del("a", "c"), del("b", "d"), del("b", "")], Ok(()));
    check(vec![del("a", "c"), del("c", "e"), nested(puts(&["d"]), vec![])], dup);
    // Deleted ranges that lie in one another, or meet, are one.
    check([vec![del("a", "z"), del("b", "c")], puts(&["d"])].concat(), dup);
    check([vec![del("b", "c"), del("a", "z")], puts(&["d"])].concat(), dup);
    check([vec![del("a", "c"), del("e", "g"), del("b", "f")], puts(&["d"])].concat(), dup);
    check([vec![del("a", "c"), del("e", "g"), del("b", "d")], puts(&["d"])].concat(), Ok(()));
    check([vec![del("e", "\0"), del("a", "e"), del("b", "")], puts(&["y"])].concat(), dup);
    check([vec![nested(puts(&["a"]), puts(&["a"]))], puts(&["b"])].concat(), Ok(()));
    check([vec![nested(puts(&["a"]), vec![del("a", "")])], puts(&["b"])].concat(), Ok(()));
    check([vec![nested(vec![], puts(&["a"]))], puts(&["a"])].concat(), dup);
    check(vec![nested(puts(&["a"]), vec![]), nested(vec![], puts(&["a"]))], dup);
    check(vec![nested(puts(&["a", "a"]), vec![])], dup);
    check(vec![nested(vec![nested(puts(&["a"]), vec![])], vec![]), del("a", "b")], dup);
}

#[test]
fn sizes_of_transactions() {
    let many = |count: usize| -> Vec<Operation> {
        (0..count).map(|n| Operation::Put(put(&n.to_string(), ""))).collect()
    };
    let check = |success: Vec<Operation>, expect| {
        assert_eq!(
            quorate_kv::validate(&Command::Txn(TxnRequest { success, ..TxnRequest::default() })),
            expect
        );
    };
    check(many(128), Ok(()));
    check(many(129), Err(Refusal::TooManyOperations));
    // A nested transaction may have what the level above left: 128 - 1 here.
    check(vec![nested(many(127), Vec::new())], Ok(()));
    check(vec![nested(many(128), Vec::new())], Err(Refusal::TooManyOperations));
    check(vec![nested(Vec::new(), many(128))], Err(Refusal::TooManyOperations));
    let compare = vec![compare(one("a"), CompareResult::Equal, CompareTarget::Mod(0)); 129];
    let txn = TxnRequest { compare, ..TxnRequest::default() };
    assert_eq!(quorate_kv::validate_txn(&txn), Err(Refusal::TooManyOperations));
    let empty_key = compare_of_empty_key();
    assert_eq!(quorate_kv::validate_txn(&empty_key), Err(Refusal::EmptyKey));
}

fn compare_of_empty_key() -> TxnRequest {
    let compare = vec![compare(one(""), CompareResult::Equal, CompareTarget::Mod(0))];
    TxnRequest { compare, ..TxnRequest::default() }
}

#[test]
fn read_only_transactions() {
    let ranges = vec![Operation::Range(range(one("a")))];
    let deep = vec![nested(ranges.clone(), ranges.clone())];
    let txn = |success: &[Operation]| TxnRequest { success: success.to_vec(), ..TxnRequest::default() };
    assert!(quorate_kv::is_read_only(&txn(&ranges)) && quorate_kv::is_read_only(&txn(&deep)));
    let writes = vec![nested(Vec::new(), puts(&["a"]))];
    assert!(!quorate_kv::is_read_only(&txn(&writes)));
    let mut kv = abc();
    let response = kv.commit().unwrap().view.read_txn(&txn(&deep)).unwrap();
    let OperationResponse::Txn(inner) = &response.responses[0] else { panic!() };
    assert!(matches!(&inner.responses[0], OperationResponse::Range(found) if found.count == 1));
}

#[test]
fn lease_grants() {
    let mut kv = empty();
    let granted = |id, ttl_s| Ok(Outcome::LeaseGranted { id: LeaseId(id), ttl_s });
    assert_eq!(grant(&mut kv, 1, 1), granted(1, 2), "raised to the least");
    assert_eq!(grant(&mut kv, -5, -1), granted(-5, 2));
    assert_eq!(grant(&mut kv, 1, 60), Err(Refusal::LeaseExists));
    assert_eq!(grant(&mut kv, 2, 9_000_000_000), granted(2, 9_000_000_000));
    assert_eq!(grant(&mut kv, 3, 9_000_000_001), Err(Refusal::LeaseTtlTooLarge));
    assert_eq!(kv.revision(), Revision(1), "leases make no revision");
    let view = kv.commit().unwrap().view;
    assert_eq!(view.leases(), [LeaseId(-5), LeaseId(1), LeaseId(2)]);
}

#[test]
fn a_key_belongs_to_its_last_lease() {
    let mut kv = empty();
    grant(&mut kv, 1, 10).unwrap();
    grant(&mut kv, 2, 10).unwrap();
    apply(&mut kv, Command::Put(leased("a", 1))).unwrap();
    apply(&mut kv, Command::Put(leased("a", 2))).unwrap();
    apply(&mut kv, Command::Put(leased("b", 2))).unwrap();
    apply(&mut kv, Command::Put(PutRequest { lease: None, ..put("b", "free") })).unwrap();
    let view = kv.commit().unwrap().view;
    let keys = |id| view.lease(LeaseId(id), true, 0).unwrap().unwrap().keys;
    assert_eq!((keys(1), keys(2)), (vec![], vec![bytes("a")]));
    assert_eq!(view.lease(LeaseId(3), true, 0).unwrap(), None);
}

#[test]
fn a_revoke_deletes_the_keys_in_order_at_one_revision() {
    let mut kv = empty();
    grant(&mut kv, 1, 10).unwrap();
    for key in ["c", "a", "b"] {
        apply(&mut kv, Command::Put(leased(key, 1))).unwrap();
    }
    kv.commit().unwrap();
    assert_eq!(apply(&mut kv, Command::LeaseRevoke { id: LeaseId(1) }), Ok(Outcome::LeaseRevoked));
    assert_eq!(apply(&mut kv, Command::LeaseRevoke { id: LeaseId(1) }), Err(Refusal::LeaseNotFound));
    let events = kv.commit().unwrap().events;
    let seen: Vec<_> = events.iter().map(|event| (event.key().clone(), event.revision().0)).collect();
    assert_eq!(seen, [(bytes("a"), 5), (bytes("b"), 5), (bytes("c"), 5)]);
    grant(&mut kv, 2, 10).unwrap();
    apply(&mut kv, Command::LeaseRevoke { id: LeaseId(2) }).unwrap();
    assert_eq!(kv.revision(), Revision(5), "a lease without keys makes no revision");
}

#[test]
fn a_renewal_starts_the_life_again() {
    let mut kv = empty();
    apply_at(&mut kv, 100 * SECOND_NS, Command::LeaseGrant { id: LeaseId(1), ttl_s: 10 });
    let ids = vec![LeaseId(1), LeaseId(9)];
    let renewed = apply_at(&mut kv, 105 * SECOND_NS, Command::LeaseRenew { ids });
    assert_eq!(renewed.outcome, Ok(Outcome::LeaseRenewed { ttls_s: vec![Some(10), None] }));
    let view = kv.commit().unwrap().view;
    assert_eq!(view.lease(LeaseId(1), false, 107 * SECOND_NS + 1).unwrap().unwrap().remaining_ttl_s, 7);
    assert_eq!(view.lease(LeaseId(1), false, 200 * SECOND_NS).unwrap().unwrap().remaining_ttl_s, 0);
    assert_eq!(view.next_lease_expiry(), Some(115 * SECOND_NS));
    assert_eq!(view.due_leases(115 * SECOND_NS - 1, 10), []);
    assert_eq!(view.due_leases(115 * SECOND_NS, 10), [(LeaseId(1), 1)]);
}

#[test]
fn the_clock_never_runs_backward() {
    let mut kv = empty();
    apply_at(&mut kv, 100 * SECOND_NS, Command::Tick);
    apply_at(&mut kv, 50 * SECOND_NS, Command::LeaseGrant { id: LeaseId(1), ttl_s: 10 });
    assert_eq!(kv.commit().unwrap().view.next_lease_expiry(), Some(110 * SECOND_NS));
}

#[test]
fn an_expiry_is_fenced_by_term_and_renewal() {
    let mut kv = empty();
    kv.apply(kv.applied().0.next(), Term(3), None).unwrap();
    grant(&mut kv, 1, 10).unwrap();
    apply(&mut kv, Command::Put(leased("a", 1))).unwrap();
    apply(&mut kv, Command::LeaseRenew { ids: vec![LeaseId(1)] }).unwrap();
    let expire = |renewal, term| Command::LeaseExpire { leases: vec![(LeaseId(1), renewal)], term };
    for (renewal, term) in [(0, 3), (1, 2), (1, 4)] {
        assert_eq!(apply(&mut kv, expire(renewal, term)), Ok(Outcome::Done));
        assert!(get(&mut kv, "a").is_some(), "renewal {renewal}, term {term}");
    }
    assert_eq!(apply(&mut kv, expire(1, 3)), Ok(Outcome::Done));
    assert_eq!(get(&mut kv, "a"), None);
    assert_eq!(apply(&mut kv, expire(1, 3)), Ok(Outcome::Done), "a second verdict finds nothing");
}

#[test]
fn each_expired_lease_makes_its_own_revision() {
    let mut kv = empty();
    for (id, key) in [(1, "b"), (2, "a"), (3, "c")] {
        grant(&mut kv, id, 10).unwrap();
        apply(&mut kv, Command::Put(leased(key, id))).unwrap();
    }
    kv.commit().unwrap();
    let leases = vec![(LeaseId(1), 0), (LeaseId(2), 0)];
    apply(&mut kv, Command::LeaseExpire { leases, term: 0 }).unwrap();
    let events = kv.commit().unwrap().events;
    let seen: Vec<_> = events.iter().map(|event| (event.key().clone(), event.revision().0)).collect();
    assert_eq!(seen, [(bytes("b"), 5), (bytes("a"), 6)]);
}

#[test]
#[should_panic(expected = "one after the other")]
fn an_entry_is_never_applied_twice() {
    let mut kv = empty();
    do_put(&mut kv, "a", "1").unwrap();
    let _ = kv.apply(kv.applied().0, Term(0), None);
}
