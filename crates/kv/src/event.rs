//! What changed, revision by revision: the machine's output to watchers.

use crate::request::KeyValue;
use quorate_table::TableError;
use quorate_types::{Bytes, Revision};

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// It was written.
    Put,
    /// It was deleted.
    Delete,
}

/// One change of one key. All events with the same `kv.mod_revision` happened at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The pair after the change; for a deletion only key and `mod_revision` are set.
    pub kv: KeyValue,
    /// The pair before the change; `None` if there was none.
    pub prev_kv: Option<KeyValue>,
}

impl Event {
    /// When it happened.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.kv.mod_revision
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.kv.key
    }
}

/// Past events, as one immutable view gives them.
pub trait History {
    /// The newest revision in this view.
    fn revision(&self) -> Revision;

    /// The oldest revision whose events can still be read; 0 if none was ever compacted.
    fn compacted(&self) -> Revision;

    /// Appends to `out`, in order, the events of whole revisions from `from` on, stopping after `max_revisions` revisions that changed
    /// something or, between revisions, once the events' keys and values exceed `max_len_bytes` (one revision is always taken
    /// whole). Returns the revision to go on from; beyond [`History::revision`] when all were given.
    ///
    /// # Errors
    /// [`HistoryError`]; `out` may hold a part.
    fn events(
        &self,
        from: Revision,
        max_revisions: usize,
        max_len_bytes: usize,
        out: &mut Vec<Event>,
    ) -> Result<Revision, HistoryError>;
}

/// Why past events could not be read.
#[derive(Debug)]
pub enum HistoryError {
    /// `from` lies before [`History::compacted`].
    Compacted {
        /// The oldest readable revision.
        at: Revision,
    },
    /// The tables failed.
    Tables(TableError),
}

impl From<TableError> for HistoryError {
    fn from(source: TableError) -> Self {
        HistoryError::Tables(source)
    }
}
