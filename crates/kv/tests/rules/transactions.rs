//! Comparisons and transactions.

use super::*;

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
