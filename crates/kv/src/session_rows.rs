//! The rows of the table `sessions`, and their order by use.
//!
//! ```text
//! key                        value
//! id u64                     used, cluster ns | acknowledged | bytes of answers kept
//! id u64 | number u64        revision | answer, see `session`
//! ```

use crate::row::{self, corrupt};
use quorate_table::{Direction, Read, TableError};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, SessionId};
use std::collections::BTreeSet;
use std::ops::Bound;

/// The sessions by when they were used last, as their rows have it.
#[derive(Debug)]
pub(crate) struct SessionIndex {
    pub(crate) by_use: BTreeSet<(u64, SessionId)>,
}

impl SessionIndex {
    /// Reads all sessions.
    pub(crate) fn open(rows: &dyn Read) -> Result<Self, TableError> {
        let mut by_use = BTreeSet::new();
        for item in rows.range(row::SESSIONS, Bound::Unbounded, Bound::Unbounded, Direction::Forward) {
            let (id, value) = item?;
            if let Key::Session(id) = key(&id)? {
                by_use.insert((session(&value)?.used_ns, id));
            }
        }
        Ok(SessionIndex { by_use })
    }
}

/// A session, but for its answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Session {
    /// When it was used last, roughly, by the group's clock.
    pub(crate) used_ns: u64,
    /// Its client has the answers up to this number.
    pub(crate) acknowledged: u64,
    /// Bytes of the answers that are kept.
    pub(crate) kept_len_bytes: u64,
}

/// What a row is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// A session.
    Session(SessionId),
    /// One of its answers.
    Answer,
}

pub(crate) fn session_key(id: SessionId) -> [u8; 8] {
    id.0.to_be_bytes()
}

pub(crate) fn answer_key(id: SessionId, sequence: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&id.0.to_be_bytes());
    key[8..].copy_from_slice(&sequence.to_be_bytes());
    key
}

pub(crate) fn key(key: &[u8]) -> Result<Key, TableError> {
    let damaged = || corrupt("session key", key);
    match key.split_at_checked(8).ok_or_else(damaged)? {
        (id, []) => Ok(Key::Session(SessionId(u64::from_be_bytes(id.try_into().map_err(|_| damaged())?)))),
        (_, rest) if rest.len() == 8 => Ok(Key::Answer),
        _ => Err(damaged()),
    }
}

pub(crate) fn session_row(session: Session) -> Bytes {
    let mut out = Vec::with_capacity(24);
    out.put_varint(session.used_ns);
    out.put_varint(session.acknowledged);
    out.put_varint(session.kept_len_bytes);
    out.into()
}

pub(crate) fn session(row: &Bytes) -> Result<Session, TableError> {
    let mut reader = Reader::new(row.clone());
    let mut decode = || {
        let session = Session {
            used_ns: reader.varint()?,
            acknowledged: reader.varint()?,
            kept_len_bytes: reader.varint()?,
        };
        if reader.remaining() == 0 { Ok(session) } else { Err(DecodeError::Invalid { field: "session" }) }
    };
    decode().map_err(|_: DecodeError| corrupt("session", row))
}
