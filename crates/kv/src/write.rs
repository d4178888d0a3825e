//! The two ways in which a key changes, and everything that changes with it: its rows, the hash, the counts, its lease, an event.

use crate::event::{Event, EventKind};
use crate::kv::Kv;
use crate::request::KeyValue;
use crate::row::{self, Position, PutMeta, Stored};
use quorate_table::TableError;
use quorate_types::{Bytes, LeaseId, Revision};

/// The revision that an entry is making: taken into the store only if something changed.
pub(crate) struct Writing {
    revision: Revision,
    next_sub: u32,
}

impl Writing {
    /// Whether the entry changed anything so far.
    pub(crate) fn has_changes(&self) -> bool {
        self.next_sub > 0
    }

    /// The newest revision that a read in the middle of the entry may name.
    pub(crate) fn readable(&self) -> Revision {
        if self.has_changes() { self.revision } else { Revision(self.revision.0 - 1) }
    }

    fn next(&mut self) -> Position {
        let position = Position { revision: self.revision, sub: self.next_sub };
        self.next_sub += 1;
        position
    }
}

impl Kv {
    /// Begins the next revision.
    pub(crate) fn begin(&self) -> Writing {
        Writing { revision: self.meta.revision.next(), next_sub: 0 }
    }

    /// Ends the revision that `writing` made, if it did.
    pub(crate) fn end(&mut self, writing: &Writing) {
        assert_eq!(writing.revision, self.meta.revision.next(), "entries make revisions one after the other");
        if writing.has_changes() {
            self.meta.revision = writing.revision;
        }
    }

    /// Puts `key`, which is now `previous`.
    pub(crate) fn stage_put(
        &mut self,
        writing: &mut Writing,
        key: &Bytes,
        value: Bytes,
        lease: Option<LeaseId>,
        previous: Option<Stored>,
    ) -> Result<(), TableError> {
        let position = writing.next();
        let put = PutMeta {
            create_revision: previous
                .as_ref()
                .map_or(position.revision, |stored| stored.pair.create_revision),
            version: previous.as_ref().map_or(1, |stored| stored.pair.version + 1),
            lease,
        };
        let pair = KeyValue {
            key: key.clone(),
            create_revision: put.create_revision,
            mod_revision: position.revision,
            version: put.version,
            value,
            lease,
        };
        // One buffer for the rows of one change, cut into its parts.
        let mut out =
            Vec::with_capacity(row::pair_len_max(&pair.value) + self.change_len_max(key, previous.as_ref()));
        row::put_pair(&mut out, &pair);
        let row_end = out.len();
        let buffer = self.stage_change(out, position, key, Some(put), previous.as_ref());
        let row = buffer.slice(..row_end);

        self.set_current(key, row, previous.as_ref());
        self.move_lease(key, previous.as_ref().and_then(|stored| stored.pair.lease), lease);
        if previous.is_none() {
            self.counts.created(key, &self.overlay.on(&*self.tables))?;
        }
        self.events.push(Event {
            kind: EventKind::Put,
            kv: pair,
            prev_kv: previous.map(|stored| stored.pair),
        });
        Ok(())
    }

    /// Deletes the key that is now `previous`.
    pub(crate) fn stage_delete(&mut self, writing: &mut Writing, previous: Stored) {
        let position = writing.next();
        let key = previous.pair.key.clone();
        let out = Vec::with_capacity(self.change_len_max(&key, Some(&previous)));
        self.stage_change(out, position, &key, None, Some(&previous));

        self.forget_row(&previous);
        self.overlay.delete(row::CURRENT, key.clone());
        self.move_lease(&key, previous.pair.lease, None);
        self.counts.deleted(&key);
        let kv = KeyValue { key, mod_revision: position.revision, ..KeyValue::default() };
        self.events.push(Event { kind: EventKind::Delete, kv, prev_kv: Some(previous.pair) });
    }

    /// Replaces `previous` by the pair's row, in the table and in the sums.
    pub(crate) fn set_current(&mut self, key: &Bytes, row: Bytes, previous: Option<&Stored>) {
        if let Some(previous) = previous {
            self.forget_row(previous);
        }
        self.meta.hash.add(&row::hash(row::CURRENT, key, &row));
        self.meta.live_len_bytes += (key.len() + row.len()) as u64;
        self.overlay.put(row::CURRENT, key.clone(), row);
    }

    fn change_len_max(&self, key: &[u8], previous: Option<&Stored>) -> usize {
        12 + row::change_len_max(key, previous) + row::escaped_len(key) + 8
    }

    /// Stages the history row of a change and its index row behind what `out` holds; returns the whole buffer.
    pub(crate) fn stage_change(
        &mut self,
        mut out: Vec<u8>,
        position: Position,
        key: &[u8],
        put: Option<PutMeta>,
        previous: Option<&Stored>,
    ) -> Bytes {
        let key_start = out.len();
        out.extend_from_slice(&position.key());
        let change_start = out.len();
        row::put_change(&mut out, key, put, previous);
        let version_start = out.len();
        row::put_version_key(&mut out, key, position.revision);
        let buffer = Bytes::from(out);
        let part = |from: usize, to: usize| buffer.slice(from..to);
        self.overlay.put(row::HISTORY, part(key_start, change_start), part(change_start, version_start));
        let sub = row::number_row(u64::from(position.sub));
        self.overlay.put(row::VERSIONS, part(version_start, buffer.len()), sub);
        buffer
    }

    /// Takes a pair that is going to be replaced or deleted out of the sums.
    pub(crate) fn forget_row(&mut self, previous: &Stored) {
        let key = &previous.pair.key;
        self.meta.hash.remove(&row::hash(row::CURRENT, key, &previous.row));
        self.meta.live_len_bytes -= (key.len() + previous.row.len()) as u64;
    }

    /// Notes that `key` went from one lease to another.
    pub(crate) fn move_lease(&mut self, key: &[u8], from: Option<LeaseId>, to: Option<LeaseId>) {
        if from == to {
            return;
        }
        if let Some(id) = from {
            self.overlay.delete(row::LEASE_KEYS, row::lease_member_key(id, key));
        }
        if let Some(id) = to {
            self.overlay.put(row::LEASE_KEYS, row::lease_member_key(id, key), Bytes::new());
        }
    }
}
