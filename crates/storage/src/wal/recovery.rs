//! Reading the log after a restart.
//!
//! The problem is to tell a batch that the power cut short, which was never acknowledged and must be forgotten, from damage to
//! an acknowledged one, which must stop the node. A batch is written only after all earlier ones are durable, hence:
//!
//! 1. Batches are read in order as long as they are valid and numbered without a gap. The first place where that fails is
//!    the end, or damage.
//!    A valid batch that names another one before it than the one that stands there is damage too: the disk lost a write.
//! 2. In a segment that is not the last, it is the end only if the next segment's header says that its first batch is the
//!    next one. Otherwise acknowledged batches are missing: damage.
//! 3. In the last segment, if any later block begins a valid batch with a higher number, all before it had been acknowledged:
//!    damage. If there is none, the batch that should be there was never acknowledged, or it was the last one and there is
//!    no evidence: the log ends before it. Sectors of a cut batch may have reached the disk in any order; as one checksum covers
//!    all of them, either the whole batch is there or none of it is.
//! 4. Every file with a segment's name has a valid header and a valid first batch, because it gets that name last.
//!
//! What is left open is damage to the very last batch, which looks like a cut one. [`super::Wal::maintain`] and
//! [`super::Wal::close`] close that gap: they leave an empty batch behind it, as evidence.
//!
//! The bytes of a cut batch need not be wiped out: the next batch has the same number and place and covers its beginning, and no
//! part of the rest can be taken for a batch.

use super::format::{self, BLOCK_BYTES, BatchClaim, BatchId, HeaderError, Record, SegmentHeader};
use super::marks;
use super::segment;
use super::usage::Usage;
use super::{WalError, WalOptions};
use crate::disk::{Disk, DiskError, DiskFile};
use quorate_consensus::raft::{Entry, HardState, SnapshotMeta};
use quorate_types::mistake::Mistake;
use quorate_types::{Bytes, GroupId, LogIndex};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// What the log holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// By group, for all that were ever written.
    pub groups: BTreeMap<GroupId, RecoveredGroup>,
    /// The batch that the last crash cut short, if there are traces of one.
    pub truncated_tail: Option<TruncatedTail>,
    /// There was no log, and an empty one was made. In a directory that has held data before, this is a loss.
    pub created: bool,
}

/// One group's log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveredGroup {
    /// As last written.
    pub hard_state: HardState,
    /// What the log starts after.
    pub snapshot: SnapshotMeta,
    /// The entries after that, without gaps.
    pub entries: Vec<Entry>,
}

/// Where the log was cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TruncatedTail {
    /// The last segment.
    pub file: PathBuf,
    /// Where the batch began.
    pub offset: u64,
    /// Its length, as its header has it.
    pub len_bytes: u64,
}

/// Everything that opening needs.
pub(super) struct Replayed {
    pub(super) recovered: Recovered,
    pub(super) usage: Usage,
    pub(super) end: u64,
    pub(super) next_batch: BatchId,
    pub(super) last_batch: LastBatch,
}

/// The last valid batch, as it stands in the file.
pub(super) struct LastBatch {
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
}

/// Reads the segments, which are numbered in ascending order.
pub(super) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    options: &WalOptions,
    sequences: &[u64],
) -> Result<Replayed, WalError> {
    let oldest = *sequences.first().expect("there is a segment");
    let mut logs = Logs { groups: BTreeMap::new(), usage: Usage::starting_at(oldest) };
    let mut segments = Vec::new();
    for (position, sequence) in sequences.iter().enumerate() {
        let reader = SegmentReader::open(disk, dir, *sequence)?;
        let header = reader.check_header(options)?;
        if *sequence != oldest + position as u64 {
            return Err(reader.corrupt(0, "the segment before it is missing"));
        }
        segments.push((reader, header.first_batch));
    }
    let mut last: Option<Scanned> = None;
    let first_of_next: Vec<Option<u64>> =
        segments.iter().skip(1).map(|(_, first)| Some(*first)).chain([None]).collect();
    for ((reader, first_batch), end_before) in segments.into_iter().zip(first_of_next) {
        if last.is_some() {
            logs.usage.on_new_segment(reader.sequence);
        }
        let previous = last.map(|before| before.next_batch.previous);
        let scanned = reader.scan(Span { first_batch, end_before }, previous, &mut logs)?;
        if end_before.is_some_and(|end_before| end_before != scanned.next_batch.number) {
            return Err(scanned.corrupt("acknowledged batches are missing"));
        }
        last = Some(scanned);
    }
    let last = last.expect("there is a segment");
    let truncated_tail = last.check_tail()?;
    let groups = logs.finish(&last)?;
    Ok(Replayed {
        recovered: Recovered { groups, truncated_tail, created: false },
        usage: logs.usage,
        end: last.end,
        next_batch: last.next_batch,
        last_batch: last.last_batch,
    })
}

/// The entries that some segments, the active one not among them, hold of some groups.
pub(super) fn read_entries(
    disk: &dyn Disk,
    dir: &Path,
    segments: RangeInclusive<u64>,
    wanted: &[GroupId],
) -> Result<BTreeMap<GroupId, Vec<Entry>>, DiskError> {
    let mut logs = Logs { groups: BTreeMap::new(), usage: Usage::starting_at(*segments.start()) };
    for sequence in segments {
        let reader = SegmentReader::open(disk, dir, sequence)?;
        let header = reader.read_header().map_err(WalError::into_cause)?;
        let span = Span { first_batch: header.first_batch, end_before: None };
        reader.scan(span, None, &mut logs).map_err(WalError::into_cause)?;
        logs.groups.retain(|group, _| wanted.contains(group));
    }
    Ok(logs.groups.into_iter().map(|(group, log)| (group, log.entries)).collect())
}

/// The groups' logs as far as they were replayed.
struct Logs {
    groups: BTreeMap<GroupId, GroupReplay>,
    usage: Usage,
}

#[derive(Default)]
struct GroupReplay {
    hard_state: HardState,
    floor: SnapshotMeta,
    entries: Vec<Entry>,
    /// Everything up to here is not among the segments that are left, so the floor must turn out to be at least this.
    missing_upto: LogIndex,
}

impl Logs {
    fn apply(&mut self, group: GroupId, record: Record) {
        let log = self.groups.entry(group).or_default();
        match record {
            Record::HardState(hard_state) => log.hard_state = hard_state,
            Record::Reset(meta) => {
                self.usage.on_reset(group);
                *log = GroupReplay { hard_state: log.hard_state, floor: meta, ..GroupReplay::default() };
            }
            Record::Entries(entries) => {
                let (first, last) = (entries[0].index, entries[entries.len() - 1].index);
                self.usage.on_entries(group, first, last);
                log.append(first, entries);
            }
            Record::Floor(meta) => log.raise_floor(meta),
        }
    }

    fn finish(&mut self, last: &Scanned) -> Result<BTreeMap<GroupId, RecoveredGroup>, WalError> {
        let mut groups = BTreeMap::new();
        for (id, log) in std::mem::take(&mut self.groups) {
            let GroupReplay { hard_state, floor: snapshot, entries, missing_upto } = log;
            let follows = entries.first().is_none_or(|entry| entry.index == snapshot.index.next());
            if missing_upto > snapshot.index || !follows {
                return Err(last.corrupt("a group's entries have a gap"));
            }
            groups.insert(id, RecoveredGroup { hard_state, snapshot, entries });
        }
        Ok(groups)
    }
}

impl GroupReplay {
    fn append(&mut self, first: LogIndex, entries: Vec<Entry>) {
        let start = self.entries.first().map_or(self.floor.index.next(), |entry| entry.index);
        let end = LogIndex(start.0 + self.entries.len() as u64);
        if first < start || first > end {
            // Either the segments that led here are gone, or what they led to is replaced.
            self.entries.clear();
            self.missing_upto = first.previous();
        } else {
            self.entries.truncate((first.0 - start.0) as usize);
        }
        self.entries.extend(entries);
        self.drop_below_floor();
    }

    fn raise_floor(&mut self, meta: SnapshotMeta) {
        self.floor = meta;
        self.drop_below_floor();
    }

    fn drop_below_floor(&mut self) {
        let dropped = self.entries.partition_point(|entry| entry.index <= self.floor.index);
        self.entries.drain(..dropped);
    }
}

/// Which batches a segment has.
#[derive(Clone, Copy)]
struct Span {
    first_batch: u64,
    /// The first one of the next segment. Where it would stand, an empty batch may be left as evidence.
    end_before: Option<u64>,
}

/// One segment, after its valid batches were read.
struct Scanned {
    reader: SegmentReader,
    end: u64,
    next_batch: BatchId,
    last_batch: LastBatch,
}

impl Scanned {
    fn corrupt(&self, reason: &'static str) -> WalError {
        self.reader.corrupt(self.end, reason)
    }

    /// Rule 3.
    fn check_tail(&self) -> Result<Option<TruncatedTail>, WalError> {
        let mut window = self.reader.window();
        let mut offset = self.end;
        let mut tail = None;
        while offset < self.reader.len_bytes {
            if let Some(claim) = format::claim(window.bytes(offset, format::BATCH_HEADER_BYTES)?)
                && claim.id.number >= self.next_batch.number
            {
                if self.reader.batch_at(&mut window, offset)?.is_some() {
                    return Err(self.corrupt("an acknowledged batch is damaged, for valid ones follow it"));
                }
                if offset == self.end && claim.id == self.next_batch {
                    let file = self.reader.path.clone();
                    marks::TAIL_CUT.reach();
                    tail = Some(TruncatedTail { file, offset, len_bytes: format::padded(claim.len_bytes) });
                }
            }
            offset += BLOCK_BYTES;
        }
        Ok(tail)
    }
}

/// Reads one segment file.
struct SegmentReader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    sequence: u64,
    len_bytes: u64,
}

impl SegmentReader {
    fn open(disk: &dyn Disk, dir: &Path, sequence: u64) -> Result<Self, DiskError> {
        let path = segment::path(dir, sequence);
        let file = disk.open(&path)?;
        let len_bytes = file.len_bytes()?;
        Ok(SegmentReader { file, path, sequence, len_bytes })
    }

    fn corrupt(&self, offset: u64, reason: &'static str) -> WalError {
        marks::DAMAGE_REFUSED.reach();
        WalError::Corrupt { file: self.path.clone(), offset, reason }
    }

    fn window(&self) -> Window<'_> {
        Window { file: self.file.as_ref(), start: 0, bytes: Vec::new() }
    }

    fn read_header(&self) -> Result<SegmentHeader, WalError> {
        let mut block = vec![0; BLOCK_BYTES as usize];
        let len = self.file.read_at(0, &mut block)?;
        SegmentHeader::decode(&block[..len]).map_err(|error| match error {
            HeaderError::Damaged => self.corrupt(0, "the segment's header is damaged"),
            HeaderError::Newer { found } => WalError::Newer { file: self.path.clone(), found },
        })
    }

    fn check_header(&self, options: &WalOptions) -> Result<SegmentHeader, WalError> {
        let header = self.read_header()?;
        if (header.cluster, header.node) != (options.cluster, options.node) {
            return Err(WalError::Foreign {
                file: self.path.clone(),
                cluster: header.cluster,
                node: header.node,
            });
        }
        if header.sequence != self.sequence {
            return Err(self.corrupt(0, "the segment's header is another segment's"));
        }
        Ok(header)
    }

    /// Rule 1, and rule 4 for the first batch. `previous` is the checksum of the segment's before last batch, if it is there.
    fn scan(self, span: Span, previous: Option<u32>, logs: &mut Logs) -> Result<Scanned, WalError> {
        let mut window = self.window();
        let mut end = BLOCK_BYTES;
        let mut expected = BatchId { number: span.first_batch, previous: previous.unwrap_or(0) };
        let mut last_batch = None;
        while let Some((claim, bytes)) = self.batch_at(&mut window, end)? {
            if claim.id.number != expected.number || Some(expected.number) == span.end_before {
                break;
            }
            if claim.id != expected && (last_batch.is_some() || previous.is_some()) {
                return Err(self.corrupt(end, "the batch before it is not the one that was acknowledged"));
            }
            let records = format::records(&bytes);
            for (group, record) in
                records.map_err(|_| self.corrupt(end, "a batch's records do not add up"))?
            {
                logs.apply(group, record);
            }
            logs.usage.on_batch();
            let len_bytes = format::padded(bytes.len());
            last_batch = Some(LastBatch { offset: end, bytes });
            end += len_bytes;
            expected = claim.id.next(claim.checksum);
        }
        drop(window);
        let last_batch =
            last_batch.ok_or_else(|| self.corrupt(end, "the segment's first batch is damaged"))?;
        Ok(Scanned { reader: self, end, next_batch: expected, last_batch })
    }

    /// The valid batch that begins at `offset`, in memory of its own.
    fn batch_at(
        &self,
        window: &mut Window<'_>,
        offset: u64,
    ) -> Result<Option<(BatchClaim, Bytes)>, DiskError> {
        let Some(claim) = format::claim(window.bytes(offset, format::BATCH_HEADER_BYTES)?) else {
            return Ok(None);
        };
        if offset + claim.len_bytes as u64 > self.len_bytes {
            return Ok(None);
        }
        let batch = window.bytes(offset, claim.len_bytes)?;
        let is_valid =
            Mistake::TornBatchAccepted.is_planted() || format::is_valid(batch, self.sequence, offset);
        let whole = batch.len() == claim.len_bytes && is_valid;
        Ok(whole.then(|| (claim, Bytes::copy_from_slice(batch))))
    }
}

/// A part of a file that moves forward with the reader.
struct Window<'a> {
    file: &'a dyn DiskFile,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `len` bytes from `offset` on, or fewer at the file's end.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], DiskError> {
        let held = offset >= self.start && offset + len as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            self.bytes.resize(len.max(WINDOW_BYTES), 0);
            let read = self.file.read_at(offset, &mut self.bytes)?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        let to = (from + len).min(self.bytes.len());
        Ok(&self.bytes[from..to])
    }
}
