//! Linearizability.
//!
//! **Problem.** Is there one order of all operations in which each takes effect between its call and its return, and gives the result that
//! its model gives? Deciding this is NP-complete, but most histories have few choices at any moment.
//!
//! **Idea.** Linearizability is local: a history is linearizable exactly if it is on each object (Herlihy & Wing 1990, theorem 1). Each
//! object is decided by a method that needs no search where one applies, and by search else.
//!
//! **Invariant:** the answer does not depend on the order in which objects are decided: the violation of the object that comes
//! first is the one that is told.

mod broad;
mod configs;
mod deep;
mod end;
mod index;
mod machine;
mod moves;
mod order;
mod search;
mod spent;
mod stuck;
mod timeline;
mod trail;
pub mod unique;
mod window;

use crate::history::OpId;
use crate::limits::{Budget, Exhausted, Runner};
use crate::model::{Item, Model};
use crate::verdict::{Cause, Refutation, Sequence, Unknown, Verdict, Violation, Witness};
pub use search::Effort;
use search::{Found, GivenUp, search};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The operations on one object.
struct Part {
    scope: String,
    /// Which of the items, sorted by object.
    items: Range<usize>,
}

/// What became of one object.
enum Fate {
    Holds(Vec<OpId>),
    Violated(Box<Violation>),
    GivenUp(GivenUp),
}

/// Whether some order of the items makes them linearizable.
pub fn decide<M: Model>(
    model: &M,
    items: &[Item<M::Call>],
    budget: &Budget<'_>,
    runner: &dyn Runner,
) -> Verdict {
    decide_with(Effort::default(), model, items, budget, runner)
}

/// The same, with other effort.
pub fn decide_with<M: Model>(
    effort: Effort,
    model: &M,
    items: &[Item<M::Call>],
    budget: &Budget<'_>,
    runner: &dyn Runner,
) -> Verdict {
    let (sorted, parts) = match partition(model, items, budget) {
        Ok(parted) => parted,
        Err(why) => return unknown(why, 0, items.len(), (0, 0)),
    };
    let sorted = sorted.as_deref().unwrap_or(items);
    let fates: Vec<OnceLock<Fate>> = parts.iter().map(|_| OnceLock::new()).collect();
    // The first object with a violation so far: what comes after it no longer matters.
    let violated = AtomicUsize::new(usize::MAX);
    runner.run(parts.len(), &|at| {
        if at > violated.load(Ordering::Relaxed) {
            return;
        }
        let part = &parts[at];
        let fate = decide_object(model, &sorted[part.items.clone()], effort, budget);
        if matches!(fate, Fate::Violated(_)) {
            violated.fetch_min(at, Ordering::Relaxed);
        }
        let _ = fates[at].set(fate);
    });
    join(&parts, fates.into_iter().map(OnceLock::into_inner), items.len())
}

/// The items sorted by object, unless they are of one anyway, and the range of each object.
type Parted<C> = (Option<Vec<Item<C>>>, Vec<Part>);

fn partition<M: Model>(
    model: &M,
    items: &[Item<M::Call>],
    budget: &Budget<'_>,
) -> Result<Parted<M::Call>, Exhausted> {
    let whole = |scope| Ok((None, vec![Part { scope, items: 0..items.len() }]));
    let objects: Option<Vec<u32>> = items.iter().map(|item| model.object(&item.call)).collect();
    let Some(objects) = objects else { return whole(String::new()) };
    let Some(first) = objects.first() else { return Ok((None, Vec::new())) };
    if objects.iter().all(|object| object == first) {
        return whole(model.object_name(*first));
    }
    let _held = budget.hold((std::mem::size_of_val(items) + 8 * items.len()) as u64)?;
    let mut by_object: Vec<usize> = (0..items.len()).collect();
    by_object.sort_by_key(|at| objects[*at]);
    let mut parts: Vec<Part> = Vec::new();
    for (at, item) in by_object.iter().enumerate() {
        let object = objects[*item];
        let is_same = at > 0 && objects[by_object[at - 1]] == object;
        match parts.last_mut() {
            Some(part) if is_same => part.items.end = at + 1,
            _ => parts.push(Part { scope: model.object_name(object), items: at..at + 1 }),
        }
    }
    Ok((Some(by_object.into_iter().map(|at| items[at].clone()).collect()), parts))
}

fn decide_object<M: Model>(model: &M, items: &[Item<M::Call>], effort: Effort, budget: &Budget<'_>) -> Fate {
    let direct = if effort.direct { unique::decide(model, items, budget) } else { None };
    match direct {
        Some(Verdict::Holds(Witness::Orders(orders))) => {
            return Fate::Holds(orders.into_iter().flat_map(|order| order.ops).collect());
        }
        Some(Verdict::Violated(violation)) => return Fate::Violated(violation),
        // Undecided, or without an order to show.
        Some(Verdict::Holds(_) | Verdict::Unknown(_)) | None => {}
    }
    match search(model, items, effort, budget) {
        Ok(Found::Order(order)) => Fate::Holds(order),
        Ok(Found::Violation(violation)) => Fate::Violated(Box::new(violation)),
        Err(given_up) => Fate::GivenUp(given_up),
    }
}

fn join(parts: &[Part], fates: impl Iterator<Item = Option<Fate>>, ops: usize) -> Verdict {
    let mut orders = Vec::with_capacity(parts.len());
    let (mut placed, mut decided, mut open) = (0, 0, None);
    for (part, fate) in parts.iter().zip(fates) {
        decided += 1;
        placed += part.items.len();
        match fate.expect("every object before the first violation is decided") {
            Fate::Violated(mut violation) => {
                if let Refutation::Stuck(stuck) = &mut violation.refutation {
                    stuck.scope.clone_from(&part.scope);
                }
                return Verdict::Violated(violation);
            }
            Fate::Holds(ops) => orders.push(Sequence { scope: part.scope.clone(), ops }),
            Fate::GivenUp(GivenUp { why, placed: some }) => {
                decided -= 1;
                placed = placed - part.items.len() + some;
                open.get_or_insert(why);
            }
        }
    }
    match open {
        Some(why) => unknown(why, placed, ops, (decided, parts.len())),
        None => Verdict::Holds(Witness::Orders(orders)),
    }
}

fn unknown(why: Exhausted, placed: usize, ops: usize, (decided, objects): (usize, usize)) -> Verdict {
    let objects =
        if objects > 1 { format!(", {decided} of {objects} objects decided") } else { String::new() };
    let progress = format!("{placed} of {ops} operations placed{objects}");
    Verdict::Unknown(Unknown { cause: Cause::Exhausted(why), progress })
}
