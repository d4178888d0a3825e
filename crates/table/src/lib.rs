//! Ordered byte tables: what a state machine keeps its rows in.
//!
//! A machine sees a handful of tables, each an ordered map from bytes to bytes, and changes them by one
//! atomic [`Batch`] at a time. The same machine runs on memory (ephemeral keyspaces), on memory that forgets (simulator) and on disk
//! (the `storage` crate) because it knows only the traits in here.
//!
//! **Invariant:** a committed batch is visible whole or not at all, also after a crash; batches become durable in the
//! order of their commits. Durability itself may lag behind: [`Persist::persist`] waits for it.

#![forbid(unsafe_code)]

mod batch;
mod lagging;
mod memory;
mod overlay;

pub use batch::{Batch, Change};
pub use lagging::LaggingEngine;
pub use memory::{MemoryEngine, MemoryTables};
pub use overlay::Overlay;

use quorate_types::Bytes;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// One of a machine's tables. Numbers are part of the disk format: never used again for another meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableId(pub u8);

/// Which way a range is walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the lowest key up.
    Forward,
    /// From the highest key down.
    Backward,
}

/// A key and its value.
pub type Row = (Bytes, Bytes);

/// Rows in order. After an `Err` the iterator's further items mean nothing.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, TableError>> + 'a>;

/// Reading, from the newest state or from a snapshot.
pub trait Read {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`TableError`] if the rows cannot be read.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError>;

    /// The rows with keys in (`from`, `to`), walked in `direction`. An empty or inverted range gives none.
    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a>;
}

/// A state that no later commit changes.
pub trait Snapshot: Read + Send + Sync {}
impl<T: Read + Send + Sync> Snapshot for T {}

/// A machine's tables.
pub trait Tables: Read + Send {
    /// Makes all of `batch` visible at once.
    ///
    /// # Errors
    /// [`TableError`]; then nothing of the batch is visible, and the caller must stop using the tables.
    fn commit(&mut self, batch: Batch) -> Result<(), TableError>;

    /// The state as of the last commit, for as long as the caller keeps it. Costs O(1).
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// A handle that waits, on whatever thread calls it, until all that was committed before is durable.
    fn persist_handle(&self) -> Arc<dyn Persist>;

    /// Bytes that the tables take where they are kept; never 0.
    fn len_bytes(&self) -> u64;
}

/// Makes commits durable; may be called from another thread than the one that commits.
pub trait Persist: Send + Sync {
    /// Returns when all that was committed before the call survives a power failure.
    ///
    /// # Errors
    /// [`TableError`]; then what is durable is unknown, and the node must stop.
    fn persist(&self) -> Result<(), TableError>;
}

/// Where the tables of machines come from.
pub trait Engine: Send + Sync {
    /// Opens the tables named `space`, empty if they were never made.
    ///
    /// # Errors
    /// [`TableError`] if they exist and cannot be opened.
    fn open(&self, space: &str) -> Result<Box<dyn Tables>, TableError>;

    /// Makes an empty set of tables beside those of `space`, throwing away an earlier unfinished one. A crash leaves those
    /// of `space` as they were.
    ///
    /// # Errors
    /// [`TableError`]; nothing changed for `space`.
    fn stage(&self, space: &str) -> Result<Box<dyn Tables>, TableError>;

    /// Replaces the tables of `space` by the staged ones, durably and atomically, and returns them. Snapshots of the old
    /// ones stay readable until they are dropped.
    ///
    /// # Errors
    /// [`TableError`]; then after a restart `space` has either the old or the new tables, whole.
    fn promote(&self, space: &str, staged: Box<dyn Tables>) -> Result<Box<dyn Tables>, TableError>;
}

/// Why tables could not be read or written. All are fatal for the machine on them.
#[derive(Debug, Clone)]
pub enum TableError {
    /// The disk has no room left.
    Full,
    /// The rows on disk are damaged.
    Corrupt {
        /// What was found, for the operator.
        detail: Arc<str>,
    },
    /// The disk or its file system failed.
    Io {
        /// What was tried and what came back, for the operator.
        detail: Arc<str>,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::Full => write!(f, "the disk is full"),
            TableError::Corrupt { detail } => write!(f, "the tables are damaged: {detail}"),
            TableError::Io { detail } => write!(f, "the tables cannot be read or written: {detail}"),
        }
    }
}

impl std::error::Error for TableError {}
