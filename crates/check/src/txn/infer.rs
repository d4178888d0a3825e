//! Who read from whom, and which version of a key came before which.
//!
//! **Idea.** A value that one transaction wrote names it. A list names all versions before it, so the longest list that was read is the
//! order of its key; a register's version is known to follow another only if its writer had read that one.
//!
//! **Invariant:** what is inferred is true in every execution that gives this history. A value that several transactions wrote says
//! nothing; it is noted as ambiguous.
//!
//! Source: Elle (VLDB 2020) §4. Beyond it, writes that nobody read follow the whole list, and reads of nil precede all writes.

use super::by_key::{ByKey, Read, Source};
use super::{Kind, Mop, Seen, TxnId, Txns, Versions};
use crate::history::Outcome;
use crate::limits::{Budget, Exhausted, Held, Runner};
use rustc_hash::FxHashSet;
use std::sync::OnceLock;

/// Keys that one job of a [`Runner`] looks at.
const KEYS_PER_JOB: usize = 256;

/// What was inferred.
pub struct Inference {
    /// The accesses.
    pub by_key: ByKey,
    /// By transaction: whether it committed, or was seen to have written.
    pub is_live: Vec<bool>,
    /// By key.
    pub orders: Vec<KeyOrder>,
    /// By key, for deciding levels.
    pub versions: Vec<Versions>,
}

/// What is known of one key.
#[derive(Debug, Default)]
pub struct KeyOrder {
    /// Where the longest list starts in [`Txns::elements`].
    pub start: u32,
    /// For lists: who appended each element of the longest one.
    pub writers: Vec<Source>,
    /// For registers: who wrote what each read saw; nothing for the initial version.
    pub sources: Vec<Option<Source>>,
    /// Values that were read and that several transactions wrote.
    pub ambiguous: Vec<u32>,
    /// For lists: reads that are no prefix of the longest one, by place among the key's reads.
    pub strays: Vec<u32>,
}

/// The version of a list that a read saw, its transaction's own appends at the end aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// How many elements.
    pub len: u32,
    /// Who appended the last of them; nothing for the initial version.
    pub source: Option<Source>,
}

/// Infers what the values say.
///
/// # Errors
/// If the budget is exhausted.
pub fn infer(
    txns: &Txns,
    held: &mut Held<'_, '_>,
    budget: &Budget<'_>,
    runner: &dyn Runner,
) -> Result<Inference, Exhausted> {
    let by_key = ByKey::new(txns, held, budget)?;
    held.grow(8 * (txns.elements.len() + txns.mops.len()) as u64 + txns.txns.len() as u64)?;
    let orders = each_key(txns, budget, runner, |key| order_of(txns, &by_key, key))?;
    let mut is_live: Vec<bool> = txns.txns.iter().map(|txn| txn.outcome == Outcome::Ok).collect();
    for source in orders.iter().flat_map(|order| {
        order.writers.iter().copied().chain(order.sources.iter().filter_map(|source| *source))
    }) {
        if let Some(txn) = source.txn() {
            is_live[txn as usize] |= txns.txns[txn as usize].outcome == Outcome::Info;
        }
    }
    let mut inference = Inference { by_key, is_live, orders, versions: Vec::new() };
    inference.mark_writers_of_strays(txns);
    held.grow(16 * txns.mops.len() as u64)?;
    let versions = each_key(txns, budget, runner, |key| inference.versions_of(txns, key))?;
    inference.versions = versions;
    Ok(inference)
}

fn each_key<T: Send + Sync>(
    txns: &Txns,
    budget: &Budget<'_>,
    runner: &dyn Runner,
    job: impl Fn(u32) -> T + Sync,
) -> Result<Vec<T>, Exhausted> {
    let count = txns.keys.len();
    let slots: Vec<OnceLock<Vec<T>>> = (0..count.div_ceil(KEYS_PER_JOB)).map(|_| OnceLock::new()).collect();
    runner.run(slots.len(), &|at| {
        if budget.step(KEYS_PER_JOB as u64).is_ok() {
            let end = count.min((at + 1) * KEYS_PER_JOB);
            slots[at].get_or_init(|| (at * KEYS_PER_JOB..end).map(|key| job(key as u32)).collect());
        }
    });
    budget.poll()?;
    Ok(slots.into_iter().flat_map(|slot| slot.into_inner().expect("every job has run")).collect())
}

fn order_of(txns: &Txns, by_key: &ByKey, key: u32) -> KeyOrder {
    match txns.kind {
        Kind::ListAppend => list_order(txns, by_key, key),
        Kind::RwRegister => register_order(txns, by_key, key),
    }
}

fn list_order(txns: &Txns, by_key: &ByKey, key: u32) -> KeyOrder {
    let reads = by_key.reads(key);
    let mut longest = 0..0;
    for read in reads {
        let range = list_range(txns, read.mop);
        if range.len() > longest.len() {
            longest = range;
        }
    }
    let mut order = KeyOrder { start: longest.start as u32, ..KeyOrder::default() };
    let elements = &txns.elements[longest];
    order.writers.reserve_exact(elements.len());
    for element in elements {
        let source = by_key.source(txns, key, *element);
        order.writers.push(source);
        if source == Source::Ambiguous {
            order.ambiguous.push(*element);
        }
    }
    for (at, read) in reads.iter().enumerate() {
        let range = list_range(txns, read.mop);
        if range.start as u32 != order.start && !elements.starts_with(&txns.elements[range.clone()]) {
            order.strays.push(at as u32);
            let stray = txns.elements[range].iter().copied();
            order
                .ambiguous
                .extend(stray.filter(|value| by_key.source(txns, key, *value) == Source::Ambiguous));
        }
    }
    order.ambiguous.sort_unstable();
    order.ambiguous.dedup();
    order
}

fn register_order(txns: &Txns, by_key: &ByKey, key: u32) -> KeyOrder {
    let mut order = KeyOrder::default();
    for read in by_key.reads(key) {
        let Mop::Read { seen: Seen::Value(value), .. } = txns.mops[read.mop as usize] else {
            order.sources.push(None);
            continue;
        };
        let mut source = by_key.source(txns, key, value);
        if source == Source::Ambiguous {
            let own = by_key.writes_of(key, value).iter();
            if !by_key.is_external(read.mop) && own.clone().any(|write| write.txn == read.txn) {
                source = Source::Txn(read.txn);
            } else {
                order.ambiguous.push(value);
            }
        }
        order.sources.push(Some(source));
    }
    order.ambiguous.sort_unstable();
    order.ambiguous.dedup();
    order
}

/// The elements that a read saw.
pub fn list_range(txns: &Txns, mop: u32) -> std::ops::Range<usize> {
    match txns.mops[mop as usize] {
        Mop::Read { seen: Seen::List { start, end }, .. } => start as usize..end as usize,
        _ => 0..0,
    }
}

impl Inference {
    /// Whether the key's order is the whole truth about what was read: no read strays, and no value has two writers.
    pub fn is_clear(&self, key: u32) -> bool {
        let order = &self.orders[key as usize];
        order.strays.is_empty() && order.ambiguous.is_empty()
    }

    /// Who appended the element of a list that was read.
    pub fn writer_of_element(&self, txns: &Txns, key: u32, mop: u32, at: usize) -> Source {
        let order = &self.orders[key as usize];
        let range = list_range(txns, mop);
        if range.start as u32 == order.start {
            order.writers[at]
        } else {
            self.by_key.source(txns, key, txns.elements[range.start + at])
        }
    }

    /// The version that a read of a list saw before its own transaction's appends.
    pub fn list_version(&self, txns: &Txns, key: u32, read: Read) -> Version {
        let mut len = list_range(txns, read.mop).len();
        while len > 0 {
            let source = self.writer_of_element(txns, key, read.mop, len - 1);
            if source != Source::Txn(read.txn) {
                return Version { len: len as u32, source: Some(source) };
            }
            len -= 1;
        }
        Version { len: 0, source: None }
    }

    /// Elements of lists that contradict the longest one show, too, that their writers wrote.
    fn mark_writers_of_strays(&mut self, txns: &Txns) {
        for key in 0..self.orders.len() as u32 {
            for at in &self.orders[key as usize].strays {
                let read = self.by_key.reads(key)[*at as usize];
                for element in &txns.elements[list_range(txns, read.mop)] {
                    if let Some(txn) = self.by_key.source(txns, key, *element).txn() {
                        self.is_live[txn as usize] |= txns.txns[txn as usize].outcome == Outcome::Info;
                    }
                }
            }
        }
    }

    /// The transactions that wrote a key and count, ascending.
    pub fn live_writers(&self, key: u32) -> Vec<u32> {
        let writes = self.by_key.writes(key).iter().map(|write| write.txn);
        let mut writers: Vec<u32> = writes.filter(|txn| self.is_live[*txn as usize]).collect();
        writers.sort_unstable();
        writers.dedup();
        writers
    }

    /// The writers of a list's elements in their order, those that count and are known.
    pub fn chain(&self, key: u32) -> impl DoubleEndedIterator<Item = (usize, u32)> + '_ {
        let writers = self.orders[key as usize].writers.iter().enumerate();
        writers.filter_map(|(at, source)| Some((at, source.txn().filter(|txn| self.is_live[*txn as usize])?)))
    }

    fn versions_of(&self, txns: &Txns, key: u32) -> Versions {
        let mut versions = Versions::default();
        let mut placed = FxHashSet::default();
        for (_, writer) in self.chain(key).rev() {
            if placed.insert(writer) {
                versions.chain.push(TxnId(writer));
            }
        }
        versions.chain.reverse();
        let loose = self.live_writers(key).into_iter().filter(|writer| !placed.contains(writer));
        versions.loose = loose.map(TxnId).collect();
        versions.loose_after_chain = txns.kind == Kind::ListAppend && self.is_clear(key);
        for (at, read) in self.by_key.reads(key).iter().enumerate() {
            let Some(source) = self.foreign_source(txns, key, at, *read) else { continue };
            let source = source.map(TxnId);
            let entry = (TxnId(read.txn), source);
            if versions.reads.last() != Some(&entry) {
                versions.reads.push(entry);
            }
            if let Some(source) = source
                && txns.kind == Kind::RwRegister
                && self.writes_key(txns, read.txn, key)
                && versions.known.last() != Some(&(source, TxnId(read.txn)))
            {
                versions.known.push((source, TxnId(read.txn)));
            }
        }
        versions
    }

    /// From which other live transaction a read is (`Some(None)`: the initial version), if that is known.
    pub fn foreign_source(&self, txns: &Txns, key: u32, at: usize, read: Read) -> Option<Option<u32>> {
        let source = match txns.kind {
            Kind::ListAppend => {
                let version = self.list_version(txns, key, read);
                if version.len == 0 && !self.by_key.is_external(read.mop) && self.is_stray(key, at) {
                    return None;
                }
                version.source
            }
            Kind::RwRegister if !self.by_key.is_external(read.mop) => return None,
            Kind::RwRegister => self.orders[key as usize].sources[at],
        };
        match source {
            None => Some(None),
            Some(source) => {
                let txn = source.txn()?;
                (self.is_live[txn as usize] && txn != read.txn).then_some(Some(txn))
            }
        }
    }

    fn is_stray(&self, key: u32, at: usize) -> bool {
        self.orders[key as usize].strays.binary_search(&(at as u32)).is_ok()
    }

    /// Whether a transaction writes a key.
    pub fn writes_key(&self, txns: &Txns, txn: u32, key: u32) -> bool {
        let mops = txns.txns[txn as usize].mops.clone();
        mops.into_iter().any(|mop| matches!(txns.mops[mop as usize], Mop::Write { key: of, .. } if of == key))
    }
}
