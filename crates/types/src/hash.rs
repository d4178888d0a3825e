//! A hash of a whole state that costs one row's work per changed row.
//!
//! The state's hash is the sum (mod 2^128) of its rows' hashes, so that adding, changing or removing a row
//! is one subtraction and one addition, and the order of changes does not matter: two replicas with the
//! same rows have the same hash, whatever path led there. A scan of all rows can check it at any time.

use xxhash_rust::xxh3::Xxh3;

/// The hash of one row, built from its parts.
#[derive(Clone)]
pub struct RowHash(Xxh3);

impl Default for RowHash {
    fn default() -> Self {
        RowHash::new()
    }
}

impl RowHash {
    /// An empty row.
    #[must_use]
    pub fn new() -> Self {
        RowHash(Xxh3::new())
    }

    /// Adds a part. Its length is hashed too, so that ("ab", "c") and ("a", "bc") differ.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

/// The hash of a set of rows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub struct StateHash(pub u128);

impl StateHash {
    /// Takes a row in.
    pub fn add(&mut self, row: &RowHash) {
        self.0 = self.0.wrapping_add(row.finish());
    }

    /// Takes a row out. The caller knows that it is in.
    pub fn remove(&mut self, row: &RowHash) {
        self.0 = self.0.wrapping_sub(row.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::{RowHash, StateHash};

    #[test]
    fn order_does_not_matter_and_removal_undoes() {
        let (a, b) = (RowHash::new().part(b"a").part(b"1"), RowHash::new().part(b"b").part(b"2"));
        let mut ab = StateHash::default();
        ab.add(&a);
        ab.add(&b);
        let mut ba = StateHash::default();
        ba.add(&b);
        ba.add(&a);
        assert_eq!(ab, ba);
        ab.remove(&b);
        let mut only_a = StateHash::default();
        only_a.add(&a);
        assert_eq!(ab, only_a);
        assert_ne!(ab, ba);
    }

    #[test]
    fn part_borders_are_hashed() {
        let mut one = StateHash::default();
        one.add(&RowHash::new().part(b"ab").part(b"c"));
        let mut two = StateHash::default();
        two.add(&RowHash::new().part(b"a").part(b"bc"));
        assert_ne!(one, two);
    }
}
