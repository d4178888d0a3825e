//! Reading: from the newest meta page down to pairs in key order.
//!
//! **Problem:** every number in a page may be wrong, and a wrong one must not lead out of the file or in circles. **Idea:** a page is taken
//! into memory whole, after its length was checked against the file's; elements are checked against their page; a walk through a bucket
//! counts the pages that it reads, and there cannot be more of them than the file has.

use crate::ReadError;
use crate::layout::{
    BRANCH, BUCKET_LEN_BYTES, ELEMENT_LEN_BYTES, IS_BUCKET, LEAF, META_LEN_BYTES, Meta,
    PAGE_HEADER_LEN_BYTES, PageHeader, VERSION, u32_at, u64_at,
};
use std::io;
use std::rc::Rc;

/// Page lengths are looked for from this one, doubling,
const PAGE_LEN_MIN_BYTES: u64 = 1 << 10;
/// to this one.
const PAGE_LEN_MAX_BYTES: u64 = 1 << 16;
/// A tree that is higher is none: with two children per page it would have more pages than any file.
const DEPTH_MAX: usize = 64;

/// Something that can be read at an offset: a file, or bytes in memory.
pub trait Source {
    /// How long it is.
    fn len_bytes(&self) -> u64;

    /// Fills `buffer` with what stands from `offset` on.
    ///
    /// # Errors
    /// If it cannot be read or ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl<B: AsRef<[u8]>> Source for B {
    fn len_bytes(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.as_ref().get(offset..));
        let bytes = from.and_then(|from| from.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

fn damaged(page: u64, what: &'static str) -> ReadError {
    ReadError::Damaged { page, what }
}

/// A bbolt file, as of its newest transaction. See the crate.
pub struct Database<S> {
    source: S,
    meta: Meta,
}

impl<S: Source> Database<S> {
    /// Reads the meta pages. What follows the pages in use is not looked at, so a checksum may stand there.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(source: S) -> Result<Self, ReadError> {
        let first = meta_at(&source, 0)?;
        let second = match &first {
            Some((meta, _)) => meta_at(&source, u64::from(meta.page_len_bytes))?,
            None => second_meta(&source)?,
        };
        let newest = first.into_iter().chain(second).max_by_key(|(meta, _)| meta.transaction);
        let (meta, version) = newest.ok_or(ReadError::NoMeta)?;
        if version != VERSION {
            return Err(ReadError::Version { found: version });
        }
        let page_len_bytes = u64::from(meta.page_len_bytes);
        let is_length = (PAGE_LEN_MIN_BYTES..=PAGE_LEN_MAX_BYTES).contains(&page_len_bytes);
        if !is_length || !page_len_bytes.is_power_of_two() {
            return Err(damaged(meta.transaction % 2, "the length of a page is not one that bbolt uses"));
        }
        if meta.page_count.checked_mul(page_len_bytes).is_none_or(|len| len > source.len_bytes()) {
            return Err(damaged(meta.page_count, "the file ends before its last page"));
        }
        Ok(Database { source, meta })
    }

    /// Bytes of all pages that may be in use.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.meta.page_count * self.page_len_bytes()
    }

    /// The bucket that holds all others.
    #[must_use]
    pub fn root(&self) -> Bucket<'_, S> {
        Bucket { database: self, root: Root::Page(self.meta.root) }
    }

    /// The bucket `name` of the root bucket; `None` if there is none. Reads the names before it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket<'_, S>>, ReadError> {
        for entry in self.root().entries() {
            let entry = entry?;
            match entry.value {
                Value::Bucket(bucket) if entry.key == name => return Ok(Some(bucket)),
                _ if *entry.key > *name => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    fn page_len_bytes(&self) -> u64 {
        u64::from(self.meta.page_len_bytes)
    }

    /// A branch or a leaf with the pages that it goes on over.
    fn page(&self, id: u64) -> Result<Page, ReadError> {
        if id < 2 || id >= self.meta.page_count {
            return Err(damaged(id, "a number leads out of the pages in use"));
        }
        let offset = id * self.page_len_bytes();
        let mut header = [0; PAGE_HEADER_LEN_BYTES];
        self.source.read_exact_at(&mut header, offset)?;
        let header = PageHeader::decode(&header);
        if header.id != id {
            return Err(damaged(id, "it does not carry its own number"));
        }
        let pages = u64::from(header.overflow) + 1;
        if pages > self.meta.page_count - id {
            return Err(damaged(id, "it is longer than the file"));
        }
        let len_bytes = usize::try_from(pages * self.page_len_bytes());
        let mut bytes = vec![0; len_bytes.map_err(|_| damaged(id, "it is longer than memory"))?];
        self.source.read_exact_at(&mut bytes, offset)?;
        Page::new(id, header, bytes)
    }
}

fn meta_at(source: &impl Source, offset: u64) -> Result<Option<(Meta, u32)>, ReadError> {
    let offset = offset + PAGE_HEADER_LEN_BYTES as u64;
    if offset + META_LEN_BYTES as u64 > source.len_bytes() {
        return Ok(None);
    }
    let mut bytes = [0; META_LEN_BYTES];
    source.read_exact_at(&mut bytes, offset)?;
    Ok(Meta::decode(&bytes))
}

/// The second meta page where the first one cannot say how long a page is.
fn second_meta(source: &impl Source) -> Result<Option<(Meta, u32)>, ReadError> {
    let mut len_bytes = PAGE_LEN_MIN_BYTES;
    while len_bytes <= PAGE_LEN_MAX_BYTES {
        let found = meta_at(source, len_bytes)?;
        if found.is_some_and(|(meta, _)| u64::from(meta.page_len_bytes) == len_bytes) {
            return Ok(found);
        }
        len_bytes *= 2;
    }
    Ok(None)
}

/// A branch or a leaf in memory.
struct Page {
    id: u64,
    is_leaf: bool,
    count: usize,
    bytes: Vec<u8>,
}

impl Page {
    fn new(id: u64, header: PageHeader, bytes: Vec<u8>) -> Result<Self, ReadError> {
        let is_leaf = match header.flags {
            LEAF => true,
            BRANCH => false,
            _ => return Err(damaged(id, "it is neither a branch nor a leaf")),
        };
        let count = usize::from(header.count);
        if PAGE_HEADER_LEN_BYTES + count * ELEMENT_LEN_BYTES > bytes.len() {
            return Err(damaged(id, "it has more elements than room"));
        }
        if !is_leaf && count == 0 {
            return Err(damaged(id, "it is a branch without children"));
        }
        Ok(Page { id, is_leaf, count, bytes })
    }

    /// A bucket's root page inside of its value.
    fn inline(bytes: Vec<u8>) -> Result<Self, ReadError> {
        let header = bytes.first_chunk().ok_or_else(|| damaged(0, "an inline bucket is cut off"))?;
        let header = PageHeader::decode(header);
        if header.flags != LEAF {
            return Err(damaged(0, "an inline bucket is not a leaf"));
        }
        Page::new(0, header, bytes)
    }

    /// The page of a branch's child.
    fn child(&self, at: usize) -> u64 {
        u64_at(&self.bytes, PAGE_HEADER_LEN_BYTES + at * ELEMENT_LEN_BYTES + 8)
    }

    /// A leaf's pair, and whether it is a bucket.
    fn pair(&self, at: usize) -> Result<(&[u8], &[u8], bool), ReadError> {
        let element = PAGE_HEADER_LEN_BYTES + at * ELEMENT_LEN_BYTES;
        let number = |field: usize| u32_at(&self.bytes, element + 4 * field);
        let part = |from: Option<usize>, len: u32| {
            let from = from?;
            Some((self.bytes.get(from..from.checked_add(len as usize)?)?, from + len as usize))
        };
        let read = || {
            let (key, key_end) = part(element.checked_add(number(1) as usize), number(2))?;
            let (value, _) = part(Some(key_end), number(3))?;
            Some((key, value, number(0) & IS_BUCKET != 0))
        };
        read().ok_or_else(|| damaged(self.id, "a pair lies outside of it"))
    }
}

/// Where a bucket's tree begins.
enum Root {
    Page(u64),
    Inline(Rc<Page>),
}

/// One bucket.
pub struct Bucket<'a, S> {
    database: &'a Database<S>,
    root: Root,
}

impl<'a, S: Source> Bucket<'a, S> {
    /// A bucket as it stands in a leaf's value.
    fn decode(database: &'a Database<S>, page: u64, value: &[u8]) -> Result<Self, ReadError> {
        let (head, inline) =
            value.split_at_checked(BUCKET_LEN_BYTES).ok_or_else(|| damaged(page, "a bucket is cut off"))?;
        let root = match u64_at(head, 0) {
            0 => Root::Inline(Rc::new(Page::inline(inline.to_vec())?)),
            page => Root::Page(page),
        };
        Ok(Bucket { database, root })
    }

    /// Its last key; `None` if it is empty. Reads one page of each level.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn last_key(&self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut page = match &self.root {
            Root::Page(id) => Rc::new(self.database.page(*id)?),
            Root::Inline(page) => Rc::clone(page),
        };
        for _ in 0..DEPTH_MAX {
            let Some(last) = page.count.checked_sub(1) else { return Ok(None) };
            if page.is_leaf {
                return Ok(Some(page.pair(last)?.0.to_vec()));
            }
            page = Rc::new(self.database.page(page.child(last))?);
        }
        Err(damaged(page.id, "the tree leads in circles"))
    }

    /// Its pairs and buckets in key order.
    #[must_use]
    pub fn entries(&self) -> Entries<'a, S> {
        let mut entries = Entries {
            database: self.database,
            path: Vec::new(),
            next_page: None,
            pages_left: self.database.meta.page_count,
            last_key: None,
            is_over: false,
        };
        match &self.root {
            Root::Page(id) => entries.next_page = Some(*id),
            Root::Inline(page) => entries.path.push((Rc::clone(page), 0)),
        }
        entries
    }
}

/// One entry of a bucket.
pub struct Entry<'a, S> {
    /// Its key.
    pub key: Vec<u8>,
    /// What stands under it.
    pub value: Value<'a, S>,
}

/// What stands under a key.
pub enum Value<'a, S> {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Another bucket.
    Bucket(Bucket<'a, S>),
}

/// The entries of a bucket in key order; after an error there are no more. Holds the pages from the root to where it stands.
pub struct Entries<'a, S> {
    database: &'a Database<S>,
    /// From the root down, each with the position of its next element.
    path: Vec<(Rc<Page>, usize)>,
    /// A page that is to be entered.
    next_page: Option<u64>,
    /// So many pages can still be met if none is met twice.
    pages_left: u64,
    last_key: Option<Vec<u8>>,
    is_over: bool,
}

impl<'a, S: Source> Entries<'a, S> {
    fn enter(&mut self, id: u64) -> Result<(), ReadError> {
        if self.pages_left == 0 || self.path.len() == DEPTH_MAX {
            return Err(damaged(id, "the tree leads in circles"));
        }
        self.pages_left -= 1;
        let page = self.database.page(id)?;
        self.path.push((Rc::new(page), 0));
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Entry<'a, S>>, ReadError> {
        loop {
            if let Some(id) = self.next_page.take() {
                self.enter(id)?;
            }
            let Some((page, next)) = self.path.last_mut() else { return Ok(None) };
            let at = *next;
            if at == page.count {
                self.path.pop();
                continue;
            }
            *next += 1;
            if page.is_leaf {
                let page = Rc::clone(page);
                return self.entry(&page, at).map(Some);
            }
            self.next_page = Some(page.child(at));
        }
    }

    fn entry(&mut self, page: &Page, at: usize) -> Result<Entry<'a, S>, ReadError> {
        let (key, value, is_bucket) = page.pair(at)?;
        if self.last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(damaged(page.id, "its keys are not in order"));
        }
        self.last_key = Some(key.to_vec());
        let value = match is_bucket {
            true => Value::Bucket(Bucket::decode(self.database, page.id, value)?),
            false => Value::Bytes(value.to_vec()),
        };
        Ok(Entry { key: key.to_vec(), value })
    }
}

impl<'a, S: Source> Iterator for Entries<'a, S> {
    type Item = Result<Entry<'a, S>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let item = self.step().transpose();
        self.is_over = !matches!(item, Some(Ok(_)));
        item
    }
}
