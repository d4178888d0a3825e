//! What few keys cannot show: pages that split and merge, and old revisions that only the index can give.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

use quorate_kv::{Command, DeleteRequest, KeyRange, Kv, PutRequest, RangeRequest, verify};
use quorate_table::{Engine, MemoryEngine};
use quorate_types::{Bytes, Rng};
use support::apply;
use support::model::{Pairs, range};

fn key(number: u64) -> Bytes {
    Bytes::from(format!("key/{number:05}"))
}

fn put(number: u64, value: &str) -> Command {
    Command::Put(PutRequest {
        key: key(number),
        value: Bytes::copy_from_slice(value.as_bytes()),
        ..PutRequest::default()
    })
}

fn span(low: u64, high: u64) -> KeyRange {
    KeyRange { key: key(low), end: key(high) }
}

fn count(kv: &Kv, range: KeyRange, revision: i64) -> i64 {
    let request = RangeRequest { range, revision, count_only: true, ..RangeRequest::default() };
    kv.view().range(&request).unwrap().count
}

/// Counts of random ranges, at the newest revision, against counting by hand.
fn check_counts(kv: &Kv, lives: &[bool], rng: &mut Rng) {
    verify(&kv.view()).unwrap();
    let keys = lives.len() as u64;
    for _ in 0..50 {
        let (low, high) = (rng.below(keys), rng.below(keys));
        let inside = |low: u64, high: u64| {
            lives[low as usize..high as usize].iter().filter(|lives| **lives).count() as i64
        };
        assert_eq!(count(kv, span(low, high), 0), if low < high { inside(low, high) } else { 0 });
        let open = KeyRange { key: key(low), end: Bytes::from_static(&[0]) };
        assert_eq!(count(kv, open, 0), inside(low, keys));
    }
}

#[test]
fn counts_stay_right_while_pages_split_and_merge() {
    const KEYS: u64 = 1500;
    for seed in 0..2 {
        let mut rng = Rng::new(seed);
        let engine = MemoryEngine::new();
        let mut kv = Kv::open(engine.open("kv").unwrap()).unwrap();
        let mut lives = vec![false; KEYS as usize];
        for round in 0..6 {
            // Growing, shrinking and sequential rounds in turn.
            for step in 0..KEYS {
                let number = if round == 0 { step } else { rng.below(KEYS) };
                let grows = round % 2 == 0 || rng.chance(1, 4);
                let command = if grows {
                    put(number, "v")
                } else {
                    Command::Delete(DeleteRequest { range: KeyRange::one(key(number)), prev_kv: false })
                };
                apply(&mut kv, command).unwrap();
                lives[number as usize] = grows;
            }
            let (low, high) = (rng.below(KEYS), rng.below(KEYS));
            if low < high && round % 2 == 1 {
                apply(&mut kv, Command::Delete(DeleteRequest { range: span(low, high), prev_kv: false }))
                    .unwrap();
                lives[low as usize..high as usize].fill(false);
            }
            kv.commit().unwrap();
            check_counts(&kv, &lives, &mut rng);
            kv = Kv::open(engine.open("kv").unwrap()).unwrap();
            check_counts(&kv, &lives, &mut rng);
        }
    }
}

#[test]
fn deleting_everything_in_either_order_leaves_few_pages() {
    for descending in [false, true] {
        let engine = MemoryEngine::new();
        let mut kv = Kv::open(engine.open("kv").unwrap()).unwrap();
        (0..3000).for_each(|number| drop(apply(&mut kv, put(number, "v"))));
        for step in 0..3000 {
            let number = if descending { 2999 - step } else { step };
            let range = KeyRange::one(key(number));
            apply(&mut kv, Command::Delete(DeleteRequest { range, prev_kv: false })).unwrap();
            if step % 50 == 0 {
                kv.commit().unwrap();
            }
        }
        let view = kv.commit().unwrap().view;
        verify(&view).unwrap();
        assert_eq!(view.key_count(), 0);
        let tables = engine.open("kv").unwrap();
        let unbounded = || std::ops::Bound::Unbounded;
        let pages = tables
            .range(quorate_table::TableId(7), unbounded(), unbounded(), quorate_table::Direction::Forward)
            .count();
        assert!(pages <= 3, "{pages} pages are left of about 24");
    }
}

#[test]
fn old_revisions_of_hot_and_of_many_keys() {
    const KEYS: u64 = 300;
    for seed in 0..2 {
        let mut rng = Rng::new(seed);
        let mut kv = support::empty();
        let mut model = support::model::Model::default();
        for step in 0..1000u64 {
            // One key in ten writes is hot, so that its versions are many more than are stepped over one by one.
            let number = if rng.chance(1, 3) { 150 } else { rng.below(KEYS) };
            let command = if rng.chance(1, 5) {
                Command::Delete(DeleteRequest { range: span(number, number + 2), prev_kv: false })
            } else {
                put(number, &step.to_string())
            };
            assert_eq!(apply(&mut kv, command.clone()), model.apply(0, 0, &command));
        }
        let compacted = model.revision() / 3;
        let compact = Command::Compact { revision: quorate_types::Revision(compacted) };
        assert_eq!(apply(&mut kv, compact.clone()), model.apply(0, 0, &compact));
        while kv.compact_slice(100).unwrap() {
            kv.commit().unwrap();
        }
        kv.commit().unwrap();
        for _ in 0..200 {
            let revision = rng.between(compacted as u64, model.revision() as u64) as i64;
            let (low, high) = (rng.below(KEYS), rng.below(KEYS));
            let limit = rng.below(20) as i64;
            let request = RangeRequest { range: span(low, high), revision, limit, ..RangeRequest::default() };
            check_range(&kv, &model.states[revision as usize], &request);
            let one = RangeRequest { range: KeyRange::one(key(150)), revision, ..RangeRequest::default() };
            check_range(&kv, &model.states[revision as usize], &one);
            assert_eq!(
                count(&kv, span(low, high), revision),
                range(&model.states[revision as usize], &request).count
            );
        }
    }
}

fn check_range(kv: &Kv, pairs: &Pairs, request: &RangeRequest) {
    assert_eq!(kv.view().range(request).unwrap(), range(pairs, request), "{request:?}");
}
