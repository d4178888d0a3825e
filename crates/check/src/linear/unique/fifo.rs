//! A queue whose values are distinct.
//!
//! **Problem.** Find the order in which values went in, which must be the order in which they came out.
//!
//! **Idea.** Value `x` must be before `y` if its insertion returned before `y`'s was called, or its removal before `y`'s. Both relations are
//! orders of intervals. An operation that found the queue empty is put at a moment at which it can have been ([`super::presence`]), and
//! is a value that goes in and out at that very moment. Take any value that nothing else must precede, again and again; then give each
//! operation the earliest moment that its interval and those before it allow.
//!
//! **Why that decides.** Let an insertion return no later than its removal, and a removal be called no earlier than its insertion. In
//! an order of intervals, `a < b` and `c < d` give `a < d` or `c < b`; so a circle through two of them contains one of two values, one step in
//! each order: nothing else can stop the taking. The earliest moments keep all deadlines: an operation would miss its deadline only
//! because of one that is forced before it and was called after it had returned. If both are insertions or both removals, or a removal
//! had returned before an insertion was called, their values are in the other order. If an insertion `e` had returned
//! before a removal `d` was called, only an empty queue between `d` and `e` can force `d` first, at a moment `t` with `d ≤ t ≤ e`.
//!
//! A value that was never removed is removed after everything else.
//!
//! Source: Henzinger, Sezgin & Vafeiadis, CONCUR 2013 (the four ways to fail); Lee & Mathur 2024 (taking away in turn). Deviation:
//! moments of emptiness are fixed first.

use super::Decided;
use super::blame::{by_time, edge, violation};
use super::gather::{Event, NEVER};
use super::numbers::NOTHING;
use super::presence::place_empties;
use super::stored::{Contents, Stored, pair};
use crate::history::OpId;
use crate::limits::{Budget, Exhausted};
use crate::verdict::{Refutation, Relation, Violation};

/// `None` if a value was inserted twice.
pub(super) fn decide(events: &[Event], budget: &Budget<'_>) -> Option<Decided> {
    let bytes = (events.len() * (size_of::<Event>() + 2 * size_of::<Stored>() + 64)) as u64;
    let held = match budget.hold(bytes) {
        Ok(held) => held,
        Err(exhausted) => return Some(Err(exhausted)),
    };
    let decided = match pair(events)? {
        Ok(contents) => order(contents, events, budget),
        Err(violation) => Ok(Err(violation)),
    };
    drop(held);
    Some(decided)
}

fn order(contents: Contents, events: &[Event], budget: &Budget<'_>) -> Decided {
    let Contents { mut values, empties } = contents;
    let placed = match place_empties(&values, &empties, events) {
        Ok(placed) => placed,
        Err(violation) => {
            // Values in the wrong order may be the simpler reason.
            return Ok(Err(take_all(&values, budget)?
                .err()
                .map_or(violation, |pair| reordered(&pair, events))));
        }
    };
    values.extend(placed.into_iter().map(|(at, empty)| Stored {
        insert: empty,
        remove: empty,
        priority: 0,
        insert_from: at,
        insert_until: at,
        remove_from: at,
        remove_until: at,
    }));
    Ok(match take_all(&values, budget)? {
        Ok(order) => Ok(schedule(&values, &order, events)),
        Err(pair) => Err(reordered(&pair, events)),
    })
}

/// The values in an order that keeps both relations, or two of which each must precede the other.
fn take_all(values: &[Stored], budget: &Budget<'_>) -> Result<Result<Vec<u32>, [Stored; 2]>, Exhausted> {
    let insert_until = |value: &Stored| value.insert_until.min(value.remove_until);
    let remove_from = |value: &Stored| value.remove_from.max(value.insert_from);
    let sorted = |key: &dyn Fn(&Stored) -> u32| {
        let mut keys: Vec<(u32, u32)> = values.iter().zip(0..).map(|(value, at)| (key(value), at)).collect();
        keys.sort_unstable();
        keys
    };
    let inserts = [sorted(&|value| value.insert_from), sorted(&insert_until)];
    let removes = [sorted(&remove_from), sorted(&|value| value.remove_until)];
    let mut taken = vec![false; values.len()];
    // How many of its two orders have nothing before it any more.
    let mut free = vec![0_u8; values.len()];
    let mut places = [[0_usize; 2]; 2];
    let (mut ready, mut order) = (Vec::new(), Vec::with_capacity(values.len()));
    while order.len() < values.len() {
        budget.step(1)?;
        let mut earliest = [0_u32; 2];
        for (kind, [calls, returns]) in [&inserts, &removes].into_iter().enumerate() {
            let [called, returned] = &mut places[kind];
            while taken[returns[*returned].1 as usize] {
                *returned += 1;
            }
            earliest[kind] = returns[*returned].1;
            while let Some((from, value)) = calls.get(*called)
                && *from <= returns[*returned].0
            {
                *called += 1;
                free[*value as usize] += 1;
                if free[*value as usize] == 2 {
                    ready.push(*value);
                }
            }
        }
        match ready.pop() {
            Some(value) => {
                taken[value as usize] = true;
                order.push(value);
            }
            None => return Ok(Err(earliest.map(|value| values[value as usize]))),
        }
    }
    Ok(Ok(order))
}

/// The earliest moments, in the order of values where they are equal.
fn schedule(values: &[Stored], order: &[u32], events: &[Event]) -> Vec<OpId> {
    let mut steps: Vec<(u64, u32)> = Vec::with_capacity(2 * order.len());
    let (mut last_insert, mut last_remove) = (0_u32, 0_u32);
    for (place, value) in order.iter().enumerate() {
        let value = &values[*value as usize];
        let key = |at: u32, kind: u64| (u64::from(at) << 32) | (2 * place as u64 + kind);
        last_insert = last_insert.max(value.insert_from);
        if value.insert == value.remove {
            last_insert = last_insert.max(last_remove);
        }
        assert!(last_insert <= value.insert_until, "the order of values allows an execution");
        steps.push((key(last_insert, 0), value.insert));
        last_remove = last_remove.max(value.remove_from).max(last_insert);
        assert!(last_remove <= value.remove_until, "the order of values allows an execution");
        if value.remove != NOTHING && value.remove != value.insert {
            steps.push((key(last_remove, 1), value.remove));
        }
    }
    steps.sort_unstable();
    steps.into_iter().map(|(_, event)| events[event as usize].id).collect()
}

/// The first value went in before the second one, and came out after it or never.
fn reordered([first, second]: &[Stored; 2], events: &[Event]) -> Box<Violation> {
    let event = |place: u32| &events[place as usize];
    let involved = first.events(events).chain(second.events(events));
    if first.remove_from == NEVER {
        let reason = "A value was put in before another one and never came out, although the other one did.";
        return violation("lost element", involved, reason, Refutation::Fact);
    }
    let why =
        "first in, first out: its value had been put in before the insertion of the other's value was called";
    let edges = vec![
        by_time(event(second.remove), event(first.remove)),
        edge(event(first.remove), event(second.remove), Relation::Derived, why),
    ];
    let reason = "A value had been put in before the insertion of another one was called, and the other one had come out \
                  before the removal of the first was called.";
    violation("reordered dequeue", involved, reason, Refutation::Cycle(edges))
}
