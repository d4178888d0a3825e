//! Hashes of what replicas must agree on, for operators who compare members.
//!
//! **Problem.** Members hold different rows for the same state: each deletes given-up history when it has time. So a hash over the
//! rows would tell members apart that agree. **Idea.** Hash what can be read, not what lies there: the pairs as of the oldest
//! readable revision, lowest key first, then every change after it up to the asked revision, in the order in which they
//! were made. Together these say each version of each key that any read in between can see, and nothing else.
//!
//! **Invariant.** Two members with the same log, and so the same compacted revision, give equal hashes for the same revision, however far
//! either has come with deleting rows. Memory is bounded: rows are read one after the other.
//!
//! **Source.** etcd's `HashKV` has the same promise and the same checksum (CRC-32C); its numbers are others, as its rows are.

use crate::event::{Event, EventKind};
use crate::request::{KeyRange, KeyValue};
use crate::row::{self, Position};
use crate::state::{At, Pairs, ReadError};
use crate::view::View;
use crate::{meta, past};
use quorate_table::{Direction, TableError, TableId};
use quorate_types::Revision;
use std::ops::Bound;

/// Tables that [`View::hash`] leaves out: what stands there was hashed as history, or follows from the other tables.
const LEFT_OUT: [TableId; 3] = [row::HISTORY, row::VERSIONS, row::COUNTS];

/// A hash of the keys' history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryHash {
    /// CRC-32C.
    pub hash: u32,
    /// The oldest revision in it; 0 if nothing was ever compacted.
    pub compacted: Revision,
    /// The newest revision in it.
    pub revision: Revision,
}

/// A checksum of fields; each says its length, so that no two sequences of fields look the same.
#[derive(Clone, Copy, Default)]
struct Checksum(u32);

impl Checksum {
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }

    fn number(&mut self, number: u64) {
        self.0 = crc32c::crc32c_append(self.0, &number.to_le_bytes());
    }

    fn pair(&mut self, pair: &KeyValue) {
        self.bytes(&pair.key);
        let lease = pair.lease.map_or(0, |id| id.0);
        for number in [pair.create_revision.0, pair.mod_revision.0, pair.version, lease] {
            self.number(number as u64);
        }
        self.bytes(&pair.value);
    }

    fn event(&mut self, event: &Event) {
        match event.kind {
            EventKind::Put => self.pair(&event.kv),
            EventKind::Delete => {
                self.bytes(&event.kv.key);
                self.number(event.kv.mod_revision.0 as u64);
            }
        }
    }
}

impl View {
    /// The hash of everything that can be read of the keys at the revisions from [`View::compacted`] up to `revision`, both
    /// included; 0 or less: up to now. See the module for what goes in. Takes time in proportion to the store.
    ///
    /// # Errors
    /// [`ReadError`]: a future or a compacted revision, or failed tables.
    pub fn hash_history(&self, revision: i64) -> Result<HistoryHash, ReadError> {
        self.state().at(revision, false)?;
        let upto = if revision <= 0 { self.revision() } else { Revision(revision) };
        let mut checksum = Checksum::default();
        for pair in self.oldest_pairs()? {
            checksum.pair(&pair?);
        }
        let from = Position::start_of(self.compacted().next()).key();
        let to = Position::start_of(upto.next()).key();
        let changes = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        for item in self.rows.range(row::HISTORY, changes.0, changes.1, Direction::Forward) {
            let (key, value) = item?;
            checksum.event(&self.event(Position::of(&key)?.revision, row::change(&value)?)?);
        }
        Ok(HistoryHash { hash: checksum.0, compacted: self.compacted(), revision: upto })
    }

    /// The hash of the whole store: the keys' history up to now, then every row that replicas agree on. Two members give equal hashes if
    /// they have applied the same entries. Takes time in proportion to the store.
    ///
    /// # Errors
    /// [`ReadError`] if the tables failed.
    pub fn hash(&self) -> Result<u32, ReadError> {
        let history = self.hash_history(0)?;
        let mut checksum = Checksum(history.hash);
        for revision in [history.compacted, history.revision] {
            checksum.number(revision.0 as u64);
        }
        for table in row::ALL.into_iter().filter(|table| !LEFT_OUT.contains(table)) {
            checksum.number(u64::from(table.0));
            for item in self.rows.range(table, Bound::Unbounded, Bound::Unbounded, Direction::Forward) {
                let (key, value) = item?;
                // The machine's own numbers say also how far this member is with deleting rows.
                if table != row::META || !meta::is_machine_row(&key) {
                    checksum.bytes(&key);
                    checksum.bytes(&value);
                }
            }
        }
        Ok(checksum.0)
    }

    /// The pairs as of the oldest readable revision. There were none at the beginning.
    fn oldest_pairs(&self) -> Result<Pairs<'_>, TableError> {
        let compacted = self.compacted();
        if compacted == Revision(0) {
            return Ok(Box::new(std::iter::empty()));
        }
        let (state, all) = (self.state(), KeyRange::prefix(b""));
        if compacted == self.revision() {
            state.pairs(&all, At::Now)
        } else {
            past::scan(&state, &all, compacted)
        }
    }
}
