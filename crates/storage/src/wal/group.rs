//! What the log remembers of one group's entries without keeping them: enough to say, for any position, which term and
//! members a snapshot there stands for.
//!
//! **Invariant:** `floor.index <= last`; `terms` has the first position of each run of equal terms above the floor, ascending.

use super::recovery::RecoveredGroup;
use quorate_consensus::raft::{Configuration, Entry, HardState, Payload, SnapshotMeta};
use quorate_types::{LogIndex, Term};

/// One group's log, in outline.
#[derive(Default)]
pub(super) struct GroupLog {
    pub(super) hard_state: HardState,
    floor: SnapshotMeta,
    last: LogIndex,
    terms: Vec<(LogIndex, Term)>,
    configurations: Vec<(LogIndex, Configuration)>,
}

impl GroupLog {
    pub(super) fn restored(group: &RecoveredGroup) -> Self {
        let mut log = GroupLog { hard_state: group.hard_state, ..GroupLog::default() };
        log.reset(group.snapshot.clone());
        log.append(&group.entries);
        log
    }

    pub(super) fn floor(&self) -> &SnapshotMeta {
        &self.floor
    }

    pub(super) fn last(&self) -> LogIndex {
        self.last
    }

    pub(super) fn reset(&mut self, meta: SnapshotMeta) {
        self.last = meta.index;
        self.floor = meta;
        self.terms.clear();
        self.configurations.clear();
    }

    /// Replaces the log from the first entry's position on.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first().map(|entry| entry.index) else { return };
        assert!(first > self.floor.index, "entry {first} is at or below the floor {}", self.floor.index);
        assert!(first <= self.last.next(), "entry {first} leaves a gap after {}", self.last);
        self.terms.retain(|(index, _)| *index < first);
        self.configurations.retain(|(index, _)| *index < first);
        let mut expected = first;
        for entry in entries {
            assert_eq!(entry.index, expected, "entries have no gaps");
            expected = expected.next();
            if self.terms.last().is_none_or(|(_, term)| *term != entry.term) {
                self.terms.push((entry.index, entry.term));
            }
            if let Payload::Configuration(configuration) = &entry.payload {
                self.configurations.push((entry.index, configuration.clone()));
            }
        }
        self.last = expected.previous();
    }

    /// Raises the floor to `upto`, or to the log's end if that is lower; the new floor, if it is one.
    pub(super) fn compact(&mut self, upto: LogIndex) -> Option<&SnapshotMeta> {
        let upto = upto.min(self.last);
        if upto <= self.floor.index {
            return None;
        }
        self.floor.index = upto;
        let covered = self.terms.partition_point(|(index, _)| *index <= upto);
        self.floor.term = self.terms[..covered].last().expect("every entry above the floor has a term").1;
        // The last covered run may go on above the floor.
        self.terms.drain(..if self.last > upto { covered - 1 } else { covered });
        let covered = self.configurations.partition_point(|(index, _)| *index <= upto);
        if let Some((_, configuration)) = self.configurations.drain(..covered).next_back() {
            self.floor.configuration = configuration;
        }
        Some(&self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::GroupLog;
    use quorate_consensus::raft::{Configuration, Entry, Payload};
    use quorate_types::{LogIndex, NodeId, Term};

    fn entry(index: u64, term: u64) -> Entry {
        let payload = if index.is_multiple_of(10) {
            Payload::Configuration(Configuration::of_voters(vec![NodeId(index)]))
        } else {
            Payload::NoOp
        };
        Entry { term: Term(term), index: LogIndex(index), payload }
    }

    #[test]
    fn a_floor_has_the_term_and_the_members_of_its_position() {
        let mut log = GroupLog::default();
        let entries: Vec<_> = (1..=30).map(|index| entry(index, 1 + index / 7)).collect();
        log.append(&entries);
        let mut check = |upto: u64, expect: Option<(u64, u64, u64)>| {
            let floor = log.compact(LogIndex(upto)).map(|floor| {
                let voter = floor.configuration.voters().first().map_or(0, |node| node.0);
                (floor.index.0, floor.term.0, voter)
            });
            assert_eq!(floor, expect, "compact up to {upto}");
        };
        check(0, None);
        check(5, Some((5, 1, 0)));
        check(5, None);
        check(6, Some((6, 1, 0)));
        check(7, Some((7, 2, 0)));
        check(20, Some((20, 3, 20)));
        check(29, Some((29, 5, 20)));
        check(99, Some((30, 5, 30)));
        assert_eq!(log.terms, []);
    }

    #[test]
    fn overwriting_forgets_what_was_there() {
        let mut log = GroupLog::default();
        log.append(&(1..=20).map(|index| entry(index, 1)).collect::<Vec<_>>());
        log.append(&[entry(9, 2)]);
        assert_eq!(log.last(), LogIndex(9));
        let floor = log.compact(LogIndex(20)).expect("it rose");
        assert_eq!((floor.index, floor.term, floor.configuration.voters()), (LogIndex(9), Term(2), &[][..]));
    }
}
