//! A B+ tree that grows from sorted pairs, page by page from its leaves up.
//!
//! **Idea:** each level fills one page; one that is full is written and never touched again, and its first key with its number becomes
//! an element of the level above. **Invariant:** a page is written only after all pages below it, and a branch has two children or
//! more unless it is the last of its level.

use crate::layout::{BRANCH, ELEMENT_LEN_BYTES, LEAF, PAGE_HEADER_LEN_BYTES, PageHeader};
use std::io::{self, Write};

/// Pages written one after the other.
pub(crate) struct Pages<W> {
    pub(crate) out: W,
    /// The next page's number.
    pub(crate) next: u64,
    page_len_bytes: usize,
}

impl<W: Write> Pages<W> {
    /// Pages from number `next` on.
    pub(crate) fn new(out: W, next: u64, page_len_bytes: usize) -> Self {
        Pages { out, next, page_len_bytes }
    }

    /// Writes a page, which may take the room of several, and returns its number.
    fn write(&mut self, flags: u16, count: usize, content: &[u8]) -> io::Result<u64> {
        let len_bytes = PAGE_HEADER_LEN_BYTES + content.len();
        let pages = len_bytes.div_ceil(self.page_len_bytes);
        let id = self.next;
        let mut head = Vec::with_capacity(PAGE_HEADER_LEN_BYTES);
        header(id, flags, count, pages).put(&mut head);
        self.out.write_all(&head)?;
        self.out.write_all(content)?;
        self.out.write_all(&vec![0; pages * self.page_len_bytes - len_bytes])?;
        self.next += pages as u64;
        Ok(id)
    }
}

fn header(id: u64, flags: u16, count: usize, pages: usize) -> PageHeader {
    let count = u16::try_from(count).expect("an element takes a small part of a page");
    let overflow = u32::try_from(pages - 1).expect("a value is shorter than 2 GiB");
    PageHeader { id, flags, count, overflow }
}

/// One page that is being filled: what stands in its elements, and keys and values behind them.
#[derive(Default)]
struct Filling {
    first_key: Vec<u8>,
    /// Of each element: the fields that do not depend on its position, and where its key begins in `data`.
    elements: Vec<(Element, usize)>,
    data: Vec<u8>,
}

/// An element without its position.
enum Element {
    Child { key_len: u32, page: u64 },
    Pair { flags: u32, key_len: u32, value_len: u32 },
}

impl Filling {
    fn len_bytes(&self) -> usize {
        PAGE_HEADER_LEN_BYTES + self.elements.len() * ELEMENT_LEN_BYTES + self.data.len()
    }

    fn push(&mut self, element: Element, key: &[u8], value: &[u8]) {
        if self.elements.is_empty() {
            self.first_key = key.to_vec();
        }
        self.elements.push((element, self.data.len()));
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// The page behind its header.
    fn content(&self) -> Vec<u8> {
        let elements_len = self.elements.len() * ELEMENT_LEN_BYTES;
        let mut out = Vec::with_capacity(elements_len + self.data.len());
        for (at, (element, start)) in self.elements.iter().enumerate() {
            let position = elements_len - at * ELEMENT_LEN_BYTES + start;
            let position =
                u32::try_from(position).expect("key and value are shorter than 2 GiB").to_le_bytes();
            match element {
                Element::Child { key_len, page } => {
                    out.extend_from_slice(&position);
                    out.extend_from_slice(&key_len.to_le_bytes());
                    out.extend_from_slice(&page.to_le_bytes());
                }
                Element::Pair { flags, key_len, value_len } => {
                    out.extend_from_slice(&flags.to_le_bytes());
                    out.extend_from_slice(&position);
                    out.extend_from_slice(&key_len.to_le_bytes());
                    out.extend_from_slice(&value_len.to_le_bytes());
                }
            }
        }
        out.extend_from_slice(&self.data);
        out
    }

    fn flush<W: Write>(&mut self, flags: u16, pages: &mut Pages<W>) -> io::Result<(Vec<u8>, u64)> {
        let full = std::mem::take(self);
        let id = pages.write(flags, full.elements.len(), &full.content())?;
        Ok((full.first_key, id))
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Tree {
    leaf: Filling,
    /// The levels above the leaves, lowest first.
    branches: Vec<Filling>,
    last_key: Option<Vec<u8>>,
}

impl Tree {
    /// Whether `key` may be put next.
    pub(crate) fn takes(&self, key: &[u8]) -> bool {
        self.last_key.as_deref().is_none_or(|last| last < key)
    }

    /// Appends a pair; the caller has checked key and lengths.
    pub(crate) fn put<W: Write>(
        &mut self,
        (flags, key, value): (u32, &[u8], &[u8]),
        pages: &mut Pages<W>,
    ) -> io::Result<()> {
        let added = ELEMENT_LEN_BYTES + key.len() + value.len();
        if !self.leaf.elements.is_empty() && self.leaf.len_bytes() + added > pages.page_len_bytes {
            let (first_key, id) = self.leaf.flush(LEAF, pages)?;
            self.add_child(0, &first_key, id, pages)?;
        }
        let element = Element::Pair { flags, key_len: key.len() as u32, value_len: value.len() as u32 };
        self.leaf.push(element, key, value);
        let last_key = self.last_key.get_or_insert_default();
        last_key.clear();
        last_key.extend_from_slice(key);
        Ok(())
    }

    fn add_child<W: Write>(
        &mut self,
        mut level: usize,
        key: &[u8],
        page: u64,
        pages: &mut Pages<W>,
    ) -> io::Result<()> {
        let (mut key, mut page) = (key.to_vec(), page);
        loop {
            if level == self.branches.len() {
                self.branches.push(Filling::default());
            }
            let branch = &mut self.branches[level];
            let is_full = branch.len_bytes() + ELEMENT_LEN_BYTES + key.len() > pages.page_len_bytes;
            let full =
                if is_full && branch.elements.len() >= 2 { Some(branch.flush(BRANCH, pages)?) } else { None };
            branch.push(Element::Child { key_len: key.len() as u32, page }, &key, &[]);
            let Some(above) = full else { return Ok(()) };
            (key, page) = above;
            level += 1;
        }
    }

    /// The only leaf with its header, if there is only one and it has at most `max_len_bytes`: it can stand inside of a bucket's value.
    pub(crate) fn inline(&self, max_len_bytes: usize) -> Option<Vec<u8>> {
        if !self.branches.is_empty() || self.leaf.len_bytes() > max_len_bytes {
            return None;
        }
        let mut page = Vec::with_capacity(self.leaf.len_bytes());
        header(0, LEAF, self.leaf.elements.len(), 1).put(&mut page);
        page.extend_from_slice(&self.leaf.content());
        Some(page)
    }

    /// Writes what is left; returns the root's page.
    pub(crate) fn finish<W: Write>(mut self, pages: &mut Pages<W>) -> io::Result<u64> {
        let (mut first_key, mut root) = self.leaf.flush(LEAF, pages)?;
        let mut level = 0;
        while level < self.branches.len() {
            self.add_child(level, &first_key, root, pages)?;
            (first_key, root) = self.branches[level].flush(BRANCH, pages)?;
            level += 1;
        }
        Ok(root)
    }
}
