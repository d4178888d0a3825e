//! A register whose values are written once each.
//!
//! **Problem.** Each read names its write; in which order were the values there?
//!
//! **Idea.** A write and its reads are a *cluster*, and nothing comes between them. A compare-and-set that read one value and wrote
//! another ties its cluster to the end of the other one, so clusters form chains; a chain's operations have an order of their own,
//! and whole chains follow one another. For a chain `A` let `f(A)` be the earliest return and `s(A)` the latest call in it. `A` must
//! come before `B` if `f(A) < s(B)`. If `f(A) < s(A)`, the register surely held `A`'s values all the time between (a forward
//! zone); otherwise there is a moment at which all of `A` can be done (a backward zone).
//!
//! **Why that decides.** An order exists exactly if no chain contradicts real time in itself and the relation between chains has no
//! circle: then chains one after the other are an order. A circle of chains contains two that must each come before the other. For if
//! `A` is before `B` and `C` before `D`, then `A` is before `D` or `C` is before `B`, by whichever of `f(A)` and `f(C)` is less; so a
//! circle of four or more has a shorter one in it; and a circle of three without one of two would give
//! `f(A) < s(B) ≤ f(C) < s(A) ≤ f(B) < s(C) ≤ f(A)`. Two chains contradict each other if both zones are forward and overlap, or
//! one is forward and the other's backward zone lies within it. Sorted by the left ends of zones, each chain needs to be compared
//! with the last forward one only, and without contradiction that order is the witness: `f(A) < s(B)` puts `A`'s left end first in
//! each of the four cases.
//!
//! The initial value is a cluster whose write returned before everything. A write of unknown outcome that was read
//! happened and never returned; one that was not read is left out.
//!
//! Source: Gibbons & Korach, "Testing shared memories", SIAM J. Comput. 1997, §4 (read-mapping known). Deviations: chains for
//! compare-and-set, and the one pass over left ends.

mod blame;

use super::Decided;
use super::blame::{edge, violation};
use super::gather::{Deed, Event, INITIAL};
use super::numbers::{NOTHING, Numbers};
use crate::history::OpId;
use crate::limits::{Budget, Exhausted};
use crate::verdict::{Refutation, Relation, Violation};

/// In place of a cluster: more than one write has this value.
const SEVERAL: u32 = u32::MAX - 1;

/// In place of an event: there is none.
const NONE: u32 = u32::MAX;

/// The cluster of the initial value.
const FIRST: u32 = 0;

/// A write and its reads. Events by their places.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    /// Who wrote it; [`NONE`] for the initial value.
    writer: u32,
    /// The read that returned first.
    first_read: u32,
    /// The read that was called last.
    last_read: u32,
    /// How many reads.
    reads: u32,
    /// The cluster whose write replaced this very value.
    next: u32,
}

/// Clusters in a row, and the zone that they take.
#[derive(Clone, Copy, Debug)]
struct Chain {
    /// Its first cluster.
    head: u32,
    /// Whose return is the earliest; [`NONE`] for the initial write.
    first: u32,
    /// Whose call is the latest.
    last: u32,
    /// The earliest return.
    f: u32,
    /// The latest call.
    s: u32,
}

impl Chain {
    fn left(&self) -> u32 {
        self.f.min(self.s)
    }

    fn is_forward(&self) -> bool {
        self.f < self.s
    }
}

struct Register<'e> {
    events: &'e [Event],
    clusters: Vec<Cluster>,
    /// By event: the cluster of the value that it read.
    read_from: Vec<u32>,
}

/// `None` if a value that was read has several writes.
pub(super) fn decide(events: &[Event], budget: &Budget<'_>) -> Option<Decided> {
    let mut register = Register { events, clusters: Vec::new(), read_from: vec![NONE; events.len()] };
    let bytes = (events.len() * (size_of::<Event>() + size_of::<Cluster>() + size_of::<Chain>() + 24)) as u64;
    let held = match budget.hold(bytes) {
        Ok(held) => held,
        Err(exhausted) => return Some(Err(exhausted)),
    };
    let numbers = register.write();
    let decided = match register.read(&numbers) {
        Reading::Ambiguous => return None,
        Reading::Wrong(violation) => Ok(Err(violation)),
        Reading::Done => {
            drop(numbers);
            register.order(budget)
        }
    };
    drop(held);
    Some(decided)
}

enum Reading {
    Done,
    Ambiguous,
    Wrong(Box<Violation>),
}

impl Register<'_> {
    fn at(&self, event: u32) -> &Event {
        &self.events[event as usize]
    }

    /// One cluster for each write, and one for the initial value.
    fn write(&mut self) -> Numbers {
        let written = |event: &Event| match event.deed {
            Deed::Write(value) | Deed::Swap { new: value, .. } => Some(value),
            _ => None,
        };
        let mut numbers = Numbers::of(self.events.iter().filter_map(written));
        let cluster = |writer| Cluster { writer, first_read: NONE, last_read: NONE, reads: 0, next: NOTHING };
        self.clusters.push(cluster(NONE));
        for (at, event) in self.events.iter().enumerate() {
            if let Some(value) = written(event) {
                let number = self.clusters.len() as u32;
                if numbers.put(value, number) != NOTHING {
                    numbers.put(value, SEVERAL);
                }
                self.clusters.push(cluster(at as u32));
            }
        }
        numbers
    }

    /// Gives each read to its cluster.
    fn read(&mut self, numbers: &Numbers) -> Reading {
        let mut own = FIRST;
        for (at, event) in self.events.iter().enumerate() {
            own += u32::from(!matches!(event.deed, Deed::Read(_)));
            let (Deed::Read(value) | Deed::Swap { old: value, .. }) = event.deed else { continue };
            let number = if value == INITIAL { FIRST } else { numbers.get(value) };
            if number == SEVERAL {
                return Reading::Ambiguous;
            }
            let Some(cluster) = self.clusters.get_mut(number as usize) else {
                let reason = "It read a value that no operation wrote.";
                let anomaly = "read of a value that nobody wrote";
                return Reading::Wrong(violation(anomaly, [event], reason, Refutation::Fact));
            };
            self.read_from[at] = number;
            if let Deed::Swap { .. } = event.deed {
                let next = cluster.next;
                if next != NOTHING {
                    let rival = self.clusters[next as usize].writer;
                    return Reading::Wrong(self.lost_update(number, rival, at as u32));
                }
                cluster.next = own;
                continue;
            }
            let [first, last] =
                [cluster.first_read, cluster.last_read].map(|read| self.events.get(read as usize));
            if first.is_none_or(|first| event.until < first.until) {
                cluster.first_read = at as u32;
            }
            if last.is_none_or(|last| event.from > last.from) {
                cluster.last_read = at as u32;
            }
            cluster.reads += 1;
        }
        Reading::Done
    }

    /// Two compare-and-sets replaced the same value.
    fn lost_update(&self, number: u32, a: u32, b: u32) -> Box<Violation> {
        let (a, b) = (self.at(a), self.at(b));
        let writer = self.events.get(self.clusters[number as usize].writer as usize);
        let overwrites =
            |from, to| edge(from, to, Relation::ReadWrite, "it saw the value that the other replaced");
        let reason = "Two compare-and-sets replaced the same value, which was written once.";
        let cycle = Refutation::Cycle(vec![overwrites(a, b), overwrites(b, a)]);
        violation("lost update", [a, b].into_iter().chain(writer), reason, cycle)
    }

    fn order(&self, budget: &Budget<'_>) -> Decided {
        let mut chains = match self.chains(budget)? {
            Ok(chains) => chains,
            Err(violation) => return Ok(Err(violation)),
        };
        chains.sort_unstable_by_key(Chain::left);
        let mut forward: Option<&Chain> = None;
        for chain in &chains {
            if let Some(before) = forward
                && before.f < chain.s
                && chain.f < before.s
            {
                return Ok(Err(self.conflict(before, chain)));
            }
            if chain.is_forward() {
                forward = Some(chain);
            }
        }
        budget.step(self.events.len() as u64)?;
        Ok(Ok(self.witness(&chains)))
    }

    /// Follows each chain from its head, looking for an operation that returned before an earlier one of the chain was called.
    fn chains(&self, budget: &Budget<'_>) -> Result<Result<Vec<Chain>, Box<Violation>>, Exhausted> {
        let mut chains = Vec::with_capacity(self.clusters.len());
        let mut followed = 0;
        for head in 0..self.clusters.len() as u32 {
            if self.is_tail(head) {
                continue;
            }
            let mut chain = Chain { head, first: NONE, last: NONE, f: u32::MAX, s: 0 };
            let mut number = head;
            while let Some(cluster) = self.clusters.get(number as usize) {
                budget.step(1)?;
                followed += 1;
                for (first, last) in
                    [(cluster.writer, cluster.writer), (cluster.first_read, cluster.last_read)]
                {
                    if first == NONE {
                        continue;
                    }
                    if self.at(first).until < chain.s {
                        return Ok(Err(self.backward(chain.last, first)));
                    }
                    self.extend(&mut chain, first, last);
                }
                number = cluster.next;
            }
            if head == FIRST {
                (chain.f, chain.first) = (0, NONE);
            }
            if !self.is_unseen(head) {
                chains.push(chain);
            }
        }
        if followed < self.clusters.len() {
            return Ok(Err(self.circle()));
        }
        Ok(Ok(chains))
    }

    fn extend(&self, chain: &mut Chain, first: u32, last: u32) {
        if self.at(first).until <= chain.f {
            (chain.f, chain.first) = (self.at(first).until, first);
        }
        if self.at(last).from > chain.s {
            (chain.s, chain.last) = (self.at(last).from, last);
        }
    }

    /// Whether its write replaced a value that it had read.
    fn is_tail(&self, number: u32) -> bool {
        let writer = self.clusters[number as usize].writer;
        writer != NONE && self.read_from[writer as usize] != NONE
    }

    /// Whether it is a write of unknown outcome that nobody saw.
    fn is_unseen(&self, number: u32) -> bool {
        let cluster = &self.clusters[number as usize];
        let is_certain = cluster.writer == NONE || self.at(cluster.writer).certain;
        !is_certain && cluster.reads == 0 && cluster.next == NOTHING
    }

    /// All operations, chain after chain.
    fn witness(&self, chains: &[Chain]) -> Vec<OpId> {
        let mut ends = Vec::with_capacity(self.clusters.len());
        let mut total = 0;
        for cluster in &self.clusters {
            ends.push(total);
            total += cluster.reads;
        }
        let mut reads = vec![OpId(0); total as usize];
        for (event, from) in self.events.iter().zip(&self.read_from) {
            if let Deed::Read(_) = event.deed {
                let end = &mut ends[*from as usize];
                reads[*end as usize] = event.id;
                *end += 1;
            }
        }
        let mut order = Vec::with_capacity(self.events.len());
        for chain in chains {
            let mut number = chain.head;
            while let Some(cluster) = self.clusters.get(number as usize) {
                order.extend(self.events.get(cluster.writer as usize).map(|writer| writer.id));
                let end = ends[number as usize];
                order.extend_from_slice(&reads[(end - cluster.reads) as usize..end as usize]);
                number = cluster.next;
            }
        }
        order
    }
}
