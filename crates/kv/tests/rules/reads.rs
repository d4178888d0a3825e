//! Ranges, old revisions, compaction and history.

use super::*;

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
