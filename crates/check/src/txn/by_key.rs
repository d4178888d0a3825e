//! The reads and writes of each key.
//!
//! **Idea.** One counting sort lays the accesses of a key side by side, so that each key can be looked at on its own; within a key
//! writes are sorted by value, so that whoever wrote a value is found by halving.
//!
//! **Invariant:** reads of a key are in the order of transactions, and of micro-operations within one.

use super::{Mop, Txns};
use crate::history::Outcome;
use crate::limits::{Budget, Exhausted, Held};
use std::ops::Range;

/// A write of one key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Write {
    /// What was written.
    pub value: u32,
    /// By whom.
    pub txn: u32,
    /// Where in [`Txns::mops`].
    pub mop: u32,
}

/// A read of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Read {
    /// By whom.
    pub txn: u32,
    /// Where in [`Txns::mops`].
    pub mop: u32,
}

/// Who wrote a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// This transaction; an aborted one only if no other wrote it.
    Txn(u32),
    /// Nobody.
    Nobody,
    /// Several transactions.
    Ambiguous,
}

impl Source {
    /// The transaction, if it is known.
    pub fn txn(self) -> Option<u32> {
        match self {
            Source::Txn(txn) => Some(txn),
            Source::Nobody | Source::Ambiguous => None,
        }
    }
}

/// All accesses, key by key.
pub struct ByKey {
    writes: Vec<Write>,
    write_starts: Vec<u32>,
    reads: Vec<Read>,
    read_starts: Vec<u32>,
    marks: Vec<u8>,
}

/// The transaction's last write of the key.
const LAST_WRITE: u8 = 1;
/// A read of a key that the transaction has not written yet.
const EXTERNAL: u8 = 2;

impl ByKey {
    /// Sorts a history's reads and writes.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(txns: &Txns, held: &mut Held<'_, '_>, budget: &Budget<'_>) -> Result<Self, Exhausted> {
        let count = txns.mops.len() as u64;
        held.grow(13 * count + 8 * txns.keys.len() as u64)?;
        budget.step(count)?;
        let (mut write_starts, mut read_starts) =
            (vec![0u32; txns.keys.len() + 1], vec![0u32; txns.keys.len() + 1]);
        for mop in &txns.mops {
            match mop {
                Mop::Read { key, .. } => read_starts[*key as usize + 1] += 1,
                Mop::Write { key, .. } => write_starts[*key as usize + 1] += 1,
            }
        }
        add_up(&mut write_starts);
        add_up(&mut read_starts);
        let mut writes = vec![Write::default(); write_starts[txns.keys.len()] as usize];
        let mut reads = vec![Read::default(); read_starts[txns.keys.len()] as usize];
        let (mut next_write, mut next_read) = (write_starts.clone(), read_starts.clone());
        for (txn, mop, access) in accesses(txns) {
            match *access {
                Mop::Write { key, value } => {
                    writes[next_write[key as usize] as usize] = Write { value, txn, mop };
                    next_write[key as usize] += 1;
                }
                Mop::Read { key, .. } => {
                    reads[next_read[key as usize] as usize] = Read { txn, mop };
                    next_read[key as usize] += 1;
                }
            }
        }
        for key in 0..txns.keys.len() {
            writes[range(&write_starts, key as u32)].sort_unstable();
        }
        budget.poll()?;
        Ok(ByKey { writes, write_starts, reads, read_starts, marks: marks(txns) })
    }

    /// A key's writes, by value.
    pub fn writes(&self, key: u32) -> &[Write] {
        &self.writes[range(&self.write_starts, key)]
    }

    /// A key's reads.
    pub fn reads(&self, key: u32) -> &[Read] {
        &self.reads[range(&self.read_starts, key)]
    }

    /// Who wrote this value to this key, committed or not.
    pub fn writes_of(&self, key: u32, value: u32) -> &[Write] {
        let writes = self.writes(key);
        let start = writes.partition_point(|write| write.value < value);
        let count = writes[start..].partition_point(|write| write.value == value);
        &writes[start..start + count]
    }

    /// Who wrote this value to this key.
    pub fn source(&self, txns: &Txns, key: u32, value: u32) -> Source {
        let writes = self.writes_of(key, value);
        let mut source = Source::Nobody;
        for write in writes.iter().filter(|write| txns.txns[write.txn as usize].outcome != Outcome::Fail) {
            match source {
                Source::Txn(other) if other != write.txn => return Source::Ambiguous,
                _ => source = Source::Txn(write.txn),
            }
        }
        match (source, writes.first()) {
            (Source::Nobody, Some(aborted)) => Source::Txn(aborted.txn),
            _ => source,
        }
    }

    /// Whether a write is its transaction's last one of its key.
    pub fn is_last_write(&self, mop: u32) -> bool {
        self.marks[mop as usize] & LAST_WRITE != 0
    }

    /// Whether a read comes before all writes of its key by its transaction.
    pub fn is_external(&self, mop: u32) -> bool {
        self.marks[mop as usize] & EXTERNAL != 0
    }
}

/// Transaction, place and access of every micro-operation.
fn accesses(txns: &Txns) -> impl Iterator<Item = (u32, u32, &Mop)> {
    txns.txns.iter().enumerate().flat_map(move |(txn, of)| {
        of.mops.clone().map(move |mop| (txn as u32, mop, &txns.mops[mop as usize]))
    })
}

fn marks(txns: &Txns) -> Vec<u8> {
    const NOT_YET: u32 = u32::MAX;
    let mut marks = vec![0; txns.mops.len()];
    let mut written_by = vec![NOT_YET; txns.keys.len()];
    for (txn, mop, access) in accesses(txns) {
        match access {
            Mop::Write { key, .. } => written_by[*key as usize] = txn,
            Mop::Read { key, .. } if written_by[*key as usize] != txn => marks[mop as usize] |= EXTERNAL,
            Mop::Read { .. } => {}
        }
    }
    written_by.fill(NOT_YET);
    for (txn, of) in txns.txns.iter().enumerate().rev() {
        for mop in of.mops.clone().rev() {
            if let Mop::Write { key, .. } = txns.mops[mop as usize]
                && written_by[key as usize] != txn as u32
            {
                written_by[key as usize] = txn as u32;
                marks[mop as usize] |= LAST_WRITE;
            }
        }
    }
    marks
}

fn add_up(counts: &mut [u32]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

fn range(starts: &[u32], key: u32) -> Range<usize> {
    starts[key as usize] as usize..starts[key as usize + 1] as usize
}
