//! The log in memory: what lies after the compaction point.
//!
//! Problem: replication, conflict search and apply all need entries by position, at no cost that grows with the log. Idea: a
//! ring of entries behind one snapshot position; terms never fall along it, so a search by term is a bisection. Beside it runs
//! the short list of the configurations that the log holds, because the newest one counts from the moment it is appended.
//!
//! **Invariant:** entries are contiguous from `snapshot.index + 1` and their terms never fall.
//!
//! Source: Raft §5.3, §6 (configurations count when appended), §7 (compaction).

use super::configuration::Configuration;
use super::message::{Entry, Payload, SnapshotMeta};
use quorate_types::{LogIndex, Term};
use std::collections::VecDeque;

/// What an entry costs in memory and on the wire beside its payload.
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 24;

impl Entry {
    /// What this entry counts as in every byte budget.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        ENTRY_OVERHEAD_BYTES
            + match &self.payload {
                Payload::NoOp => 0,
                Payload::Command(command) => command.len(),
                Payload::Configuration(configuration) => 8 * configuration.members().count(),
            }
    }
}

/// How much one slice of the log may hold; the first entry always fits.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) len_bytes: usize,
    pub(super) entries: usize,
}

pub(super) struct Log {
    /// What the log starts after.
    snapshot: SnapshotMeta,
    entries: VecDeque<Entry>,
    /// The configurations among `entries`, oldest first.
    configurations: VecDeque<(LogIndex, Configuration)>,
    /// The machine no longer needs entries up to here.
    compactable: LogIndex,
    /// Bytes of the entries up to `compactable`.
    tail_bytes: usize,
}

impl Log {
    pub(super) fn new(snapshot: SnapshotMeta) -> Self {
        Log {
            compactable: snapshot.index,
            snapshot,
            entries: VecDeque::new(),
            configurations: VecDeque::new(),
            tail_bytes: 0,
        }
    }

    /// What the log starts after.
    pub(super) fn snapshot(&self) -> &SnapshotMeta {
        &self.snapshot
    }

    /// The first position whose entry is held, or would be.
    pub(super) fn first_index(&self) -> LogIndex {
        self.snapshot.index.next()
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.snapshot.index.0 + self.entries.len() as u64)
    }

    pub(super) fn last_term(&self) -> Term {
        self.entries.back().map_or(self.snapshot.term, |entry| entry.term)
    }

    /// The term at `index`; `None` if that position is compacted away or beyond the end.
    pub(super) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.snapshot.index {
            return Some(self.snapshot.term);
        }
        let offset = index.0.checked_sub(self.first_index().0)?;
        self.entries.get(usize::try_from(offset).ok()?).map(|entry| entry.term)
    }

    /// The newest configuration in the log, committed or not.
    pub(super) fn configuration(&self) -> &Configuration {
        self.configurations.back().map_or(&self.snapshot.configuration, |(_, configuration)| configuration)
    }

    /// Entries from `from` to `to`, both included, as many as `budget` allows; at least one unless the range is empty.
    pub(super) fn slice(&self, from: LogIndex, to: LogIndex, budget: Budget) -> (Vec<Entry>, usize) {
        assert!(
            from >= self.first_index() && to <= self.last_index(),
            "entries {from}..={to} are not in the log"
        );
        let start = (from.0 - self.first_index().0) as usize;
        let available = (to.0 + 1).saturating_sub(from.0) as usize;
        let (mut count, mut len_bytes) = (0, 0);
        for entry in self.entries.range(start..start + available.min(budget.entries)) {
            if count > 0 && len_bytes + entry.len_bytes() > budget.len_bytes {
                break;
            }
            len_bytes += entry.len_bytes();
            count += 1;
        }
        (self.entries.range(start..start + count).cloned().collect(), len_bytes)
    }

    /// Bytes of the entries after `after` up to `to`.
    pub(super) fn len_bytes_between(&self, after: LogIndex, to: LogIndex) -> usize {
        let start = after.0.saturating_sub(self.snapshot.index.0) as usize;
        let end = to.0.saturating_sub(self.snapshot.index.0) as usize;
        self.entries.range(start.min(end)..end).map(Entry::len_bytes).sum()
    }

    pub(super) fn append(&mut self, entry: Entry) {
        assert!(entry.index == self.last_index().next(), "entry {} would leave a gap", entry.index);
        assert!(entry.term >= self.last_term(), "terms never fall along the log");
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configurations.push_back((entry.index, configuration.clone()));
        }
        self.entries.push_back(entry);
    }

    /// Drops `from` and everything after it.
    pub(super) fn truncate_from(&mut self, from: LogIndex) {
        assert!(from > self.compactable, "entry {from} is applied and cannot conflict");
        self.entries.truncate((from.0 - self.first_index().0) as usize);
        while self.configurations.back().is_some_and(|(index, _)| *index >= from) {
            self.configurations.pop_back();
        }
    }

    /// Forgets everything: the log now starts after `snapshot`.
    pub(super) fn reset(&mut self, snapshot: SnapshotMeta) {
        *self = Log::new(snapshot);
    }

    /// The last position not after `index` whose term is not above `term`; where no such is left, the compaction point.
    pub(super) fn last_not_above(&self, index: LogIndex, term: Term) -> (LogIndex, Term) {
        let not_above = self.entries.partition_point(|entry| entry.term <= term) as u64;
        let found = index.min(LogIndex(self.snapshot.index.0 + not_above)).max(self.snapshot.index);
        (found, self.term_at(found).expect("between the compaction point and the end every term is known"))
    }

    /// The machine no longer needs entries up to `index`, which it has applied. Drops the oldest of these as far as they
    /// exceed `tail`.
    pub(super) fn compact(&mut self, index: LogIndex, tail: Budget) {
        let index = index.min(self.last_index());
        if index > self.compactable {
            self.tail_bytes += self.len_bytes_between(self.compactable, index);
            self.compactable = index;
        }
        let tail_entries = |log: &Log| (log.compactable.0 - log.snapshot.index.0) as usize;
        while tail_entries(self) > 0
            && (self.tail_bytes > tail.len_bytes || tail_entries(self) > tail.entries)
        {
            let entry = self.entries.pop_front().expect("compactable entries are held");
            self.tail_bytes -= entry.len_bytes();
            self.snapshot.index = entry.index;
            self.snapshot.term = entry.term;
            if let Payload::Configuration(configuration) = entry.payload {
                self.snapshot.configuration = configuration;
                self.configurations.pop_front();
            }
        }
    }

    /// Checks what must hold at any time; O(entries).
    pub(super) fn check_invariants(&self) {
        let (mut index, mut term, mut configurations) = (self.snapshot.index, self.snapshot.term, 0);
        for entry in &self.entries {
            assert_eq!(entry.index, index.next(), "entries are contiguous");
            assert!(entry.term >= term, "terms never fall along the log");
            (index, term) = (entry.index, entry.term);
            configurations += usize::from(matches!(entry.payload, Payload::Configuration(_)));
        }
        assert_eq!(configurations, self.configurations.len(), "each configuration in the log is listed");
        assert_eq!(
            self.tail_bytes,
            self.len_bytes_between(self.snapshot.index, self.compactable),
            "the tail's bytes are counted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Log};
    use crate::raft::{Configuration, Entry, Payload, SnapshotMeta};
    use quorate_types::{Bytes, LogIndex, NodeId, Term};

    fn log(terms: &[u64]) -> Log {
        let mut log =
            Log::new(SnapshotMeta { index: LogIndex(10), term: Term(1), ..SnapshotMeta::default() });
        for term in terms {
            let payload = Payload::Command(Bytes::from_static(b"0123456789"));
            log.append(Entry { term: Term(*term), index: log.last_index().next(), payload });
        }
        log.check_invariants();
        log
    }

    #[test]
    fn positions_and_terms() {
        let log = log(&[1, 2, 2]);
        assert_eq!(
            (log.first_index(), log.last_index(), log.last_term()),
            (LogIndex(11), LogIndex(13), Term(2))
        );
        let check = |index, expect: Option<u64>| assert_eq!(log.term_at(LogIndex(index)), expect.map(Term));
        check(9, None);
        check(10, Some(1));
        check(11, Some(1));
        check(13, Some(2));
        check(14, None);
    }

    #[test]
    fn the_search_by_term_stops_at_the_compaction_point() {
        let log = log(&[1, 2, 2, 5]);
        let check = |index, term, expect: (u64, u64)| {
            assert_eq!(log.last_not_above(LogIndex(index), Term(term)), (LogIndex(expect.0), Term(expect.1)));
        };
        check(14, 5, (14, 5));
        check(14, 4, (13, 2));
        check(12, 4, (12, 2));
        check(14, 1, (11, 1));
        check(14, 0, (10, 1));
        check(3, 9, (10, 1));
    }

    #[test]
    fn a_slice_keeps_its_budget_and_never_comes_back_empty() {
        let log = log(&[1, 1, 1]);
        let check = |len_bytes, entries, expect| {
            let (slice, bytes) = log.slice(LogIndex(11), LogIndex(13), Budget { len_bytes, entries });
            assert_eq!((slice.len(), bytes), (expect, expect * 34));
        };
        check(usize::MAX, 9, 3);
        check(68, 9, 2);
        check(67, 9, 1);
        check(0, 9, 1);
        check(usize::MAX, 2, 2);
    }

    #[test]
    fn compaction_keeps_the_tail_and_the_configuration() {
        let members = Configuration::of_voters(vec![NodeId(7)]);
        let mut log = log(&[1, 1]);
        log.append(Entry {
            term: Term(3),
            index: LogIndex(13),
            payload: Payload::Configuration(members.clone()),
        });
        log.compact(LogIndex(12), Budget { len_bytes: 34, entries: 9 });
        log.check_invariants();
        assert_eq!((log.first_index(), log.last_index()), (LogIndex(12), LogIndex(13)));
        log.compact(LogIndex(13), Budget { len_bytes: 0, entries: 0 });
        log.check_invariants();
        assert_eq!(
            (log.first_index(), log.last_index(), log.last_term()),
            (LogIndex(14), LogIndex(13), Term(3))
        );
        assert_eq!(log.configuration(), &members);
    }

    #[test]
    fn a_configuration_leaves_with_its_entry() {
        let mut log = log(&[1]);
        let payload = Payload::Configuration(Configuration::of_voters(vec![NodeId(7)]));
        log.append(Entry { term: Term(3), index: LogIndex(12), payload });
        assert!(log.configuration().is_voter(NodeId(7)));
        log.truncate_from(LogIndex(12));
        log.check_invariants();
        assert!(!log.configuration().is_voter(NodeId(7)));
    }
}
