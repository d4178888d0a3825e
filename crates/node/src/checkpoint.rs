//! Replicas compare their states while they run.
//!
//! **Problem:** a bug or a damaged disk makes one replica's state differ, and nothing notices until it leads.
//! **Idea:** every replica notes its state hash at the same log positions; the leader sends its own, and who finds another hash at the same
//! position stops serving. **Invariant:** two replicas that applied the same log up to a position have the same hash there.

use crate::marks;
use quorate_types::{LogIndex, StateHash};
use std::collections::BTreeMap;

/// Every so many entries the hash is noted.
pub const CHECKPOINT_INTERVAL: u64 = 4096;
/// So many notes are kept, ours and the leader's each.
const MAX_NOTES: usize = 64;

/// See the module.
#[derive(Default)]
pub struct Checkpoints {
    ours: BTreeMap<LogIndex, StateHash>,
    theirs: BTreeMap<LogIndex, StateHash>,
    agreed: LogIndex,
}

/// Two replicas differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Diverged {
    /// The state after this entry.
    pub index: LogIndex,
}

impl Checkpoints {
    /// The newest position at which both sides were seen to agree.
    #[must_use]
    pub fn agreed(&self) -> LogIndex {
        self.agreed
    }

    /// This replica stands at `index` with `hash`.
    ///
    /// # Errors
    /// [`Diverged`] if the leader had another hash there.
    pub fn note_ours(&mut self, index: LogIndex, hash: StateHash) -> Result<(), Diverged> {
        note(&mut self.ours, index, hash);
        self.compare(index)
    }

    /// The leader stood at `index` with `hash`.
    ///
    /// # Errors
    /// [`Diverged`] if this replica had another hash there.
    pub fn note_theirs(&mut self, index: LogIndex, hash: StateHash) -> Result<(), Diverged> {
        note(&mut self.theirs, index, hash);
        self.compare(index)
    }

    fn compare(&mut self, index: LogIndex) -> Result<(), Diverged> {
        match (self.ours.get(&index), self.theirs.get(&index)) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(Diverged { index }),
            (Some(_), Some(_)) => {
                marks::CHECKPOINT_EQUAL.reach();
                self.agreed = self.agreed.max(index);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn note(notes: &mut BTreeMap<LogIndex, StateHash>, index: LogIndex, hash: StateHash) {
    notes.insert(index, hash);
    while notes.len() > MAX_NOTES {
        let _ = notes.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::{Checkpoints, Diverged, MAX_NOTES};
    use quorate_types::{LogIndex, StateHash};

    #[test]
    fn a_difference_is_found_whichever_side_comes_first() {
        let mut checkpoints = Checkpoints::default();
        assert_eq!(checkpoints.note_ours(LogIndex(1), StateHash(1)), Ok(()));
        assert_eq!(checkpoints.note_theirs(LogIndex(1), StateHash(1)), Ok(()));
        assert_eq!(checkpoints.agreed(), LogIndex(1));
        assert_eq!(checkpoints.note_theirs(LogIndex(2), StateHash(2)), Ok(()));
        assert_eq!(checkpoints.note_ours(LogIndex(2), StateHash(3)), Err(Diverged { index: LogIndex(2) }));
    }

    #[test]
    fn notes_are_bounded() {
        let mut checkpoints = Checkpoints::default();
        for index in 0..10 * MAX_NOTES as u64 {
            assert_eq!(checkpoints.note_ours(LogIndex(index), StateHash(0)), Ok(()));
        }
        assert_eq!(checkpoints.ours.len(), MAX_NOTES);
    }
}
