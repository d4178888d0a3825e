//! Changes that are not committed yet, and reading through them.
//!
//! A machine applies many log entries before it commits their changes as one batch, and each entry must see the
//! ones before it. The overlay keeps the newest pending change of each row in order; reads merge it with the
//! tables below, and the whole becomes a [`Batch`] in which every row stands once, sorted by table and key.

use crate::memory::is_empty;
use crate::{Batch, Change, Direction, Read, Row, Rows, TableError, TableId};
use quorate_types::Bytes;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

/// Pending changes of one table: the new value, or `None` for a deletion.
type Pending = BTreeMap<Bytes, Option<Bytes>>;
/// Some of them, walked in either direction.
type PendingRows<'a> = Box<dyn Iterator<Item = (&'a Bytes, &'a Option<Bytes>)> + 'a>;

/// The pending changes of a machine's tables.
#[derive(Clone, Default, Debug)]
pub struct Overlay {
    tables: BTreeMap<TableId, Pending>,
    /// Keys' and values' bytes of all pending changes.
    len_bytes: usize,
}

impl Overlay {
    /// An overlay that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Overlay::default()
    }

    /// Adds a row or replaces its value.
    pub fn put(&mut self, table: TableId, key: Bytes, value: Bytes) {
        self.set(table, key, Some(value));
    }

    /// Deletes a row; it need not exist.
    pub fn delete(&mut self, table: TableId, key: Bytes) {
        self.set(table, key, None);
    }

    fn set(&mut self, table: TableId, key: Bytes, value: Option<Bytes>) {
        debug_assert!(!key.is_empty(), "a row's key is never empty");
        let key_len_bytes = key.len();
        self.len_bytes += key_len_bytes + value.as_ref().map_or(0, Bytes::len);
        if let Some(replaced) = self.tables.entry(table).or_default().insert(key, value) {
            self.len_bytes -= key_len_bytes + replaced.map_or(0, |value| value.len());
        }
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The keys' and values' bytes of what is pending.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// The state that committing this overlay to `base` would give.
    pub fn on<'a>(&'a self, base: &'a (dyn Read + 'a)) -> impl Read + 'a {
        Merged { overlay: self, base }
    }

    /// Turns what is pending into a batch, leaving nothing.
    pub fn take(&mut self) -> Batch {
        self.len_bytes = 0;
        let mut batch = Batch::new();
        for (table, pending) in std::mem::take(&mut self.tables) {
            for (key, value) in pending {
                batch.push(Change { table, key, value });
            }
        }
        batch
    }
}

/// A state with an overlay on top.
struct Merged<'a> {
    overlay: &'a Overlay,
    base: &'a (dyn Read + 'a),
}

impl Read for Merged<'_> {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        match self.overlay.tables.get(&table).and_then(|pending| pending.get(key)) {
            Some(pending) => Ok(pending.clone()),
            None => self.base.get(table, key),
        }
    }

    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a> {
        if is_empty(from, to) {
            return Box::new(std::iter::empty());
        }
        let base = self.base.range(table, from, to, direction);
        let Some(pending) = self.overlay.tables.get(&table) else { return base };
        let pending = pending.range::<[u8], _>((from, to));
        let pending: PendingRows<'a> = match direction {
            Direction::Forward => Box::new(pending),
            Direction::Backward => Box::new(pending.rev()),
        };
        Box::new(MergedRows { base: base.peekable(), pending: pending.peekable(), direction })
    }
}

/// The rows below and the pending changes, walked side by side; of equal keys the pending change stands.
struct MergedRows<'a> {
    base: Peekable<Rows<'a>>,
    pending: Peekable<PendingRows<'a>>,
    direction: Direction,
}

impl Iterator for MergedRows<'_> {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.base.peek(), self.pending.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (Some(Ok((below, _))), Some((above, _))) if self.direction == Direction::Forward => {
                    below.cmp(above)
                }
                (Some(Ok((below, _))), Some((above, _))) => Ord::cmp(*above, below),
                (None, Some(_)) => Ordering::Greater,
            };
            if order == Ordering::Less {
                return self.base.next();
            }
            if order == Ordering::Equal {
                self.base.next();
            }
            if let Some((key, Some(value))) = self.pending.next() {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}
