//! Why the log refuses to go on.

use super::MAX_BATCH_BYTES;
use crate::disk::DiskError;
use quorate_types::{ClusterId, NodeId};
use std::fmt;
use std::path::PathBuf;

/// Why the log cannot be opened or written.
#[derive(Debug, Clone)]
pub enum WalError {
    /// What was acknowledged is damaged or missing.
    Corrupt {
        /// Where.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// It is another node's log.
    Foreign {
        /// The segment that says so.
        file: PathBuf,
        /// Whose it is.
        cluster: ClusterId,
        /// Whose it is.
        node: NodeId,
    },
    /// A newer build wrote it.
    Newer {
        /// The segment that says so.
        file: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// A write is larger than a batch may be, or fills what is left of the current one.
    BatchTooLarge {
        /// The write's length.
        len_bytes: usize,
    },
    /// An earlier write or sync failed.
    Stopped {
        /// How.
        cause: DiskError,
    },
    /// The disk failed while the log was being opened.
    Disk(DiskError),
}

impl WalError {
    /// What a running log stopped for.
    pub(super) fn into_cause(self) -> DiskError {
        match self {
            WalError::Stopped { cause } | WalError::Disk(cause) => cause,
            other => {
                let source = std::io::Error::other(other.to_string());
                DiskError::Failed { op: "use", path: PathBuf::from("the log"), source: source.into() }
            }
        }
    }
}

impl From<DiskError> for WalError {
    fn from(error: DiskError) -> Self {
        WalError::Disk(error)
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalError::Corrupt { file, offset, reason } => write!(
                f,
                "the log is damaged: {reason} ({} at byte {offset}); remove this member from the cluster and add it again with an \
                 empty data directory, or restore the directory from a backup",
                file.display()
            ),
            WalError::Foreign { file, cluster, node } => write!(
                f,
                "the log {} belongs to node {node} of cluster {cluster}: choose this node's own data directory",
                file.display()
            ),
            WalError::Newer { file, found } => {
                write!(f, "the log {} has format {found}: start a newer build", file.display())
            }
            WalError::BatchTooLarge { len_bytes } => {
                write!(f, "a write of {len_bytes} bytes does not fit into a batch of {MAX_BATCH_BYTES}")
            }
            WalError::Stopped { cause } => write!(
                f,
                "the log has stopped, nothing acknowledged is lost: {cause}; repair the disk or make room, then restart the node"
            ),
            WalError::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WalError::Disk(error) | WalError::Stopped { cause: error } => Some(error),
            _ => None,
        }
    }
}
