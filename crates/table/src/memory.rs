//! Tables in memory, for the simulator and for keyspaces that need not outlive their process.
//!
//! Each table is a persistent B-tree: a snapshot is a shared root, and a commit copies only the paths that it
//! changes while somebody still holds the old ones. What [`MemoryEngine`] keeps of a space is its last committed
//! state, so that tables which are dropped and opened again in the same process go on where they were.

use crate::{Batch, Direction, Engine, Persist, Read, Row, Rows, Snapshot, TableError, TableId, Tables};
use imbl::OrdSet;
use quorate_types::Bytes;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

/// A row in one piece: key, then value. It stands in the order of its key, and equals every row of the same key. Copying a node
/// of the tree then costs one reference count per row.
#[derive(Clone, Debug)]
struct Packed {
    bytes: Bytes,
    key_len: usize,
}

impl Packed {
    /// The parts are copied: a small row must not keep the large buffer alive that it was cut from.
    fn new(key: &[u8], value: &[u8]) -> Self {
        // With room left over, `Bytes` counts its references from the start, and not from an allocation at the first copy.
        let mut row = Vec::with_capacity(key.len() + value.len() + 1);
        row.extend_from_slice(key);
        row.extend_from_slice(value);
        Packed { bytes: Bytes::from(row), key_len: key.len() }
    }

    fn value(&self) -> Bytes {
        self.bytes.slice(self.key_len..)
    }

    fn row(&self) -> Row {
        (self.bytes.slice(..self.key_len), self.value())
    }
}

impl Borrow<[u8]> for Packed {
    fn borrow(&self) -> &[u8] {
        &self.bytes[..self.key_len]
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        Borrow::<[u8]>::borrow(self).cmp(other.borrow())
    }
}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Packed {}

/// All tables of one machine as of one commit. Tables that were never written are absent.
#[derive(Clone, Default, Debug)]
pub(crate) struct Maps {
    tables: BTreeMap<TableId, OrdSet<Packed>>,
    /// Keys' and values' bytes of all rows.
    len_bytes: u64,
}

impl Maps {
    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub(crate) fn apply(&mut self, batch: &Batch) {
        for change in batch {
            let table = self.tables.entry(change.table).or_default();
            let previous = match &change.value {
                Some(value) => {
                    let row = Packed::new(&change.key, value);
                    self.len_bytes += row.bytes.len() as u64;
                    table.insert(row)
                }
                None => table.remove(&change.key[..]),
            };
            if let Some(row) = previous {
                self.len_bytes -= row.bytes.len() as u64;
            }
        }
    }
}

impl Read for Maps {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).map(Packed::value))
    }

    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a> {
        let Some(rows) = self.tables.get(&table) else { return Box::new(std::iter::empty()) };
        if is_empty(from, to) {
            return Box::new(std::iter::empty());
        }
        let rows = rows.range::<_, [u8]>((from, to));
        match direction {
            Direction::Forward => Box::new(rows.map(|row| Ok(row.row()))),
            Direction::Backward => Box::new(rows.rev().map(|row| Ok(row.row()))),
        }
    }
}

/// Whether no key can lie between the bounds. The standard and the persistent maps panic on some such ranges.
pub(crate) fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
            low >= high
        }
    }
}

/// Where an engine keeps the last committed state of one space.
type Slot = Arc<Mutex<Arc<Maps>>>;

/// One machine's tables in memory.
#[derive(Debug, Default)]
pub struct MemoryTables {
    maps: Arc<Maps>,
    slot: Slot,
}

impl MemoryTables {
    /// Empty tables that no engine knows of.
    #[must_use]
    pub fn new() -> Self {
        MemoryTables::default()
    }

    fn of(slot: Slot) -> Self {
        let maps = Arc::clone(&locked(&slot));
        MemoryTables { maps, slot }
    }
}

impl Read for MemoryTables {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        self.maps.get(table, key)
    }

    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a> {
        self.maps.range(table, from, to, direction)
    }
}

impl Tables for MemoryTables {
    fn commit(&mut self, batch: Batch) -> Result<(), TableError> {
        Arc::make_mut(&mut self.maps).apply(&batch);
        *locked(&self.slot) = Arc::clone(&self.maps);
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::clone(&self.maps) as Arc<dyn Snapshot>
    }

    fn persist_handle(&self) -> Arc<dyn Persist> {
        Arc::new(NothingToPersist)
    }

    fn len_bytes(&self) -> u64 {
        self.maps.len_bytes.max(1)
    }
}

/// Memory has no more durable place.
struct NothingToPersist;

impl Persist for NothingToPersist {
    fn persist(&self) -> Result<(), TableError> {
        Ok(())
    }
}

#[derive(Default, Debug)]
struct Spaces {
    live: BTreeMap<String, Slot>,
    staged: BTreeMap<String, Slot>,
}

/// Spaces of tables in one process's memory. Clones share them.
#[derive(Clone, Default, Debug)]
pub struct MemoryEngine {
    spaces: Arc<Mutex<Spaces>>,
}

impl MemoryEngine {
    /// An engine without any space.
    #[must_use]
    pub fn new() -> Self {
        MemoryEngine::default()
    }
}

impl Engine for MemoryEngine {
    fn open(&self, space: &str) -> Result<Box<dyn Tables>, TableError> {
        let mut spaces = locked(&self.spaces);
        let slot = spaces.live.entry(space.to_owned()).or_default();
        Ok(Box::new(MemoryTables::of(Arc::clone(slot))))
    }

    fn stage(&self, space: &str) -> Result<Box<dyn Tables>, TableError> {
        let slot = Slot::default();
        locked(&self.spaces).staged.insert(space.to_owned(), Arc::clone(&slot));
        Ok(Box::new(MemoryTables::of(slot)))
    }

    fn promote(&self, space: &str, staged: Box<dyn Tables>) -> Result<Box<dyn Tables>, TableError> {
        let mut spaces = locked(&self.spaces);
        let Some(slot) = spaces.staged.remove(space) else {
            return Err(TableError::Io { detail: format!("space `{space}` has no staged tables").into() });
        };
        spaces.live.insert(space.to_owned(), slot);
        Ok(staged)
    }
}

/// Nothing under these locks is left half-changed: no section runs a caller's code, and none can panic before it is done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{MemoryEngine, MemoryTables};
    use crate::{Batch, Engine, Read, TableId, Tables};
    use quorate_types::Bytes;

    const TABLE: TableId = TableId(1);

    fn put(tables: &mut dyn Tables, key: &'static [u8], value: &'static [u8]) {
        let mut batch = Batch::new();
        batch.put(TABLE, Bytes::from_static(key), Bytes::from_static(value));
        tables.commit(batch).unwrap();
    }

    fn get(rows: &(impl Read + ?Sized), key: &[u8]) -> Option<Vec<u8>> {
        rows.get(TABLE, key).unwrap().map(|value| value.to_vec())
    }

    #[test]
    fn a_snapshot_does_not_move() {
        let mut tables = MemoryTables::new();
        put(&mut tables, b"a", b"1");
        let before = tables.snapshot();
        put(&mut tables, b"a", b"2");
        assert_eq!(get(&*before, b"a").unwrap(), b"1");
        assert_eq!(get(&tables, b"a").unwrap(), b"2");
        tables.persist_handle().persist().unwrap();
    }

    #[test]
    fn len_bytes_counts_live_rows_and_is_never_zero() {
        let mut tables = MemoryTables::new();
        assert_eq!(tables.len_bytes(), 1);
        put(&mut tables, b"ab", b"123");
        put(&mut tables, b"ab", b"1234");
        assert_eq!(tables.len_bytes(), 6);
        let mut batch = Batch::new();
        batch.delete(TABLE, Bytes::from_static(b"ab"));
        batch.delete(TABLE, Bytes::from_static(b"never"));
        tables.commit(batch).unwrap();
        assert_eq!(tables.len_bytes(), 1);
    }

    #[test]
    fn a_space_opens_where_it_was_left() {
        let engine = MemoryEngine::new();
        put(&mut *engine.open("one").unwrap(), b"a", b"1");
        assert_eq!(get(&*engine.open("one").unwrap(), b"a").unwrap(), b"1");
        assert_eq!(get(&*engine.open("two").unwrap(), b"a"), None);
    }

    #[test]
    fn promotion_replaces_the_space_and_orphans_the_old_tables() {
        let engine = MemoryEngine::new();
        let mut old = engine.open("one").unwrap();
        put(&mut *old, b"a", b"old");
        let old_state = old.snapshot();
        put(&mut *engine.stage("one").unwrap(), b"a", b"unfinished");
        let mut staged = engine.stage("one").unwrap();
        assert_eq!(get(&*staged, b"a"), None);
        put(&mut *staged, b"b", b"new");
        assert_eq!(get(&*engine.open("one").unwrap(), b"a").unwrap(), b"old");

        let promoted = engine.promote("one", staged).unwrap();
        assert_eq!(get(&*promoted, b"b").unwrap(), b"new");
        put(&mut *old, b"late", b"write");
        let reopened = engine.open("one").unwrap();
        assert_eq!((get(&*reopened, b"a"), get(&*reopened, b"late")), (None, None));
        assert_eq!(get(&*old_state, b"a").unwrap(), b"old");
    }

    #[test]
    fn promotion_without_stage_is_refused() {
        let engine = MemoryEngine::new();
        let tables = engine.open("one").unwrap();
        assert!(engine.promote("one", tables).is_err());
    }
}
