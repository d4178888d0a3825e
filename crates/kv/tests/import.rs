//! A machine's records, taken out and filled into another one, are the same store again.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

use proptest::prelude::*;
use quorate_kv::{
    Command, Event, EventKind, History, Import, ImportError, ImportedLease, KeyRange, KeyValue, Kv,
    RangeRequest, Record, View, verify,
};
use quorate_table::MemoryTables;
use quorate_types::{LeaseId, LogIndex, Revision, Term};
use support::{apply_at, bytes, strategy};

const TERM: Term = Term(1);
const LAST: LogIndex = LogIndex(1);
const NS_PER_S: u64 = 1_000_000_000;

/// What a backup of `view` holds: pairs from before the compacted revision, by revision, then all that happened since.
fn records(view: &View) -> Vec<Record> {
    let mut records = Vec::new();
    if view.compacted().0 > 0 {
        let pairs = view.pairs_at(view.compacted()).unwrap().map(Result::unwrap);
        let mut old: Vec<KeyValue> = pairs.filter(|pair| pair.mod_revision < view.compacted()).collect();
        old.sort_by(|a, b| (a.mod_revision, &a.key).cmp(&(b.mod_revision, &b.key)));
        records.extend(old.into_iter().map(Record::Put));
    }
    records.extend(events(view, view.compacted()).into_iter().map(|event| match event.kind {
        EventKind::Put => Record::Put(event.kv),
        EventKind::Delete => Record::Delete { key: event.kv.key, revision: event.kv.mod_revision },
    }));
    records
}

fn events(view: &View, from: Revision) -> Vec<Event> {
    let mut events = Vec::new();
    view.events(from, usize::MAX, usize::MAX, &mut events).unwrap();
    events
}

fn import(records: &[Record], compacted: i64) -> Result<Import, ImportError> {
    let mut import = Import::new(Box::new(MemoryTables::new()), Revision(compacted)).unwrap();
    records.iter().try_for_each(|record| import.add(record.clone()))?;
    Ok(import)
}

fn pairs_at(view: &View, revision: i64) -> Vec<KeyValue> {
    let request = RangeRequest { range: KeyRange::prefix(b""), revision, ..RangeRequest::default() };
    view.range(&request).unwrap().kvs
}

fn filled(commands: Vec<Command>) -> Kv {
    let mut kv = support::empty();
    for command in commands {
        apply_at(&mut kv, 0, command);
    }
    kv.commit().unwrap();
    kv
}

proptest! {
    #[test]
    fn records_make_the_same_store(commands in prop::collection::vec(strategy::command(), 1..80), cut in 0..30_i64) {
        let was = filled(commands).view();
        let records = records(&was);
        let compacted = was.compacted().0;
        let mut import = import(&records, compacted).unwrap();
        for id in was.leases() {
            let lease = was.lease(id, false, 0).unwrap().unwrap();
            let (granted_ttl_s, remaining_ttl_s) = (lease.granted_ttl_s, lease.remaining_ttl_s);
            import.add_lease(ImportedLease { id, granted_ttl_s, remaining_ttl_s }).unwrap();
        }
        prop_assert_eq!(import.grant_missing_leases(60).unwrap(), 0);
        let is = import.finish(LAST, TERM).unwrap();
        prop_assert_eq!(is.applied(), (LAST, TERM));
        let is = is.view();
        verify(&is).unwrap();
        prop_assert_eq!(is.revision(), was.revision());
        prop_assert_eq!(is.compacted(), was.compacted());
        for revision in compacted.max(1)..=was.revision().0 {
            prop_assert_eq!(pairs_at(&is, revision), pairs_at(&was, revision));
        }
        prop_assert_eq!(events(&is, is.compacted()), events(&was, was.compacted()));
        prop_assert_eq!(is.leases().len(), was.leases().len());

        // Up to an older revision, it is the store of then.
        let cut = (compacted.max(1) + cut).min(was.revision().0);
        let older: Vec<Record> = records.into_iter().filter(|record| record.revision().0 <= cut).collect();
        let mut import = self::import(&older, compacted).unwrap();
        import.grant_missing_leases(60).unwrap();
        let then = import.finish(LAST, TERM).unwrap().view();
        verify(&then).unwrap();
        prop_assert_eq!(then.revision().0, cut);
        prop_assert_eq!(pairs_at(&then, 0), pairs_at(&was, cut));
    }
}

fn put(key: &str, (create, changed): (i64, i64), version: i64) -> Record {
    Record::Put(KeyValue {
        key: bytes(key),
        value: bytes("v"),
        create_revision: Revision(create),
        mod_revision: Revision(changed),
        version,
        lease: None,
    })
}

fn delete(key: &str, revision: i64) -> Record {
    Record::Delete { key: bytes(key), revision: Revision(revision) }
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let check = |records: &[Record], compacted| {
        let refused = import(records, compacted).unwrap_err();
        assert!(matches!(refused, ImportError::Record { .. }), "{refused}");
    };
    check(&[put("a", (3, 3), 1), put("b", (2, 2), 1)], 0);
    check(&[put("a", (2, 2), 1), put("a", (2, 2), 2)], 0);
    check(&[put("a", (2, 2), 1), put("a", (2, 3), 3)], 0);
    check(&[put("a", (2, 2), 1), put("a", (3, 3), 1)], 0);
    check(&[put("a", (1, 2), 1)], 0);
    check(&[put("a", (3, 2), 1)], 0);
    check(&[put("", (2, 2), 1)], 0);
    check(&[put("a", (0, 0), 1)], 0);
    check(&[delete("a", 2)], 0);
}

#[test]
fn what_a_compaction_has_not_removed_yet_does_not_matter() {
    let left_over =
        [put("a", (2, 2), 1), put("b", (3, 3), 1), put("a", (2, 4), 2), delete("b", 5), put("c", (6, 6), 1)];
    let view = import(&left_over, 5).unwrap().finish(LAST, TERM).unwrap().view();
    verify(&view).unwrap();
    let keys: Vec<_> = pairs_at(&view, 5).into_iter().map(|pair| (pair.key, pair.version)).collect();
    assert_eq!(keys, [(bytes("a"), 2)]);
    let found: Vec<_> =
        events(&view, Revision(5)).into_iter().map(|event| (event.kind, event.kv.key)).collect();
    assert_eq!(found, [(EventKind::Delete, bytes("b")), (EventKind::Put, bytes("c"))]);
    assert_eq!(view.revision(), Revision(6));
}

#[test]
fn leases_begin_with_the_time_that_they_had_left() {
    let held = |key: &str, id| match put(key, (2, 2), 1) {
        Record::Put(pair) => Record::Put(KeyValue { lease: Some(LeaseId(id)), ..pair }),
        deleted => deleted,
    };
    let mut import = import(&[held("a", 7), held("b", 8)], 0).unwrap();
    let lease = ImportedLease { id: LeaseId(7), granted_ttl_s: 100, remaining_ttl_s: 30 };
    import.add_lease(lease).unwrap();
    assert!(matches!(import.add_lease(lease), Err(ImportError::Lease { id: LeaseId(7) })));
    assert_eq!(import.grant_missing_leases(60).unwrap(), 1);
    let mut kv = import.finish(LAST, TERM).unwrap();
    let view = kv.view();
    let times = [7, 8].map(|id| {
        let lease = view.lease(LeaseId(id), true, 0).unwrap().unwrap();
        (lease.granted_ttl_s, lease.remaining_ttl_s, lease.keys)
    });
    assert_eq!(times, [(100, 30, vec![bytes("a")]), (60, 60, vec![bytes("b")])]);

    let due = view.due_leases(31 * NS_PER_S, 9);
    apply_at(&mut kv, 31 * NS_PER_S, Command::LeaseExpire { leases: due, term: TERM.0 }).outcome.unwrap();
    kv.commit().unwrap();
    assert_eq!(pairs_at(&kv.view(), 0).len(), 1);
}
