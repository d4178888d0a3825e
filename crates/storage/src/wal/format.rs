//! The log's bytes.
//!
//! Numbers in headers are little endian; a batch's records use the encoding of Raft's own messages (`raft::wire`). Everything begins at a multiple of
//! 4096 bytes, so that writing a batch never touches a disk block that holds an acknowledged one.
//!
//! ```text
//! segment file   block 0   header
//!                block 1…  batches, one after another
//!
//! header    offset  bytes
//!                0      8  "QUORWAL\n"
//!                8      4  format version; its place and meaning never change
//!               12      4  CRC-32C of bytes 16 to 48
//!               16      8  cluster id
//!               24      8  node id
//!               32      8  sequence of this segment: 1, 2, 3, …
//!               40      8  number of its first batch
//!
//! batch          0      4  "BTCH"
//!                4      4  CRC-32C of: segment sequence (8), offset in the file (8), bytes 8 to the last record's end
//!                8      8  number of the batch: 1, 2, 3, … over all segments
//!               16      4  the checksum of the batch before it; 0 for the first
//!               20      4  length of the records
//!               24      …  records, then zeros up to the next block
//!
//! record         type (1), group (varint), then by type
//!   1 hard state   term and vote
//!   2 reset        a snapshot's index, term and members: the log now starts after it
//!   3 entries      count (varint), then entries; whatever the log held from the first one's index on is replaced
//!   4 floor        as reset; entries up to its index are not needed any more, the others stay
//! ```
//!
//! Position and segment are part of the checksum: a batch of an earlier life of a reused file, or one that the disk wrote
//! to the wrong place, is not valid where it is found. And as each batch names the one before it, one that the disk never wrote
//! is missed even if something valid stands in its place.

use super::WalOptions;
use quorate_consensus::raft::wire::{
    encode_entry, encode_hard_state, encode_snapshot_meta, read_entry, read_hard_state, read_snapshot_meta,
};
use quorate_consensus::raft::{Entry, HardState, LogWrite, SnapshotMeta};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, ClusterId, GroupId, NodeId};

/// What everything is aligned to: the largest unit that disks write.
pub(super) const BLOCK_BYTES: u64 = 4096;
/// The version that this build reads and writes.
pub(super) const FORMAT_VERSION: u32 = 1;

const SEGMENT_MAGIC: &[u8; 8] = b"QUORWAL\n";
const SEGMENT_HEADER_BYTES: usize = 48;
const BATCH_MAGIC: &[u8; 4] = b"BTCH";
pub(super) const BATCH_HEADER_BYTES: usize = 24;

/// The first batch of a segment has what the groups carry over besides.
const MAX_CLAIM_BYTES: usize = 2 * super::MAX_BATCH_BYTES;

const HARD_STATE: u8 = 1;
const RESET: u8 = 2;
const ENTRIES: u8 = 3;
const FLOOR: u8 = 4;

/// `len_bytes` rounded up to whole blocks.
pub(super) fn padded(len_bytes: usize) -> u64 {
    (len_bytes as u64).next_multiple_of(BLOCK_BYTES)
}

fn number_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(number_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(number_at(bytes, at))
}

/// What a segment file says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) cluster: ClusterId,
    pub(super) node: NodeId,
    pub(super) sequence: u64,
    pub(super) first_batch: u64,
}

/// Why a block is not a segment's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    Damaged,
    Newer { found: u32 },
}

impl SegmentHeader {
    pub(super) fn new(options: &WalOptions, sequence: u64, first: BatchId) -> Self {
        SegmentHeader { cluster: options.cluster, node: options.node, sequence, first_batch: first.number }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK_BYTES as usize);
        block.extend_from_slice(SEGMENT_MAGIC);
        block.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        block.extend_from_slice(&[0; 4]);
        for field in [self.cluster.0, self.node.0, self.sequence, self.first_batch] {
            block.extend_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c::crc32c(&block[16..]);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        block.resize(BLOCK_BYTES as usize, 0);
        block
    }

    pub(super) fn decode(block: &[u8]) -> Result<Self, HeaderError> {
        if block.len() < SEGMENT_HEADER_BYTES || &block[..8] != SEGMENT_MAGIC {
            return Err(HeaderError::Damaged);
        }
        let found = u32_at(block, 8);
        if found > FORMAT_VERSION {
            return Err(HeaderError::Newer { found });
        }
        if found == 0 || u32_at(block, 12) != crc32c::crc32c(&block[16..SEGMENT_HEADER_BYTES]) {
            return Err(HeaderError::Damaged);
        }
        let (cluster, node) = (ClusterId(u64_at(block, 16)), NodeId(u64_at(block, 24)));
        Ok(SegmentHeader { cluster, node, sequence: u64_at(block, 32), first_batch: u64_at(block, 40) })
    }
}

/// A batch without records; its header is filled in by [`finish_batch`].
pub(super) fn empty_batch() -> Vec<u8> {
    vec![0; BATCH_HEADER_BYTES]
}

pub(super) fn is_empty_batch(batch: &[u8]) -> bool {
    batch.len() == BATCH_HEADER_BYTES
}

/// Makes it an empty one again.
pub(super) fn clear_batch(batch: &mut Vec<u8>) {
    batch.truncate(BATCH_HEADER_BYTES);
}

/// Which batch it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BatchId {
    pub(super) number: u64,
    /// The checksum of the batch before it.
    pub(super) previous: u32,
}

impl BatchId {
    /// The very first batch.
    pub(super) const FIRST: BatchId = BatchId { number: 1, previous: 0 };

    /// The batch after this one, whose checksum is given.
    pub(super) fn next(self, checksum: u32) -> Self {
        BatchId { number: self.number + 1, previous: checksum }
    }
}

/// Fills in the header and pads to whole blocks: now it can be written at `offset` of that segment, and only there. Returns
/// the checksum.
pub(super) fn finish_batch(batch: &mut Vec<u8>, segment: u64, offset: u64, id: BatchId) -> u32 {
    let records = u32::try_from(batch.len() - BATCH_HEADER_BYTES).expect("a batch is limited to less");
    batch[..4].copy_from_slice(BATCH_MAGIC);
    batch[8..16].copy_from_slice(&id.number.to_le_bytes());
    batch[16..20].copy_from_slice(&id.previous.to_le_bytes());
    batch[20..24].copy_from_slice(&records.to_le_bytes());
    let crc = batch_crc(segment, offset, &batch[8..]);
    batch[4..8].copy_from_slice(&crc.to_le_bytes());
    let padded = usize::try_from(padded(batch.len())).expect("a batch fits into memory");
    batch.resize(padded, 0);
    crc
}

fn batch_crc(segment: u64, offset: u64, covered: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&segment.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
    crc32c::crc32c_append(crc, covered)
}

/// What a block claims to be, before its checksum is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BatchClaim {
    pub(super) id: BatchId,
    pub(super) checksum: u32,
    /// Of header and records, without padding.
    pub(super) len_bytes: usize,
}

/// Whether a batch may begin here.
pub(super) fn claim(block: &[u8]) -> Option<BatchClaim> {
    if block.len() < BATCH_HEADER_BYTES || &block[..4] != BATCH_MAGIC {
        return None;
    }
    let len_bytes = BATCH_HEADER_BYTES + u32_at(block, 20) as usize;
    let id = BatchId { number: u64_at(block, 8), previous: u32_at(block, 16) };
    (len_bytes <= MAX_CLAIM_BYTES).then_some(BatchClaim { id, checksum: u32_at(block, 4), len_bytes })
}

/// Whether `batch`, header and records, is one that was written at `offset` of that segment.
pub(super) fn is_valid(batch: &[u8], segment: u64, offset: u64) -> bool {
    u32_at(batch, 4) == batch_crc(segment, offset, &batch[8..])
}

/// Adds a write's records, in the order of its parts.
pub(super) fn put_write(batch: &mut Vec<u8>, group: GroupId, write: &LogWrite) {
    if let Some(meta) = &write.reset {
        put_kind(batch, RESET, group);
        encode_snapshot_meta(meta, batch);
    }
    if let Some(hard_state) = write.hard_state {
        put_hard_state(batch, group, hard_state);
    }
    if !write.entries.is_empty() {
        put_kind(batch, ENTRIES, group);
        batch.put_varint(write.entries.len() as u64);
        write.entries.iter().for_each(|entry| encode_entry(entry, batch));
    }
}

pub(super) fn put_hard_state(batch: &mut Vec<u8>, group: GroupId, hard_state: HardState) {
    put_kind(batch, HARD_STATE, group);
    encode_hard_state(&hard_state, batch);
}

pub(super) fn put_floor(batch: &mut Vec<u8>, group: GroupId, floor: &SnapshotMeta) {
    put_kind(batch, FLOOR, group);
    encode_snapshot_meta(floor, batch);
}

fn put_kind(batch: &mut Vec<u8>, kind: u8, group: GroupId) {
    batch.put_u8(kind);
    batch.put_varint(u64::from(group.0));
}

/// One record of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    HardState(HardState),
    Reset(SnapshotMeta),
    Entries(Vec<Entry>),
    Floor(SnapshotMeta),
}

/// A valid batch's records. Payloads share the memory of `batch`.
pub(super) fn records(batch: &Bytes) -> Result<Vec<(GroupId, Record)>, DecodeError> {
    let mut reader = Reader::new(batch.slice(BATCH_HEADER_BYTES..));
    let mut records = Vec::new();
    while reader.remaining() > 0 {
        let kind = reader.u8()?;
        let group = u32::try_from(reader.varint()?).map_err(|_| DecodeError::Invalid { field: "group" })?;
        let record = match kind {
            HARD_STATE => Record::HardState(read_hard_state(&mut reader)?),
            RESET => Record::Reset(read_snapshot_meta(&mut reader)?),
            ENTRIES => Record::Entries(entries(&mut reader)?),
            FLOOR => Record::Floor(read_snapshot_meta(&mut reader)?),
            _ => return Err(DecodeError::Invalid { field: "record type" }),
        };
        records.push((GroupId(group), record));
    }
    Ok(records)
}

fn entries(reader: &mut Reader) -> Result<Vec<Entry>, DecodeError> {
    let count = reader.count()?;
    if count == 0 {
        return Err(DecodeError::Invalid { field: "entries" });
    }
    let entries = (0..count).map(|_| read_entry(reader)).collect::<Result<Vec<_>, _>>()?;
    let contiguous = entries.windows(2).all(|pair| pair[1].index == pair[0].index.next());
    if contiguous { Ok(entries) } else { Err(DecodeError::Invalid { field: "entries" }) }
}
