//! The machine: its state, opening and committing. What entries do to it stands in `apply`.

use crate::alarm_rows::Alarms;
use crate::count::Counts;
use crate::event::Event;
use crate::lease::LeaseIndex;
use crate::meta::{self, Meta, MetaError};
use crate::request::{Outcome, Refusal};
use crate::row;
use crate::session_rows::SessionIndex;
use crate::state::State;
use crate::view::{Indexes, View};
use quorate_table::{Overlay, Persist, TableError, Tables};
use quorate_types::{Bytes, LogIndex, Revision, StateHash, Term};
use std::fmt;
use std::sync::Arc;

/// Commits between two looks at how much room the tables take: an engine may have to ask its file system.
const LEN_BYTES_INTERVAL: u32 = 64;

/// What all replicas of a machine must agree on beside the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KvOptions {
    /// Seconds that a lease lives at least; a grant for less is raised to it. Must be equal on all replicas.
    pub lease_ttl_min_s: i64,
}

impl Default for KvOptions {
    fn default() -> Self {
        KvOptions { lease_ttl_min_s: 2 }
    }
}

/// Why tables cannot be opened as a machine.
#[derive(Debug)]
pub enum OpenError {
    /// They were written in another format.
    UnknownFormat {
        /// The format that they say they have.
        found: u8,
    },
    /// They failed or are damaged.
    Tables(TableError),
}

impl From<TableError> for OpenError {
    fn from(source: TableError) -> Self {
        OpenError::Tables(source)
    }
}

impl From<MetaError> for OpenError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Format(found) => OpenError::UnknownFormat { found },
            MetaError::Tables(source) => OpenError::Tables(source),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::UnknownFormat { found } => {
                write!(
                    f,
                    "the key-value tables have format {found}, and this program knows only {}",
                    meta::FORMAT
                )
            }
            OpenError::Tables(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::UnknownFormat { .. } => None,
            OpenError::Tables(source) => Some(source),
        }
    }
}

/// What one entry did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// What its client is told.
    pub outcome: Result<Outcome, Refusal>,
    /// The store's revision after the entry.
    pub revision: Revision,
}

/// What a commit made visible.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The new state.
    pub view: Arc<View>,
    /// What changed since the last commit, in order.
    pub events: Vec<Event>,
}

/// See the crate. After any [`TableError`] the machine must be dropped; what it committed before is whole.
pub struct Kv {
    pub(crate) tables: Box<dyn Tables>,
    pub(crate) options: KvOptions,
    /// What was applied and not committed.
    pub(crate) overlay: Overlay,
    pub(crate) meta: Meta,
    pub(crate) counts: Counts,
    pub(crate) leases: LeaseIndex,
    pub(crate) sessions: SessionIndex,
    pub(crate) alarms: Alarms,
    pub(crate) events: Vec<Event>,
    configuration: Bytes,
    view: Arc<View>,
    commits: u32,
    len_bytes: u64,
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kv").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl Kv {
    /// The machine that `tables` hold, or an empty one.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed.
    pub fn open(tables: Box<dyn Tables>) -> Result<Self, OpenError> {
        Kv::open_with(tables, KvOptions::default())
    }

    /// As [`Kv::open`], with options.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed.
    pub fn open_with(tables: Box<dyn Tables>, options: KvOptions) -> Result<Self, OpenError> {
        let rows = tables.snapshot();
        let meta = Meta::open(&*rows)?;
        let counts = Counts::open(&*rows)?;
        let leases = LeaseIndex::open(&*rows)?;
        let sessions = SessionIndex::open(&*rows)?;
        let alarms = Alarms::open(&*rows)?;
        let configuration = meta::configuration(&*rows)?;
        let len_bytes = tables.len_bytes();
        let indexes =
            Indexes { counts: counts.tree().clone(), leases: leases.clone(), alarms: alarms.clone() };
        let view = View::new(rows, meta, indexes, configuration.clone(), len_bytes);
        Ok(Kv {
            tables,
            options,
            overlay: Overlay::new(),
            meta,
            counts,
            leases,
            sessions,
            alarms,
            events: Vec::new(),
            configuration,
            view: Arc::new(view),
            commits: 0,
            len_bytes,
        })
    }

    /// The last applied entry and its term, committed or not.
    #[must_use]
    pub fn applied(&self) -> (LogIndex, Term) {
        (self.meta.applied, self.meta.term)
    }

    /// The store's revision, with what is not committed yet.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.meta.revision
    }

    /// The hash of all pairs and leases, with what is not committed yet. Equal on all replicas that applied the same entries.
    #[must_use]
    pub fn state_hash(&self) -> StateHash {
        self.meta.hash
    }

    /// The group's clock as of the last applied entry, in nanoseconds.
    #[must_use]
    pub fn cluster_time_ns(&self) -> u64 {
        self.meta.cluster_time_ns
    }

    /// The newest committed state.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Waits, on the thread that calls it, until what is committed now is durable. Handed out anew after a snapshot was installed.
    #[must_use]
    pub fn persist_handle(&self) -> Arc<dyn Persist> {
        self.tables.persist_handle()
    }

    /// Bytes of rows that the next commit will write, so that the caller can bound a batch.
    #[must_use]
    pub fn pending_len_bytes(&self) -> usize {
        self.overlay.len_bytes()
    }

    /// What [`Kv::set_configuration`] kept last; empty before.
    #[must_use]
    pub fn configuration(&self) -> &Bytes {
        &self.configuration
    }

    /// Keeps the group's configuration with the state; its bytes mean nothing here. Durable with the next commit.
    pub fn set_configuration(&mut self, configuration: Bytes) {
        let (key, value) = meta::configuration_row(&configuration);
        self.overlay.put(row::META, key, value);
        self.configuration = configuration;
    }

    /// Makes everything that was applied visible in one atomic batch.
    ///
    /// # Errors
    /// [`TableError`]; nothing of the batch is visible, and the machine must be dropped.
    pub fn commit(&mut self) -> Result<Committed, TableError> {
        if self.overlay.is_empty() && self.meta == *self.view.meta() {
            assert!(self.events.is_empty(), "an event comes with a changed row");
            return Ok(Committed { view: self.view(), events: Vec::new() });
        }
        self.counts.stage(&mut self.overlay);
        let (key, value) = self.meta.row();
        self.overlay.put(row::META, key, value);
        self.tables.commit(self.overlay.take())?;
        self.commits = self.commits.wrapping_add(1);
        if self.commits.is_multiple_of(LEN_BYTES_INTERVAL) {
            self.len_bytes = self.tables.len_bytes();
        }
        let indexes = Indexes {
            counts: self.counts.tree().clone(),
            leases: self.leases.clone(),
            alarms: self.alarms.clone(),
        };
        let (rows, configuration) = (self.tables.snapshot(), self.configuration.clone());
        self.view = Arc::new(View::new(rows, self.meta, indexes, configuration, self.len_bytes));
        Ok(Committed { view: self.view(), events: std::mem::take(&mut self.events) })
    }

    /// Reads the state with all that is pending; `revision` is the newest one that a reader may name.
    pub(crate) fn read<T>(&self, revision: Revision, read: impl FnOnce(&State<'_>) -> T) -> T {
        let rows = self.overlay.on(&*self.tables);
        read(&State { rows: &rows, counts: self.counts.tree(), revision, compacted: self.meta.compacted })
    }
}
