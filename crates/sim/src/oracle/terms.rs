//! A log as far as the oracle needs it: which term stands at which position.

use quorate_types::{LogIndex, Term};
use std::collections::VecDeque;

/// **Invariant:** terms are known for `start` and every position after it up to the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    /// What the log starts after, and its term.
    start: (LogIndex, Term),
    terms: VecDeque<Term>,
}

impl Terms {
    /// Empty, after this position.
    pub(super) fn after(start: LogIndex, term: Term) -> Self {
        Terms { start: (start, term), terms: VecDeque::new() }
    }

    pub(super) fn start(&self) -> LogIndex {
        self.start.0
    }

    pub(super) fn last(&self) -> LogIndex {
        LogIndex(self.start.0.0 + self.terms.len() as u64)
    }

    /// The term at `index`; `None` before the start and beyond the end.
    pub(super) fn at(&self, index: LogIndex) -> Option<Term> {
        match index.0.checked_sub(self.start.0.0)? {
            0 => Some(self.start.1),
            offset => self.terms.get(usize::try_from(offset - 1).ok()?).copied(),
        }
    }

    /// Appends one.
    pub(super) fn push(&mut self, term: Term) {
        self.terms.push_back(term);
    }

    /// Drops `from` and what follows; what is at or before the start stays.
    pub(super) fn truncate_from(&mut self, from: LogIndex) {
        let keep = from.0.saturating_sub(self.start.0.0 + 1);
        self.terms.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
    }

    /// The positions after the start with their terms.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LogIndex, Term)> + '_ {
        (self.start.0.0 + 1..).map(LogIndex).zip(self.terms.iter().copied())
    }
}
