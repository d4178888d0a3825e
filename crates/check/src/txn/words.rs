//! Transactions and the edges between them, in words.

use super::circles::Step;
use super::graph::Label;
use super::infer::{Inference, list_range};
use super::{Kind, Mop, Seen, Txns};
use crate::history::{History, OpId, Order};
use crate::verdict::Edge;

/// Elements shown of a long list, at its end.
const SHOWN_ELEMENTS: usize = 8;

/// Tells about transactions.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// What they did.
    pub txns: &'a Txns,
    /// What follows from it.
    pub inference: &'a Inference,
    /// For processes and lines.
    pub history: &'a History,
}

impl Words<'_> {
    /// Whether the history orders the operations of different sessions.
    pub fn has_real_time(&self) -> bool {
        self.history.order == Order::RealTime
    }

    /// The operation of a transaction.
    pub fn op(&self, txn: u32) -> OpId {
        self.txns.txns[txn as usize].op
    }

    /// `process 1 (lines 4, 9)`: a number of the operation would change with the part of the history that is looked at.
    pub fn name(&self, txn: u32) -> String {
        let op = self.history.op(self.op(txn));
        format!("process {}{}", self.history.processes[op.process.0 as usize], op.lines)
    }

    /// A key's name.
    pub fn key(&self, key: u32) -> String {
        self.txns.keys.value(key).to_string()
    }

    /// A value.
    pub fn value(&self, value: u32) -> String {
        self.txns.values.value(value).to_string()
    }

    /// What a read saw.
    pub fn seen(&self, mop: u32) -> String {
        match self.txns.mops[mop as usize] {
            Mop::Read { seen: Seen::Value(value), .. } => self.value(value),
            Mop::Read { seen: Seen::List { .. }, .. } => self.list(list_range(self.txns, mop)),
            _ => "nil".to_owned(),
        }
    }

    fn list(&self, range: std::ops::Range<usize>) -> String {
        let elements = &self.txns.elements[range];
        let hidden = elements.len().saturating_sub(SHOWN_ELEMENTS);
        let mut words: Vec<String> = elements[hidden..].iter().map(|element| self.value(*element)).collect();
        if hidden > 0 {
            words.insert(0, format!("({hidden} more)"));
        }
        format!("[{}]", words.join(" "))
    }

    /// An edge as a verdict shows it.
    pub fn edge(&self, step: &Step) -> Edge {
        let why = match (step.label, self.txns.kind) {
            (Label::Ww, Kind::ListAppend) => self.appended_after(step),
            (Label::Ww, Kind::RwRegister) => self.overwrote(step),
            (Label::Wr | Label::On, _) => self.was_read(step),
            (Label::Rw, Kind::ListAppend) => self.misses(step),
            (Label::Rw, Kind::RwRegister) => self.read_before(step),
            (Label::So, _) => {
                format!("the session of {} did {} later", self.name(step.from), self.name(step.to))
            }
            (Label::Rt, _) => self.returned_before(step),
        };
        let (from, to) = (self.op(step.from), self.op(step.to));
        Edge { from, to, relation: step.label.relation(), why }
    }

    /// A transaction's last write of a key.
    fn last_written(&self, txn: u32, key: u32) -> String {
        let mut mops = self.txns.txns[txn as usize].mops.clone().rev();
        let value = mops.find_map(|mop| match self.txns.mops[mop as usize] {
            Mop::Write { key: of, value } if of == key => Some(value),
            _ => None,
        });
        value.map_or_else(String::new, |value| self.value(value))
    }

    fn element(&self, key: u32, at: usize) -> String {
        self.value(self.txns.elements[self.inference.orders[key as usize].start as usize + at])
    }

    fn appended_after(&self, step: &Step) -> String {
        let (from, to, key) = (self.name(step.from), self.name(step.to), self.key(step.key));
        let chain: Vec<(usize, u32)> = self.inference.chain(step.key).collect();
        let pair = chain.windows(2).find(|pair| (pair[0].1, pair[1].1) == (step.from, step.to));
        match pair {
            Some(pair) => format!(
                "{to} appended {} to {key} after {} by {from}",
                self.element(step.key, pair[1].0),
                self.element(step.key, pair[0].0)
            ),
            None => format!(
                "{to} appended {} to {key}, which nobody read: it follows {} by {from}, the last that was read",
                self.last_written(step.to, step.key),
                chain.last().map_or_else(String::new, |(at, _)| self.element(step.key, *at))
            ),
        }
    }

    fn overwrote(&self, step: &Step) -> String {
        let (from, to, key) = (self.name(step.from), self.name(step.to), self.key(step.key));
        let value = self.last_written(step.to, step.key);
        match self.read_from(step) {
            Some(mop) => {
                format!("{to} read {key}={}, which {from} wrote, and set it to {value}", self.seen(mop))
            }
            None => format!("{to} set {key} to {value} after {from}, by the order assumed of {key}"),
        }
    }

    fn was_read(&self, step: &Step) -> String {
        let (from, to, key) = (self.name(step.from), self.name(step.to), self.key(step.key));
        let Some(mop) = self.read_from(step) else {
            return format!("{to} read {key} from {from}");
        };
        match self.txns.kind {
            Kind::RwRegister => format!("{to} read {key}={}, which {from} wrote", self.seen(mop)),
            Kind::ListAppend => {
                let read = super::by_key::Read { txn: step.to, mop };
                let len = self.inference.list_version(self.txns, step.key, read).len as usize;
                let start = list_range(self.txns, mop).start;
                let last = self.value(self.txns.elements[start + len - 1]);
                format!("{to} read {key}={}, with {last} by {from}", self.seen(mop))
            }
        }
    }

    /// The target's read that saw what the origin wrote.
    fn read_from(&self, step: &Step) -> Option<u32> {
        let reads = self.inference.by_key.reads(step.key);
        let mut reads = reads.iter().enumerate().filter(|(_, read)| read.txn == step.to);
        let source = Some(Some(step.from));
        let found = reads
            .find(|(at, read)| self.inference.foreign_source(self.txns, step.key, *at, **read) == source);
        found.map(|(_, read)| read.mop)
    }

    fn misses(&self, step: &Step) -> String {
        let (from, to, key) = (self.name(step.from), self.name(step.to), self.key(step.key));
        let chain: Vec<(usize, u32)> = self.inference.chain(step.key).collect();
        let reads = self.inference.by_key.reads(step.key).iter().filter(|read| read.txn == step.from);
        for read in reads {
            let len = self.inference.list_version(self.txns, step.key, *read).len as usize;
            let next = chain.get(chain.partition_point(|(at, _)| *at < len));
            let missed = match next {
                Some((at, writer)) if *writer == step.to => self.element(step.key, *at),
                None => self.last_written(step.to, step.key),
                Some(_) => continue,
            };
            return format!("{from} read {key}={}, which misses {missed} by {to}", self.seen(read.mop));
        }
        format!("{from} read {key} without what {to} appended")
    }

    fn read_before(&self, step: &Step) -> String {
        let (from, to, key) = (self.name(step.from), self.name(step.to), self.key(step.key));
        let value = self.last_written(step.to, step.key);
        let pairs = &self.inference.versions[step.key as usize].known;
        let reads = self.inference.by_key.reads(step.key).iter().enumerate();
        for (at, read) in reads.filter(|(_, read)| read.txn == step.from) {
            match self.inference.foreign_source(self.txns, step.key, at, *read) {
                Some(None) => return format!("{from} read {key}=nil, before {to} set it to {value}"),
                Some(Some(writer)) if pairs.iter().any(|(a, b)| (a.0, b.0) == (writer, step.to)) => {
                    return format!(
                        "{from} read {key}={}, which {to} replaced by {value}",
                        self.seen(read.mop)
                    );
                }
                _ => {}
            }
        }
        format!("{from} read {key} before {to} set it to {value}")
    }

    fn returned_before(&self, step: &Step) -> String {
        let (from, to) = (self.name(step.from), self.name(step.to));
        let first = self.history.op(self.op(step.from)).lines;
        let second = self.history.op(self.op(step.to)).lines;
        if first.ret == 0 || second.call == 0 {
            return format!("{from} returned before {to} was called");
        }
        format!("{from} returned on line {} before {to} was called on line {}", first.ret, second.call)
    }
}
