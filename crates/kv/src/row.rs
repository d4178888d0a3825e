//! What lies in the tables: every row's key and value, drawn.
//!
//! Keys are order-preserving: a table's byte order is the order that its readers want. Numbers inside values are LEB128 varints
//! (`lease` zigzag), as in `types::codec`; numbers inside keys are big-endian.
//!
//! ```text
//! table       key                                   value
//! meta        "machine"                             see `meta`
//!             "configuration"                       opaque
//!             "alarm/" …                            see `alarm_rows`
//! current     user key                              pair
//! history     revision u64 | sub u32                flags u8 | key length | key | [create | version | lease] | [pair]
//! versions    escaped user key | revision u64       sub
//! leases      id u64                                granted ttl, seconds | expiry, cluster ns | renewal
//! lease_keys  id u64 | user key                     (nothing)
//! counts      0x00 | first user key of the page     keys in the page
//! sessions    id u64 | …                            see `session_rows`
//!
//! pair     =  create | mod | version | lease | value to the end
//! flags    :  1 the event is a put, and the first bracket stands; 2 the key was there before, and the second one stands
//! escaped  :  each 0x00 becomes 0x00 0xff; closed by 0x00 0x01, so that no key's rows stand among another's
//! ```
//!
//! A value stands once: the newest in `current`, an older one in the history row of the change that replaced it. So the value
//! that an event wrote is in the key's *next* history row, or in `current` if there is none.

use crate::request::KeyValue;
use quorate_table::{TableError, TableId};
use quorate_types::codec::Write;
use quorate_types::{Bytes, LeaseId, Revision, RowHash};
use std::borrow::Cow;

/// Applied index, revisions, clock, hash; alarms.
pub(crate) const META: TableId = TableId(1);
/// The pairs as they are now.
pub(crate) const CURRENT: TableId = TableId(2);
/// What each change since the compacted revision replaced.
pub(crate) const HISTORY: TableId = TableId(3);
/// The history's rows by key.
pub(crate) const VERSIONS: TableId = TableId(4);
/// The leases.
pub(crate) const LEASES: TableId = TableId(5);
/// Each lease's keys.
pub(crate) const LEASE_KEYS: TableId = TableId(6);
/// How many keys lie where.
pub(crate) const COUNTS: TableId = TableId(7);
/// The clients' sessions and their answers.
pub(crate) const SESSIONS: TableId = TableId(10);
/// All of them, in the order in which a snapshot carries them.
pub(crate) const ALL: [TableId; 8] = [META, CURRENT, HISTORY, VERSIONS, LEASES, LEASE_KEYS, COUNTS, SESSIONS];

const FLAG_PUT: u8 = 1;
const FLAG_PREVIOUS: u8 = 2;
/// No encoded varint is longer.
const VARINT_LEN_MAX: usize = 10;

/// The error for a row that does not decode.
pub(crate) fn corrupt(what: &str, key: &[u8]) -> TableError {
    TableError::Corrupt { detail: format!("{what} `{}`", key.escape_ascii()).into() }
}

/// Reads a value's fields without touching reference counts; the scan of a range decodes a row per pair.
struct Fields<'a> {
    row: &'a [u8],
    position: usize,
}

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.row.get(self.position)?;
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn revision(&mut self) -> Option<Revision> {
        Some(Revision(i64::try_from(self.varint()?).ok()?))
    }

    fn lease(&mut self) -> Option<Option<LeaseId>> {
        let raw = self.varint()?;
        Some(lease_of((raw >> 1) as i64 ^ -((raw & 1) as i64)))
    }
}

fn lease_of(id: i64) -> Option<LeaseId> {
    (id != 0).then_some(LeaseId(id))
}

fn lease_number(lease: Option<LeaseId>) -> i64 {
    lease.map_or(0, |id| id.0)
}

/// A pair together with its row as stored: the history takes the row over as it is.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) pair: KeyValue,
    pub(crate) row: Bytes,
}

/// Room that [`put_pair`] needs at most.
pub(crate) fn pair_len_max(value: &[u8]) -> usize {
    4 * VARINT_LEN_MAX + value.len()
}

/// Writes the `pair` layout; the key is not part of it.
pub(crate) fn put_pair(out: &mut Vec<u8>, pair: &KeyValue) {
    out.put_varint(pair.create_revision.0 as u64);
    out.put_varint(pair.mod_revision.0 as u64);
    out.put_varint(pair.version as u64);
    out.put_signed(lease_number(pair.lease));
    out.extend_from_slice(&pair.value);
}

/// Reads the `pair` layout. The value shares the row's memory.
pub(crate) fn pair(key: Bytes, row: &Bytes) -> Result<KeyValue, TableError> {
    let mut fields = Fields { row, position: 0 };
    let mut read = || {
        Some(KeyValue {
            key: Bytes::new(),
            create_revision: fields.revision()?,
            mod_revision: fields.revision()?,
            version: fields.varint()? as i64,
            lease: fields.lease()?,
            value: row.slice(fields.position..),
        })
    };
    match read() {
        Some(pair) => Ok(KeyValue { key, ..pair }),
        None => Err(corrupt("current row", &key)),
    }
}

/// Where an event stands in the history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Position {
    pub(crate) revision: Revision,
    /// Counts the events of one revision from 0.
    pub(crate) sub: u32,
}

impl Position {
    /// The first event of `revision`.
    pub(crate) fn start_of(revision: Revision) -> Self {
        Position { revision, sub: 0 }
    }

    /// The history row's key.
    pub(crate) fn key(self) -> [u8; 12] {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&(self.revision.0 as u64).to_be_bytes());
        key[8..].copy_from_slice(&self.sub.to_be_bytes());
        key
    }

    /// From the history row's key.
    pub(crate) fn of(key: &[u8]) -> Result<Self, TableError> {
        let (revision, sub) = key.split_at_checked(8).ok_or_else(|| corrupt("history key", key))?;
        let revision = be_revision(revision).ok_or_else(|| corrupt("history key", key))?;
        let sub = sub.try_into().map_err(|_| corrupt("history key", key))?;
        Ok(Position { revision, sub: u32::from_be_bytes(sub) })
    }
}

fn be_revision(bytes: &[u8]) -> Option<Revision> {
    i64::try_from(u64::from_be_bytes(bytes.try_into().ok()?)).ok().map(Revision)
}

/// One history row.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: Bytes,
    /// What the key became; `None`: it was deleted.
    pub(crate) put: Option<PutMeta>,
    /// The pair that the change replaced, with its row.
    pub(crate) previous: Option<Stored>,
}

/// What a put's history row says of the new pair; its mod revision is in the row's key, its value elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PutMeta {
    pub(crate) create_revision: Revision,
    pub(crate) version: i64,
    pub(crate) lease: Option<LeaseId>,
}

/// Room that [`put_change`] needs at most.
pub(crate) fn change_len_max(key: &[u8], previous: Option<&Stored>) -> usize {
    1 + 4 * VARINT_LEN_MAX + key.len() + previous.map_or(0, |stored| stored.row.len())
}

/// Writes a history row's value.
pub(crate) fn put_change(out: &mut Vec<u8>, key: &[u8], put: Option<PutMeta>, previous: Option<&Stored>) {
    let put_flag = if put.is_some() { FLAG_PUT } else { 0 };
    let previous_flag = if previous.is_some() { FLAG_PREVIOUS } else { 0 };
    out.put_u8(put_flag | previous_flag);
    out.put_bytes(key);
    if let Some(put) = put {
        out.put_varint(put.create_revision.0 as u64);
        out.put_varint(put.version as u64);
        out.put_signed(lease_number(put.lease));
    }
    if let Some(previous) = previous {
        out.extend_from_slice(&previous.row);
    }
}

/// Reads a history row's value. Key and previous value share the row's memory.
pub(crate) fn change(row: &Bytes) -> Result<Change, TableError> {
    let mut fields = Fields { row, position: 1 };
    let mut head = || {
        let flags = *row.first()?;
        let key_len = usize::try_from(fields.varint()?).ok()?;
        let key_end = fields.position.checked_add(key_len).filter(|end| *end <= row.len())?;
        let key = row.slice(fields.position..key_end);
        fields.position = key_end;
        let put = if flags & FLAG_PUT == 0 {
            None
        } else {
            let create_revision = fields.revision()?;
            Some(PutMeta { create_revision, version: fields.varint()? as i64, lease: fields.lease()? })
        };
        (flags <= FLAG_PUT | FLAG_PREVIOUS).then_some((flags, key, put))
    };
    let (flags, key, put) = head().ok_or_else(|| corrupt("history row", row))?;
    let previous = if flags & FLAG_PREVIOUS == 0 {
        None
    } else {
        let undo = row.slice(fields.position..);
        Some(Stored { pair: pair(key.clone(), &undo)?, row: undo })
    };
    Ok(Change { key, put, previous })
}

/// Room that [`put_escaped`] needs for most keys.
pub(crate) fn escaped_len(key: &[u8]) -> usize {
    key.len() + 2
}

/// Writes a user key so that it can be followed by something without mixing with longer keys.
pub(crate) fn put_escaped(out: &mut Vec<u8>, key: &[u8]) {
    let mut parts = key.split(|byte| *byte == 0);
    out.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(&[0, 0xff]);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 1]);
}

/// A user key, escaped.
pub(crate) fn escaped(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(escaped_len(key));
    put_escaped(&mut out, key);
    out
}

/// The user key in an escaped one.
pub(crate) fn unescaped(escaped: &[u8]) -> Option<Cow<'_, [u8]>> {
    let body = escaped.strip_suffix(&[0, 1])?;
    if !body.contains(&0) {
        return Some(Cow::Borrowed(body));
    }
    let mut key = Vec::with_capacity(body.len());
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        key.push(*byte);
        if *byte == 0 && bytes.next() != Some(&0xff) {
            return None;
        }
    }
    Some(Cow::Owned(key))
}

/// Writes a `versions` row's key.
pub(crate) fn put_version_key(out: &mut Vec<u8>, key: &[u8], revision: Revision) {
    put_escaped(out, key);
    out.extend_from_slice(&(revision.0 as u64).to_be_bytes());
}

/// A `versions` row's key.
pub(crate) fn version_key(key: &[u8], revision: Revision) -> Vec<u8> {
    let mut out = Vec::with_capacity(escaped_len(key) + 8);
    put_version_key(&mut out, key, revision);
    out
}

/// A `versions` row's parts: the key, still escaped, and the event's place in the history.
pub(crate) fn version<'a>(row_key: &'a [u8], row: &[u8]) -> Result<(&'a [u8], Position), TableError> {
    let read = || {
        let (escaped, revision) = row_key.split_at_checked(row_key.len().checked_sub(8)?)?;
        let sub = u32::try_from(Fields { row, position: 0 }.varint()?).ok()?;
        Some((escaped, Position { revision: be_revision(revision)?, sub }))
    };
    read().ok_or_else(|| corrupt("versions row", row_key))
}

/// One lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lease {
    /// Seconds that it lives without a renewal.
    pub(crate) ttl_s: i64,
    /// When it runs out, in the group's clock.
    pub(crate) expiry_ns: u64,
    /// How often it was renewed.
    pub(crate) renewal: u64,
}

/// A `leases` row's key.
pub(crate) fn lease_key(id: LeaseId) -> [u8; 8] {
    (id.0 as u64).to_be_bytes()
}

/// The id in a `leases` row's key.
pub(crate) fn lease_id(key: &[u8]) -> Result<LeaseId, TableError> {
    let bytes = key.try_into().map_err(|_| corrupt("lease key", key))?;
    Ok(LeaseId(u64::from_be_bytes(bytes) as i64))
}

/// A `leases` row's value.
pub(crate) fn lease_row(lease: Lease) -> Bytes {
    let mut out = Vec::with_capacity(3 * VARINT_LEN_MAX);
    out.put_varint(lease.ttl_s as u64);
    out.put_varint(lease.expiry_ns);
    out.put_varint(lease.renewal);
    Bytes::from(out)
}

/// Reads a `leases` row's value.
pub(crate) fn lease(row: &[u8]) -> Result<Lease, TableError> {
    let mut fields = Fields { row, position: 0 };
    let mut read = || {
        Some(Lease { ttl_s: fields.varint()? as i64, expiry_ns: fields.varint()?, renewal: fields.varint()? })
    };
    read().ok_or_else(|| corrupt("lease row", row))
}

/// A `lease_keys` row's key.
pub(crate) fn lease_member_key(id: LeaseId, key: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(8 + key.len());
    out.extend_from_slice(&lease_key(id));
    out.extend_from_slice(key);
    Bytes::from(out)
}

/// A `counts` row's key.
pub(crate) fn page_key(first: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(1 + first.len());
    out.push(0);
    out.extend_from_slice(first);
    Bytes::from(out)
}

/// A row holding one number.
pub(crate) fn number_row(number: u64) -> Bytes {
    match number {
        0 => Bytes::from_static(&[0]),
        _ => {
            let mut out = Vec::with_capacity(VARINT_LEN_MAX);
            out.put_varint(number);
            Bytes::from(out)
        }
    }
}

/// Reads a row holding one number.
pub(crate) fn number(row: &[u8]) -> Result<u64, TableError> {
    Fields { row, position: 0 }.varint().ok_or_else(|| corrupt("number row", row))
}

/// What the state hash takes in of a row of `current`, `leases` or `sessions`, or of an alarm.
pub(crate) fn hash(table: TableId, key: &[u8], row: &[u8]) -> RowHash {
    RowHash::new().part(&[table.0]).part(key).part(row)
}

#[cfg(test)]
mod tests {
    use super::{
        Change, Lease, Position, PutMeta, Stored, change, escaped, lease, lease_row, pair, put_change,
        put_pair, unescaped, version_key,
    };
    use crate::request::KeyValue;
    use proptest::prelude::*;
    use quorate_types::{Bytes, LeaseId, Revision};

    fn stored(key: &Bytes, revisions: (i64, i64), version: i64, lease: i64, value: Vec<u8>) -> Stored {
        let pair = KeyValue {
            key: key.clone(),
            create_revision: Revision(revisions.0),
            mod_revision: Revision(revisions.1),
            version,
            value: value.into(),
            lease: super::lease_of(lease),
        };
        let mut row = Vec::new();
        put_pair(&mut row, &pair);
        Stored { pair, row: row.into() }
    }

    proptest! {
        #[test]
        fn escaping_keeps_the_order_and_comes_back(
            a in prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 0xfe, 0xff]), 0..5),
            b in prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 0xfe, 0xff]), 0..5),
            revisions in (0..i64::MAX, 0..i64::MAX),
        ) {
            let row_keys = (version_key(&a, Revision(revisions.0)), version_key(&b, Revision(revisions.1)));
            let expect = (&a, revisions.0).cmp(&(&b, revisions.1));
            prop_assert_eq!(row_keys.0.cmp(&row_keys.1), expect);
            let escaped = escaped(&a);
            prop_assert_eq!(unescaped(&escaped).unwrap().into_owned(), a);
        }

        #[test]
        fn rows_come_back_and_cut_ones_are_refused(
            key in prop::collection::vec(any::<u8>(), 1..6),
            numbers in (0..i64::MAX, 0..i64::MAX, 1..i64::MAX),
            lease_id: i64,
            value: Vec<u8>,
            is_put: bool,
            has_previous: bool,
        ) {
            let key = Bytes::from(key);
            let before = stored(&key, (numbers.0, numbers.1), numbers.2, lease_id, value);
            prop_assert_eq!(&pair(key.clone(), &before.row).unwrap(), &before.pair);

            let put = PutMeta { create_revision: Revision(numbers.0), version: numbers.2, lease: Some(LeaseId(7)) };
            let (put, previous) = (is_put.then_some(put), has_previous.then_some(&before));
            let mut row = Vec::new();
            put_change(&mut row, &key, put, previous);
            let row = Bytes::from(row);
            let read: Change = change(&row).unwrap();
            prop_assert_eq!((read.key, read.put), (key, put));
            prop_assert_eq!(read.previous.map(|s| (s.pair, s.row)), previous.map(|s| (s.pair.clone(), s.row.clone())));
            let shortest = row.len() - previous.map_or(0, |s| s.pair.value.len());
            prop_assert!((0..shortest).all(|len| change(&row.slice(..len)).is_err()));

            let granted = Lease { ttl_s: numbers.0, expiry_ns: numbers.1 as u64, renewal: numbers.2 as u64 };
            prop_assert_eq!(lease(&lease_row(granted)).unwrap(), granted);
            let position = Position { revision: Revision(numbers.0), sub: numbers.2 as u32 };
            prop_assert_eq!(Position::of(&position.key()).unwrap(), position);
        }
    }
}
