//! Giving up old history.
//!
//! Compacting is a number in the log's order: from then on nobody may read below it, on any replica. The rows that nobody can
//! ask for any more are always the lowest of the history, and each replica deletes them when it has time, in slices; how far
//! it came is no part of the replicated state.

use crate::kv::Kv;
use crate::marks;
use crate::request::{Outcome, Refusal};
use crate::row::{self, Position};
use crate::state::ReadError;
use quorate_table::{Direction, Read, TableError};
use quorate_types::mistake::Mistake;
use quorate_types::{Bytes, Revision};
use std::ops::Bound;

impl Kv {
    pub(crate) fn compact(&mut self, revision: Revision) -> Result<Outcome, ReadError> {
        if revision > self.meta.revision {
            return Err(Refusal::FutureRevision.into());
        }
        if revision.0 < 0 || (self.meta.compacted.0 > 0 && revision <= self.meta.compacted) {
            return Err(Refusal::Compacted { at: self.meta.compacted }.into());
        }
        self.meta.compacted = revision;
        Ok(Outcome::Compacted)
    }

    /// Whether history rows wait to be deleted by [`Kv::compact_slice`].
    #[must_use]
    pub fn has_garbage(&self) -> bool {
        self.meta.purged < self.meta.compacted
    }

    /// Stages the deletion of up to `rows_max` history rows below the compacted revision; the next commit carries it out.
    /// Returns whether more are left. Call it between entries, when idle or every so often: one slice costs about as much as
    /// applying `rows_max` puts. A restart goes on where the last commit was.
    ///
    /// # Errors
    /// [`TableError`]; the machine must be dropped.
    ///
    /// # Panics
    /// If `rows_max` is 0.
    pub fn compact_slice(&mut self, rows_max: usize) -> Result<bool, TableError> {
        assert!(rows_max > 0, "a slice deletes something");
        if !self.has_garbage() {
            return Ok(false);
        }
        let upto = self.meta.compacted;
        let upto = if Mistake::CompactOneTooMany.is_planted() { upto.next().next() } else { upto };
        let (from, to) = (Position::start_of(self.meta.purged).key(), Position::start_of(upto).key());
        let mut doomed = Vec::new();
        {
            let rows = self.overlay.on(&*self.tables);
            let range =
                rows.range(row::HISTORY, Bound::Included(&from), Bound::Excluded(&to), Direction::Forward);
            for item in range.take(rows_max) {
                let (key, value) = item?;
                let change = row::change(&value)?;
                if change.put.is_none() {
                    marks::COMPACTED_DELETION.reach();
                }
                doomed.push((Position::of(&key)?, key, change.key));
            }
        }
        let is_done = doomed.len() < rows_max;
        if !is_done {
            marks::COMPACTED_IN_SLICES.reach();
        }
        self.meta.purged = match doomed.last() {
            Some((last, ..)) if !is_done => last.revision,
            _ => self.meta.compacted,
        };
        for (position, history_key, key) in doomed {
            self.overlay.delete(row::HISTORY, history_key);
            self.overlay.delete(row::VERSIONS, Bytes::from(row::version_key(&key, position.revision)));
        }
        Ok(!is_done)
    }
}
