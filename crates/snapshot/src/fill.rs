//! From a backup to a store.

use crate::layout::{self, Lease};
use crate::{Backup, BackupError};
use prost::Message;
use quorate_bolt::Value;
use quorate_kv::{Import, ImportError, ImportedLease, Kv};
use quorate_table::Tables;
use quorate_types::{LeaseId, LogIndex, Revision, Term};
use std::path::PathBuf;

/// What a lease gets that keys belong to and that the backup does not have: it ended between the revision that is restored and the end of
/// the backup. In seconds; whoever still holds it can renew it.
pub const LEASE_OF_UNKNOWN_TTL_S: i64 = 60;

/// Why a backup did not become a store. The tables are to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The revision cannot be read any more, or not yet.
    #[error("revision {asked} is not in the backup: it holds revisions {oldest} to {newest}")]
    NoSuchRevision {
        /// Which.
        asked: Revision,
        /// The oldest one that there is.
        oldest: Revision,
        /// The newest one.
        newest: Revision,
    },
    /// Its records make no sense, or the tables failed.
    #[error("{path}: {source}", path = .path.display())]
    Import {
        /// The backup.
        path: PathBuf,
        /// Why.
        source: ImportError,
    },
}

/// What a store was filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filled {
    /// Its revision.
    pub revision: Revision,
    /// Its oldest revision that can be read; 0 if none was ever compacted.
    pub compacted: Revision,
    /// How many keys it has.
    pub keys: u64,
    /// How many leases it has.
    pub leases: usize,
    /// How many of them the backup did not have; see [`LEASE_OF_UNKNOWN_TTL_S`].
    pub unknown_leases: u64,
}

impl Backup {
    /// Refuses a revision that [`Backup::fill`] would refuse.
    ///
    /// # Errors
    /// [`FillError`].
    pub fn check_revision(&self, upto: Option<Revision>) -> Result<(), FillError> {
        let (oldest, newest) = (self.compacted()?.max(Revision(1)), self.revision()?);
        match upto {
            Some(asked) if !(oldest..=newest).contains(&asked) => {
                Err(FillError::NoSuchRevision { asked, oldest, newest })
            }
            _ => Ok(()),
        }
    }

    /// Fills empty `tables` with everything up to the revision `upto`, or with everything. The store stands as if the log's entry `last` was
    /// the last that it applied.
    ///
    /// # Errors
    /// [`FillError`].
    ///
    /// # Panics
    /// If the tables are not empty.
    pub fn fill(
        &self,
        tables: Box<dyn Tables>,
        upto: Option<Revision>,
        (index, term): (LogIndex, Term),
    ) -> Result<(Kv, Filled), FillError> {
        self.check_revision(upto)?;
        let failed = |source| FillError::Import { path: self.path.clone(), source };
        let compacted = self.compacted()?;
        let mut import = Import::new(tables, compacted).map_err(failed)?;
        for entry in self.bucket(layout::KEY)?.entries() {
            let entry = entry.map_err(|source| self.damaged(source))?;
            let Value::Bytes(value) = entry.value else { return Err(self.no_record()) };
            let record = layout::decode(&entry.key, value).ok_or_else(|| self.no_record())?;
            if upto.is_some_and(|upto| record.revision() > upto) {
                break;
            }
            import.add(record).map_err(failed)?;
        }
        for lease in self.leases()? {
            import.add_lease(lease).map_err(failed)?;
        }
        let unknown_leases = import.grant_missing_leases(LEASE_OF_UNKNOWN_TTL_S).map_err(failed)?;
        let kv = import.finish(index, term).map_err(failed)?;
        let view = kv.view();
        let (keys, leases) = (view.key_count(), view.leases().len());
        let filled = Filled { revision: view.revision(), compacted, keys, leases, unknown_leases };
        Ok((kv, filled))
    }

    fn leases(&self) -> Result<Vec<ImportedLease>, FillError> {
        let no_lease = || FillError::Backup(self.foreign("a lease"));
        let mut leases = Vec::new();
        for entry in self.bucket(layout::LEASE)?.entries() {
            let entry = entry.map_err(|source| self.damaged(source))?;
            let Value::Bytes(value) = entry.value else { return Err(no_lease()) };
            let lease = Lease::decode(&value[..]).map_err(|_| no_lease())?;
            let id = LeaseId(lease.id);
            if entry.key != layout::lease_key(id) {
                return Err(no_lease());
            }
            let granted_ttl_s = lease.granted_ttl_s;
            let remaining_ttl_s =
                if lease.remaining_ttl_s > 0 { lease.remaining_ttl_s } else { granted_ttl_s };
            leases.push(ImportedLease { id, granted_ttl_s, remaining_ttl_s });
        }
        Ok(leases)
    }

    fn no_record(&self) -> FillError {
        self.foreign("a record of a key").into()
    }
}
