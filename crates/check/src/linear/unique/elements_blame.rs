//! Which reads and additions contradict each other, and how.

use super::blame::{by_time, edge, violation};
use super::gather::{Deed, Event};
use super::numbers::Numbers;
use crate::verdict::{Edge, Refutation, Relation, Violation};
use std::cmp::Ordering;

/// The rank of an element that nobody saw.
pub(super) const UNSEEN: u32 = u32::MAX;

/// A read, by its place among the events.
pub(super) struct Read<'e> {
    pub event: u32,
    pub values: &'e [u32],
}

/// What violations are made from.
pub(super) struct Blame<'e> {
    pub events: &'e [Event],
    /// From elements to the places of their additions.
    pub adds: &'e Numbers,
    /// By size.
    pub reads: &'e [Read<'e>],
    pub ordered: bool,
}

fn saw(add: &Event, read: &Event) -> Edge {
    edge(add, read, Relation::WriteRead, "the other saw the element that it added")
}

fn missed(read: &Event, add: &Event) -> Edge {
    edge(read, add, Relation::ReadWrite, "it did not see the element that the other added")
}

/// An element that the second, which is ascending too, does not have.
fn missing(from: &[u32], within: &[u32]) -> Option<u32> {
    let mut rest = within.iter().peekable();
    from.iter().copied().find(|value| {
        while rest.next_if(|other| *other < value).is_some() {}
        rest.next_if_eq(&value).is_none()
    })
}

impl<'e> Blame<'e> {
    fn at(&self, event: u32) -> &'e Event {
        &self.events[event as usize]
    }

    fn add_of(&self, value: u32) -> Option<&'e Event> {
        self.events.get(self.adds.get(value) as usize)
    }

    pub fn never_added(&self, read: &Read<'_>) -> Box<Violation> {
        let reason = "It saw an element that no operation added.";
        violation("read of a value that nobody wrote", [self.at(read.event)], reason, Refutation::Fact)
    }

    pub fn duplicate(&self, read: &Read<'_>, add: u32) -> Box<Violation> {
        let reason = "It saw an element twice, which was added once.";
        violation("duplicate element", [self.at(add), self.at(read.event)], reason, Refutation::Fact)
    }

    /// The smaller read is no part of the larger one.
    pub fn incomparable(&self, small: &Read<'_>, large: &Read<'_>) -> Option<Box<Violation>> {
        let [first, second] = [small, large].map(|read| self.at(read.event));
        if self.ordered {
            let (mine, other) = small.values.iter().zip(large.values).find(|(a, b)| a != b)?;
            let adds = [*mine, *other].into_iter().filter_map(|value| self.add_of(value));
            let reason = "Two reads saw different elements at the same place.";
            return Some(violation(
                "incompatible order",
                adds.chain([first, second]),
                reason,
                Refutation::Fact,
            ));
        }
        let mine = missing(small.values, large.values)?;
        let other = missing(large.values, small.values)?;
        let (Some(mine), Some(other)) = (self.add_of(mine), self.add_of(other)) else {
            let reader = if self.add_of(mine).is_none() { small } else { large };
            return Some(self.never_added(reader));
        };
        let edges = vec![saw(mine, first), missed(first, other), saw(other, second), missed(second, mine)];
        let reason = "Of two reads each saw an element that the other one missed.";
        let events = [mine, other, first, second];
        Some(violation("long fork", events, reason, Refutation::Cycle(edges)))
    }

    /// `later` is of a higher rank and returned before `earlier` was called.
    pub fn backward(&self, earlier: u32, later: u32, ranks: &[u32]) -> Box<Violation> {
        let (first, last) = (self.at(earlier), self.at(later));
        let time = by_time(last, first);
        match (first.deed, last.deed) {
            (Deed::Add(_), Deed::Saw(_)) => {
                let reason = "It had seen an element before the addition of that element was called.";
                let cycle = Refutation::Cycle(vec![time, saw(first, last)]);
                violation("read from the future", [first, last], reason, cycle)
            }
            (Deed::Saw(_), Deed::Saw(_)) => {
                let [old, new] = [earlier, later].map(|event| self.values_of(event));
                let value = match (self.ordered, new.len().cmp(&old.len())) {
                    (true, Ordering::Greater) => new.get(old.len()).copied(),
                    _ => missing(new, old),
                };
                let add = value.and_then(|value| self.add_of(value));
                let reason = "It saw less than a read that had returned before it was called.";
                let edges = add.map(|add| vec![time, missed(first, add), saw(add, last)]);
                let cycle = edges.map_or(Refutation::Fact, Refutation::Cycle);
                violation("new-old inversion", [first, last].into_iter().chain(add), reason, cycle)
            }
            (Deed::Saw(_), _) => {
                let is_lost = ranks[later as usize] == UNSEEN;
                let anomaly = if is_lost { "lost element" } else { "stale read" };
                let reason =
                    "It did not see an element whose addition had returned before the read was called.";
                violation(anomaly, [first, last], reason, Refutation::Cycle(vec![time, missed(first, last)]))
            }
            _ => self.reordered(first, last, ranks[earlier as usize]),
        }
    }

    /// What a read saw.
    fn values_of(&self, event: u32) -> &'e [u32] {
        let read = self.reads.iter().find(|read| read.event == event);
        read.expect("each event that saw something is among the reads").values
    }

    /// `last` had returned before `first` was called, and a read saw only `first`, or it before the other.
    fn reordered(&self, first: &Event, last: &Event, rank: u32) -> Box<Violation> {
        let place = self.reads.partition_point(|read| 2 * (read.values.len() as u32) < rank);
        let read = &self.reads[place];
        let sees_both = matches!(last.deed, Deed::Add(value) if read.values.contains(&value));
        let read = self.at(read.event);
        let refutation = if sees_both {
            Refutation::Fact
        } else {
            Refutation::Cycle(vec![by_time(last, first), saw(first, read), missed(read, last)])
        };
        let reason = "An element was seen without another one, or before it, whose addition had returned before the \
                      addition of the first was called.";
        violation("reordered addition", [first, last, read], reason, refutation)
    }
}
