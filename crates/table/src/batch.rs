//! Changes that become visible together.
//!
//! A batch is a list, not a map: when it names a key twice, the later change stands.

use crate::TableId;
use quorate_types::Bytes;

/// One row put or deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Where.
    pub table: TableId,
    /// The row's key; never empty.
    pub key: Bytes,
    /// The row's new value; `None` deletes the row, which need not exist.
    pub value: Option<Bytes>,
}

/// An ordered list of changes for [`crate::Tables::commit`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Batch {
    changes: Vec<Change>,
    len_bytes: usize,
}

impl Batch {
    /// A batch that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Batch::default()
    }

    /// Adds a row or replaces its value.
    ///
    /// # Panics
    /// If `key` is empty: not every engine can store an empty key.
    pub fn put(&mut self, table: TableId, key: Bytes, value: Bytes) {
        self.push(Change { table, key, value: Some(value) });
    }

    /// Deletes a row; no error if there is none.
    ///
    /// # Panics
    /// If `key` is empty.
    pub fn delete(&mut self, table: TableId, key: Bytes) {
        self.push(Change { table, key, value: None });
    }

    /// Adds a change.
    ///
    /// # Panics
    /// If its key is empty.
    pub fn push(&mut self, change: Change) {
        assert!(!change.key.is_empty(), "a row's key is never empty");
        self.len_bytes += change.key.len() + change.value.as_ref().map_or(0, Bytes::len);
        self.changes.push(change);
    }

    /// The changes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.changes.iter()
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The keys' and values' bytes together.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

impl IntoIterator for Batch {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;
    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Batch;
    use crate::TableId;
    use quorate_types::Bytes;

    #[test]
    fn keeps_order_and_counts_bytes() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.put(TableId(1), Bytes::from_static(b"key"), Bytes::from_static(b"value"));
        batch.delete(TableId(2), Bytes::from_static(b"gone"));
        assert_eq!((batch.len(), batch.len_bytes()), (2, 12));
        let tables: Vec<_> = batch.into_iter().map(|change| change.table).collect();
        assert_eq!(tables, [TableId(1), TableId(2)]);
    }

    #[test]
    #[should_panic(expected = "never empty")]
    fn refuses_an_empty_key() {
        Batch::new().delete(TableId(1), Bytes::new());
    }
}
