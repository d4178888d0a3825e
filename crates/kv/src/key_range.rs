//! Which rows a [`KeyRange`] stands for.

use crate::request::KeyRange;
use crate::row;
use quorate_types::Revision;
use std::ops::Bound;

/// The largest revision that there can be: closes a key's rows in `versions`.
pub(crate) const REVISION_MAX: Revision = Revision(i64::MAX);

impl KeyRange {
    /// The one key.
    #[must_use]
    pub fn one(key: impl Into<quorate_types::Bytes>) -> Self {
        KeyRange { key: key.into(), end: quorate_types::Bytes::new() }
    }

    /// All keys that start with `prefix`; with an empty one, all keys.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let open = || quorate_types::Bytes::from_static(&[0]);
        if prefix.is_empty() {
            return KeyRange { key: open(), end: open() };
        }
        let mut end = prefix.to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        match end.last_mut() {
            Some(last) => *last += 1,
            None => end.push(0),
        }
        KeyRange { key: quorate_types::Bytes::copy_from_slice(prefix), end: end.into() }
    }

    /// Whether it names exactly one key.
    #[must_use]
    pub fn is_one_key(&self) -> bool {
        self.end.is_empty()
    }

    /// Whether it has no upper end.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end[..] == [0]
    }

    /// Whether no key can lie in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_one_key() && !self.is_open() && self.end <= self.key
    }

    /// Whether `key` lies in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        if self.is_one_key() {
            self.key == key
        } else {
            *self.key <= *key && (self.is_open() || *key < *self.end)
        }
    }

    /// The bounds of its rows in a table by user key.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let from = Bound::Included(&self.key[..]);
        if self.is_one_key() {
            (from, from)
        } else if self.is_open() {
            (from, Bound::Unbounded)
        } else {
            (from, Bound::Excluded(&self.end[..]))
        }
    }

    /// The bounds of its rows in the `versions` table.
    pub(crate) fn version_bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let from = Bound::Included(row::escaped(&self.key));
        if self.is_one_key() {
            (from, Bound::Included(row::version_key(&self.key, REVISION_MAX)))
        } else if self.is_open() {
            (from, Bound::Unbounded)
        } else {
            (from, Bound::Excluded(row::escaped(&self.end)))
        }
    }
}

/// Borrows an owned bound.
pub(crate) fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::KeyRange;
    use quorate_types::Bytes;

    fn range(key: &'static [u8], end: &'static [u8]) -> KeyRange {
        KeyRange { key: Bytes::from_static(key), end: Bytes::from_static(end) }
    }

    #[test]
    fn what_lies_in_a_range() {
        let check = |key, end, inside: &[&[u8]], outside: &[&[u8]]| {
            let range = range(key, end);
            assert!(inside.iter().all(|k| range.contains(k)), "{range:?}");
            assert!(!outside.iter().any(|k| range.contains(k)), "{range:?}");
        };
        check(b"b", b"", &[b"b"], &[b"a", b"bb", b"c"]);
        check(b"b", b"d", &[b"b", b"b\0", b"c\xff"], &[b"a", b"d"]);
        check(b"b", b"\0", &[b"b", b"\xff"], &[b"a"]);
        check(b"\0", b"\0", &[b"\0", b"\xff\xff"], &[]);
        check(b"b", b"b", &[], &[b"b"]);
        check(b"b", b"a", &[], &[b"a", b"b"]);
        assert!(
            range(b"b", b"b").is_empty() && !range(b"b", b"").is_empty() && !range(b"b", b"\0").is_empty()
        );
    }

    #[test]
    fn prefixes() {
        assert_eq!(KeyRange::prefix(b"ab"), range(b"ab", b"ac"));
        assert_eq!(KeyRange::prefix(b"a\xff\xff"), range(b"a\xff\xff", b"b"));
        assert_eq!(KeyRange::prefix(b"\xff"), range(b"\xff", b"\0"));
        assert_eq!(KeyRange::prefix(b""), range(b"\0", b"\0"));
    }
}
