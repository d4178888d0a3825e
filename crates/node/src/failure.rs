//! Why a group cannot go on here.

use quorate_kv::{OpenError, SnapshotError};
use quorate_table::TableError;
use quorate_types::LogIndex;
use quorate_types::codec::DecodeError;
use std::fmt;

/// Why a machine stopped. The node must serve nothing more from it.
#[derive(Debug)]
pub enum MachineFailure {
    /// Its tables failed.
    Tables(TableError),
    /// A committed entry or a stored row cannot be read: the log or the tables are damaged, or were written by a newer version.
    Undecodable {
        /// The entry.
        index: LogIndex,
        /// What is wrong.
        source: DecodeError,
    },
    /// A snapshot from the leader does not fit together.
    Snapshot(SnapshotError),
    /// The tables made from a snapshot cannot be opened.
    Reopen(OpenError),
}

impl fmt::Display for MachineFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineFailure::Tables(source) => write!(f, "{source}"),
            MachineFailure::Undecodable { index, source } => {
                write!(f, "entry {index} cannot be read: {source}")
            }
            MachineFailure::Snapshot(source) => write!(f, "the leader's snapshot cannot be used: {source}"),
            MachineFailure::Reopen(source) => write!(f, "the leader's snapshot cannot be opened: {source}"),
        }
    }
}

impl std::error::Error for MachineFailure {}

impl From<TableError> for MachineFailure {
    fn from(source: TableError) -> Self {
        MachineFailure::Tables(source)
    }
}
