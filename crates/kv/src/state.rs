//! One consistent state of the store, for reading: a published view, or a machine in the middle of an entry.

use crate::count_tree::CountTree;
use crate::marks;
use crate::request::{KeyRange, KeyValue, Refusal};
use crate::row::{self, Stored};
use crate::{count, past};
use quorate_table::{Direction, Read, TableError};
use quorate_types::Revision;
use std::fmt;

/// Why a read has no answer.
#[derive(Clone, Debug)]
pub enum ReadError {
    /// It may not be asked so.
    Refused(Refusal),
    /// The tables failed; the node must stop.
    Tables(TableError),
}

impl From<TableError> for ReadError {
    fn from(source: TableError) -> Self {
        ReadError::Tables(source)
    }
}

impl From<Refusal> for ReadError {
    fn from(refusal: Refusal) -> Self {
        ReadError::Refused(refusal)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Refused(refusal) => write!(f, "the read was refused: {refusal:?}"),
            ReadError::Tables(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Refused(_) => None,
            ReadError::Tables(source) => Some(source),
        }
    }
}

/// Pairs in key order.
pub(crate) type Pairs<'a> = Box<dyn Iterator<Item = Result<KeyValue, TableError>> + 'a>;

/// As of when a read reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    /// The newest state.
    Now,
    /// An older revision, not compacted.
    Past(Revision),
}

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    pub(crate) rows: &'a dyn Read,
    pub(crate) counts: &'a CountTree,
    /// The newest revision; inside a transaction that changed something, the one being made.
    pub(crate) revision: Revision,
    pub(crate) compacted: Revision,
}

impl<'a> State<'a> {
    /// Checks a request's revision. 0 or less means now, except that inside a transaction a negative one is compared literally.
    pub(crate) fn at(&self, revision: i64, in_txn: bool) -> Result<At, Refusal> {
        // A store that was never compacted compares as if compacted at -1 (etcd's initial value).
        let floor = if self.compacted.0 == 0 { -1 } else { self.compacted.0 };
        match revision {
            _ if revision > self.revision.0 => Err(Refusal::FutureRevision),
            0 => Ok(At::Now),
            _ if revision < 0 && !in_txn => Ok(At::Now),
            _ if revision < floor => {
                marks::READ_COMPACTED.reach();
                Err(Refusal::Compacted { at: self.compacted })
            }
            _ if revision < 0 || revision == self.revision.0 => Ok(At::Now),
            _ => Ok(At::Past(Revision(revision))),
        }
    }

    /// The newest pair under `key`.
    pub(crate) fn get(&self, key: &quorate_types::Bytes) -> Result<Option<Stored>, TableError> {
        let Some(row) = self.rows.get(row::CURRENT, key)? else { return Ok(None) };
        Ok(Some(Stored { pair: row::pair(key.clone(), &row)?, row }))
    }

    /// The newest pairs in `range` with their rows.
    pub(crate) fn stored(
        &self,
        range: &KeyRange,
        direction: Direction,
    ) -> impl Iterator<Item = Result<Stored, TableError>> + use<'a> {
        let (from, to) = range.bounds();
        self.rows.range(row::CURRENT, from, to, direction).map(|item| {
            let (key, row) = item?;
            Ok(Stored { pair: row::pair(key, &row)?, row })
        })
    }

    /// The pairs in `range`, lowest key first.
    pub(crate) fn pairs(&self, range: &KeyRange, at: At) -> Result<Pairs<'a>, TableError> {
        match at {
            At::Now if range.is_one_key() => {
                Ok(Box::new(self.get(&range.key)?.map(|stored| Ok(stored.pair)).into_iter()))
            }
            At::Now => Ok(Box::new(
                self.stored(range, Direction::Forward).map(|item| item.map(|stored| stored.pair)),
            )),
            At::Past(revision) => past::pairs(self, range, revision),
        }
    }

    /// How many keys are in `range`.
    pub(crate) fn count(&self, range: &KeyRange, at: At) -> Result<u64, TableError> {
        match at {
            At::Now => count::count(self.counts, self.rows, range),
            At::Past(revision) => past::count(self, range, revision),
        }
    }
}
