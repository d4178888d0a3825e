//! Past events from a view's history rows.

use crate::event::{Event, EventKind, History, HistoryError};
use crate::past;
use crate::request::KeyValue;
use crate::row::{self, Change, Position};
use crate::view::View;
use quorate_table::{Direction, TableError};
use quorate_types::{Bytes, Revision};
use std::ops::Bound;

impl History for View {
    fn revision(&self) -> Revision {
        View::revision(self)
    }

    fn compacted(&self) -> Revision {
        View::compacted(self)
    }

    fn events(
        &self,
        from: Revision,
        max_revisions: usize,
        max_len_bytes: usize,
        out: &mut Vec<Event>,
    ) -> Result<Revision, HistoryError> {
        let compacted = View::compacted(self);
        if from < compacted {
            return Err(HistoryError::Compacted { at: compacted });
        }
        let start = Position::start_of(from.max(Revision(0))).key();
        let (mut revisions, mut len_bytes, mut last) = (0, 0, None);
        for item in
            self.rows.range(row::HISTORY, Bound::Included(&start), Bound::Unbounded, Direction::Forward)
        {
            let (key, value) = item?;
            let revision = Position::of(&key)?.revision;
            if last != Some(revision) {
                if revisions == max_revisions || len_bytes > max_len_bytes {
                    return Ok(revision);
                }
                revisions += 1;
                last = Some(revision);
            }
            let event = self.event(revision, row::change(&value)?)?;
            len_bytes += event.kv.key.len() + event.kv.value.len();
            len_bytes += event.prev_kv.as_ref().map_or(0, |pair| pair.key.len() + pair.value.len());
            out.push(event);
        }
        Ok(View::revision(self).next().max(from))
    }
}

impl View {
    /// The event that a history row stands for.
    pub(crate) fn event(&self, revision: Revision, change: Change) -> Result<Event, TableError> {
        // What stood before the compacted revision is given up, even where its row still lies in the tables.
        let keeps_previous = revision > View::compacted(self);
        let prev_kv = change.previous.filter(|_| keeps_previous).map(|stored| stored.pair);
        let Some(put) = change.put else {
            let kv = KeyValue { key: change.key, mod_revision: revision, ..KeyValue::default() };
            return Ok(Event { kind: EventKind::Delete, kv, prev_kv });
        };
        let value = self.value_written_at(revision, &change.key)?;
        let kv = KeyValue {
            key: change.key,
            create_revision: put.create_revision,
            mod_revision: revision,
            version: put.version,
            value,
            lease: put.lease,
        };
        Ok(Event { kind: EventKind::Put, kv, prev_kv })
    }

    /// The value that the put of `key` at `revision` wrote: the next change of the key holds it, or else the key still has it.
    fn value_written_at(&self, revision: Revision, key: &Bytes) -> Result<Bytes, TableError> {
        let current = self.rows.get(row::CURRENT, key)?;
        if let Some(row) = current {
            let pair = row::pair(key.clone(), &row)?;
            if pair.mod_revision == revision {
                return Ok(pair.value);
            }
        }
        let next = past::next_change(&*self.rows, key, revision)?;
        let written = next.and_then(|change| change.previous).map(|stored| stored.pair);
        match written {
            Some(pair) if pair.mod_revision == revision => Ok(pair.value),
            _ => Err(row::corrupt("history without the value of", key)),
        }
    }
}
