//! A set of configurations, compared exactly.
//!
//! **Idea.** A configuration is what the future depends on: which operations are placed, and the state. Everything that returned before
//! the front is placed, so the front and one bit for each slot say which certain operations are; see
//! [`Timeline`](super::timeline::Timeline) and [`Spent`]. Of two configurations that differ only in the operations of
//! unknown outcome that they spent, the one that spent fewer can do whatever the other can; so asking for a configuration finds
//! one that spent no more. In the same way an overwrite that is free (see [`Moves`](super::moves::Moves)) can do whatever one
//! that is placed or not placed can.
//!
//! Source: Lowe, *Testing for linearizability*, 2017 §4 (the memo of visited configurations). Deviations: the window and the
//! comparison of what is spent.

use super::index::{Index, hash_of};
use super::spent::{Spent, SpentId};
use crate::limits::{Budget, Exhausted, Held};

/// What the future depends on.
#[derive(Clone, Copy)]
pub struct Config<'c> {
    /// The first return whose operation is not placed.
    pub front: u32,
    /// The state's number.
    pub state: u32,
    /// Which operations of unknown outcome were placed.
    pub spent: SpentId,
    /// For each slot whether the operation that holds it at the front is placed.
    pub done: &'c [u64],
    /// For each slot whether it holds a free overwrite.
    pub free: &'c [u64],
    /// For each slot whether it holds an overwrite.
    pub overwrites: &'c [u64],
}

/// A set of them.
pub struct Configs<'a> {
    /// Front and state, then the words of `done` and of `free`, for one after the other.
    keys: Vec<u64>,
    spent: Vec<SpentId>,
    /// Words of one key.
    stride: usize,
    index: Index<'a>,
    held: Held<'a, 'a>,
    /// How many configurations are paid for.
    paid: usize,
}

impl<'a> Configs<'a> {
    /// None yet. All have this many words.
    pub fn new(words: usize, budget: &'a Budget<'a>) -> Result<Self, Exhausted> {
        let (index, held) = (Index::new(budget)?, budget.hold(0)?);
        Ok(Configs { keys: Vec::new(), spent: Vec::new(), stride: 2 * words + 1, index, held, paid: 0 })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spent.len()
    }

    /// Whether there is one that can do whatever this one can.
    pub fn covers(&self, config: Config<'_>, spent: &Spent<'_>) -> bool {
        self.index.len() > 0 && self.find(hash(config), config, spent)
    }

    /// Adds one, unless it is covered. Says whether it was added.
    pub fn insert(&mut self, config: Config<'_>, spent: &Spent<'_>) -> Result<bool, Exhausted> {
        let hash = hash(config);
        if self.find(hash, config, spent) {
            return Ok(false);
        }
        if self.paid == self.len() {
            let more = self.paid.max(16);
            self.held.grow(more as u64 * (self.stride as u64 * 8 + 4))?;
            self.paid += more;
        }
        self.index.add(hash, self.spent.len() as u32)?;
        self.keys.push(head(config));
        self.keys.extend(config.done);
        self.keys.extend(config.free);
        self.spent.push(config.spent);
        Ok(true)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.spent.clear();
        self.index.clear();
    }

    fn find(&self, hash: u32, config: Config<'_>, spent: &Spent<'_>) -> bool {
        let is = |at: u32| {
            let key = &self.keys[at as usize * self.stride..][..self.stride];
            let (done, free) = key[1..].split_at(config.done.len());
            key[0] == head(config)
                && (0..done.len()).all(|word| {
                    let differs = (config.done[word] ^ done[word]) | (config.free[word] & !free[word]);
                    differs & !free[word] == 0
                })
                && spent.within(self.spent[at as usize], config.spent)
        };
        self.index.find(hash, is).is_some()
    }
}

fn head(config: Config<'_>) -> u64 {
    u64::from(config.front) << 32 | u64::from(config.state)
}

/// Of what those that cover one another have in common.
fn hash(config: Config<'_>) -> u32 {
    let word = |at: usize| config.done[at] & !config.overwrites[at];
    (1..config.done.len()).fold(hash_of(&(head(config), word(0))), |hash, at| hash_of(&(hash, word(at))))
}

#[cfg(test)]
mod tests {
    use super::{Config, Configs};
    use crate::limits::Budget;
    use crate::linear::spent::{NOTHING, Spent};

    #[test]
    fn who_spent_no_more_covers() {
        let budget = Budget::unlimited();
        let mut spent = Spent::new(&budget).unwrap();
        let a = spent.with(NOTHING, 0).unwrap();
        let b = spent.with(NOTHING, 1).unwrap();
        let ab = spent.with(a, 1).unwrap();
        let mut configs = Configs::new(2, &budget).unwrap();
        let [free, overwrites] = [&[0b1000, 0], &[0b1_1000, 0]];
        let config = |spent| Config { front: 3, state: 4, spent, done: &[1, 2], free, overwrites };
        assert_eq!(configs.insert(config(a), &spent), Ok(true));
        assert_eq!(configs.insert(config(ab), &spent), Ok(false));
        assert!(!configs.covers(config(b), &spent) && !configs.covers(config(NOTHING), &spent));
        assert_eq!(configs.insert(config(b), &spent), Ok(true));
        assert!(!configs.covers(Config { done: &[1, 3], ..config(ab) }, &spent));
        assert!(configs.covers(Config { done: &[0b1001, 2], free: &[0, 0], ..config(ab) }, &spent));
        assert!(configs.covers(Config { free: &[0, 0], ..config(ab) }, &spent));
        assert!(!configs.covers(Config { free: &[0b1_1000, 0], ..config(ab) }, &spent));
        assert!(!configs.covers(Config { done: &[0b1_0001, 2], ..config(ab) }, &spent));
        assert!(!configs.covers(Config { front: 4, ..config(ab) }, &spent));
        assert!(!configs.covers(Config { state: 3, ..config(ab) }, &spent));
        configs.clear();
        assert!(!configs.covers(config(a), &spent) && configs.len() == 0);
    }
}
