//! A committed state that any thread may read for as long as it likes.

use crate::alarm::{Alarm, AlarmKind};
use crate::alarm_rows::Alarms;
use crate::count_tree::CountTree;
use crate::lease::{self, LeaseIndex};
use crate::meta::Meta;
use crate::request::{KeyRange, KeyValue, LeaseStatus, RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use crate::state::{ReadError, State};
use crate::validate::{is_read_only, validate_range, validate_txn};
use crate::{range, txn};
use quorate_table::{Snapshot, TableError};
use quorate_types::{Bytes, LeaseId, LogIndex, Revision, StateHash, Term};
use std::fmt;
use std::sync::Arc;

/// See the module. Immutable; making one costs O(1).
pub struct View {
    pub(crate) rows: Arc<dyn Snapshot>,
    pub(crate) counts: CountTree,
    pub(crate) leases: LeaseIndex,
    pub(crate) alarms: Alarms,
    meta: Meta,
    configuration: Bytes,
    len_bytes: u64,
}

/// What is kept in memory of the rows; cheap to copy.
pub(crate) struct Indexes {
    pub(crate) counts: CountTree,
    pub(crate) leases: LeaseIndex,
    pub(crate) alarms: Alarms,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl View {
    pub(crate) fn new(
        rows: Arc<dyn Snapshot>,
        meta: Meta,
        indexes: Indexes,
        configuration: Bytes,
        len_bytes: u64,
    ) -> Self {
        let Indexes { counts, leases, alarms } = indexes;
        View { rows, counts, leases, alarms, meta, configuration, len_bytes }
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn state(&self) -> State<'_> {
        State {
            rows: &*self.rows,
            counts: &self.counts,
            revision: self.meta.revision,
            compacted: self.meta.compacted,
        }
    }

    /// Answers a range.
    ///
    /// # Errors
    /// [`ReadError`]: an empty key, a future or a compacted revision, or failed tables.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, ReadError> {
        validate_range(request)?;
        let state = self.state();
        let at = state.at(request.revision, false)?;
        Ok(range::range(&state, request, at)?)
    }

    /// All pairs as of `revision`, lowest key first, in bounded memory.
    ///
    /// # Errors
    /// [`ReadError`]: a future or a compacted revision, or failed tables.
    pub fn pairs_at(
        &self,
        revision: Revision,
    ) -> Result<impl Iterator<Item = Result<KeyValue, TableError>> + '_, ReadError> {
        let state = self.state();
        let at = state.at(revision.0, false)?;
        let all = KeyRange { key: Bytes::from_static(&[0]), end: Bytes::from_static(&[0]) };
        Ok(state.pairs(&all, at)?)
    }

    /// Answers a transaction that only reads.
    ///
    /// # Errors
    /// [`ReadError`]: whatever [`crate::validate_txn`] refuses, a future or a compacted revision, or failed tables.
    ///
    /// # Panics
    /// If `request` is not [`is_read_only`].
    pub fn read_txn(&self, request: &TxnRequest) -> Result<TxnResponse, ReadError> {
        assert!(is_read_only(request), "a transaction that writes goes through the log");
        validate_txn(request)?;
        let state = self.state();
        let path = txn::plan(&state, request)?;
        Ok(txn::read(&state, &path)?)
    }

    /// The newest revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.meta.revision
    }

    /// The oldest revision that can be read; 0 if nothing was ever compacted.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.meta.compacted
    }

    /// The last entry in this state, and its term.
    #[must_use]
    pub fn applied(&self) -> (LogIndex, Term) {
        (self.meta.applied, self.meta.term)
    }

    /// The hash of all pairs and leases; equal on all replicas at the same applied index.
    #[must_use]
    pub fn state_hash(&self) -> StateHash {
        self.meta.hash
    }

    /// The group's clock as of the last entry in this state, in nanoseconds.
    #[must_use]
    pub fn cluster_time_ns(&self) -> u64 {
        self.meta.cluster_time_ns
    }

    /// The group's configuration as it was kept with the state; empty if none was.
    #[must_use]
    pub fn configuration(&self) -> &Bytes {
        &self.configuration
    }

    /// How many keys there are.
    #[must_use]
    pub fn key_count(&self) -> u64 {
        self.counts.keys()
    }

    /// Bytes that the tables take where they are kept, as of a recent commit; never 0.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Bytes of the keys and their newest values, without history.
    #[must_use]
    pub fn live_len_bytes(&self) -> u64 {
        self.meta.live_len_bytes
    }

    /// The alarms that stand, by kind and member.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.alarms.iter().map(|(alarm, _)| alarm).collect()
    }

    /// Whether an alarm of this kind stands, for whatever member.
    #[must_use]
    pub fn has_alarm(&self, kind: AlarmKind) -> bool {
        self.alarms.has(kind)
    }

    /// The lease `id` at the moment `now_ns` of the group's clock, with its keys if asked for; `None` if it does not exist.
    ///
    /// # Errors
    /// [`TableError`] if the tables failed.
    pub fn lease(
        &self,
        id: LeaseId,
        with_keys: bool,
        now_ns: u64,
    ) -> Result<Option<LeaseStatus>, TableError> {
        let Some(lease) = lease::find(&*self.rows, id)? else { return Ok(None) };
        let keys =
            if with_keys { lease::keys(&*self.rows, id).collect::<Result<_, _>>()? } else { Vec::new() };
        let remaining_ttl_s = lease::remaining_s(lease.expiry_ns, now_ns);
        Ok(Some(LeaseStatus { id, granted_ttl_s: lease.ttl_s, remaining_ttl_s, keys }))
    }

    /// All leases, the next to expire first.
    #[must_use]
    pub fn leases(&self) -> Vec<LeaseId> {
        self.leases.iter().map(|(_, id, _)| id).collect()
    }

    /// Up to `limit` leases that have run out at the moment `now_ns` of the group's clock, each with its renewal number, as
    /// [`crate::Command::LeaseExpire`] wants them.
    #[must_use]
    pub fn due_leases(&self, now_ns: u64, limit: usize) -> Vec<(LeaseId, u64)> {
        let due = self.leases.iter().take_while(|(expiry_ns, ..)| *expiry_ns <= now_ns);
        due.take(limit).map(|(_, id, renewal)| (id, renewal)).collect()
    }

    /// When the next lease runs out, in the group's clock; `None` if there is none.
    #[must_use]
    pub fn next_lease_expiry(&self) -> Option<u64> {
        self.leases.iter().next().map(|(expiry_ns, ..)| expiry_ns)
    }
}
