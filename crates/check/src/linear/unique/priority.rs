//! A priority queue whose values are distinct.
//!
//! **Problem.** Each removal must find nothing of a smaller priority.
//!
//! **Idea.** Remove each value at the first moment of its removal at which no value of smaller priority is surely there
//! ([`super::presence`]), and insert it as late as its insertion and that moment allow. If some removal has no such moment, there is
//! no execution.
//!
//! **Why that decides.** Necessity is plain. Suppose that `y` of smaller priority were there at the moment `t` at which `x` is removed.
//! It is not surely there, so its removal at `u > t` had been called by `t` (or its insertion was not over, and then it is inserted at
//! `u`, or after `t`). It was put off to `u` because values of still smaller priority were surely there at each moment until then,
//! `t` among them; but these forbid `t` to `x` too. An operation that found the queue empty is a removal after all priorities.
//! Of moments that are equal, the smaller priority goes first.
//!
//! Source: Bouajjani, Enea & Wang, CONCUR 2017 (one value of the largest priority at a time). Deviation: all at once, by the
//! union of spans of smaller priorities.

use super::Decided;
use super::blame::violation;
use super::gather::Event;
use super::numbers::NOTHING;
use super::presence::{cover, place_empties};
use super::stored::{Contents, Stored, pair};
use crate::history::OpId;
use crate::limits::Budget;
use crate::verdict::{Refutation, Violation};
use std::collections::BTreeMap;

/// `None` if a value was inserted twice.
pub(super) fn decide(events: &[Event], budget: &Budget<'_>) -> Option<Decided> {
    let bytes = (events.len() * (size_of::<Event>() + 2 * size_of::<Stored>() + 96)) as u64;
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

/// An operation at a moment; sorted, they are the execution.
type Step = (u32, u32, bool, u32);

fn order(contents: Contents, events: &[Event], budget: &Budget<'_>) -> Decided {
    let Contents { mut values, empties } = contents;
    values.sort_by_key(|value| value.priority);
    let mut spans = Spans::default();
    let mut steps: Vec<Step> = Vec::with_capacity(events.len());
    let mut start = 0;
    for group in values.chunk_by(|a, b| a.priority == b.priority) {
        for (value, place) in group.iter().zip(start as u32..) {
            budget.step(1)?;
            let moment = spans.free_from(value.remove_from.max(value.insert_from));
            if moment > value.remove_until {
                return Ok(Err(overtaken(value, &values[..start], events)));
            }
            // Ties of a moment go by priority, then by value, which keeps the two operations of a value together.
            steps.push((value.insert_until.min(moment), place, false, value.insert));
            if value.remove != NOTHING {
                steps.push((moment, place, true, value.remove));
            }
        }
        group.iter().filter_map(Stored::presence).for_each(|span| spans.add(span));
        start += group.len();
    }
    match place_empties(&values, &empties, events) {
        Ok(placed) => {
            // After all values of its moment: `place` is the greatest.
            steps.extend(placed.into_iter().map(|(at, empty)| (at, u32::MAX, true, empty)));
        }
        Err(violation) => return Ok(Err(violation)),
    }
    steps.sort_unstable();
    let ids: Vec<OpId> = steps.into_iter().map(|(.., event)| events[event as usize].id).collect();
    Ok(Ok(ids))
}

/// Disjoint open spans by their low ends, to which more are added.
#[derive(Default)]
struct Spans(BTreeMap<u32, u32>);

impl Spans {
    fn free_from(&self, at: u32) -> u32 {
        match self.0.range(..at).next_back() {
            Some((_, high)) if at < *high => *high,
            _ => at,
        }
    }

    fn add(&mut self, (mut low, mut high): (u32, u32)) {
        while let Some((before, end)) = self.0.range(..high).next_back().map(|(low, high)| (*low, *high)) {
            if end <= low {
                break;
            }
            self.0.remove(&before);
            (low, high) = (low.min(before), high.max(end));
        }
        self.0.insert(low, high);
    }
}

/// While it was removed, something smaller was always there.
fn overtaken(value: &Stored, smaller: &[Stored], events: &[Event]) -> Box<Violation> {
    let from = value.remove_from.max(value.insert_from);
    let cover = cover(smaller, from, value.remove_until);
    let involved = cover.iter().copied().chain([value]).flat_map(|value| value.events(events));
    let reason = "It took out a value although at each moment of it one of smaller priority was surely there: its insertion \
                  had returned and its removal had not been called.";
    violation("priority inversion", involved, reason, Refutation::Fact)
}
