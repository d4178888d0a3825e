//! Replays one order of operations on operations.

use super::operations::Operations;
use super::{Flaw, Objection};
use crate::history::{OpId, Order, Point};
use crate::level::Level;
use crate::limits::Budget;
use crate::model::{Item, Model};
use crate::verdict::{Relation, Sequence};
use rustc_hash::FxHashMap;

/// Whether the orders show that the level holds: each operation that surely happened stands in exactly one of them, each object's in the
/// same, time runs forward, and every result is what the object gives there.
pub fn orders<M: Model>(
    operations: &Operations<'_, M>,
    level: Level,
    sequences: &[Sequence],
    budget: &Budget<'_>,
) -> Result<(), Objection> {
    if level == Level::Linearizable && operations.history.order != Order::RealTime {
        return Err(Flaw::NoRealTime.into());
    }
    let mut stands_in: Vec<Option<usize>> = vec![None; operations.history.ops.len()];
    let mut object_in: FxHashMap<u32, usize> = FxHashMap::default();
    for (number, sequence) in sequences.iter().enumerate() {
        for id in &sequence.ops {
            let item = operations.item(*id)?;
            if stands_in[id.at()].replace(number).is_some() {
                return Err(Flaw::Twice(*id).into());
            }
            // Linearizability of each object is linearizability of all; other levels need one order.
            let scope = if level == Level::Linearizable { operations.object(item) } else { 0 };
            if *object_in.entry(scope).or_insert(number) != number {
                return Err(Flaw::Apart(*id).into());
            }
        }
        budget.step(sequence.ops.len() as u64)?;
        match level {
            Level::Linearizable => real_time(operations, &sequence.ops)?,
            Level::Sequential => session_order(operations, &sequence.ops)?,
            _ => return Err(Flaw::WrongForm(level).into()),
        }
        legal(operations, &sequence.ops, &|item| item.certain)?;
    }
    let missing = operations.items.iter().find(|item| item.certain && stands_in[item.id.at()].is_none());
    missing.map_or(Ok(()), |item| Err(Flaw::Missing(item.id).into()))
}

/// No operation stands after one that was called after it had returned.
fn real_time<M: Model>(operations: &Operations<'_, M>, order: &[OpId]) -> Result<(), Objection> {
    let mut latest: Option<&Item<M::Call>> = None;
    for id in order {
        let item = operations.item(*id)?;
        if let Some(first) = latest.filter(|first| item.until < first.from) {
            return Err(
                Flaw::OutOfOrder { first: first.id, second: *id, relation: Relation::RealTime }.into()
            );
        }
        if latest.is_none_or(|first| first.from < item.from) {
            latest = Some(item);
        }
    }
    Ok(())
}

/// Each session's operations stand in the order in which it called them.
fn session_order<M: Model>(operations: &Operations<'_, M>, order: &[OpId]) -> Result<(), Objection> {
    let mut latest: FxHashMap<u32, (Point, OpId)> = FxHashMap::default();
    for id in order {
        let item = operations.item(*id)?;
        let last = latest.insert(item.session.0, (item.from, *id));
        if let Some((_, first)) = last.filter(|(from, _)| item.from < *from) {
            return Err(Flaw::OutOfOrder { first, second: *id, relation: Relation::Session }.into());
        }
    }
    Ok(())
}

/// Steps every object through the order. `is_seen` says whose results count.
pub fn legal<M: Model>(
    operations: &Operations<'_, M>,
    order: &[OpId],
    is_seen: &dyn Fn(&Item<M::Call>) -> bool,
) -> Result<(), Objection> {
    let mut states: FxHashMap<u32, M::State> = FxHashMap::default();
    for id in order {
        let item = operations.item(*id)?;
        let state = states.entry(operations.object(item)).or_insert_with(|| operations.model.initial());
        *state = operations.model.step(state, &item.call, is_seen(item)).ok_or(Flaw::Illegal(*id))?;
    }
    Ok(())
}
