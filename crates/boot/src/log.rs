//! Where a node's log goes: to disk, or nowhere.

use quorate_consensus::raft::{LogWrite, Payload};
use quorate_storage::{Wal, WalError};
use quorate_types::{GroupId, LogIndex};

/// Bytes of the commands in a write.
#[must_use]
pub fn commands_len_bytes(write: &LogWrite) -> usize {
    let len_bytes = |payload: &Payload| match payload {
        Payload::Command(command) => command.len(),
        Payload::NoOp | Payload::Configuration(_) => 0,
    };
    write.entries.iter().map(|entry| len_bytes(&entry.payload)).sum()
}

/// Where writes go.
pub enum Log {
    /// To disk.
    Durable {
        /// The files.
        wal: Wal,
        /// Bytes of commands appended since the start.
        appended_len_bytes: u64,
    },
    /// Nowhere: an ephemeral node's memory is all it has.
    Memory,
}

impl Log {
    /// A log that goes on in these files.
    #[must_use]
    pub fn durable(wal: Wal) -> Self {
        Log::Durable { wal, appended_len_bytes: 0 }
    }

    /// Appends without making durable.
    ///
    /// # Errors
    /// [`WalError`]; the log takes no more writes.
    pub fn append(&mut self, group: GroupId, write: &LogWrite) -> Result<(), WalError> {
        match self {
            Log::Durable { wal, appended_len_bytes } => {
                *appended_len_bytes += commands_len_bytes(write) as u64;
                wal.append(group, write)
            }
            Log::Memory => Ok(()),
        }
    }

    /// Makes durable what was appended. Returns the bytes appended since the start.
    ///
    /// # Errors
    /// [`WalError`]; the log takes no more writes.
    pub fn sync(&mut self) -> Result<u64, WalError> {
        match self {
            Log::Durable { wal, appended_len_bytes } => {
                wal.sync()?;
                Ok(*appended_len_bytes)
            }
            Log::Memory => Ok(0),
        }
    }

    /// One step of housekeeping, to be called between syncs; false when nothing is left to do.
    ///
    /// # Errors
    /// [`WalError`]; the log takes no more writes.
    pub fn maintain(&mut self) -> Result<bool, WalError> {
        match self {
            Log::Durable { wal, .. } => wal.maintain(),
            Log::Memory => Ok(false),
        }
    }

    /// Ends the log in order: everything appended is durable.
    ///
    /// # Errors
    /// [`WalError`]; whether what was appended since the last sync is durable is unknown.
    pub fn close(self) -> Result<(), WalError> {
        match self {
            Log::Durable { wal, .. } => wal.close(),
            Log::Memory => Ok(()),
        }
    }

    /// The entries of `group` up to and including `upto` are not needed any more.
    ///
    /// # Errors
    /// [`WalError`]; the log takes no more writes.
    pub fn compact(&mut self, group: GroupId, upto: LogIndex) -> Result<(), WalError> {
        match self {
            Log::Durable { wal, .. } => wal.compact(group, upto),
            Log::Memory => Ok(()),
        }
    }
}
