//! Why a node's data cannot be opened.

use quorate_consensus::raft::InvalidConfig;
use quorate_node::TablesBehindLog;
use quorate_storage::{DataDirError, WalError};
use quorate_table::TableError;

/// Why a node's data could not be opened. Of what the directory held, nothing was lost or replaced.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not this node's, is in use, or is of another version.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] WalError),
    /// A keyspace's tables cannot be read.
    #[error("keyspace {keyspace}: {source}")]
    Tables {
        /// Which.
        keyspace: String,
        /// Why.
        source: TableError,
    },
    /// A keyspace's rows are not what its machine wrote.
    #[error("keyspace {keyspace}: {source}")]
    Machine {
        /// Which.
        keyspace: String,
        /// Why.
        source: quorate_kv::OpenError,
    },
    /// A keyspace's tables end before its log begins.
    #[error(
        "keyspace {keyspace}: {source}: parts of the data directory are missing; remove the whole directory and let the node join again"
    )]
    TablesBehindLog {
        /// Which.
        keyspace: String,
        /// How far.
        source: TablesBehindLog,
    },
    /// A keyspace has data here but no log.
    #[error(
        "keyspace {keyspace}: its log is missing, and with it what this node promised its peers: remove the whole data directory and let \
         the node join again"
    )]
    LogMissing {
        /// Which.
        keyspace: String,
    },
    /// A keyspace that has data here is declared otherwise now.
    #[error(
        "the data was written under the declaration `{was}`, which is missing or different now: declare it as it was"
    )]
    DeclarationChanged {
        /// As it stands in the data directory.
        was: String,
    },
    /// The timing makes no sense.
    #[error("timing: {0}")]
    Timing(#[from] InvalidConfig),
}
