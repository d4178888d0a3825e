//! The machine's few numbers, in one row that every batch rewrites.
//!
//! ```text
//! format u8 = 1 | applied index | applied term | revision | compacted | purged | cluster ns | live bytes | hash u128 LE
//! ```

use crate::row;
use quorate_table::{Read, TableError};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, LogIndex, Revision, StateHash, Term};

/// The row layouts in `row` and here. A machine opens only tables of its own format.
pub(crate) const FORMAT: u8 = 1;
const MACHINE_KEY: &[u8] = b"machine";
const CONFIGURATION_KEY: &[u8] = b"configuration";

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    /// The last applied entry.
    pub(crate) applied: LogIndex,
    /// Its term.
    pub(crate) term: Term,
    /// The newest revision.
    pub(crate) revision: Revision,
    /// The oldest readable revision; 0 if nothing was ever compacted. Never above `revision`.
    pub(crate) compacted: Revision,
    /// All history rows of lower revisions are deleted. Never above `compacted`.
    pub(crate) purged: Revision,
    /// The group's clock.
    pub(crate) cluster_time_ns: u64,
    /// Keys' and rows' bytes in `current`.
    pub(crate) live_len_bytes: u64,
    /// Over the rows of `current`, `leases` and `sessions`, and the alarms.
    pub(crate) hash: StateHash,
}

/// Why the row cannot be used.
pub(crate) enum MetaError {
    Format(u8),
    Tables(TableError),
}

impl From<TableError> for MetaError {
    fn from(source: TableError) -> Self {
        MetaError::Tables(source)
    }
}

impl Meta {
    /// Of an empty store.
    pub(crate) fn new() -> Self {
        Meta {
            applied: LogIndex(0),
            term: Term(0),
            revision: Revision(1),
            compacted: Revision(0),
            purged: Revision(0),
            cluster_time_ns: 0,
            live_len_bytes: 0,
            hash: StateHash::default(),
        }
    }

    /// Reads the row; an empty store's if there is none.
    pub(crate) fn open(rows: &dyn Read) -> Result<Self, MetaError> {
        let Some(row) = rows.get(row::META, MACHINE_KEY)? else { return Ok(Meta::new()) };
        match row.first() {
            Some(&FORMAT) => Meta::decode(&row).map_err(|_| row::corrupt("meta row", MACHINE_KEY).into()),
            Some(other) => Err(MetaError::Format(*other)),
            None => Err(row::corrupt("meta row", MACHINE_KEY).into()),
        }
    }

    /// The row's key and value.
    pub(crate) fn row(&self) -> (Bytes, Bytes) {
        let mut out = Vec::with_capacity(96);
        out.put_u8(FORMAT);
        out.put_varint(self.applied.0);
        out.put_varint(self.term.0);
        for revision in [self.revision, self.compacted, self.purged] {
            out.put_signed(revision.0);
        }
        out.put_varint(self.cluster_time_ns);
        out.put_varint(self.live_len_bytes);
        out.extend_from_slice(&self.hash.0.to_le_bytes());
        (Bytes::from_static(MACHINE_KEY), Bytes::from(out))
    }

    fn decode(row: &Bytes) -> Result<Self, DecodeError> {
        let hash_start = row.len().checked_sub(16).ok_or(DecodeError::Truncated)?;
        let hash: [u8; 16] = row[hash_start..].try_into().map_err(|_| DecodeError::Truncated)?;
        let mut reader = Reader::new(row.slice(1..hash_start));
        let meta = Meta {
            applied: LogIndex(reader.varint()?),
            term: Term(reader.varint()?),
            revision: Revision(reader.signed()?),
            compacted: Revision(reader.signed()?),
            purged: Revision(reader.signed()?),
            cluster_time_ns: reader.varint()?,
            live_len_bytes: reader.varint()?,
            hash: StateHash(u128::from_le_bytes(hash)),
        };
        reader.finish()?;
        Ok(meta)
    }
}

/// Whether the row of `meta` under `key` is the one with the machine's numbers.
pub(crate) fn is_machine_row(key: &[u8]) -> bool {
    key == MACHINE_KEY
}

/// The configuration row's key and value.
pub(crate) fn configuration_row(configuration: &Bytes) -> (Bytes, Bytes) {
    (Bytes::from_static(CONFIGURATION_KEY), configuration.clone())
}

/// Reads the configuration; empty if none was ever set.
pub(crate) fn configuration(rows: &dyn Read) -> Result<Bytes, TableError> {
    Ok(rows.get(row::META, CONFIGURATION_KEY)?.unwrap_or_default())
}
