//! "Sometimes" marks: rare situations that a campaign of simulations must have met.
//!
//! A campaign that is clean because nothing ever happened proves nothing. So where a core handles a rare situation it reaches a [`Mark`],
//! and whoever runs the core asks afterwards which marks were reached. **Invariant:** marks are written by cores and read by nobody who
//! decides: nothing depends on them. They are counted for each thread, because a simulation is one thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// One rare situation, named in words: `"raft: a leader stepped down for its slow disk"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mark(pub &'static str);

thread_local! {
    static REACHED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

impl Mark {
    /// The situation is met once more.
    pub fn reach(self) {
        REACHED.with_borrow_mut(|reached| *reached.entry(self.0).or_default() += 1);
    }
}

/// How often this thread has reached each mark since the last call; those never reached are missing.
#[must_use]
pub fn take_reached() -> BTreeMap<&'static str, u64> {
    REACHED.take()
}

#[cfg(test)]
mod tests {
    use super::{Mark, take_reached};

    #[test]
    fn marks_are_counted_until_they_are_taken() {
        let mark = Mark("test: something rare");
        mark.reach();
        mark.reach();
        assert_eq!(take_reached().get(mark.0), Some(&2));
        assert!(take_reached().is_empty());
    }
}
