//! A hash table of numbers, for things that are stored elsewhere.
//!
//! **Idea.** Open addressing over pairs of a short hash and a number; whoever asks compares the thing itself. So equality is exact,
//! and a thing of any shape, such as a slice of a flat array, can be found without being copied into a key.

use crate::limits::{Budget, Exhausted, Held};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

const VACANT: u32 = u32::MAX;
const SMALLEST: usize = 16;

/// Finds numbers by hash. A number may be added more than once.
pub struct Index<'a> {
    /// Hash and number; a power of two of them.
    slots: Vec<(u32, u32)>,
    len: usize,
    held: Held<'a, 'a>,
}

/// The hash to use with an [`Index`].
pub fn hash_of(thing: &(impl Hash + ?Sized)) -> u32 {
    let mut hasher = FxHasher::default();
    thing.hash(&mut hasher);
    let hash = hasher.finish();
    ((hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl<'a> Index<'a> {
    /// Nothing yet.
    pub fn new(budget: &'a Budget<'a>) -> Result<Self, Exhausted> {
        Ok(Index { slots: Vec::new(), len: 0, held: budget.hold(0)? })
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The first number under this hash that is the one.
    pub fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                (_, VACANT) => return None,
                (other, number) if other == hash && is(number) => return Some(number),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a number.
    pub fn add(&mut self, hash: u32, number: u32) -> Result<(), Exhausted> {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow()?;
        }
        self.len += 1;
        put(&mut self.slots, hash, number);
        Ok(())
    }

    /// Forgets everything, and keeps the room.
    pub fn clear(&mut self) {
        // A table that was once large must not make each later clearing slow.
        if self.slots.len() > SMALLEST.max(16 * self.len) {
            self.held.shrink(bytes(self.slots.len()));
            self.slots = Vec::new();
        } else {
            self.slots.fill((0, VACANT));
        }
        self.len = 0;
    }

    fn grow(&mut self) -> Result<(), Exhausted> {
        let room = SMALLEST.max(self.slots.len() * 2);
        self.held.grow(bytes(room))?;
        let old = std::mem::replace(&mut self.slots, vec![(0, VACANT); room]);
        for (hash, number) in old.iter().filter(|(_, number)| *number != VACANT) {
            put(&mut self.slots, *hash, *number);
        }
        self.held.shrink(bytes(old.len()));
        Ok(())
    }
}

fn bytes(slots: usize) -> u64 {
    (slots * std::mem::size_of::<(u32, u32)>()) as u64
}

fn put(slots: &mut [(u32, u32)], hash: u32, number: u32) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at].1 != VACANT {
        at = (at + 1) & mask;
    }
    slots[at] = (hash, number);
}

#[cfg(test)]
mod tests {
    use super::{Index, hash_of};
    use crate::limits::{Budget, Exhausted, Limits};

    #[test]
    fn what_is_added_is_found() {
        let budget = Budget::unlimited();
        let mut index = Index::new(&budget).unwrap();
        for round in 0..2 {
            assert_eq!(index.find(hash_of(&1), |_| true), None, "{round}");
            for number in 0..1000u32 {
                index.add(hash_of(&number), number).unwrap();
            }
            for number in 0..1000u32 {
                assert_eq!(index.find(hash_of(&number), |found| found == number), Some(number));
            }
            assert_eq!((index.len(), index.find(hash_of(&1000), |found| found == 1000)), (1000, None));
            index.clear();
        }
    }

    #[test]
    fn memory_is_counted() {
        let budget = Budget::new(Limits { memory_bytes: 1000, ..Limits::default() });
        let mut index = Index::new(&budget).unwrap();
        let full = (0..1000u32).find_map(|number| index.add(hash_of(&number), number).err());
        assert_eq!(full, Some(Exhausted::Memory));
        assert!(budget.bytes_peak() <= 1000);
    }
}
