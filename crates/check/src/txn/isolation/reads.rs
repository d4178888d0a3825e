//! What each transaction read from whom, and wrote: the versions of all keys, seen from the transactions.

use super::cast::{Cast, INITIAL, NONE};
use super::rows::Rows;
use crate::history::Outcome;
use crate::limits::{Budget, Exhausted, Held};
use crate::txn::{Mop, Seen};
use rustc_hash::FxHashMap;

/// A version that a transaction read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Of which key.
    pub key: u32,
    /// Who wrote it, or [`INITIAL`].
    pub writer: u32,
    /// Its place in the key's chain, from 1; 0 for the initial version, [`NONE`] if it is not in the chain.
    pub place: u32,
}

/// Reads and writes by transaction.
pub struct Reads {
    /// By key, ascending; repetitions are left in.
    pub sources: Rows<Source>,
    /// Keys, ascending.
    pub writes: Rows<u32>,
}

impl Reads {
    /// Turns the versions round.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(cast: &Cast<'_>, held: &mut Held<'_, '_>, budget: &Budget<'_>) -> Result<Self, Exhausted> {
        let _held = budget.hold(8 * cast.len() as u64)?;
        budget.step(cast.len() as u64)?;
        let mut places: Vec<(u32, u32)> = vec![(NONE, NONE); cast.len()];
        let mut all: Vec<(u32, Source)> = Vec::new();
        for (key, known) in cast.versions.iter().enumerate() {
            let key = key as u32;
            for (at, writer) in known.chain.iter().enumerate() {
                places[writer.0 as usize] = (key, at as u32 + 1);
            }
            for (reader, writer) in &known.reads {
                let source = match writer {
                    None => Source { key, writer: INITIAL, place: 0 },
                    Some(writer) if !cast.has(writer.0) || writer == reader => continue,
                    Some(writer) => {
                        let (of, place) = places[writer.0 as usize];
                        Source { key, writer: writer.0, place: if of == key { place } else { NONE } }
                    }
                };
                if cast.has(reader.0) {
                    all.push((reader.0, source));
                }
            }
        }
        held.grow(16 * all.len() as u64)?;
        let sources = Rows::build(cast.len(), held, |emit| {
            all.iter().for_each(|(reader, source)| emit(*reader, *source));
        })?;
        held.shrink(16 * all.len() as u64);
        drop(all);
        let writes = Rows::build(cast.len(), held, |emit| {
            for (key, known) in cast.versions.iter().enumerate() {
                let writers = known.chain.iter().chain(&known.loose).filter(|writer| cast.has(writer.0));
                writers.for_each(|writer| emit(writer.0, key as u32));
            }
        })?;
        Ok(Reads { sources, writes })
    }

    /// Whether a transaction wrote a key.
    pub fn has_written(&self, txn: u32, key: u32) -> bool {
        self.writes.row(txn).binary_search(&key).is_ok()
    }
}

/// Who wrote each value, for reads in the order in which a transaction made them.
pub struct Writers {
    writers: FxHashMap<(u32, u32), u32>,
}

impl Writers {
    /// Notes all values of those that take part.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(cast: &Cast<'_>, held: &mut Held<'_, '_>, budget: &Budget<'_>) -> Result<Self, Exhausted> {
        let mops = &cast.txns.mops;
        let count = mops.iter().filter(|mop| matches!(mop, Mop::Write { .. })).count();
        held.grow(32 * count as u64)?;
        budget.step(mops.len() as u64)?;
        let mut writers = FxHashMap::default();
        writers.reserve(count);
        for txn in cast.members() {
            let mops = &cast.txns.txns[txn as usize].mops;
            for mop in &cast.txns.mops[mops.start as usize..mops.end as usize] {
                if let Mop::Write { key, value } = mop {
                    writers.insert((*key, *value), txn);
                }
            }
        }
        Ok(Writers { writers })
    }

    /// The reads of a transaction in their order: key, and the version's writer or [`INITIAL`]. Of what it wrote itself nothing is
    /// told; a list that ends with its own appends was read from whoever appended before.
    pub fn reads(&self, cast: &Cast<'_>, txn: u32, out: &mut Vec<(u32, u32)>) {
        out.clear();
        let span = &cast.txns.txns[txn as usize];
        if span.outcome != Outcome::Ok {
            return;
        }
        for mop in &cast.txns.mops[span.mops.start as usize..span.mops.end as usize] {
            let Mop::Read { key, seen } = mop else { continue };
            let writer = |value: &u32| self.writers.get(&(*key, *value)).copied();
            let source = match seen {
                Seen::Nil => Some(INITIAL),
                Seen::Value(value) => writer(value),
                Seen::List { start, end } => {
                    let elements = &cast.txns.elements[*start as usize..*end as usize];
                    let others = elements.iter().rev().map(writer).find(|writer| *writer != Some(txn));
                    others.unwrap_or(Some(INITIAL))
                }
            };
            out.extend(source.filter(|source| *source != txn).map(|source| (*key, source)));
        }
    }
}
