//! The counted pages of a machine: keeps page sizes in bounds, and their rows in step with the tree.
//!
//! **Invariant:** every page holds at most [`PAGE_KEYS_MAX`] keys, and of neighbours that both went below a quarter of it one is
//! gone; when and where pages split and merge depends on the sequence of writes only, so that replicas have equal rows.

use crate::count_tree::{CountTree, Page};
use crate::request::KeyRange;
use crate::row;
use quorate_table::{Direction, Overlay, Read, TableError};
use quorate_types::Bytes;
use std::collections::BTreeSet;
use std::ops::Bound;

/// A page with more keys is split in halves.
pub(crate) const PAGE_KEYS_MAX: u32 = 256;
/// A page with fewer keys is merged with a neighbour if both together stay below [`MERGED_KEYS_MAX`].
const PAGE_KEYS_MIN: u32 = 64;
const MERGED_KEYS_MAX: u32 = 192;

/// The tree with the names of pages whose rows are not staged yet.
#[derive(Debug)]
pub(crate) struct Counts {
    tree: CountTree,
    dirty: BTreeSet<Bytes>,
}

impl Counts {
    /// Reads all pages.
    pub(crate) fn open(rows: &dyn Read) -> Result<Self, TableError> {
        let mut pages = Vec::new();
        for item in rows.range(row::COUNTS, Bound::Unbounded, Bound::Unbounded, Direction::Forward) {
            let (key, value) = item?;
            let keys = u32::try_from(row::number(&value)?).map_err(|_| row::corrupt("count row", &key))?;
            pages.push(Page { first: key.slice(1..), keys });
        }
        let tree = match pages.first() {
            None => CountTree::new(),
            Some(page) if page.first.is_empty() => CountTree::of(&pages),
            Some(page) => return Err(row::corrupt("first count row", &page.first)),
        };
        Ok(Counts { tree, dirty: BTreeSet::new() })
    }

    /// The tree as it is now.
    pub(crate) fn tree(&self) -> &CountTree {
        &self.tree
    }

    /// Counts a key that `rows` already holds and did not hold before.
    pub(crate) fn created(&mut self, key: &[u8], rows: &dyn Read) -> Result<(), TableError> {
        self.tree.add(key, 1);
        let page = self.tree.page_of(key).0.clone();
        if page.keys > PAGE_KEYS_MAX {
            self.split(&page, rows)?;
        }
        self.dirty.insert(page.first);
        Ok(())
    }

    fn split(&mut self, page: &Page, rows: &dyn Read) -> Result<(), TableError> {
        let left_keys = page.keys / 2;
        let from = Bound::Included(&page.first[..]);
        let mut keys = rows.range(row::CURRENT, from, Bound::Unbounded, Direction::Forward);
        let (middle, _) = keys
            .nth(left_keys as usize)
            .ok_or_else(|| row::corrupt("count row too large", &page.first))??;
        // A name of its own: the row's key may be a slice of a much larger buffer.
        let right = Page { first: Bytes::copy_from_slice(&middle), keys: page.keys - left_keys };
        self.tree.add(&page.first, -i64::from(right.keys));
        self.tree.insert(&right);
        self.dirty.insert(right.first);
        Ok(())
    }

    /// Counts a key that is gone.
    pub(crate) fn deleted(&mut self, key: &[u8]) {
        self.tree.add(key, -1);
        let page = self.tree.page_of(key).0.clone();
        self.dirty.insert(page.first.clone());
        if page.keys >= PAGE_KEYS_MIN {
            return;
        }
        let fits = |other: &&Page| other.keys + page.keys <= MERGED_KEYS_MAX;
        if let Some(before) = self.tree.page_before(&page.first).filter(fits).cloned() {
            self.merge(&before, &page);
        } else if let Some(after) = self.tree.page_after(&page.first).filter(fits).cloned() {
            self.merge(&page, &after);
        }
    }

    fn merge(&mut self, left: &Page, right: &Page) {
        self.tree.remove(&right.first);
        self.tree.add(&left.first, i64::from(right.keys));
        self.dirty.extend([left.first.clone(), right.first.clone()]);
    }

    /// Stages the rows of all pages that changed since the last call.
    pub(crate) fn stage(&mut self, overlay: &mut Overlay) {
        for first in std::mem::take(&mut self.dirty) {
            let (page, _) = self.tree.page_of(&first);
            let key = row::page_key(&first);
            if page.first == first {
                overlay.put(row::COUNTS, key, row::number_row(u64::from(page.keys)));
            } else {
                overlay.delete(row::COUNTS, key);
            }
        }
    }
}

/// How many keys of `rows` lie in `range`: whole pages by the tree, and a scan in the two border pages at most.
pub(crate) fn count(tree: &CountTree, rows: &dyn Read, range: &KeyRange) -> Result<u64, TableError> {
    if range.is_empty() {
        return Ok(0);
    }
    if range.is_one_key() {
        return Ok(u64::from(rows.get(row::CURRENT, &range.key)?.is_some()));
    }
    let (low_page, low_before) = tree.page_of(&range.key);
    if range.is_open() {
        return Ok(tree.keys() - low_before - scan(rows, &low_page.first, &range.key)?);
    }
    let (high_page, high_before) = tree.page_of(&range.end);
    if low_page.first == high_page.first {
        return scan(rows, &range.key, &range.end);
    }
    let above = high_before + scan(rows, &high_page.first, &range.end)?;
    Ok(above - low_before - scan(rows, &low_page.first, &range.key)?)
}

/// Counts the keys in `[from, to)` one by one.
fn scan(rows: &dyn Read, from: &[u8], to: &[u8]) -> Result<u64, TableError> {
    let mut keys = 0;
    for item in rows.range(row::CURRENT, Bound::Included(from), Bound::Excluded(to), Direction::Forward) {
        item?;
        keys += 1;
    }
    Ok(keys)
}
