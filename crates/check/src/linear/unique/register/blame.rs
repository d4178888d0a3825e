//! Which operations contradict each other, and how.

use super::super::blame::{by_time, edge, violation};
use super::super::gather::{Deed, Event};
use super::{Chain, NONE, NOTHING, Register};
use crate::verdict::{Edge, Refutation, Relation, Violation};

impl Register<'_> {
    /// The cluster that an event belongs to: that of the value which it read last or wrote.
    fn cluster_of(&self, event: u32) -> u32 {
        match self.at(event).deed {
            Deed::Read(_) => self.read_from[event as usize],
            _ => {
                // Clusters are numbered in the order of their writes.
                let place = self.clusters[1..].partition_point(|cluster| cluster.writer < event);
                place as u32 + 1
            }
        }
    }

    /// The writes from one cluster to a later one of its chain.
    fn writers(&self, from: u32, to: u32) -> Vec<u32> {
        let mut writers = Vec::new();
        let mut number = from;
        while let Some(cluster) = self.clusters.get(number as usize) {
            writers.push(cluster.writer);
            if number == to {
                break;
            }
            number = cluster.next;
        }
        writers.retain(|writer| *writer != NONE);
        writers
    }

    /// `later` returned before `earlier` was called, and `later` comes after `earlier` in their chain.
    pub(super) fn backward(&self, earlier: u32, later: u32) -> Box<Violation> {
        let path = self.path(earlier, later);
        let (first, last) = (self.at(earlier), self.at(later));
        let mut edges = vec![by_time(last, first)];
        edges.extend(path.windows(2).map(|pair| self.step(pair[0], pair[1])));
        let writers = self.writers(self.cluster_of(earlier), self.cluster_of(later));
        let events: Vec<&Event> = path.iter().chain(&writers).map(|event| self.at(*event)).collect();
        let (anomaly, reason) = match path.len() {
            2 if matches!(first.deed, Deed::Write(_) | Deed::Swap { .. }) => {
                ("read from the future", "It had read a value before the write of that value was called.")
            }
            _ => (
                "broken chain",
                "Compare-and-sets tie these operations into an order that real time contradicts.",
            ),
        };
        violation(anomaly, events, reason, Refutation::Cycle(edges))
    }

    /// From one event to a later one of its chain, by way of the writes between.
    fn path(&self, earlier: u32, later: u32) -> Vec<u32> {
        let mut path = vec![earlier];
        path.extend(self.writers(self.cluster_of(earlier), self.cluster_of(later)).into_iter().filter(
            |writer| {
                let is_own = self.cluster_of(*writer) == self.cluster_of(earlier);
                *writer != earlier && *writer != later && !is_own
            },
        ));
        path.push(later);
        path
    }

    /// From one event of a chain to one right after it.
    fn step(&self, from: u32, to: u32) -> Edge {
        let (first, next) = (self.at(from), self.at(to));
        match first.deed {
            Deed::Read(_) => {
                edge(first, next, Relation::ReadWrite, "the other replaced the value that it read")
            }
            _ => edge(first, next, Relation::WriteRead, "the other read the value that it wrote"),
        }
    }

    /// Compare-and-sets each of which read what the one before it wrote, without a beginning.
    pub(super) fn circle(&self) -> Box<Violation> {
        // What no chain reached lies on circles: each cluster has at most one before it and one after it.
        let mut reached = vec![false; self.clusters.len()];
        for head in (0..self.clusters.len() as u32).filter(|number| !self.is_tail(*number)) {
            let mut number = head;
            while let Some(cluster) = self.clusters.get(number as usize) {
                reached[number as usize] = true;
                number = cluster.next;
            }
        }
        let start = reached
            .iter()
            .position(|reached| !reached)
            .expect("asked for only if some cluster was not reached");
        let mut writers = Vec::new();
        let mut number = start as u32;
        loop {
            writers.push(self.clusters[number as usize].writer);
            number = self.clusters[number as usize].next;
            if number == start as u32 || number == NOTHING {
                break;
            }
        }
        let after = writers.iter().cycle().skip(1);
        let edges = writers.iter().zip(after).map(|(from, to)| self.step(*from, *to)).collect();
        let refutation = if writers.len() == 1 { Refutation::Fact } else { Refutation::Cycle(edges) };
        let reason = "Each compare-and-set read what only the one before it wrote, in a circle.";
        violation("read from the future", writers.iter().map(|writer| self.at(*writer)), reason, refutation)
    }

    /// Each of two chains must come before the other.
    pub(super) fn conflict(&self, a: &Chain, b: &Chain) -> Box<Violation> {
        let is_single = |chain: &Chain| self.clusters[chain.head as usize].next == NOTHING;
        if is_single(a) && is_single(b) {
            // At least one of the two later operations is a read: no write is called before all that contradicts it.
            let is_read = matches!(self.at(self.apart(b, a).1).deed, Deed::Read(_));
            let (old, new) = if is_read { (a, b) } else { (b, a) };
            return self.inversion(old, new);
        }
        let events = [a, b].into_iter().flat_map(|chain| self.between(chain)).map(|event| self.at(event));
        // `a` has a forward zone, so its latest call is no virtual one; the initial chain would stand first.
        let (first, last) = (self.at(b.first), self.at(a.last));
        let why = "nothing comes between the operations of a chain, and one of the other chain had been called after one of \
                   this had returned";
        let edges = Refutation::Cycle(vec![by_time(first, last), edge(last, first, Relation::Derived, why)]);
        let reason = "Compare-and-sets tie operations together so that nothing comes between them, and real time puts one \
                      of another value between.";
        violation("stale read", events, reason, edges)
    }

    /// The ends of a chain's zone, and the writes that tie them together.
    fn between(&self, chain: &Chain) -> Vec<u32> {
        let mut ends: Vec<u32> = [chain.first, chain.last].into_iter().filter(|end| *end != NONE).collect();
        let mut number = chain.head;
        let mut open = chain.first == NONE;
        let mut left: Vec<u32> = ends.iter().map(|end| self.cluster_of(*end)).collect();
        while let Some(cluster) = self.clusters.get(number as usize) {
            open |= left.contains(&number);
            left.retain(|cluster| *cluster != number);
            if open && cluster.writer != NONE {
                ends.push(cluster.writer);
            }
            if left.is_empty() {
                break;
            }
            number = cluster.next;
        }
        ends
    }

    /// Of two clusters, an operation of the first that returned before one of the second was called; the writes if they will do.
    fn apart(&self, first: &Chain, second: &Chain) -> (u32, u32) {
        let [own, other] = [first, second].map(|chain| self.clusters[chain.head as usize].writer);
        let pairs = [(own, other), (own, second.last), (first.first, other)];
        let is_apart = |(first, second): &(u32, u32)| {
            let events = [first, second].map(|event| self.events.get(*event as usize));
            matches!(events, [Some(first), Some(second)] if first.precedes(second))
        };
        pairs.into_iter().find(is_apart).unwrap_or((first.first, second.last))
    }

    /// A read of the old value began after something had shown the new one.
    fn inversion(&self, old: &Chain, new: &Chain) -> Box<Violation> {
        let ((old_first, new_last), (shown, reader)) = (self.apart(old, new), self.apart(new, old));
        let [old_writer, new_writer] = [old, new].map(|chain| self.clusters[chain.head as usize].writer);
        let (read, show, write) = (self.at(reader), self.at(shown), self.at(new_writer));
        let mut edges = vec![by_time(show, read)];
        let why = if old_writer == NONE {
            "it read the initial value, which the other replaced"
        } else {
            "the write of the value that it read comes before the other write: something that wrote or read it had returned \
             before something that wrote or read the other was called"
        };
        edges.push(edge(read, write, Relation::ReadWrite, why));
        if shown != new_writer {
            edges.push(edge(write, show, Relation::WriteRead, "the other read the value that it wrote"));
        }
        let (anomaly, reason) = if shown == new_writer {
            (
                "stale read",
                "It read a value although a write that came later had returned before the read was called.",
            )
        } else {
            (
                "new-old inversion",
                "It read the older of two values although another read had already given the newer one.",
            )
        };
        // What makes the old value older; the initial value is so by itself.
        let older = if old_writer == NONE { [NONE; 3] } else { [old_writer, old_first, new_last] };
        let events = [reader, new_writer, shown].into_iter().chain(older);
        let events = events.filter_map(|event| self.events.get(event as usize));
        violation(anomaly, events, reason, Refutation::Cycle(edges))
    }
}
