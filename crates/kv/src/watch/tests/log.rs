//! A history that keeps everything in a list.

use crate::event::{Event, EventKind, History, HistoryError};
use crate::request::KeyValue;
use quorate_table::TableError;
use quorate_types::{Bytes, Revision};
use std::cell::Cell;
use std::collections::BTreeMap;

/// What a revision does to a key: a value, or none to delete it.
pub(super) type Change = (Bytes, Option<Bytes>);

#[derive(Default)]
pub(super) struct Log {
    /// The events of revision 2 on.
    revisions: Vec<Vec<Event>>,
    pairs: BTreeMap<Bytes, KeyValue>,
    pub(super) compacted: Revision,
    /// The next read fails.
    pub(super) broken: Cell<bool>,
}

impl Log {
    pub(super) fn write(&mut self, changes: Vec<Change>) {
        let revision = self.revision().next();
        let events: Vec<Event> =
            changes.into_iter().filter_map(|change| self.change(revision, change)).collect();
        if !events.is_empty() {
            self.revisions.push(events);
        }
    }

    fn change(&mut self, revision: Revision, (key, value): Change) -> Option<Event> {
        let prev_kv = self.pairs.remove(&key);
        let Some(value) = value else {
            let kv = KeyValue { key, mod_revision: revision, ..KeyValue::default() };
            return prev_kv.map(|prev| Event { kind: EventKind::Delete, kv, prev_kv: Some(prev) });
        };
        let kv = KeyValue {
            create_revision: prev_kv.as_ref().map_or(revision, |prev| prev.create_revision),
            mod_revision: revision,
            version: prev_kv.as_ref().map_or(0, |prev| prev.version) + 1,
            key: key.clone(),
            value,
            lease: None,
        };
        self.pairs.insert(key, kv.clone());
        Some(Event { kind: EventKind::Put, kv, prev_kv })
    }

    /// All events from revision `from` on.
    pub(super) fn since(&self, from: Revision) -> &[Vec<Event>] {
        let skip = usize::try_from(from.0 - 2).unwrap_or(0).min(self.revisions.len());
        &self.revisions[skip..]
    }
}

impl History for Log {
    fn revision(&self) -> Revision {
        Revision(self.revisions.len() as i64 + 1)
    }

    fn compacted(&self) -> Revision {
        self.compacted
    }

    fn events(
        &self,
        from: Revision,
        max_revisions: usize,
        max_len_bytes: usize,
        out: &mut Vec<Event>,
    ) -> Result<Revision, HistoryError> {
        if self.broken.take() {
            return Err(HistoryError::Tables(TableError::Full));
        }
        if from < self.compacted {
            return Err(HistoryError::Compacted { at: self.compacted });
        }
        let (mut next, mut len_bytes) = (from.max(Revision(2)), 0);
        for events in self.since(from).iter().take(max_revisions) {
            if len_bytes > max_len_bytes {
                break;
            }
            len_bytes += events.iter().map(|event| event.kv.key.len() + event.kv.value.len()).sum::<usize>();
            out.extend(events.iter().cloned());
            next = next.next();
        }
        Ok(next)
    }
}
