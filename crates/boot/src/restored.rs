//! Making a directory whose node begins with a state that comes from elsewhere: a backup.
//!
//! **Problem:** the members of a restored cluster must begin with equal state, and a directory that is not whole must not be started.
//! **Idea:** each member is given the same backup; its log begins behind an entry that nobody has, which stands for the whole backup. Tables
//! come first, then the log, and at last the identity that makes it a data directory. **Invariant:** a directory that got its identity has
//! both, durably; until then it is refused as a foreign one.

use crate::open::Plan;
use quorate_consensus::raft::{Configuration, HardState, LogWrite, SnapshotMeta};
use quorate_kv::Kv;
use quorate_node::declaration::{DEFAULT_GROUP, Declarations};
use quorate_storage::{DataDir, DataDirError, Disk, Identity, Wal, WalError, WalOptions};
use quorate_table::{Engine, TableError, Tables};
use quorate_types::{LogIndex, Term};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The entry that stands for everything that was restored, and its term.
pub const RESTORED: (LogIndex, Term) = (LogIndex(1), Term(1));

/// Why a directory could not be made. What lies in it now must be removed before another attempt, except after
/// [`RestoreError::HasData`] and [`RestoreError::DataDir`], which changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError<E: std::error::Error + 'static> {
    /// A node's data lies there already.
    #[error("the directory {dir} holds a node's data already: choose an empty or a new one", dir = .dir.display())]
    HasData {
        /// Which.
        dir: PathBuf,
    },
    /// It is in use or holds something else.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] WalError),
    /// The tables cannot be written.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// They could not be filled.
    #[error(transparent)]
    Fill(E),
}

/// Makes `path` a directory of the node that `plan` names. Its default keyspace begins with what `fill` puts into empty tables, applied
/// up to [`RESTORED`]; other keyspaces begin empty when the node is started. `open_engine` as in [`crate::open`].
///
/// # Errors
/// [`RestoreError`].
///
/// # Panics
/// If `fill` gives a machine that stands elsewhere in the log.
pub fn restore<T, E: std::error::Error + 'static>(
    plan: &Plan<'_>,
    disk: &Arc<dyn Disk>,
    path: &Path,
    open_engine: impl FnOnce(&Path) -> Result<Arc<dyn Engine>, TableError>,
    fill: impl FnOnce(Box<dyn Tables>) -> Result<(Kv, T), E>,
) -> Result<T, RestoreError<E>> {
    let mut data_dir = DataDir::open(disk.as_ref(), path)?;
    if data_dir.identity().is_some() {
        return Err(RestoreError::HasData { dir: path.to_path_buf() });
    }
    let engine = open_engine(&data_dir.tables_dir())?;
    let (kv, filled) = fill(engine.open(&DEFAULT_GROUP.0.to_string())?).map_err(RestoreError::Fill)?;
    assert_eq!(kv.applied(), RESTORED, "the log begins where the state stands");
    kv.persist_handle().persist()?;
    drop((kv, engine));

    let options = WalOptions { cluster: plan.cluster, node: plan.me, segment_bytes: plan.segment_bytes };
    let (mut wal, _) = Wal::open(disk.clone(), &data_dir.log_dir(), options)?;
    let (index, term) = RESTORED;
    let configuration = Configuration::of_voters(plan.members.to_vec());
    let write = LogWrite {
        reset: Some(SnapshotMeta { index, term, configuration }),
        hard_state: Some(HardState { term, vote: None }),
        entries: Vec::new(),
    };
    wal.append(DEFAULT_GROUP, &write)?;
    wal.sync()?;
    wal.close()?;

    // The keyspaces that have a log here; others are added when the node is started with them.
    let declarations = Declarations::default().canonical_text();
    let name = plan.name.to_owned();
    data_dir
        .establish(disk.as_ref(), &Identity { cluster: plan.cluster, node: plan.me, name, declarations })?;
    Ok(filled)
}
