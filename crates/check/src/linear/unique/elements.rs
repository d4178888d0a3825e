//! A set or list that only grows, each element added once, and read as a whole.
//!
//! **Problem.** Which additions had happened at each read, and in which order?
//!
//! **Idea.** Reads in the order of their sizes must contain one another (a list: begin with one another). The size of the smallest read with
//! an element is the element's *level*, in a list its place. In every execution an addition comes before the reads of at least its
//! level and after those below; reads of different sizes come in the order of sizes. Elements that nobody saw come last. Real time must
//! not point from a level down to a lower one: one pass remembers the latest call so far. Within a level, calls decide.
//!
//! **Why that decides.** All these orders are forced: two additions of different levels are told apart by a read between them. If real
//! time agrees with them, levels one after the other are an execution.
//!
//! Source: Lee & Mathur 2024 for sets. Deviation: reads of everything instead of one element.

use super::Decided;
use super::elements_blame::{Blame, Read, UNSEEN};
use super::gather::{Deed, Event};
use super::numbers::{NOTHING, Numbers};
use crate::limits::{Budget, Exhausted};
use crate::verdict::Violation;

/// `None` if an element was added twice.
pub(super) fn decide(
    events: &[Event],
    contents: &[Box<[u32]>],
    ordered: bool,
    budget: &Budget<'_>,
) -> Option<Decided> {
    let added = |event: &Event| match event.deed {
        Deed::Add(value) => Some(value),
        _ => None,
    };
    let mut adds = Numbers::of(events.iter().filter_map(added));
    for (at, event) in events.iter().enumerate() {
        if let Some(value) = added(event)
            && adds.put(value, at as u32) != NOTHING
        {
            return None;
        }
    }
    if !ordered && !contents.iter().all(|values| values.is_sorted_by(|a, b| a < b)) {
        return None;
    }
    let mut reads: Vec<Read<'_>> = Vec::with_capacity(contents.len());
    for (at, event) in events.iter().enumerate() {
        if let Deed::Saw(place) = event.deed {
            reads.push(Read { event: at as u32, values: &contents[place as usize] });
        }
    }
    reads.sort_by_key(|read| read.values.len());
    let blame = Blame { events, adds: &adds, reads: &reads, ordered };
    Some(run(&blame, budget))
}

fn run(blame: &Blame<'_>, budget: &Budget<'_>) -> Decided {
    let events = blame.events;
    let elements: usize = blame.reads.iter().map(|read| read.values.len()).sum();
    let _held = budget.hold((events.len() * (size_of::<Event>() + 24) + elements * 4) as u64)?;
    let ranks = match ranks(blame, budget)? {
        Ok(ranks) => ranks,
        Err(violation) => return Ok(Err(violation)),
    };
    let mut order: Vec<(u32, u32)> = Vec::with_capacity(events.len());
    for (event, (rank, at)) in events.iter().zip(ranks.iter().zip(0..)) {
        if *rank != UNSEEN || event.certain {
            order.push((*rank, at));
        }
    }
    // Places among the events are in the order of calls.
    order.sort_unstable();
    let mut latest: Option<u32> = None;
    for level in order.chunk_by(|a, b| a.0 == b.0) {
        budget.step(level.len() as u64)?;
        if let Some(before) = latest {
            let early = level.iter().find(|(_, at)| events[*at as usize].precedes(&events[before as usize]));
            if let Some((_, at)) = early {
                return Ok(Err(blame.backward(before, *at, &ranks)));
            }
        }
        let last = level.last().map(|(_, at)| *at);
        latest = latest.max(last);
    }
    Ok(Ok(order.into_iter().map(|(_, at)| events[at as usize].id).collect()))
}

/// By event: twice the level, and one more for a read.
fn ranks(blame: &Blame<'_>, budget: &Budget<'_>) -> Result<Result<Vec<u32>, Box<Violation>>, Exhausted> {
    let mut ranks = vec![UNSEEN; blame.events.len()];
    let mut before: &[u32] = &[];
    let mut last: Option<&Read<'_>> = None;
    for read in blame.reads {
        budget.step(1 + read.values.len() as u64)?;
        if let Some(last) = last
            && let Some(violation) = blame.incomparable(last, read)
        {
            return Ok(Err(violation));
        }
        let mut old = before.iter().peekable();
        for (place, value) in read.values.iter().enumerate() {
            let is_old = if blame.ordered { place < before.len() } else { old.next_if_eq(&value).is_some() };
            if is_old {
                continue;
            }
            let add = blame.adds.get(*value);
            let Some(rank) = ranks.get_mut(add as usize) else {
                return Ok(Err(blame.never_added(read)));
            };
            if *rank != UNSEEN {
                return Ok(Err(blame.duplicate(read, add)));
            }
            let level = if blame.ordered { place + 1 } else { read.values.len() };
            *rank = 2 * level as u32;
        }
        ranks[read.event as usize] = 2 * read.values.len() as u32 + 1;
        (before, last) = (read.values, Some(read));
    }
    Ok(Ok(ranks))
}
