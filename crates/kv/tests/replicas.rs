//! Replicas agree: whatever their batches, restarts and snapshots were.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

use proptest::prelude::*;
use quorate_kv::{Command, Kv, SnapshotCursor, SnapshotError, SnapshotWriter, Stamped, View, verify};
use quorate_table::{Direction, Engine, MemoryEngine, MemoryTables, Row, TableId, Tables};
use quorate_types::{Bytes, Term};
use std::ops::Bound;
use support::{apply, strategy};

fn open(engine: &MemoryEngine) -> Kv {
    Kv::open(engine.open("kv").unwrap()).unwrap()
}

fn rows(engine: &MemoryEngine) -> Vec<(u8, Row)> {
    let tables = engine.open("kv").unwrap();
    let table = |id: u8| {
        let rows = tables.range(TableId(id), Bound::Unbounded, Bound::Unbounded, Direction::Forward);
        rows.map(|row| (id, row.unwrap())).collect::<Vec<_>>()
    };
    (0..=u8::MAX).flat_map(table).collect()
}

/// Chunks of `view`, and the tables that a writer makes of them.
fn transfer(view: &View, max_len_bytes: usize, staged: Box<dyn Tables>) -> (Vec<Bytes>, Box<dyn Tables>) {
    let mut writer = SnapshotWriter::new(staged);
    let mut chunks = Vec::new();
    let mut cursor = Some(SnapshotCursor::default());
    while let Some(at) = cursor {
        assert_eq!(at.sequence(), writer.next_sequence());
        let (chunk, next) = view.snapshot_chunk(&at, max_len_bytes).unwrap();
        assert_eq!(view.snapshot_chunk(&at, max_len_bytes).unwrap().0, chunk, "a chunk can be sent again");
        assert_eq!(writer.store(&chunk).unwrap(), next.is_none());
        chunks.push(chunk);
        cursor = next;
    }
    (chunks, writer.finish().unwrap())
}

fn filled(keys: usize) -> Kv {
    let mut kv = support::empty();
    for number in 0..keys {
        let key = format!("key {number:05}");
        let put = quorate_kv::PutRequest { key: key.into(), value: "value".into(), ..Default::default() };
        apply(&mut kv, Command::Put(put)).unwrap();
    }
    kv.commit().unwrap();
    kv
}

proptest! {
    #[test]
    fn batches_and_restarts_leave_no_trace(
        commands in prop::collection::vec((strategy::command(), 0u64..3, any::<bool>(), any::<bool>()), 1..80),
    ) {
        let (left_engine, right_engine) = (MemoryEngine::new(), MemoryEngine::new());
        let (mut left, mut right) = (open(&left_engine), open(&right_engine));
        let mut time_ns = 0;
        for (command, seconds, commit, restart) in commands {
            time_ns += seconds * 1_000_000_000;
            let stamped = Stamped { cluster_time_ns: time_ns, command };
            let index = left.applied().0.next();
            let on_left = left.apply(index, Term(1), Some(&stamped)).unwrap();
            let on_right = right.apply(index, Term(1), Some(&stamped)).unwrap();
            prop_assert_eq!(on_left, on_right);
            prop_assert_eq!(left.state_hash(), right.state_hash());
            left.commit().unwrap();
            if commit {
                right.commit().unwrap();
                if restart {
                    right = open(&right_engine);
                }
            }
        }
        right.commit().unwrap();
        prop_assert_eq!(rows(&left_engine), rows(&right_engine));
        // Deleting old rows is each replica's own affair, but comes to the same end.
        while left.compact_slice(1).unwrap() { left.commit().unwrap(); }
        while right.compact_slice(1000).unwrap() {}
        left.commit().unwrap();
        right.commit().unwrap();
        prop_assert_eq!(rows(&left_engine), rows(&right_engine));
    }

    #[test]
    fn a_snapshot_carries_everything(
        commands in prop::collection::vec(strategy::command(), 0..60),
        later in prop::collection::vec(strategy::command(), 0..20),
        max_len_bytes in 1usize..400,
    ) {
        let (source, target) = (MemoryEngine::new(), MemoryEngine::new());
        let mut kv = open(&source);
        kv.set_configuration(Bytes::from_static(b"three members"));
        commands.into_iter().for_each(|command| { let _ = apply(&mut kv, command); });
        let view = kv.commit().unwrap().view;
        let sent = rows(&source);
        later.iter().for_each(|command| { let _ = apply(&mut kv, command.clone()); });
        kv.commit().unwrap();

        let (_, staged) = transfer(&view, max_len_bytes, target.stage("kv").unwrap());
        let promoted = target.promote("kv", staged).unwrap();
        prop_assert_eq!(rows(&target), sent);
        let mut copy = Kv::open(promoted).unwrap();
        prop_assert_eq!(copy.configuration(), &Bytes::from_static(b"three members"));
        verify(&copy.view()).unwrap();
        later.into_iter().for_each(|command| { let _ = apply(&mut copy, command); });
        prop_assert_eq!(copy.state_hash(), kv.state_hash());
        copy.commit().unwrap();
        prop_assert_eq!(rows(&target), rows(&source));
    }
}

#[test]
fn a_damaged_chunk_is_not_taken() {
    let view = filled(20).view();
    let (chunks, _) = transfer(&view, 200, Box::new(MemoryTables::new()));
    assert!(chunks.len() > 3);
    for position in 0..chunks[0].len() {
        let mut damaged = chunks[0].to_vec();
        damaged[position] ^= 0x10;
        let mut writer = SnapshotWriter::new(Box::new(MemoryTables::new()));
        assert!(matches!(writer.store(&damaged.into()), Err(SnapshotError::Corrupt)), "byte {position}");
    }
    let mut writer = SnapshotWriter::new(Box::new(MemoryTables::new()));
    assert!(matches!(writer.store(&chunks[0].slice(..10)), Err(SnapshotError::Corrupt)));
}

#[test]
fn chunks_are_taken_in_order_and_only_all_of_them() {
    let view = filled(20).view();
    let (chunks, _) = transfer(&view, 200, Box::new(MemoryTables::new()));
    let mut writer = SnapshotWriter::new(Box::new(MemoryTables::new()));
    assert!(matches!(writer.store(&chunks[1]), Err(SnapshotError::OutOfSequence { expected: 0 })));
    assert!(!writer.store(&chunks[0]).unwrap());
    assert!(matches!(writer.store(&chunks[0]), Err(SnapshotError::OutOfSequence { expected: 1 })));
    assert!(matches!(writer.finish(), Err(SnapshotError::Corrupt)));

    // The last chunk of another state, at the right place, does not add up.
    let mut other = filled(20);
    apply(&mut other, Command::LeaseGrant { id: quorate_types::LeaseId(1), ttl_s: 5 }).unwrap();
    let (mixed, _) = transfer(&other.commit().unwrap().view, 200, Box::new(MemoryTables::new()));
    let mut writer = SnapshotWriter::new(Box::new(MemoryTables::new()));
    for chunk in &chunks[..chunks.len() - 1] {
        writer.store(chunk).unwrap();
    }
    let last = mixed.last().unwrap();
    assert!(matches!(writer.store(last), Err(SnapshotError::Corrupt | SnapshotError::OutOfSequence { .. })));
}

#[test]
fn damage_is_found() {
    let engine = MemoryEngine::new();
    let mut kv = open(&engine);
    for (key, lease) in [("a", None), ("b", Some(quorate_types::LeaseId(1)))] {
        let _ = apply(&mut kv, Command::LeaseGrant { id: quorate_types::LeaseId(1), ttl_s: 5 });
        let put = quorate_kv::PutRequest { key: key.into(), value: "1".into(), lease, ..Default::default() };
        apply(&mut kv, Command::Put(put.clone())).unwrap();
        apply(&mut kv, Command::Put(put)).unwrap();
    }
    kv.commit().unwrap();
    drop(kv);
    let healthy = rows(&engine);
    for (table, (key, _)) in healthy.iter().filter(|(table, _)| *table != 1) {
        let damaged = MemoryEngine::new();
        let mut tables = damaged.open("kv").unwrap();
        let mut batch = quorate_table::Batch::new();
        for (other, (other_key, value)) in &healthy {
            if (other, other_key) != (table, key) {
                batch.put(TableId(*other), other_key.clone(), value.clone());
            }
        }
        tables.commit(batch).unwrap();
        let found = verify(&Kv::open(tables).unwrap().view());
        assert!(found.is_err(), "row {} of table {table} is missing", key.escape_ascii());
    }
}

#[test]
fn another_format_is_refused() {
    let mut tables = MemoryTables::new();
    let mut batch = quorate_table::Batch::new();
    batch.put(TableId(1), Bytes::from_static(b"machine"), Bytes::from_static(&[9, 0, 0]));
    tables.commit(batch).unwrap();
    assert!(matches!(Kv::open(Box::new(tables)), Err(quorate_kv::OpenError::UnknownFormat { found: 9 })));
}
