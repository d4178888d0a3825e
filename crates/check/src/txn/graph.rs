//! Which transaction must come before which, as a compact graph.
//!
//! **Problem.** Real time orders nearly all pairs of a million transactions, and everybody who read the newest version of a list
//! precedes everybody whose append nobody read: the edges themselves do not fit anywhere.
//!
//! **Idea.** Such a crowd of edges goes through auxiliary nodes: an edge that enters one carries the relation, and edges that leave one
//! carry none. Real time is a row of nodes, one for each moment at which somebody returned, each leading to the next;
//! a transaction enters the row when it returns, and follows from the last node before its call.
//!
//! **Invariant:** a path between two transactions whose inner nodes are all auxiliary stands for one edge, with the label of its
//! first part; no such path leads from a transaction to itself.
//!
//! Source: Elle (VLDB 2020) §6 for the edges; the auxiliary nodes replace its transitive reduction of real time.

use super::infer::Inference;
use super::{Kind, Txns};
use crate::history::{History, Order};
use crate::limits::{Budget, Exhausted, Held};
use crate::verdict::Relation;

/// What an edge says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Label {
    /// The target overwrote what the origin wrote.
    Ww,
    /// The target read what the origin wrote.
    Wr,
    /// The target overwrote what the origin read.
    Rw,
    /// The same session did the target later.
    So,
    /// The origin returned before the target was called.
    Rt,
    /// Goes on from an auxiliary node.
    On,
}

impl Label {
    const ALL: [Label; 6] = [Label::Ww, Label::Wr, Label::Rw, Label::So, Label::Rt, Label::On];

    /// As a verdict says it.
    pub fn relation(self) -> Relation {
        match self {
            Label::Ww => Relation::WriteWrite,
            Label::Wr => Relation::WriteRead,
            Label::Rw => Relation::ReadWrite,
            Label::So => Relation::Session,
            Label::Rt => Relation::RealTime,
            Label::On => Relation::Derived,
        }
    }

    /// A set of one.
    pub fn mask(self) -> u8 {
        1 << self as u8
    }
}

/// An edge's end: where it leads, and by which label and key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Arc {
    /// A node.
    pub to: u32,
    /// The label in the upper bits, the key in the lower.
    tag: u32,
}

const KEY_BITS: u32 = 29;

impl Arc {
    /// What it says.
    pub fn label(self) -> Label {
        Label::ALL[(self.tag >> KEY_BITS) as usize]
    }

    /// Of which key, unless it is of a session or of real time.
    pub fn key(self) -> u32 {
        self.tag & ((1 << KEY_BITS) - 1)
    }
}

/// A graph whose first nodes are the transactions.
pub struct Graph {
    starts: Vec<u32>,
    arcs: Vec<Arc>,
    /// Nodes from this number on are auxiliary.
    pub txn_count: u32,
}

impl Graph {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many edges there are.
    pub fn arc_count(&self) -> usize {
        self.arcs.len()
    }

    /// Whether a node is a transaction.
    pub fn is_txn(&self, node: u32) -> bool {
        node < self.txn_count
    }

    /// The edges that leave a node.
    pub fn arcs(&self, node: u32) -> &[Arc] {
        &self.arcs[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// Everything that was inferred, and the order of sessions and of real time.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(
        txns: &Txns,
        inference: &Inference,
        history: &History,
        held: &mut Held<'_, '_>,
        budget: &Budget<'_>,
    ) -> Result<Graph, Exhausted> {
        let mut draft = Draft { arcs: Vec::new(), nodes: txns.txns.len() as u32 };
        for key in 0..txns.keys.len() as u32 {
            match txns.kind {
                Kind::ListAppend => draft.list(txns, inference, key),
                Kind::RwRegister => draft.register(txns, inference, key),
            }
            budget.step(1 + inference.by_key.reads(key).len() as u64)?;
        }
        draft.sessions(txns, inference);
        if history.order == Order::RealTime {
            draft.real_time(txns, inference);
        }
        budget.poll()?;
        held.grow(20 * draft.arcs.len() as u64 + 4 * u64::from(draft.nodes))?;
        let graph = draft.finish(txns.txns.len() as u32);
        held.shrink(12 * graph.arcs.len() as u64);
        Ok(graph)
    }
}

/// Edges as they are found.
struct Draft {
    arcs: Vec<(u32, Arc)>,
    nodes: u32,
}

impl Draft {
    fn add(&mut self, from: u32, to: u32, label: Label, key: u32) {
        if from != to {
            self.arcs.push((from, Arc { to, tag: (label as u32) << KEY_BITS | key }));
        }
    }

    fn node(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    fn list(&mut self, txns: &Txns, inference: &Inference, key: u32) {
        let chain: Vec<(usize, u32)> = inference.chain(key).collect();
        for pair in chain.windows(2) {
            self.add(pair[0].1, pair[1].1, Label::Ww, key);
        }
        let loose = &inference.versions[key as usize];
        let loose: &[_] = if loose.loose_after_chain { &loose.loose } else { &[] };
        let loose: Vec<u32> = loose.iter().map(|txn| txn.0).collect();
        if let Some((_, last)) = chain.last() {
            loose.iter().for_each(|writer| self.add(*last, *writer, Label::Ww, key));
        }
        let mut at_end = Vec::new();
        for (at, read) in inference.by_key.reads(key).iter().enumerate() {
            if let Some(Some(writer)) = inference.foreign_source(txns, key, at, *read) {
                self.add(writer, read.txn, Label::Wr, key);
            }
            if inference.orders[key as usize].strays.binary_search(&(at as u32)).is_ok() {
                continue;
            }
            let len = inference.list_version(txns, key, *read).len as usize;
            let next = chain.partition_point(|(at, _)| *at < len);
            match chain.get(next) {
                Some((_, writer)) => self.add(read.txn, *writer, Label::Rw, key),
                None => at_end.push(read.txn),
            }
        }
        self.all_to_all(&mut at_end, &loose, key);
    }

    fn register(&mut self, txns: &Txns, inference: &Inference, key: u32) {
        const INITIAL: u32 = u32::MAX;
        let mut readers: Vec<(u32, u32)> = Vec::new();
        for (at, read) in inference.by_key.reads(key).iter().enumerate() {
            if let Some(source) = inference.foreign_source(txns, key, at, *read) {
                readers.push((source.unwrap_or(INITIAL), read.txn));
                if let Some(writer) = source {
                    self.add(writer, read.txn, Label::Wr, key);
                }
            }
        }
        readers.sort_unstable();
        readers.dedup();
        let known = &inference.versions[key as usize].known;
        let mut overwritten: Vec<(u32, u32)> =
            known.iter().map(|(first, second)| (first.0, second.0)).collect();
        overwritten.sort_unstable();
        overwritten.dedup();
        overwritten.iter().for_each(|(first, second)| self.add(*first, *second, Label::Ww, key));
        for of_version in readers.chunk_by(|a, b| a.0 == b.0) {
            let version = of_version[0].0;
            let next = if version == INITIAL {
                inference.live_writers(key)
            } else {
                let start = overwritten.partition_point(|pair| pair.0 < version);
                overwritten[start..].iter().take_while(|pair| pair.0 == version).map(|pair| pair.1).collect()
            };
            let mut of_version: Vec<u32> = of_version.iter().map(|(_, reader)| *reader).collect();
            self.all_to_all(&mut of_version, &next, key);
        }
    }

    /// Each reader precedes each writer but itself. Two rows of auxiliary nodes lead to all writers up to one, and to all from one on,
    /// so that there are no more edges than readers and writers, four times over. `writers` are ascending.
    fn all_to_all(&mut self, readers: &mut Vec<u32>, writers: &[u32], key: u32) {
        readers.sort_unstable();
        readers.dedup();
        if readers.is_empty() || writers.is_empty() {
            return;
        }
        if writers.len() == 1 || readers.len() == 1 {
            for reader in readers {
                writers.iter().for_each(|writer| self.add(*reader, *writer, Label::Rw, key));
            }
            return;
        }
        let count = writers.len() as u32;
        let up_to = self.nodes;
        let from_on = up_to + count;
        self.nodes += 2 * count;
        for (at, writer) in (0..).zip(writers) {
            self.add(up_to + at, *writer, Label::On, key);
            self.add(from_on + at, *writer, Label::On, key);
            if at > 0 {
                self.add(up_to + at, up_to + at - 1, Label::On, key);
                self.add(from_on + at - 1, from_on + at, Label::On, key);
            }
        }
        for reader in readers {
            match writers.binary_search(reader) {
                Err(_) => self.add(*reader, from_on, Label::Rw, key),
                Ok(own) => {
                    let own = own as u32;
                    if own > 0 {
                        self.add(*reader, up_to + own - 1, Label::Rw, key);
                    }
                    if own + 1 < count {
                        self.add(*reader, from_on + own + 1, Label::Rw, key);
                    }
                }
            }
        }
    }

    fn sessions(&mut self, txns: &Txns, inference: &Inference) {
        let mut last: Vec<Option<u32>> = vec![None; txns.session_count as usize];
        for (at, txn) in txns.txns.iter().enumerate() {
            if inference.is_live[at] {
                let before = last[txn.session.0 as usize].replace(at as u32);
                if let Some(before) = before {
                    self.add(before, at as u32, Label::So, 0);
                }
            }
        }
    }

    fn real_time(&mut self, txns: &Txns, inference: &Inference) {
        let live = || (0..txns.txns.len() as u32).filter(|at| inference.is_live[*at as usize]);
        let mut returns: Vec<(u32, u32)> = live().map(|at| (txns.txns[at as usize].until.0, at)).collect();
        returns.sort_unstable();
        let (mut next, mut now) = (0, None);
        for at in live() {
            let from = txns.txns[at as usize].from.0;
            if next < returns.len() && returns[next].0 < from {
                let node = self.node();
                if let Some(before) = now.replace(node) {
                    self.add(before, node, Label::On, 0);
                }
                while next < returns.len() && returns[next].0 < from {
                    self.add(returns[next].1, node, Label::Rt, 0);
                    next += 1;
                }
            }
            if let Some(now) = now {
                self.add(now, at, Label::On, 0);
            }
        }
    }

    fn finish(self, txn_count: u32) -> Graph {
        let mut starts = vec![0u32; self.nodes as usize + 2];
        for (from, _) in &self.arcs {
            starts[*from as usize + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut arcs = vec![Arc::default(); self.arcs.len()];
        for (from, arc) in self.arcs {
            let place = &mut starts[from as usize + 1];
            arcs[*place as usize] = arc;
            *place += 1;
        }
        starts.pop();
        Graph { starts, arcs, txn_count }
    }
}
