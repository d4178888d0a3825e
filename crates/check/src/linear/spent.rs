//! Which operations of unknown outcome were placed.
//!
//! **Idea.** Such an operation stays open for ever, so bits for slots would run out. But among those that act alike it only matters how
//! many were placed: the earliest can always stand for any. So a set is a count for each group of them, and sets are
//! interned.

use super::index::{Index, hash_of};
use crate::limits::{Budget, Exhausted, Held};

/// A set's number. Two sets are equal exactly if their numbers are.
pub type SpentId = u32;

/// The set of none.
pub const NOTHING: SpentId = 0;

/// All sets that were met.
pub struct Spent<'a> {
    /// Of each set the groups with their counts, by group.
    sets: Vec<Box<[(u32, u32)]>>,
    index: Index<'a>,
    held: Held<'a, 'a>,
}

impl<'a> Spent<'a> {
    /// Knows the empty set only.
    pub fn new(budget: &'a Budget<'a>) -> Result<Self, Exhausted> {
        let mut spent = Spent { sets: Vec::new(), index: Index::new(budget)?, held: budget.hold(0)? };
        spent.intern(Vec::new())?;
        Ok(spent)
    }

    /// How many of a group are in a set.
    pub fn count(&self, set: SpentId, group: u32) -> u32 {
        let set = &self.sets[set as usize];
        set.binary_search_by_key(&group, |(group, _)| *group).map_or(0, |at| set[at].1)
    }

    /// How many operations are in a set.
    pub fn len(&self, set: SpentId) -> u32 {
        self.sets[set as usize].iter().map(|(_, count)| count).sum()
    }

    /// The set with one more of a group.
    pub fn with(&mut self, set: SpentId, group: u32) -> Result<SpentId, Exhausted> {
        let mut set = self.sets[set as usize].to_vec();
        match set.binary_search_by_key(&group, |(group, _)| *group) {
            Ok(at) => set[at].1 += 1,
            Err(at) => set.insert(at, (group, 1)),
        }
        self.intern(set)
    }

    /// Whether everything in `part` is in `whole`.
    pub fn within(&self, part: SpentId, whole: SpentId) -> bool {
        part == whole
            || self.sets[part as usize].iter().all(|(group, count)| *count <= self.count(whole, *group))
    }

    fn intern(&mut self, set: Vec<(u32, u32)>) -> Result<SpentId, Exhausted> {
        let hash = hash_of(&set[..]);
        if let Some(id) = self.index.find(hash, |id| *self.sets[id as usize] == set[..]) {
            return Ok(id);
        }
        let id = self.sets.len() as SpentId;
        self.held.grow(16 + 8 * set.len() as u64)?;
        self.index.add(hash, id)?;
        self.sets.push(set.into_boxed_slice());
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::{NOTHING, Spent};
    use crate::limits::Budget;

    #[test]
    fn sets_count_and_compare() {
        let budget = Budget::unlimited();
        let mut spent = Spent::new(&budget).unwrap();
        let a = spent.with(NOTHING, 7).unwrap();
        let b = spent.with(NOTHING, 3).unwrap();
        let ab = spent.with(a, 3).unwrap();
        assert_eq!(spent.with(b, 7), Ok(ab));
        let aab = spent.with(ab, 7).unwrap();
        assert_eq!([3, 5, 7].map(|group| spent.count(aab, group)), [1, 0, 2]);
        assert_eq!(spent.len(aab), 3);
        assert!(spent.within(NOTHING, a) && spent.within(a, ab) && spent.within(ab, aab));
        assert!(!spent.within(a, b) && !spent.within(aab, ab));
    }
}
