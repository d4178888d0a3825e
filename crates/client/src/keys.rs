//! Sets of keys, as the protocol writes them: a first key, and an end that is read in four ways.

use bytes::Bytes;

/// One key, a prefix, or a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The first key.
    pub key: Bytes,
    /// Empty: just `key`. A single zero byte: everything from `key` on. Else the first key that is left out.
    pub range_end: Bytes,
}

/// "Every key from here on", as an end.
const UNBOUNDED: Bytes = Bytes::from_static(&[0]);

impl Keys {
    /// Exactly this key.
    pub fn one(key: impl Into<Bytes>) -> Self {
        Keys { key: key.into(), range_end: Bytes::new() }
    }

    /// Every key that begins with `prefix`; an empty prefix means every key.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let prefix = prefix.into();
        if prefix.is_empty() {
            return Keys::all();
        }
        let range_end = prefix_end(&prefix);
        Keys { key: prefix, range_end }
    }

    /// The keys of `[first, end)`.
    pub fn range(first: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Keys { key: first.into(), range_end: end.into() }
    }

    /// Every key from `first` on.
    pub fn from(first: impl Into<Bytes>) -> Self {
        let first = first.into();
        let key = if first.is_empty() { UNBOUNDED } else { first };
        Keys { key, range_end: UNBOUNDED }
    }

    /// Every key there is.
    #[must_use]
    pub fn all() -> Self {
        Keys { key: UNBOUNDED, range_end: UNBOUNDED }
    }
}

impl<K: Into<Bytes>> From<K> for Keys {
    fn from(key: K) -> Self {
        Keys::one(key)
    }
}

/// The first key after all that begin with `prefix`.
fn prefix_end(prefix: &[u8]) -> Bytes {
    let Some(last) = prefix.iter().rposition(|&byte| byte != u8::MAX) else { return UNBOUNDED };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end.into()
}

#[cfg(test)]
mod tests {
    use super::{Keys, prefix_end};

    #[test]
    fn a_prefix_ends_at_its_successor() {
        let check = |prefix: &[u8], expect: &[u8]| assert_eq!(prefix_end(prefix), expect);
        check(b"a", b"b");
        check(b"ab\xff", b"ac");
        check(b"\xff\xff", b"\0");
        check(b"\0", b"\x01");
    }

    #[test]
    fn an_empty_prefix_is_everything() {
        assert_eq!(Keys::prefix(""), Keys::all());
        assert_eq!(Keys::from(""), Keys::all());
    }
}
