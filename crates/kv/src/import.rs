//! Filling an empty machine from another store's records, revision by revision.
//!
//! **Problem:** a backup is to become a new cluster's state with all its revisions, not its pairs alone: clients go on from the
//! revisions that they know. **Idea:** the records come in the order in which the changes were made. What was written before the compacted
//! revision makes the pairs of then, without history; from there on each record is a change like any other, except that the
//! record says what the new pair is. **Invariant:** the same records give the same rows and the same state hash on every replica that is
//! filled from them.

use crate::kv::{Kv, KvOptions, OpenError};
use crate::request::KeyValue;
use crate::row::{self, Lease, Position, PutMeta, Stored};
use quorate_table::{TableError, Tables};
use quorate_types::{Bytes, LeaseId, LogIndex, Revision, Term};
use std::fmt;

/// Rows are committed when so many bytes wait.
const BATCH_LEN_BYTES: usize = 4 << 20;
/// No revision makes more changes; beyond, a file is not what it says.
const CHANGES_PER_REVISION_MAX: u32 = u32::MAX - 1;

/// One change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// The key became this pair, at the pair's mod revision.
    Put(KeyValue),
    /// The key was deleted.
    Delete {
        /// Which.
        key: Bytes,
        /// When.
        revision: Revision,
    },
}

impl Record {
    /// When it happened.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Record::Put(pair) => pair.mod_revision,
            Record::Delete { revision, .. } => *revision,
        }
    }

    /// What changed.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Record::Put(pair) => &pair.key,
            Record::Delete { key, .. } => key,
        }
    }
}

/// A lease as it begins in the new store, whose clock begins at 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportedLease {
    /// Its id.
    pub id: LeaseId,
    /// Seconds that it was granted for, and that a renewal gives.
    pub granted_ttl_s: i64,
    /// Seconds that it has left.
    pub remaining_ttl_s: i64,
}

/// Why records do not make a state. The tables are to be thrown away.
#[derive(Debug)]
pub enum ImportError {
    /// A record does not follow the one before it, changes a key twice at one revision, or contradicts what it replaces.
    Record {
        /// Its revision.
        revision: Revision,
        /// Its key.
        key: Bytes,
        /// What is wrong.
        what: &'static str,
    },
    /// A lease is there twice, or its time makes no sense.
    Lease {
        /// Which.
        id: LeaseId,
    },
    /// The tables hold something already, or another format.
    Open(OpenError),
    /// The tables failed.
    Tables(TableError),
}

impl From<TableError> for ImportError {
    fn from(source: TableError) -> Self {
        ImportError::Tables(source)
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Record { revision, key, what } => {
                write!(f, "revision {revision} of key `{}`: {what}", key.escape_ascii())
            }
            ImportError::Lease { id } => {
                write!(f, "lease {:x} is there twice, or its time to live makes no sense", id.0)
            }
            ImportError::Open(source) => source.fmt(f),
            ImportError::Tables(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ImportError::Open(source) => Some(source),
            ImportError::Tables(source) => Some(source),
            ImportError::Record { .. } | ImportError::Lease { .. } => None,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Import {
    kv: Kv,
    /// The next change of the newest revision.
    next: Position,
}

impl Import {
    /// Begins on empty `tables`. Revisions below `compacted` will not be readable; 0: all will be.
    ///
    /// # Errors
    /// [`ImportError::Open`].
    ///
    /// # Panics
    /// If the tables hold a machine's state.
    pub fn new(tables: Box<dyn Tables>, compacted: Revision) -> Result<Self, ImportError> {
        let mut kv = Kv::open_with(tables, KvOptions::default()).map_err(ImportError::Open)?;
        assert!(kv.applied().0 == LogIndex(0) && kv.revision() == Revision(1), "the tables are empty");
        kv.meta.compacted = compacted;
        kv.meta.purged = compacted;
        kv.meta.revision = compacted.max(Revision(1));
        Ok(Import { kv, next: Position::start_of(Revision(0)) })
    }

    /// Takes the next record: its revision is that of the one before it or higher.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn add(&mut self, record: Record) -> Result<(), ImportError> {
        let (revision, key) = (record.revision(), record.key().clone());
        let refuse = |what| Err(ImportError::Record { revision, key: key.clone(), what });
        if revision < self.next.revision {
            return refuse("it stands behind a later revision");
        }
        if revision.0 < 1 || key.is_empty() || key.len() > crate::KEY_LEN_MAX_BYTES {
            return refuse("a store has no such revision or takes no such key");
        }
        if revision > self.next.revision {
            self.next = Position::start_of(revision);
        }
        if self.next.sub > CHANGES_PER_REVISION_MAX {
            return refuse("its revision has too many changes");
        }
        let position = self.next;
        self.next.sub += 1;
        let previous = self.kv.read(revision, |state| state.get(&key))?;
        let is_past = revision < self.kv.meta.compacted;
        let changed_before = previous.as_ref().is_some_and(|stored| stored.pair.mod_revision == revision);
        if changed_before && !is_past {
            return refuse("its key changed at that revision already");
        }
        match record {
            Record::Put(pair) => {
                if let Some(what) = contradiction(&pair, previous.as_ref(), self.kv.meta.compacted) {
                    return refuse(what);
                }
                self.kv.import_put(position, &pair, previous.as_ref())?;
            }
            Record::Delete { .. } if previous.is_none() && revision > self.kv.meta.compacted => {
                return refuse("it deletes what was not there");
            }
            Record::Delete { .. } => self.kv.import_delete(position, &key, previous.as_ref()),
        }
        self.kv.meta.revision = self.kv.meta.revision.max(revision);
        if self.kv.pending_len_bytes() >= BATCH_LEN_BYTES {
            self.kv.commit()?;
        }
        Ok(())
    }

    /// Takes a lease.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn add_lease(&mut self, lease: ImportedLease) -> Result<(), ImportError> {
        let ImportedLease { id, granted_ttl_s, remaining_ttl_s } = lease;
        let in_range = |ttl_s: i64| (1..=crate::LEASE_TTL_MAX_S).contains(&ttl_s);
        let is_new = id.0 != 0 && self.kv.find_lease(id)?.is_none();
        if !is_new || !in_range(granted_ttl_s) || !in_range(remaining_ttl_s) {
            return Err(ImportError::Lease { id });
        }
        self.kv.import_lease(id, granted_ttl_s, remaining_ttl_s);
        if self.kv.pending_len_bytes() >= BATCH_LEN_BYTES {
            self.kv.commit()?;
        }
        Ok(())
    }

    /// Grants the leases that keys belong to and that were not among those that came, for `ttl_s` seconds each: their holders may renew
    /// them, and keys that nobody holds any more go as their lease would have made them go. Returns how many. Call it after all records.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn grant_missing_leases(&mut self, ttl_s: i64) -> Result<u64, ImportError> {
        let missing = self.kv.missing_leases()?;
        for id in &missing {
            self.add_lease(ImportedLease { id: *id, granted_ttl_s: ttl_s, remaining_ttl_s: ttl_s })?;
        }
        Ok(missing.len() as u64)
    }

    /// The machine, as if the entry at `index` with `term` was the last one that it applied. Everything is committed, not yet durable.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn finish(mut self, index: LogIndex, term: Term) -> Result<Kv, ImportError> {
        (self.kv.meta.applied, self.kv.meta.term) = (index, term);
        self.kv.commit()?;
        Ok(self.kv)
    }
}

/// Why `pair` cannot follow `previous`.
fn contradiction(pair: &KeyValue, previous: Option<&Stored>, compacted: Revision) -> Option<&'static str> {
    let (created, changed) = (pair.create_revision, pair.mod_revision);
    if pair.version < 1 || created.0 < 1 || created > changed || changed.0 - created.0 < pair.version - 1 {
        return Some("its versions contradict one another");
    }
    if changed <= compacted {
        return None;
    }
    let fits = match previous {
        Some(Stored { pair: before, .. }) => {
            (created, pair.version) == (before.create_revision, before.version.saturating_add(1))
        }
        None => (created, pair.version) == (changed, 1),
    };
    (!fits).then_some("it does not follow what stood there before")
}

impl Kv {
    /// Makes `pair` what stands under its key, with a history row if its revision can be read.
    fn import_put(
        &mut self,
        position: Position,
        pair: &KeyValue,
        previous: Option<&Stored>,
    ) -> Result<(), TableError> {
        let mut out = Vec::with_capacity(row::pair_len_max(&pair.value));
        row::put_pair(&mut out, pair);
        let put = PutMeta { create_revision: pair.create_revision, version: pair.version, lease: pair.lease };
        self.import_change(position, &pair.key, Some(put), previous);
        let lease_before = previous.and_then(|stored| stored.pair.lease);
        self.set_current(&pair.key, Bytes::from(out), previous);
        self.move_lease(&pair.key, lease_before, pair.lease);
        if previous.is_none() {
            self.counts.created(&pair.key, &self.overlay.on(&*self.tables))?;
        }
        Ok(())
    }

    /// Deletes what stands under `key`, with a history row if the revision can be read.
    fn import_delete(&mut self, position: Position, key: &Bytes, previous: Option<&Stored>) {
        self.import_change(position, key, None, previous);
        let Some(previous) = previous else { return };
        self.forget_row(previous);
        self.overlay.delete(row::CURRENT, key.clone());
        self.move_lease(key, previous.pair.lease, None);
        self.counts.deleted(key);
    }

    fn import_change(
        &mut self,
        position: Position,
        key: &Bytes,
        put: Option<PutMeta>,
        previous: Option<&Stored>,
    ) {
        if position.revision < self.meta.compacted {
            return;
        }
        // What stood before the compacted revision cannot be read, so no replica needs to know it.
        let previous = previous.filter(|_| position.revision > self.meta.compacted);
        self.stage_change(Vec::new(), position, key, put, previous);
    }

    fn import_lease(&mut self, id: LeaseId, granted_ttl_s: i64, remaining_ttl_s: i64) {
        let lease = Lease { ttl_s: granted_ttl_s, expiry_ns: self.expiry_after(remaining_ttl_s), renewal: 0 };
        self.set_lease(id, None, Some(lease));
    }
}
