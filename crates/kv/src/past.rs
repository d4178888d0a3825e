//! The store as of an older revision.
//!
//! A key was then what its first later change replaced, or, without a later change, what it is now. So an old state is the
//! newest one with the keys that changed since put back. Those are found in the cheaper of two ways: if few changes were made
//! since, by reading them in the history's order; else key by key from the `versions` index, in step with the scan.

use crate::key_range::{REVISION_MAX, borrowed};
use crate::request::{KeyRange, KeyValue};
use crate::row::{self, Change, Position};
use crate::state::{At, Pairs, State};
use quorate_table::{Direction, Read, Rows, TableError};
use quorate_types::{Bytes, Revision};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

/// History rows that are read at most to learn what changed; beyond, the index is cheaper to have and to keep in memory.
const RECENT_CHANGES_MAX: u64 = 4096;
/// History rows whose reading is cheap whatever the range.
const RECENT_CHANGES_MIN: u64 = 64;
/// Versions of one key that are stepped over before the index is searched for the next one of interest.
const VERSION_STEPS_MAX: u32 = 16;

/// What became of one key since the revision.
struct Changed {
    /// The pair as of then.
    then: Option<KeyValue>,
    /// Whether the key exists now.
    lives: bool,
}

type Recent = BTreeMap<Bytes, Changed>;
/// A changed key and its pair as of then.
type Then = Result<(Bytes, Option<KeyValue>), TableError>;
type Changes<'a> = Box<dyn Iterator<Item = Then> + 'a>;

/// The pairs of `range` as of `revision`, lowest key first.
pub(crate) fn pairs<'a>(
    state: &State<'a>,
    range: &KeyRange,
    revision: Revision,
) -> Result<Pairs<'a>, TableError> {
    if range.is_empty() {
        return Ok(Box::new(std::iter::empty()));
    }
    if range.is_one_key() {
        return Ok(Box::new(pair(state, &range.key, revision)?.map(Ok).into_iter()));
    }
    let changes: Changes<'a> = match recent(state, range, revision)? {
        Some(recent) => Box::new(recent.into_iter().map(|(key, changed)| Ok((key, changed.then)))),
        None => Box::new(Indexed::new(state.rows, range, revision)),
    };
    put_back(state, range, changes)
}

/// The pairs of a range of several keys as of `revision`, lowest key first, read row by row whatever has changed since.
pub(crate) fn scan<'a>(
    state: &State<'a>,
    range: &KeyRange,
    revision: Revision,
) -> Result<Pairs<'a>, TableError> {
    put_back(state, range, Box::new(Indexed::new(state.rows, range, revision)))
}

fn put_back<'a>(state: &State<'a>, range: &KeyRange, changes: Changes<'a>) -> Result<Pairs<'a>, TableError> {
    let now = state.pairs(range, At::Now)?;
    Ok(Box::new(PutBack { now: now.peekable(), changes: changes.peekable() }))
}

/// How many keys of `range` there were at `revision`.
pub(crate) fn count(state: &State<'_>, range: &KeyRange, revision: Revision) -> Result<u64, TableError> {
    if !range.is_one_key()
        && let Some(recent) = recent(state, range, revision)?
    {
        let appeared =
            recent.values().filter(|changed| changed.lives && changed.then.is_none()).count() as u64;
        let vanished =
            recent.values().filter(|changed| !changed.lives && changed.then.is_some()).count() as u64;
        return Ok(state.count(range, At::Now)? + vanished - appeared);
    }
    let mut keys = 0;
    for pair in pairs(state, range, revision)? {
        pair?;
        keys += 1;
    }
    Ok(keys)
}

/// One key as of `revision`.
fn pair(state: &State<'_>, key: &Bytes, revision: Revision) -> Result<Option<KeyValue>, TableError> {
    let now = state.get(key)?.map(|stored| stored.pair);
    if now.as_ref().is_some_and(|pair| pair.mod_revision <= revision) {
        return Ok(now);
    }
    match next_change(state.rows, key, revision)? {
        Some(change) => Ok(change.previous.map(|stored| stored.pair)),
        None => Ok(now),
    }
}

/// The first change of `key` after `revision`.
pub(crate) fn next_change(
    rows: &dyn Read,
    key: &[u8],
    revision: Revision,
) -> Result<Option<Change>, TableError> {
    let from = row::version_key(key, revision.next());
    let to = row::version_key(key, REVISION_MAX);
    let next =
        rows.range(row::VERSIONS, Bound::Included(&from), Bound::Included(&to), Direction::Forward).next();
    let Some((version_key, version)) = next.transpose()? else { return Ok(None) };
    Ok(Some(change_at(rows, row::version(&version_key, &version)?.1)?))
}

/// The history row at `position`, which the index names.
fn change_at(rows: &dyn Read, position: Position) -> Result<Change, TableError> {
    let key = position.key();
    row::change(&rows.get(row::HISTORY, &key)?.ok_or_else(|| row::corrupt("missing history row", &key))?)
}

/// What changed in `range` since `revision`, from the history; `None` if that would be more work than asking the index.
fn recent(state: &State<'_>, range: &KeyRange, revision: Revision) -> Result<Option<Recent>, TableError> {
    let keys_now = state.count(range, At::Now)?;
    let limit = keys_now.clamp(RECENT_CHANGES_MIN, RECENT_CHANGES_MAX);
    if (state.revision.0 - revision.0) as u64 > limit {
        return Ok(None);
    }
    let from = Position::start_of(revision.next()).key();
    let mut recent = Recent::new();
    let rows = state.rows.range(row::HISTORY, Bound::Included(&from), Bound::Unbounded, Direction::Forward);
    for (item, position) in rows.zip(1..) {
        if position > limit {
            return Ok(None);
        }
        let change = row::change(&item?.1)?;
        if range.contains(&change.key) {
            let lives = change.put.is_some();
            recent
                .entry(change.key)
                .and_modify(|changed| changed.lives = lives)
                .or_insert_with(|| Changed { then: change.previous.map(|stored| stored.pair), lives });
        }
    }
    Ok(Some(recent))
}

/// The keys of a range that changed after a revision, from the `versions` index: each with its pair as of the revision.
struct Indexed<'a> {
    rows: &'a dyn Read,
    versions: Rows<'a>,
    to: Bound<Vec<u8>>,
    revision: Revision,
    /// The escaped key that was met last.
    key: Vec<u8>,
    /// Whether its change was given out.
    given: bool,
    steps: u32,
}

impl<'a> Indexed<'a> {
    fn new(rows: &'a dyn Read, range: &KeyRange, revision: Revision) -> Self {
        let (from, to) = range.version_bounds();
        let versions = rows.range(row::VERSIONS, borrowed(&from), borrowed(&to), Direction::Forward);
        Indexed { rows, versions, to, revision, key: Vec::new(), given: false, steps: 0 }
    }

    /// Looks at one index row.
    fn step(
        &mut self,
        version_key: &[u8],
        version: &[u8],
    ) -> Result<Option<(Bytes, Option<KeyValue>)>, TableError> {
        let (escaped, position) = row::version(version_key, version)?;
        if *escaped != *self.key {
            self.key.clear();
            self.key.extend_from_slice(escaped);
            (self.given, self.steps) = (false, 0);
        }
        if !self.given && position.revision > self.revision {
            self.given = true;
            let change = change_at(self.rows, position)?;
            return Ok(Some((change.key, change.previous.map(|stored| stored.pair))));
        }
        self.steps += 1;
        if self.steps == VERSION_STEPS_MAX {
            let skip_to = if self.given { REVISION_MAX } else { self.revision };
            let mut from = self.key.clone();
            from.extend_from_slice(&(skip_to.0 as u64).to_be_bytes());
            self.versions = self.rows.range(
                row::VERSIONS,
                Bound::Excluded(&from),
                borrowed(&self.to),
                Direction::Forward,
            );
        }
        Ok(None)
    }
}

impl Iterator for Indexed<'_> {
    type Item = Then;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = match self.versions.next()? {
                Ok((version_key, version)) => self.step(&version_key, &version),
                Err(error) => Err(error),
            };
            if let Some(item) = step.transpose() {
                return Some(item);
            }
        }
    }
}

/// The pairs of now with the changed keys put back; both sides stand in key order.
struct PutBack<'a> {
    now: Peekable<Pairs<'a>>,
    changes: Peekable<Changes<'a>>,
}

impl Iterator for PutBack<'_> {
    type Item = Result<KeyValue, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.now.peek(), self.changes.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
                (Some(Ok(pair)), Some(Ok((key, _)))) => pair.key.cmp(key),
            };
            if order == Ordering::Less {
                return self.now.next();
            }
            if order == Ordering::Equal {
                self.now.next();
            }
            match self.changes.next()? {
                Ok((_, Some(then))) => return Some(Ok(then)),
                Ok((_, None)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
