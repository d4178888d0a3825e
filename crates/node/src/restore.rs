//! From what the disk gave back to what a group starts with.
//!
//! The log and the tables are made durable by different means at different times, so after a crash either may be ahead of the other. The
//! log behind the tables is kept until they are durable, so it can always be applied to them again; but tables can also be ahead of the
//! whole log: entries are applied as soon as a quorum has them, durable here or not, and a leader's snapshot is installed before the log is
//! started anew.

use crate::marks;
use quorate_consensus::raft::{Entry, HardState, LogWrite, Restored, SnapshotMeta};
use quorate_types::mistake::Mistake;
use quorate_types::{LogIndex, Term};
use std::fmt;

/// A group's log as the disk gave it back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveredLog {
    /// As last written.
    pub hard_state: HardState,
    /// What the log starts after.
    pub snapshot: SnapshotMeta,
    /// The entries after that, without gaps.
    pub entries: Vec<Entry>,
}

/// The tables end before the log begins: what lies between is lost here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TablesBehindLog {
    /// Where the tables stand.
    pub applied: LogIndex,
    /// What the log starts after.
    pub start: LogIndex,
}

impl fmt::Display for TablesBehindLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TablesBehindLog { applied, start } = self;
        write!(f, "the tables stand at log index {applied}, but the log begins after {start}")
    }
}

impl std::error::Error for TablesBehindLog {}

/// What a core starts from, given its log and where the tables stand. If the second part is there, it must be written to the log before the
/// core starts: it resets the log, so the tables must be made durable before that.
///
/// # Errors
/// [`TablesBehindLog`]: this replica cannot go on.
pub fn restore(
    log: RecoveredLog,
    (applied, applied_term): (LogIndex, Term),
) -> Result<(Restored, Option<LogWrite>), TablesBehindLog> {
    let RecoveredLog { mut hard_state, snapshot, entries } = log;
    if applied < snapshot.index {
        return Err(TablesBehindLog { applied, start: snapshot.index });
    }
    let last = entries.last().map_or(snapshot.index, |entry| entry.index);
    if applied <= last {
        let applied = if Mistake::ApplyTwiceAfterRestart.is_planted() { snapshot.index } else { applied };
        return Ok((Restored { hard_state, snapshot, entries, applied }, None));
    }
    marks::LOG_RESET.reach();
    let snapshot = SnapshotMeta { index: applied, term: applied_term, configuration: snapshot.configuration };
    if applied_term > hard_state.term {
        marks::TERM_ONLY_IN_TABLES.reach();
        // The write that entered this term was lost, and with it any vote that was not given yet.
        hard_state = HardState { term: applied_term, vote: None };
    }
    let reset = LogWrite { reset: Some(snapshot.clone()), hard_state: Some(hard_state), entries: Vec::new() };
    Ok((Restored { hard_state, snapshot, entries: Vec::new(), applied }, Some(reset)))
}

#[cfg(test)]
mod tests {
    use super::{RecoveredLog, TablesBehindLog, restore};
    use quorate_consensus::raft::{Entry, HardState, LogWrite, Payload, Restored, SnapshotMeta};
    use quorate_types::{LogIndex, NodeId, Term};

    /// A log that starts after 10, ends at 12 and knows term 5, with tables at `applied` of term `term`: where it starts and ends then, in
    /// which term, and whether it is reset.
    fn check(applied: u64, term: u64, expect: Result<(u64, usize, u64, bool), TablesBehindLog>) {
        let entry = |index| Entry { term: Term(3), index: LogIndex(index), payload: Payload::NoOp };
        let log = RecoveredLog {
            hard_state: HardState { term: Term(5), vote: Some(NodeId(1)) },
            snapshot: SnapshotMeta { index: LogIndex(10), term: Term(3), ..SnapshotMeta::default() },
            entries: vec![entry(11), entry(12)],
        };
        let found = restore(log, (LogIndex(applied), Term(term))).map(|(restored, write)| {
            let Restored { hard_state, snapshot, entries, applied: stands } = restored;
            assert_eq!(stands, LogIndex(applied));
            assert_eq!(hard_state.vote.is_some(), hard_state.term == Term(5), "a new term has no vote");
            if let Some(write) = &write {
                let expect =
                    LogWrite { reset: Some(snapshot.clone()), hard_state: Some(hard_state), entries: vec![] };
                assert_eq!((write, snapshot.term), (&expect, Term(term)));
            }
            (snapshot.index.0, entries.len(), hard_state.term.0, write.is_some())
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn the_log_is_kept_where_it_reaches_the_tables_and_started_anew_where_not() {
        check(9, 3, Err(TablesBehindLog { applied: LogIndex(9), start: LogIndex(10) }));
        check(10, 3, Ok((10, 2, 5, false)));
        check(12, 3, Ok((10, 2, 5, false)));
        check(13, 4, Ok((13, 0, 5, true)));
    }

    #[test]
    fn a_term_that_only_the_tables_know_is_entered_again() {
        check(13, 6, Ok((13, 0, 6, true)));
    }
}
