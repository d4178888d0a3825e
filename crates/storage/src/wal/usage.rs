//! Which segment holds entries of which group, and up to which position: a segment can go when all of them lie at or below
//! their groups' floors.
//!
//! **Invariant:** segments are numbered without gaps, the last one is the active one, and of the positions recorded for a group
//! in a segment none has been replaced by a later segment's.

use quorate_types::{GroupId, LogIndex};
use std::collections::{BTreeMap, VecDeque};

type Last = BTreeMap<GroupId, LogIndex>;

/// The segments that exist.
pub(super) struct Usage {
    oldest: u64,
    /// For each segment from the oldest on: the last position of each group that has entries there.
    segments: VecDeque<Last>,
    /// The same for the batch that is not yet in a segment.
    batch: Last,
}

impl Usage {
    pub(super) fn starting_at(oldest: u64) -> Self {
        Usage { oldest, segments: VecDeque::from([Last::new()]), batch: Last::new() }
    }

    pub(super) fn segment_count(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    pub(super) fn on_reset(&mut self, group: GroupId) {
        for segment in &mut self.segments {
            segment.remove(&group);
        }
        self.batch.remove(&group);
    }

    pub(super) fn on_entries(&mut self, group: GroupId, first: LogIndex, last: LogIndex) {
        // Only the newest segments can hold what is replaced.
        for segment in self.segments.iter_mut().rev() {
            match segment.get_mut(&group) {
                Some(end) if *end >= first => *end = first.previous(),
                Some(_) => break,
                None => {}
            }
        }
        self.batch.insert(group, last);
    }

    /// The batch is in the active segment.
    pub(super) fn on_batch(&mut self) {
        let active = self.segments.back_mut().expect("there is an active segment");
        active.append(&mut self.batch);
    }

    pub(super) fn on_new_segment(&mut self, sequence: u64) {
        assert_eq!(sequence, self.oldest + self.segments.len() as u64, "segments follow one another");
        self.segments.push_back(Last::new());
    }

    pub(super) fn on_retired(&mut self, sequence: u64) {
        assert!(
            sequence == self.oldest && self.segments.len() > 1,
            "the oldest goes first, the active one never"
        );
        self.segments.pop_front();
        self.oldest += 1;
    }

    /// The oldest segment, if it holds nothing above any group's floor.
    pub(super) fn unneeded(&self, floor_of: impl Fn(GroupId) -> LogIndex) -> Option<u64> {
        let oldest = self.segments.front().filter(|_| self.segments.len() > 1)?;
        oldest.iter().all(|(group, last)| *last <= floor_of(*group)).then_some(self.oldest)
    }

    /// The groups that keep the oldest segment and the newest segment that has entries of them, if that one is older than
    /// the newest `recent` segments: then all of these groups are idle.
    pub(super) fn idle_keepers(
        &self,
        recent: usize,
        floor_of: impl Fn(GroupId) -> LogIndex,
    ) -> Option<(Vec<GroupId>, u64)> {
        let oldest = self.segments.front()?;
        let keeping = oldest.iter().filter(|(group, last)| **last > floor_of(**group));
        let groups: Vec<GroupId> = keeping.map(|(group, _)| *group).collect();
        let has_any = |segment: &Last| groups.iter().any(|group| segment.contains_key(group));
        let newest = self.segments.iter().rposition(has_any)?;
        (newest + recent < self.segments.len()).then(|| (groups, self.oldest + newest as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;
    use quorate_types::{GroupId, LogIndex};

    #[test]
    fn a_segment_goes_when_all_its_entries_are_below_the_floors() {
        let (a, b) = (GroupId(1), GroupId(2));
        let mut usage = Usage::starting_at(7);
        usage.on_entries(a, LogIndex(1), LogIndex(10));
        usage.on_entries(b, LogIndex(1), LogIndex(4));
        usage.on_batch();
        let floors = |at_a, at_b| move |group| if group == a { LogIndex(at_a) } else { LogIndex(at_b) };
        assert_eq!(usage.unneeded(floors(10, 4)), None, "the active one stays");
        usage.on_new_segment(8);
        usage.on_entries(a, LogIndex(8), LogIndex(9));
        usage.on_batch();
        assert_eq!(usage.unneeded(floors(7, 3)), None);
        assert_eq!(usage.unneeded(floors(6, 4)), None);
        assert_eq!(usage.unneeded(floors(7, 4)), Some(7), "what was replaced does not count");
        assert_eq!(usage.idle_keepers(1, floors(7, 0)), Some((vec![b], 7)));
        assert_eq!(usage.idle_keepers(2, floors(7, 0)), None, "not idle for long enough");
        assert_eq!(usage.idle_keepers(1, floors(0, 0)), None, "the other one is not idle");
        usage.on_reset(b);
        assert_eq!(usage.unneeded(floors(7, 0)), Some(7), "nor what was reset");
        usage.on_retired(7);
        assert_eq!((usage.oldest(), usage.segment_count()), (8, 1));
    }
}
