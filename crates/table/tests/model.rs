//! The tables in memory and the overlay on them, against plain maps.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use proptest::prelude::*;
use quorate_table::{Batch, Direction, MemoryTables, Overlay, Read, TableId, Tables};
use quorate_types::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;
type Write = (u8, Vec<u8>, Option<Vec<u8>>);
type Query = (u8, Bound<Vec<u8>>, Bound<Vec<u8>>);

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..4, 1..4)
}

fn write() -> impl Strategy<Value = Write> {
    (1u8..3, key(), prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..3)))
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![key().prop_map(Bound::Included), key().prop_map(Bound::Excluded), Just(Bound::Unbounded)]
}

fn apply(model: &mut Model, (table, key, value): &Write) {
    match value {
        Some(value) => model.insert((*table, key.clone()), value.clone()),
        None => model.remove(&(*table, key.clone())),
    };
}

fn batch(writes: &[Write]) -> Batch {
    let mut batch = Batch::new();
    for (table, key, value) in writes {
        match value {
            Some(value) => batch.put(TableId(*table), key.clone().into(), value.clone().into()),
            None => batch.delete(TableId(*table), key.clone().into()),
        }
    }
    batch
}

/// Every query in both directions, and every single row, as the model has them.
fn check(rows: &dyn Read, model: &Model, queries: &[Query]) {
    for (table, from, to) in queries {
        let inside = |key: &Vec<u8>| {
            (match from {
                Bound::Included(low) => key >= low,
                Bound::Excluded(low) => key > low,
                Bound::Unbounded => true,
            }) && match to {
                Bound::Included(high) => key <= high,
                Bound::Excluded(high) => key < high,
                Bound::Unbounded => true,
            }
        };
        let expect: Vec<(Vec<u8>, Vec<u8>)> = model
            .iter()
            .filter(|((t, key), _)| t == table && inside(key))
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        let (from, to) = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let walk = |direction| -> Vec<(Vec<u8>, Vec<u8>)> {
            rows.range(TableId(*table), from, to, direction)
                .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
                .collect()
        };
        assert_eq!(walk(Direction::Forward), expect);
        let mut backward = walk(Direction::Backward);
        backward.reverse();
        assert_eq!(backward, expect);
    }
    for ((table, key), value) in model {
        assert_eq!(rows.get(TableId(*table), key).unwrap(), Some(Bytes::from(value.clone())));
    }
}

proptest! {
    #[test]
    fn batches_and_overlays_match_plain_maps(
        committed in prop::collection::vec(prop::collection::vec(write(), 0..12), 0..4),
        pending in prop::collection::vec(write(), 0..16),
        queries in prop::collection::vec((1u8..4, bound(), bound()), 1..8),
    ) {
        let (mut tables, mut model) = (MemoryTables::new(), Model::new());
        for writes in &committed {
            writes.iter().for_each(|write| apply(&mut model, write));
            tables.commit(batch(writes)).unwrap();
            check(&tables, &model, &queries);
        }
        let (before, model_before) = (tables.snapshot(), model.clone());

        let mut overlay = Overlay::new();
        for write in &pending {
            apply(&mut model, write);
            match &write.2 {
                Some(value) => overlay.put(TableId(write.0), write.1.clone().into(), value.clone().into()),
                None => overlay.delete(TableId(write.0), write.1.clone().into()),
            }
        }
        check(&overlay.on(&tables), &model, &queries);
        check(&overlay.on(&*before), &model, &queries);
        prop_assert_eq!(overlay.is_empty(), pending.is_empty());

        let len_bytes = overlay.len_bytes();
        let batch = overlay.take();
        prop_assert_eq!(batch.len_bytes(), len_bytes);
        prop_assert!(overlay.is_empty() && overlay.len_bytes() == 0);
        tables.commit(batch).unwrap();
        check(&tables, &model, &queries);
        check(&*before, &model_before, &queries);
        let live: usize = model.iter().map(|((_, key), value)| key.len() + value.len()).sum();
        prop_assert_eq!(tables.len_bytes(), live.max(1) as u64);
    }
}
