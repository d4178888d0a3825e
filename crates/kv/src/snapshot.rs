//! A whole state as a sequence of chunks, for a replica that fell behind the log.
//!
//! A chunk carries the next rows of all tables in order. It names its place in the sequence and is checksummed by itself; the
//! last one also carries the number of rows and the hash over all of them, so that a state is promoted only if it is whole.
//!
//! ```text
//! chunk  =  format u8 = 1 | sequence | (table u8 | key | value)* | 0 u8 | is last bool | [rows | hash u128 LE] | checksum u128 LE
//! ```

use crate::row;
use crate::view::View;
use quorate_table::{Batch, Direction, TableError, TableId, Tables};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::mistake::Mistake;
use quorate_types::{Bytes, RowHash, StateHash};
use std::fmt;
use std::ops::Bound;

const FORMAT: u8 = 1;
const CHECKSUM_LEN_BYTES: usize = 16;

/// Where the next chunk begins; the default is the start of the first one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SnapshotCursor {
    /// Which chunk is next.
    sequence: u64,
    /// Position in `row::ALL` of the table that is next.
    table: usize,
    /// The last key given out of it.
    after: Option<Bytes>,
    sent: Sums,
}

impl SnapshotCursor {
    /// The position of the next chunk: 0, 1, 2, …
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// What both ends know of the rows so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Sums {
    rows: u64,
    hash: StateHash,
}

impl Sums {
    fn add(&mut self, table: TableId, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.hash.add(&row::hash(table, key, value));
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN_BYTES] {
    let mut hash = StateHash::default();
    hash.add(&RowHash::new().part(body));
    hash.0.to_le_bytes()
}

impl View {
    /// The rows from `cursor` on, until the chunk has `max_len_bytes` or more; at least one row. Returns the chunk and where to
    /// go on, `None` after the last one. The same cursor on the same view gives the same chunk.
    ///
    /// # Errors
    /// [`TableError`] if the tables failed.
    pub fn snapshot_chunk(
        &self,
        cursor: &SnapshotCursor,
        max_len_bytes: usize,
    ) -> Result<(Bytes, Option<SnapshotCursor>), TableError> {
        let mut next = SnapshotCursor { sequence: cursor.sequence + 1, ..cursor.clone() };
        let mut out = Vec::new();
        out.put_u8(FORMAT);
        out.put_varint(cursor.sequence);
        let rows_before = next.sent.rows;
        while next.table < row::ALL.len() && (out.len() < max_len_bytes || next.sent.rows == rows_before) {
            self.put_rows(&mut next, max_len_bytes, &mut out)?;
        }
        let is_last = next.table == row::ALL.len();
        out.put_u8(0);
        out.put_bool(is_last);
        if is_last {
            out.put_varint(next.sent.rows);
            out.extend_from_slice(&next.sent.hash.0.to_le_bytes());
        }
        let checksum = checksum(&out);
        out.extend_from_slice(&checksum);
        Ok((Bytes::from(out), (!is_last).then_some(next)))
    }

    /// Writes rows of the cursor's table and moves the cursor behind them.
    fn put_rows(
        &self,
        cursor: &mut SnapshotCursor,
        max_len_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), TableError> {
        let table = row::ALL[cursor.table];
        let after = cursor.after.clone();
        let from = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]));
        for item in self.rows.range(table, from, Bound::Unbounded, Direction::Forward) {
            let left_out = table == row::LEASES && Mistake::SnapshotWithoutLeases.is_planted()
                || table == row::SESSIONS && Mistake::SnapshotWithoutSessions.is_planted();
            if left_out {
                break;
            }
            let (key, value) = item?;
            out.put_u8(table.0);
            out.put_bytes(&key);
            out.put_bytes(&value);
            cursor.sent.add(table, &key, &value);
            cursor.after = Some(key);
            if out.len() >= max_len_bytes {
                return Ok(());
            }
        }
        (cursor.table, cursor.after) = (cursor.table + 1, None);
        Ok(())
    }
}

/// Why a chunk was not taken. The staged tables are to be thrown away, except after [`SnapshotError::OutOfSequence`].
#[derive(Debug)]
pub enum SnapshotError {
    /// It is not the next one; nothing changed.
    OutOfSequence {
        /// The next one.
        expected: u64,
    },
    /// Its checksum is wrong, it does not decode, or what arrived does not add up to what was sent.
    Corrupt,
    /// It was written in a format that this program does not know.
    UnknownFormat {
        /// Which.
        found: u8,
    },
    /// The staged tables failed.
    Tables(TableError),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::OutOfSequence { expected } => write!(f, "the next snapshot chunk is {expected}"),
            SnapshotError::Corrupt => write!(f, "the snapshot arrived damaged or incomplete"),
            SnapshotError::UnknownFormat { found } => write!(f, "the snapshot has unknown format {found}"),
            SnapshotError::Tables(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotError::Tables(source) => Some(source),
            _ => None,
        }
    }
}

impl From<TableError> for SnapshotError {
    fn from(source: TableError) -> Self {
        SnapshotError::Tables(source)
    }
}

impl From<DecodeError> for SnapshotError {
    fn from(_: DecodeError) -> Self {
        SnapshotError::Corrupt
    }
}

/// Takes chunks into staged, empty tables.
pub struct SnapshotWriter {
    tables: Box<dyn Tables>,
    next: u64,
    received: Sums,
    is_complete: bool,
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter").field("next", &self.next).finish_non_exhaustive()
    }
}

impl SnapshotWriter {
    /// Begins with the first chunk. `tables` are empty.
    #[must_use]
    pub fn new(tables: Box<dyn Tables>) -> Self {
        SnapshotWriter { tables, next: 0, received: Sums::default(), is_complete: false }
    }

    /// The chunk that is wanted next.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Stores the next chunk. Returns whether it was the last one.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn store(&mut self, chunk: &Bytes) -> Result<bool, SnapshotError> {
        let body_len = chunk.len().checked_sub(CHECKSUM_LEN_BYTES).ok_or(SnapshotError::Corrupt)?;
        let body = chunk.slice(..body_len);
        if checksum(&body) != chunk[body_len..] {
            return Err(SnapshotError::Corrupt);
        }
        let mut reader = Reader::new(body);
        match reader.u8()? {
            FORMAT => {}
            found => return Err(SnapshotError::UnknownFormat { found }),
        }
        if self.is_complete || reader.varint()? != self.next {
            return Err(SnapshotError::OutOfSequence { expected: self.next });
        }
        let mut batch = Batch::new();
        loop {
            let table = match reader.u8()? {
                0 => break,
                number => TableId(number),
            };
            let (key, value) = (reader.bytes()?, reader.bytes()?);
            if key.is_empty() || !row::ALL.contains(&table) {
                return Err(SnapshotError::Corrupt);
            }
            self.received.add(table, &key, &value);
            batch.put(table, key, value);
        }
        self.is_complete = reader.bool()?;
        if self.is_complete {
            self.check_sums(&mut reader)?;
        }
        reader.finish()?;
        self.tables.commit(batch)?;
        self.next += 1;
        Ok(self.is_complete)
    }

    /// Compares what arrived with what the last chunk says was sent.
    fn check_sums(&self, reader: &mut Reader) -> Result<(), SnapshotError> {
        let rows = reader.varint()?;
        let mut hash = [0; 16];
        for byte in &mut hash {
            *byte = reader.u8()?;
        }
        let sent = Sums { rows, hash: StateHash(u128::from_le_bytes(hash)) };
        if sent == self.received { Ok(()) } else { Err(SnapshotError::Corrupt) }
    }

    /// The tables with the whole state in them, to be promoted.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`] if the last chunk was not stored.
    pub fn finish(self) -> Result<Box<dyn Tables>, SnapshotError> {
        if self.is_complete { Ok(self.tables) } else { Err(SnapshotError::Corrupt) }
    }
}
