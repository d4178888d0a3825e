//! Writing a whole new file from sorted buckets and pairs.
//!
//! The pages of the trees are written first, in the order in which they fill. Only then the metas are known, so `out` is wound back
//! to its start once. Memory holds one page for each level of a tree.

use crate::WriteError;
use crate::layout::{BUCKET_LEN_BYTES, FREE_LIST, IS_BUCKET, META, Meta, PAGE_HEADER_LEN_BYTES, PageHeader};
use crate::tree::{Pages, Tree};
use std::io::{Seek, SeekFrom, Write};

/// The length of a page in files written here.
pub const PAGE_LEN_BYTES: usize = 4096;
/// bbolt takes no longer key.
pub const KEY_LEN_MAX_BYTES: usize = 1 << 15;
/// Far more than etcd writes, and little enough that a page's positions fit.
pub const VALUE_LEN_MAX_BYTES: usize = 1 << 30;

/// As in bbolt: a bucket with one leaf of at most this stands inside of the root bucket's leaf.
const INLINE_LEN_MAX_BYTES: usize = PAGE_LEN_BYTES / 4;
const FREE_LIST_PAGE: u64 = 2;
const FIRST_TREE_PAGE: u64 = 3;

/// Writes one file. See the module.
pub struct Writer<W> {
    pages: Pages<W>,
    root: Tree,
    bucket: Option<(Vec<u8>, Tree)>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a file at the start of `out`, which is empty.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn new(mut out: W) -> Result<Self, WriteError> {
        out.write_all(&vec![0; PAGE_LEN_BYTES * FIRST_TREE_PAGE as usize])?;
        let pages = Pages::new(out, FIRST_TREE_PAGE, PAGE_LEN_BYTES);
        Ok(Writer { pages, root: Tree::default(), bucket: None })
    }

    /// Begins the bucket `name`, which follows the one before it; that one is complete.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn begin_bucket(&mut self, name: &[u8]) -> Result<(), WriteError> {
        self.end_bucket()?;
        check_lengths(name, &[])?;
        if !self.root.takes(name) {
            return Err(WriteError::OutOfOrder);
        }
        self.bucket = Some((name.to_vec(), Tree::default()));
        Ok(())
    }

    /// Appends a pair to the bucket that was begun last; its key follows the one before it.
    ///
    /// # Errors
    /// [`WriteError`].
    ///
    /// # Panics
    /// If no bucket was begun.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
        check_lengths(key, value)?;
        let (_, tree) = self.bucket.as_mut().expect("a bucket is begun before its pairs");
        if !tree.takes(key) {
            return Err(WriteError::OutOfOrder);
        }
        Ok(tree.put((0, key, value), &mut self.pages)?)
    }

    /// Completes the file. Returns `out`, flushed, and the file's length.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn finish(mut self) -> Result<(W, u64), WriteError> {
        self.end_bucket()?;
        let root = self.root.finish(&mut self.pages)?;
        let Pages { mut out, next: page_count, .. } = self.pages;
        let mut head = Vec::with_capacity(PAGE_LEN_BYTES * FIRST_TREE_PAGE as usize);
        for transaction in [0, 1] {
            PageHeader { id: transaction, flags: META, count: 0, overflow: 0 }.put(&mut head);
            let page_len_bytes = PAGE_LEN_BYTES as u32;
            Meta { page_len_bytes, root, free_list: FREE_LIST_PAGE, page_count, transaction }.put(&mut head);
            head.resize(PAGE_LEN_BYTES * (transaction as usize + 1), 0);
        }
        PageHeader { id: FREE_LIST_PAGE, flags: FREE_LIST, count: 0, overflow: 0 }.put(&mut head);
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&head)?;
        out.flush()?;
        Ok((out, page_count * PAGE_LEN_BYTES as u64))
    }

    fn end_bucket(&mut self) -> Result<(), WriteError> {
        let Some((name, tree)) = self.bucket.take() else { return Ok(()) };
        let inline = tree.inline(INLINE_LEN_MAX_BYTES);
        let root = if inline.is_some() { 0 } else { tree.finish(&mut self.pages)? };
        let mut value = Vec::with_capacity(BUCKET_LEN_BYTES + PAGE_HEADER_LEN_BYTES);
        value.extend_from_slice(&root.to_le_bytes());
        value.extend_from_slice(&0u64.to_le_bytes());
        value.extend_from_slice(&inline.unwrap_or_default());
        Ok(self.root.put((IS_BUCKET, &name, &value), &mut self.pages)?)
    }
}

fn check_lengths(key: &[u8], value: &[u8]) -> Result<(), WriteError> {
    let fits = !key.is_empty() && key.len() <= KEY_LEN_MAX_BYTES && value.len() <= VALUE_LEN_MAX_BYTES;
    if fits {
        return Ok(());
    }
    Err(WriteError::Length { key_len_bytes: key.len(), value_len_bytes: value.len() })
}
