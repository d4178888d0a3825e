//! Hashes agree where histories agree, whatever each replica has deleted.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

use proptest::prelude::*;
use quorate_kv::{Command, DeleteRequest, HistoryHash, KeyRange, Kv, PutRequest, ReadError, Refusal, View};
use quorate_types::{LeaseId, Revision};
use std::sync::Arc;
use support::{apply, bytes, empty, strategy};

fn put(kv: &mut Kv, key: &str, value: &str) {
    let (key, value) = (bytes(key), bytes(value));
    apply(kv, Command::Put(PutRequest { key, value, ..PutRequest::default() })).unwrap();
}

fn delete(kv: &mut Kv, key: &str) {
    let range = KeyRange::one(bytes(key));
    apply(kv, Command::Delete(DeleteRequest { range, prev_kv: false })).unwrap();
}

fn compact(kv: &mut Kv, revision: i64) {
    apply(kv, Command::Compact { revision: Revision(revision) }).unwrap();
}

fn view(kv: &mut Kv) -> Arc<View> {
    kv.commit().unwrap().view
}

fn hash(view: &View, revision: i64) -> Result<u32, Refusal> {
    match view.hash_history(revision) {
        Ok(HistoryHash { hash, .. }) => Ok(hash),
        Err(ReadError::Refused(refusal)) => Err(refusal),
        Err(ReadError::Tables(error)) => panic!("{error}"),
    }
}

/// Revisions 2 to 6, of which 4 deletes.
fn written() -> Kv {
    let mut kv = empty();
    put(&mut kv, "a", "1");
    put(&mut kv, "b", "1");
    delete(&mut kv, "a");
    put(&mut kv, "a", "2");
    put(&mut kv, "b", "2");
    kv
}

#[test]
fn which_revisions_can_be_hashed() {
    let mut kv = written();
    let whole = view(&mut kv).hash_history(0).unwrap();
    assert_eq!((whole.compacted, whole.revision), (Revision(0), Revision(6)));
    assert_eq!(view(&mut kv).hash_history(4).unwrap().revision, Revision(4));
    assert_eq!(hash(&kv.view(), 7), Err(Refusal::FutureRevision));
    compact(&mut kv, 4);
    let view = view(&mut kv);
    assert_eq!(hash(&view, 3), Err(Refusal::Compacted { at: Revision(4) }));
    let oldest = view.hash_history(4).unwrap();
    assert_eq!((oldest.compacted, oldest.revision), (Revision(4), Revision(4)));
}

#[test]
fn every_change_shows_from_its_revision_on() {
    let mut kv = written();
    let before = view(&mut kv);
    put(&mut kv, "b", "2");
    let after = view(&mut kv);
    let upto_6 = hash(&before, 0);
    assert_eq!(hash(&after, 6), upto_6);
    assert_ne!(hash(&after, 7), upto_6);
    let all: std::collections::BTreeSet<u32> =
        (1..=7).map(|revision| hash(&after, revision).unwrap()).collect();
    assert_eq!(all.len(), 7, "no two revisions have the same history");
    let mut other = written();
    put(&mut other, "b", "3");
    assert_ne!(hash(&view(&mut other), 0), hash(&after, 0));
}

#[test]
fn the_hash_of_the_whole_store_covers_more_than_keys() {
    let (mut left, mut right) = (written(), written());
    assert_eq!(view(&mut left).hash().unwrap(), view(&mut right).hash().unwrap());
    apply(&mut left, Command::LeaseGrant { id: LeaseId(1), ttl_s: 9 }).unwrap();
    assert_eq!(hash(&view(&mut left), 0), hash(&view(&mut right), 0));
    assert_ne!(left.view().hash().unwrap(), right.view().hash().unwrap());
    apply(&mut right, Command::LeaseGrant { id: LeaseId(1), ttl_s: 9 }).unwrap();
    assert_eq!(left.view().hash().unwrap(), view(&mut right).hash().unwrap());
}

proptest! {
    #[test]
    fn deleting_rows_changes_no_hash(
        commands in prop::collection::vec((strategy::command(), 0usize..4), 1..80),
    ) {
        let (mut left, mut right) = (empty(), empty());
        for (command, rows) in commands {
            let _ = apply(&mut left, command.clone());
            let _ = apply(&mut right, command);
            if rows > 0 {
                right.compact_slice(rows).unwrap();
            }
            right.commit().unwrap();
        }
        while right.compact_slice(1).unwrap() {}
        let (left, right) = (view(&mut left), view(&mut right));
        for revision in -1..=left.revision().0 + 1 {
            prop_assert_eq!(hash(&left, revision), hash(&right, revision));
        }
        prop_assert_eq!(left.hash().unwrap(), right.hash().unwrap());
    }
}
