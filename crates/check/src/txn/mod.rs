//! Transactions: anomalies and isolation levels.
//!
//! **Idea.** When every value is written once to its key, a read tells which transaction it read from, and an appended list
//! tells the order of all versions before it. What is known so becomes a graph; what it forbids has names in the literature.
//! What is left open is searched.
//!
//! Source: Adya 1999; Kingsbury & Alvaro, *Elle*, VLDB 2020; Biswas & Enea, OOPSLA 2019.

mod analyse;
mod assume;
mod by_key;
mod circles;
mod components;
mod cyclic;
mod direct;
mod graph;
mod infer;
pub mod isolation;
mod names;
mod parse;
mod tally;
mod words;

#[cfg(test)]
mod tests;

pub use analyse::{Analysis, analyse, analyse_with};
pub use assume::Assumptions;
pub use parse::{BadTxn, Flaw, MAX_MOPS, parse};
pub use tally::MAX_FINDINGS_PER_NAME;

use crate::history::{OpId, Outcome, Point, SessionId};
use crate::model::Interner;
use std::ops::Range;

/// How values reveal the order of versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `[:append k v]` adds to the list at `k`; a read sees the whole list.
    ListAppend,
    /// `[:w k v]` replaces; a read sees one value.
    RwRegister,
}

/// A transaction's place in [`Txns::txns`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TxnId(pub u32);

/// One transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Txn {
    /// In the history.
    pub op: OpId,
    /// Who ran it.
    pub session: SessionId,
    /// When it was called.
    pub from: Point,
    /// When it returned.
    pub until: Point,
    /// Committed, aborted, or unknown. The reads of the latter two are not known.
    pub outcome: Outcome,
    /// Its micro-operations, in [`Txns::mops`].
    pub mops: Range<u32>,
}

/// One read or write of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mop {
    /// Saw a version: the register's value, or the list's elements as a range of [`Txns::elements`]. The initial version
    /// is `Nil` for a register and the empty range for a list; an unknown result is left out of `mops`.
    Read {
        /// Which key.
        key: u32,
        /// What was seen.
        seen: Seen,
    },
    /// Wrote or appended a value.
    Write {
        /// Which key.
        key: u32,
        /// The value.
        value: u32,
    },
}

/// What a read saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The initial version of a register.
    Nil,
    /// This value of a register.
    Value(u32),
    /// These elements of a list, `start..end` in [`Txns::elements`].
    List {
        /// First.
        start: u32,
        /// One after the last.
        end: u32,
    },
}

/// A history of transactions, with numbers for keys and values.
#[derive(Clone, Debug)]
pub struct Txns {
    /// Of which kind.
    pub kind: Kind,
    /// In the order of the history, aborted ones too.
    pub txns: Vec<Txn>,
    /// All reads and writes, transaction after transaction.
    pub mops: Vec<Mop>,
    /// The elements of all lists that were read. Reads share them: the longest list of a key is stored once, and its prefixes
    /// start where it starts.
    pub elements: Vec<u32>,
    /// Names of keys.
    pub keys: Interner,
    /// Names of values, over all keys.
    pub values: Interner,
    /// How many sessions there are.
    pub session_count: u32,
}

/// What is known about the versions of one key, for deciding levels. Only transactions that committed, or whose writes were read,
/// appear as writers; of each writer only its last write of the key counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Writers in their known order.
    pub chain: Vec<TxnId>,
    /// Writers that stand nowhere in `chain`. If the chain is known to come first (lists), `loose_after_chain` says so.
    pub loose: Vec<TxnId>,
    /// Whether every loose writer follows the whole chain.
    pub loose_after_chain: bool,
    /// More pairs of writers whose order is known: the second read the first's version and overwrote it, or the user vouches for it
    /// ([`Assumptions`]).
    pub known: Vec<(TxnId, TxnId)>,
    /// Reads of other transactions' versions: reader, and writer (`None` for the initial version), in the order of transactions and
    /// of reads within one. A list that ends with its reader's own appends was read from whoever appended before them.
    pub reads: Vec<(TxnId, Option<TxnId>)>,
}
