//! Anomalies that need no circle: what a transaction or a list shows by itself.
//!
//! **Idea.** One pass over each transaction compares its reads with what it has read and written itself. One pass over each key
//! looks at who wrote what was read.
//!
//! Reading against one's own writes rules out read committed: to Adya (1999, §4.2) and to Biswas & Enea (2019, §2.1) such a
//! history is not even well-formed. A second read that merely sees another version is what read atomic forbids.
//!
//! Source: Adya 1999 for G1a and G1b; Elle (VLDB 2020) §6.1 for the rest.

use super::by_key::{Read, Source};
use super::infer::{Inference, list_range};
use super::tally::Tally;
use super::words::Words;
use super::{Kind, Mop, Seen, TxnId, Txns};
use crate::history::Outcome;
use crate::level::Level;
use crate::limits::{Budget, Exhausted};
use std::ops::Range;

/// Finds all of them.
///
/// # Errors
/// If the budget is exhausted.
pub fn find(words: &Words<'_>, tally: &mut Tally, budget: &Budget<'_>) -> Result<(), Exhausted> {
    let mut direct = Direct { words, txns: words.txns, inference: words.inference, tally };
    for txn in 0..direct.txns.txns.len() as u32 {
        // Each read is compared with all of its transaction: few, but who knows.
        let mops = direct.txns.txns[txn as usize].mops.len() as u64;
        budget.step(1 + mops * mops / 64)?;
        direct.txn(txn);
    }
    for key in 0..direct.txns.keys.len() as u32 {
        direct.key(key);
        budget.step(1 + direct.inference.by_key.reads(key).len() as u64)?;
    }
    Ok(())
}

struct Direct<'a> {
    words: &'a Words<'a>,
    txns: &'a Txns,
    inference: &'a Inference,
    tally: &'a mut Tally,
}

/// What a transaction must see at a key, by what it did before.
struct Expected {
    key: u32,
    /// The last read.
    read: Option<Seen>,
    /// What it wrote since: of a register the last value, of a list all that it appended.
    written: Vec<u32>,
}

/// How a read differs from what its transaction knew.
#[derive(PartialEq, Eq)]
enum Mismatch {
    Own,
    Other,
}

impl Direct<'_> {
    fn txn(&mut self, txn: u32) {
        let mut all: Vec<Expected> = Vec::new();
        for mop in self.txns.txns[txn as usize].mops.clone() {
            let (Mop::Read { key, .. } | Mop::Write { key, .. }) = self.txns.mops[mop as usize];
            let at = all.iter().position(|expected| expected.key == key).unwrap_or_else(|| {
                all.push(Expected { key, read: None, written: Vec::new() });
                all.len() - 1
            });
            match self.txns.mops[mop as usize] {
                Mop::Write { value, .. } if self.txns.kind == Kind::RwRegister => {
                    all[at].written = vec![value];
                }
                Mop::Write { value, .. } => all[at].written.push(value),
                Mop::Read { seen, .. } => {
                    if !self.reads_future(txn, key, mop)
                        && let Some(mismatch) = self.mismatch(&all[at], seen)
                    {
                        self.internal(txn, mop, &all[at], &mismatch);
                    }
                    all[at] = Expected { key, read: Some(seen), written: Vec::new() };
                }
            }
        }
    }

    fn mismatch(&self, expected: &Expected, seen: Seen) -> Option<Mismatch> {
        match seen {
            Seen::List { start, end } => {
                let (start, end) = (start as usize, end as usize);
                let own = expected.written.len();
                if end - start < own || self.txns.elements[end - own..end] != expected.written[..] {
                    return Some(Mismatch::Own);
                }
                let Some(Seen::List { start: before, end: until }) = expected.read else { return None };
                let known = before as usize..until as usize;
                let is_same = end - own - start == known.len()
                    && (start == known.start
                        || self.txns.elements[start..end - own] == self.txns.elements[known]);
                (!is_same).then_some(Mismatch::Other)
            }
            _ => match (expected.written.last(), expected.read) {
                (Some(value), _) => (seen != Seen::Value(*value)).then_some(Mismatch::Own),
                (None, Some(read)) => (seen != read).then_some(Mismatch::Other),
                (None, None) => None,
            },
        }
    }

    fn internal(&mut self, txn: u32, mop: u32, expected: &Expected, mismatch: &Mismatch) {
        if !self.tally.count("internal") {
            return;
        }
        let (name, key, seen) = (self.words.name(txn), self.words.key(expected.key), self.words.seen(mop));
        let (level, reason) = match (mismatch, expected.written.last()) {
            (Mismatch::Own, Some(value)) => (
                Level::ReadCommitted,
                format!(
                    "{name} read {key}={seen} although it had written {} there itself",
                    self.words.value(*value)
                ),
            ),
            _ => (
                Level::ReadAtomic,
                format!(
                    "{name} read {key}={seen} although an earlier read of its own had seen another version"
                ),
            ),
        };
        self.tally.fact("internal", level, vec![self.words.op(txn)], reason);
    }

    /// Whether a read saw what its own transaction wrote only later.
    fn reads_future(&mut self, txn: u32, key: u32, mop: u32) -> bool {
        let mut later = self.txns.txns[txn as usize].mops.clone().filter(|at| *at > mop);
        let future = later.find_map(|at| match self.txns.mops[at as usize] {
            Mop::Write { key: of, value } if of == key && self.saw(mop, value) => Some(value),
            _ => None,
        });
        let Some(value) = future else { return false };
        let writes = self.inference.by_key.writes_of(key, value);
        if writes.iter().any(|write| write.txn != txn || write.mop < mop) {
            return false;
        }
        if self.tally.count("future read") {
            let (name, key, seen) = (self.words.name(txn), self.words.key(key), self.words.seen(mop));
            let reason =
                format!("{name} read {key}={seen} before it wrote {} itself", self.words.value(value));
            self.tally.fact("future read", Level::ReadCommitted, vec![self.words.op(txn)], reason);
        }
        true
    }

    fn saw(&self, mop: u32, value: u32) -> bool {
        match self.txns.mops[mop as usize] {
            Mop::Read { seen: Seen::Value(seen), .. } => seen == value,
            Mop::Read { seen: Seen::List { .. }, .. } => {
                self.txns.elements[list_range(self.txns, mop)].contains(&value)
            }
            _ => false,
        }
    }

    fn key(&mut self, key: u32) {
        match self.txns.kind {
            Kind::ListAppend => self.list(key),
            Kind::RwRegister => self.register(key),
        }
        self.lost_update(key);
    }

    fn list(&mut self, key: u32) {
        let order = &self.inference.orders[key as usize];
        let reads = self.inference.by_key.reads(key);
        let start = order.start as usize;
        let longest = start..start + order.writers.len();
        let first_with = |at: usize| {
            let has = |read: &&Read| {
                let range = list_range(self.txns, read.mop);
                range.start == start && range.len() > at
            };
            reads.iter().find(has).copied().expect("the longest list was read")
        };
        let chain: Vec<(usize, u32)> = self.inference.chain(key).collect();
        for (at, writer) in order.writers.iter().enumerate() {
            if self.is_sound(*writer) {
                continue;
            }
            let element = self.txns.elements[start + at];
            self.unsound(key, || first_with(at), element, *writer);
            let next = chain.get(chain.partition_point(|(before, _)| *before < at));
            if let (Source::Txn(aborted), Some((_, writer))) = (*writer, next) {
                self.dirty_update(key, aborted, element, *writer);
            }
        }
        if !longest.is_empty() {
            let read = first_with(longest.len() - 1);
            self.duplicates(key, read);
            for (at, writer) in order.writers.iter().enumerate() {
                if let Source::Txn(writer) = *writer {
                    self.own_order(key, read, at, writer);
                }
            }
        }
        for at in &order.strays {
            let stray = reads[*at as usize];
            let txns = self.txns;
            for element in &txns.elements[list_range(txns, stray.mop)] {
                let element = *element;
                let writer = self.inference.by_key.source(self.txns, key, element);
                if !self.is_sound(writer) {
                    self.unsound(key, || stray, element, writer);
                }
            }
            self.duplicates(key, stray);
            self.incompatible(key, stray, first_with(longest.len() - 1));
        }
        for read in reads {
            self.intermediate_element(key, *read);
        }
    }

    fn register(&mut self, key: u32) {
        let order = &self.inference.orders[key as usize];
        for (read, source) in self.inference.by_key.reads(key).iter().zip(&order.sources) {
            let (Some(source), Mop::Read { seen: Seen::Value(value), .. }) =
                (*source, self.txns.mops[read.mop as usize])
            else {
                continue;
            };
            if !self.is_sound(source) {
                self.unsound(key, || *read, value, source);
                if let Source::Txn(aborted) = source
                    && self.inference.writes_key(self.txns, read.txn, key)
                {
                    self.dirty_update(key, aborted, value, read.txn);
                }
            }
            self.intermediate(key, *read, value, source);
        }
    }

    fn is_sound(&self, source: Source) -> bool {
        match source {
            Source::Txn(txn) => self.txns.txns[txn as usize].outcome != Outcome::Fail,
            Source::Nobody => false,
            Source::Ambiguous => true,
        }
    }

    /// A read of what nobody, or an aborted transaction, wrote.
    fn unsound(&mut self, key: u32, read: impl FnOnce() -> Read, value: u32, source: Source) {
        let (anomaly, writer) = match source {
            Source::Txn(txn) => ("G1a", Some(txn)),
            _ => ("garbage read", None),
        };
        if !self.tally.count(anomaly) {
            return;
        }
        let read = read();
        let (name, key, seen) = (self.words.name(read.txn), self.words.key(key), self.words.seen(read.mop));
        let value = self.words.value(value);
        let mut ops = vec![self.words.op(read.txn)];
        let reason = match writer {
            Some(txn) => {
                ops.push(self.words.op(txn));
                format!(
                    "{name} read {key}={seen}, but {}, which wrote {value}, aborted",
                    self.words.name(txn)
                )
            }
            None => format!("{name} read {key}={seen}, but nobody wrote {value}"),
        };
        self.tally.fact(anomaly, Level::ReadCommitted, ops, reason);
    }

    fn dirty_update(&mut self, key: u32, aborted: u32, value: u32, writer: u32) {
        if self.tally.count("dirty update") {
            let reason = format!(
                "{} built on {}={}, which {} wrote and took back",
                self.words.name(writer),
                self.words.key(key),
                self.words.value(value),
                self.words.name(aborted)
            );
            let ops = vec![self.words.op(aborted), self.words.op(writer)];
            // The operation that showed the order of lists is a witness, too.
            let ops = match self.txns.kind {
                Kind::ListAppend => self.with_longest_reader(key, ops),
                Kind::RwRegister => ops,
            };
            self.tally.fact("dirty update", Level::ReadCommitted, ops, reason);
        }
    }

    fn with_longest_reader(&self, key: u32, mut ops: Vec<crate::history::OpId>) -> Vec<crate::history::OpId> {
        let len = self.inference.orders[key as usize].writers.len();
        let mut reads = self.inference.by_key.reads(key).iter();
        let longest = reads.find(|read| list_range(self.txns, read.mop).len() == len);
        ops.extend(longest.map(|read| self.words.op(read.txn)));
        ops
    }

    fn intermediate_element(&mut self, key: u32, read: Read) {
        let version = self.inference.list_version(self.txns, key, read);
        if let Some(source) = version.source {
            let at = list_range(self.txns, read.mop).start + version.len as usize - 1;
            self.intermediate(key, read, self.txns.elements[at], source);
        }
    }

    /// A read of what its writer overwrote, or appended to, in the same transaction.
    fn intermediate(&mut self, key: u32, read: Read, value: u32, source: Source) {
        let Source::Txn(writer) = source else { return };
        let mut writes =
            self.inference.by_key.writes_of(key, value).iter().filter(|write| write.txn == writer);
        if writer == read.txn || writes.any(|write| self.inference.by_key.is_last_write(write.mop)) {
            return;
        }
        if self.tally.count("G1b") {
            let reason = format!(
                "{} read {}={}, but {} went on writing after {}",
                self.words.name(read.txn),
                self.words.key(key),
                self.words.seen(read.mop),
                self.words.name(writer),
                self.words.value(value)
            );
            let ops = vec![self.words.op(read.txn), self.words.op(writer)];
            self.tally.fact("G1b", Level::ReadCommitted, ops, reason);
        }
    }

    /// Elements that stand in a list more often than they were appended.
    fn duplicates(&mut self, key: u32, read: Read) {
        let mut elements = self.txns.elements[list_range(self.txns, read.mop)].to_vec();
        elements.sort_unstable();
        for same in elements.chunk_by(|a, b| a == b).filter(|same| same.len() > 1) {
            let writes = self.inference.by_key.writes_of(key, same[0]);
            if same.len() <= writes.len() || !self.tally.count("duplicate elements") {
                continue;
            }
            let reason = format!(
                "{} read {}={} with {} {} times, but it was appended {} times",
                self.words.name(read.txn),
                self.words.key(key),
                self.words.seen(read.mop),
                self.words.value(same[0]),
                same.len(),
                writes.len()
            );
            let mut ops: Vec<_> = writes.iter().map(|write| self.words.op(write.txn)).collect();
            ops.push(self.words.op(read.txn));
            self.tally.fact("duplicate elements", Level::ReadCommitted, ops, reason);
        }
    }

    /// What a transaction appended before this element must stand before it: no order of transactions changes that.
    fn own_order(&mut self, key: u32, read: Read, at: usize, writer: u32) {
        let list = &self.txns.elements[list_range(self.txns, read.mop)];
        let own = self.txns.txns[writer as usize].mops.clone();
        let mut before = None;
        for mop in &self.txns.mops[own.start as usize..own.end as usize] {
            match *mop {
                Mop::Write { key: other, value } if other == key && value == list[at] => break,
                Mop::Write { key: other, value } if other == key => before = Some(value),
                _ => {}
            }
        }
        let Some(before) = before else { return };
        let is_next = at > 0 && list[at - 1] == before;
        if is_next || list[..at].contains(&before) || !self.tally.count("incompatible order") {
            return;
        }
        let reason = format!(
            "{} read {}={}, but {} had appended {} before {}",
            self.words.name(read.txn),
            self.words.key(key),
            self.words.seen(read.mop),
            self.words.name(writer),
            self.words.value(before),
            self.words.value(list[at]),
        );
        let ops = vec![self.words.op(writer), self.words.op(read.txn)];
        self.tally.fact("incompatible order", Level::ReadCommitted, ops, reason);
    }

    fn incompatible(&mut self, key: u32, stray: Read, longest: Read) {
        if !self.tally.count("incompatible order") {
            return;
        }
        let range = |read: Read| -> Range<usize> { list_range(self.txns, read.mop) };
        let [one, other] = [stray, longest].map(|read| &self.txns.elements[range(read)]);
        let common = one.iter().zip(other).take_while(|(a, b)| a == b).count();
        let reason = format!(
            "{} read {key}={}, and {} read {key}={}: they differ after {common} elements",
            self.words.name(stray.txn),
            self.words.seen(stray.mop),
            self.words.name(longest.txn),
            self.words.seen(longest.mop),
            key = self.words.key(key),
        );
        let ops = vec![self.words.op(stray.txn), self.words.op(longest.txn)];
        self.tally.fact("incompatible order", Level::ReadCommitted, ops, reason);
    }

    /// Transactions that read the same version of a key and wrote the next.
    fn lost_update(&mut self, key: u32) {
        let reads = &self.inference.versions[key as usize].reads;
        let mut updates: Vec<(Option<TxnId>, TxnId)> = reads
            .iter()
            .filter(|(reader, _)| self.inference.writes_key(self.txns, reader.0, key))
            .map(|(reader, version)| (*version, *reader))
            .collect();
        updates.sort_unstable();
        updates.dedup();
        for same in updates.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            if !self.tally.count("lost update") {
                continue;
            }
            let [first, second] = [same[0].1.0, same[1].1.0];
            let version = match same[0].0 {
                Some(writer) => format!("what {} wrote", self.words.name(writer.0)),
                None => "the initial version".to_owned(),
            };
            let more = match same.len() - 2 {
                0 => String::new(),
                more => format!(" (and {more} more did)"),
            };
            let reason = format!(
                "{} and {} both read {version} at {} and then wrote it{more}: one update is lost",
                self.words.name(first),
                self.words.name(second),
                self.words.key(key),
            );
            let mut ops = vec![self.words.op(first), self.words.op(second)];
            ops.extend(same[0].0.map(|writer| self.words.op(writer.0)));
            self.tally.fact("lost update", Level::SnapshotIsolation, ops, reason);
        }
    }
}
