//! What the bytes of a bbolt file mean. All numbers are little endian.
//!
//! ```text
//! file            =  pages of equal length: 0 and 1 are metas, the others in any order
//! page            =  id u64 | flags u16 | count u16 | overflow u32 | content; it goes on over `overflow` pages more
//! meta content    =  magic u32 | version u32 = 2 | page length u32 | flags u32 | root bucket | free list's page u64 |
//!                    pages in use u64 | transaction u64 | FNV-1a 64 of all before it u64
//! bucket          =  root page u64 | sequence u64 | if the root page is 0: the root page itself, called inline
//! branch content  =  (position u32 | key length u32 | page u64) per child, then the keys: each the child's first
//! leaf content    =  (flags u32 | position u32 | key length u32 | value length u32) per pair, then keys and values
//! ```
//!
//! A position counts from its own element. A pair whose flags are 1 is a bucket: its value is laid out as one. Of the two metas the valid one
//! with the newer transaction counts.

/// Identifies the format.
pub(crate) const MAGIC: u32 = 0xED0C_DAED;
/// The only version there is.
pub(crate) const VERSION: u32 = 2;
/// Bytes before a page's content.
pub(crate) const PAGE_HEADER_LEN_BYTES: usize = 16;
/// Bytes of an element of a branch or a leaf.
pub(crate) const ELEMENT_LEN_BYTES: usize = 16;
/// Bytes of a bucket's value before an inline page.
pub(crate) const BUCKET_LEN_BYTES: usize = 16;
/// Bytes of a meta page's content.
pub(crate) const META_LEN_BYTES: usize = 64;
/// A meta page's content before its checksum.
const META_SUMMED_LEN_BYTES: usize = 56;

/// A page of children.
pub(crate) const BRANCH: u16 = 0x01;
/// A page of pairs.
pub(crate) const LEAF: u16 = 0x02;
/// A meta page.
pub(crate) const META: u16 = 0x04;
/// A page of free pages' numbers.
pub(crate) const FREE_LIST: u16 = 0x10;
/// The flag of a pair that is a bucket.
pub(crate) const IS_BUCKET: u32 = 0x01;

/// The bytes of a number at `at`; the caller knows that they are there.
fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    from[at..at + N].try_into().expect("the slice has that length")
}

/// The number at `at`.
///
/// # Panics
/// If it does not lie in `from` whole.
pub(crate) fn u16_at(from: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(from, at))
}

/// See [`u16_at`].
pub(crate) fn u32_at(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(from, at))
}

/// See [`u16_at`].
pub(crate) fn u64_at(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(from, at))
}

/// What a page says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageHeader {
    /// Its own number.
    pub(crate) id: u64,
    /// What it is.
    pub(crate) flags: u16,
    /// How many elements it has.
    pub(crate) count: u16,
    /// Over how many pages more it goes on.
    pub(crate) overflow: u32,
}

impl PageHeader {
    pub(crate) fn decode(from: &[u8; PAGE_HEADER_LEN_BYTES]) -> Self {
        PageHeader {
            id: u64_at(from, 0),
            flags: u16_at(from, 8),
            count: u16_at(from, 10),
            overflow: u32_at(from, 12),
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.overflow.to_le_bytes());
    }
}

/// A meta page's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    /// The length of a page.
    pub(crate) page_len_bytes: u32,
    /// The page that holds the root bucket.
    pub(crate) root: u64,
    /// The page that holds the free list.
    pub(crate) free_list: u64,
    /// Pages from 0 on that may be in use.
    pub(crate) page_count: u64,
    /// Grows with each change of the file.
    pub(crate) transaction: u64,
}

impl Meta {
    /// The content if its magic and checksum are right, and the version.
    pub(crate) fn decode(from: &[u8; META_LEN_BYTES]) -> Option<(Self, u32)> {
        let is_whole = u32_at(from, 0) == MAGIC
            && u64_at(from, META_SUMMED_LEN_BYTES) == fnv(&from[..META_SUMMED_LEN_BYTES]);
        let meta = Meta {
            page_len_bytes: u32_at(from, 8),
            root: u64_at(from, 16),
            free_list: u64_at(from, 32),
            page_count: u64_at(from, 40),
            transaction: u64_at(from, 48),
        };
        is_whole.then(|| (meta, u32_at(from, 4)))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for number in [MAGIC, VERSION, self.page_len_bytes, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.root, 0, self.free_list, self.page_count, self.transaction] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let sum = fnv(&out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
    }
}

/// FNV-1a with 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{META_LEN_BYTES, Meta, PageHeader, fnv};

    #[test]
    fn the_hash_is_that_of_its_published_vectors() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn headers_come_back_and_changed_metas_do_not() {
        let header = PageHeader { id: 7, flags: 2, count: 3, overflow: 9 };
        let mut out = Vec::new();
        header.put(&mut out);
        assert_eq!(PageHeader::decode(&out.try_into().unwrap()), header);

        let meta = Meta { page_len_bytes: 4096, root: 3, free_list: 2, page_count: 4, transaction: 1 };
        let mut out = Vec::new();
        meta.put(&mut out);
        let whole: [u8; META_LEN_BYTES] = out.try_into().unwrap();
        assert_eq!(Meta::decode(&whole), Some((meta, 2)));
        for at in 0..whole.len() {
            let mut changed = whole;
            changed[at] ^= 1;
            assert_eq!(Meta::decode(&changed), None, "byte {at}");
        }
    }
}
