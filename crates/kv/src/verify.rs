//! Checks a state against itself, row by row: for tests, and for a scrub in the background.
//!
//! Every sum and index is computed again from the rows that it stands for.

use crate::alarm_rows::{Alarms, is_alarm_row};
use crate::count_tree::Page;
use crate::request::KeyValue;
use crate::row::{self, Position};
use crate::view::View;
use quorate_table::{Direction, Row, TableError, TableId};
use quorate_types::{Bytes, LeaseId, StateHash};
use std::fmt;
use std::ops::Bound;

/// What does not fit together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Damage {
    /// The hash of pairs and leases is not the one that was kept.
    StateHash,
    /// The bytes of all pairs are not what was kept.
    LiveLength,
    /// A page of keys does not hold as many as counted.
    KeyCount {
        /// The page's lower bound.
        first: Bytes,
    },
    /// A key's lease does not exist or does not know the key, or a lease names a key that is not its own.
    LeaseKeys {
        /// The key.
        key: Bytes,
    },
    /// The leases by expiry are not the leases.
    LeaseExpiry,
    /// A pair's versions contradict one another or the store's revision.
    Versions {
        /// The key.
        key: Bytes,
    },
    /// A history row lies outside the readable revisions, lacks its index row, or does not fit the row after it.
    History {
        /// The key.
        key: Bytes,
    },
    /// An index row names no history row of its key.
    Index,
    /// The alarms that stand are not the rows.
    Alarms,
}

/// Why a state did not pass.
#[derive(Clone, Debug)]
pub enum VerifyError {
    /// It contradicts itself.
    Damaged(Damage),
    /// It cannot be read.
    Tables(TableError),
}

impl From<TableError> for VerifyError {
    fn from(source: TableError) -> Self {
        VerifyError::Tables(source)
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Damaged(damage) => write!(f, "the state contradicts itself: {damage:?}"),
            VerifyError::Tables(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for VerifyError {}

fn ensure(holds: bool, damage: impl FnOnce() -> Damage) -> Result<(), VerifyError> {
    if holds { Ok(()) } else { Err(VerifyError::Damaged(damage())) }
}

/// Reads the whole of `view` and checks it. Takes time in proportion to the rows.
///
/// # Errors
/// [`VerifyError`]: the first contradiction met.
pub fn verify(view: &View) -> Result<(), VerifyError> {
    let mut hash = StateHash::default();
    verify_current(view, &mut hash)?;
    verify_leases(view, &mut hash)?;
    for item in rows(view, row::SESSIONS) {
        let (key, value) = item?;
        hash.add(&row::hash(row::SESSIONS, &key, &value));
    }
    verify_alarms(view, &mut hash)?;
    ensure(hash == view.state_hash(), || Damage::StateHash)?;
    verify_lease_keys(view)?;
    verify_history(view)?;
    verify_index(view)
}

fn rows(view: &View, table: TableId) -> impl Iterator<Item = Result<Row, TableError>> + '_ {
    view.rows.range(table, Bound::Unbounded, Bound::Unbounded, Direction::Forward)
}

fn verify_current(view: &View, hash: &mut StateHash) -> Result<(), VerifyError> {
    let mut pages: Vec<Page> = view.counts.pages();
    let kept = pages.clone();
    pages.iter_mut().for_each(|page| page.keys = 0);
    let (mut page, mut len_bytes) = (0, 0);
    for item in rows(view, row::CURRENT) {
        let (key, value) = item?;
        let pair = row::pair(key, &value)?;
        hash.add(&row::hash(row::CURRENT, &pair.key, &value));
        len_bytes += (pair.key.len() + value.len()) as u64;
        while pages.get(page + 1).is_some_and(|next| next.first <= pair.key) {
            page += 1;
        }
        pages[page].keys += 1;
        let lives = pair.mod_revision.0 - pair.create_revision.0;
        let fits = pair.mod_revision <= view.revision() && pair.version >= 1 && lives >= pair.version - 1;
        ensure(fits, || Damage::Versions { key: pair.key.clone() })?;
        if let Some(id) = pair.lease {
            let knows = view.rows.get(row::LEASE_KEYS, &row::lease_member_key(id, &pair.key))?.is_some();
            let exists = view.rows.get(row::LEASES, &row::lease_key(id))?.is_some();
            ensure(knows && exists, || Damage::LeaseKeys { key: pair.key.clone() })?;
        }
    }
    let wrong = pages.iter().zip(&kept).find(|(found, kept)| found != kept);
    ensure(wrong.is_none(), || Damage::KeyCount {
        first: wrong.map(|(page, _)| page.first.clone()).unwrap_or_default(),
    })?;
    let persisted: Vec<Page> = rows(view, row::COUNTS)
        .map(|item| {
            let (key, value) = item?;
            Ok(Page { first: key.slice(1..), keys: row::number(&value)? as u32 })
        })
        .collect::<Result<_, TableError>>()?;
    let is_fresh = persisted.is_empty() && view.key_count() == 0;
    ensure(is_fresh || persisted == kept, || Damage::KeyCount { first: Bytes::new() })?;
    ensure(len_bytes == view.live_len_bytes(), || Damage::LiveLength)
}

fn verify_leases(view: &View, hash: &mut StateHash) -> Result<(), VerifyError> {
    let mut leases: Vec<(u64, LeaseId, u64)> = Vec::new();
    for item in rows(view, row::LEASES) {
        let (key, value) = item?;
        hash.add(&row::hash(row::LEASES, &key, &value));
        let lease = row::lease(&value)?;
        leases.push((lease.expiry_ns, row::lease_id(&key)?, lease.renewal));
    }
    leases.sort_unstable();
    ensure(view.leases.iter().eq(leases), || Damage::LeaseExpiry)
}

fn verify_alarms(view: &View, hash: &mut StateHash) -> Result<(), VerifyError> {
    for item in rows(view, row::META) {
        let (key, value) = item?;
        if is_alarm_row(&key) {
            hash.add(&row::hash(row::META, &key, &value));
        }
    }
    ensure(Alarms::open(&*view.rows)?.iter().eq(view.alarms.iter()), || Damage::Alarms)
}

fn verify_lease_keys(view: &View) -> Result<(), VerifyError> {
    for item in rows(view, row::LEASE_KEYS) {
        let (member, _) = item?;
        let (id, key) = member.split_at_checked(8).ok_or_else(|| row::corrupt("lease key", &member))?;
        let key = Bytes::copy_from_slice(key);
        let pair =
            view.rows.get(row::CURRENT, &key)?.map(|value| row::pair(key.clone(), &value)).transpose()?;
        let holds = pair.and_then(|pair| pair.lease) == Some(row::lease_id(id)?);
        ensure(holds, || Damage::LeaseKeys { key })?;
    }
    Ok(())
}

/// Every change leads to what the next change of its key replaced, or to what the key is now.
fn verify_history(view: &View) -> Result<(), VerifyError> {
    for item in rows(view, row::HISTORY) {
        let (history_key, value) = item?;
        let position = Position::of(&history_key)?;
        let change = row::change(&value)?;
        let damage = || Damage::History { key: change.key.clone() };
        ensure(position.revision >= view.meta().purged && position.revision <= view.revision(), damage)?;
        let version_key = row::version_key(&change.key, position.revision);
        let sub = view.rows.get(row::VERSIONS, &version_key)?.map(|row| row::number(&row)).transpose()?;
        ensure(sub == Some(u64::from(position.sub)), damage)?;
        let after: Option<KeyValue> =
            match crate::past::next_change(&*view.rows, &change.key, position.revision)? {
                Some(next) => next.previous.map(|stored| stored.pair),
                None => {
                    let current = view.rows.get(row::CURRENT, &change.key)?;
                    current.map(|value| row::pair(change.key.clone(), &value)).transpose()?
                }
            };
        let fits = match (&change.put, &after) {
            (None, None) => true,
            (Some(put), Some(pair)) => {
                pair.mod_revision == position.revision
                    && (pair.create_revision, pair.version, pair.lease)
                        == (put.create_revision, put.version, put.lease)
            }
            _ => false,
        };
        ensure(fits, damage)?;
    }
    Ok(())
}

fn verify_index(view: &View) -> Result<(), VerifyError> {
    for item in rows(view, row::VERSIONS) {
        let (version_key, value) = item?;
        let (escaped, position) = row::version(&version_key, &value)?;
        let change =
            view.rows.get(row::HISTORY, &position.key())?.map(|row| row::change(&row)).transpose()?;
        let key = row::unescaped(escaped).ok_or_else(|| row::corrupt("versions key", &version_key))?;
        ensure(change.is_some_and(|change| *change.key == *key), || Damage::Index)?;
    }
    Ok(())
}
