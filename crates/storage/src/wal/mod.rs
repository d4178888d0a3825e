//! The write-ahead log: where everything that is acknowledged is first made durable.
//!
//! Many Raft groups append at the same time, and one `fdatasync` costs as much for one entry as for a thousand. So all
//! groups of a node share one log: the caller gathers what arrived, [`Wal::append`] encodes it into one buffer, and
//! [`Wal::sync`] writes the buffer as one checksummed batch with one write and one sync. Batches stand one after another in
//! segment files, which are deleted whole once no group needs them.
//!
//! **Invariant:** a batch is written only after all earlier ones are durable. So a valid batch proves that everything before
//! it was acknowledged, which is how recovery tells a write that the power cut short from damage
//! ([`recovery`] states the rule).
//!
//! **Invariant:** each segment's first batch repeats, for every group, what recovery needs from the segments before it;
//! so those can go as soon as none of their entries lies above its group's floor.
//!
//! Once a write or a sync fails, the log stops: what is on the disk is unknown until it is read again, so nothing may be
//! appended behind it (Rebello et al., USENIX ATC 2020).

mod error;
mod format;
mod group;
mod marks;
#[cfg(test)]
#[cfg(feature = "mistakes")]
mod planted;
pub mod recovery;
mod segment;
mod usage;

pub use error::WalError;
pub use marks::MARKS;
pub use recovery::{Recovered, RecoveredGroup, TruncatedTail};

use crate::disk::{Disk, DiskError};
use format::{BLOCK_BYTES, BatchId};
use group::GroupLog;
use quorate_consensus::raft::LogWrite;
use quorate_types::mistake::Mistake;
use quorate_types::{ClusterId, GroupId, LogIndex, NodeId};
use segment::Segment;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use usage::Usage;

/// What one [`Wal::sync`] can write at most. Larger appends are refused.
pub const MAX_BATCH_BYTES: usize = 1 << 30;
/// The buffer's memory is given back when a batch was larger than this.
const KEPT_BUFFER_BYTES: usize = 4 << 20;
/// How far ahead of the log's end [`Wal::maintain`] writes zeros, so that a sync need not wait for the file system to allocate.
const FILL_AHEAD_BYTES: u64 = 8 << 20;
/// How much of that one call writes.
const FILL_STEP_BYTES: u64 = 1 << 20;
/// With more segments than this, the entries of idle groups in the oldest one are written again so that it can go.
const MAX_PINNED_SEGMENTS: usize = 6;
/// A group is idle if none of this many newest segments has entries of it.
const RECENT_SEGMENTS: usize = 3;

/// Whose log it is, and its dimensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalOptions {
    /// The cluster; a log of another one is refused.
    pub cluster: ClusterId,
    /// The node; a log of another one is refused.
    pub node: NodeId,
    /// When a segment is full. A single larger batch gets a segment of its own.
    pub segment_bytes: u64,
}

impl WalOptions {
    /// The usual dimensions: 64 MiB segments.
    #[must_use]
    pub fn new(cluster: ClusterId, node: NodeId) -> Self {
        WalOptions { cluster, node, segment_bytes: 64 << 20 }
    }
}

/// The log, open for appending.
pub struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WalOptions,
    active: Segment,
    /// Where the next batch goes in the active segment.
    end: u64,
    next_batch: BatchId,
    /// The next batch, as far as it was appended.
    buffer: Vec<u8>,
    groups: BTreeMap<GroupId, GroupLog>,
    usage: Usage,
    /// The place at `end` holds an empty batch which proves that the last one was synced.
    marked: bool,
    stopped: Option<DiskError>,
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal")
            .field("dir", &self.dir)
            .field("next_batch", &self.next_batch)
            .finish_non_exhaustive()
    }
}

impl Wal {
    /// Opens the log in `dir`, making it if there is none, and says what it holds. All of that is durable, also what a crash
    /// had left written but unsynced. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// [`WalError`]; the log is as it was.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<(Wal, Recovered), WalError> {
        disk.create_dir(dir)?;
        let names = disk.list(dir)?;
        let sequences: Vec<u64> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
        let Some(newest) = sequences.last().copied() else {
            return Ok((
                Wal::create(disk, dir, options)?,
                Recovered { created: true, ..Recovered::default() },
            ));
        };
        let replayed = recovery::replay(disk.as_ref(), dir, &options, &sequences)?;
        let active = Segment::open(disk.as_ref(), dir, newest)?;
        marks::LAST_BATCH_REWRITTEN.reach();
        // A sync that failed before the restart may have left the last batch in the page cache only, marked as written:
        // writing it again makes the kernel write it.
        active.file.write_at(replayed.last_batch.offset, &replayed.last_batch.bytes)?;
        segment::sync(active.file.as_ref())?;
        disk.sync_dir(dir)?;
        let groups =
            replayed.recovered.groups.iter().map(|(id, group)| (*id, GroupLog::restored(group))).collect();
        let wal = Wal {
            disk,
            dir: dir.to_path_buf(),
            options,
            active,
            end: replayed.end,
            next_batch: replayed.next_batch,
            buffer: format::empty_batch(),
            groups,
            usage: replayed.usage,
            marked: false,
            stopped: None,
        };
        Ok((wal, replayed.recovered))
    }

    fn create(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<Wal, WalError> {
        let first = segment::FIRST_SEQUENCE;
        let mut batch = format::empty_batch();
        let checksum = format::finish_batch(&mut batch, first, BLOCK_BYTES, BatchId::FIRST);
        let header = format::SegmentHeader::new(&options, first, BatchId::FIRST);
        let active = Segment::create(disk.as_ref(), dir, &header, &batch)?;
        let mut wal = Wal {
            disk,
            dir: dir.to_path_buf(),
            options,
            active,
            end: BLOCK_BYTES + batch.len() as u64,
            next_batch: BatchId::FIRST.next(checksum),
            buffer: format::empty_batch(),
            groups: BTreeMap::new(),
            usage: Usage::starting_at(first),
            marked: false,
            stopped: None,
        };
        while wal.fill_ahead()? {}
        Ok(wal)
    }

    /// Takes a write into the next batch. It is durable once [`Wal::sync`] has returned.
    ///
    /// # Errors
    /// [`WalError::BatchTooLarge`]: nothing was taken, sync first. [`WalError::Stopped`]: nothing is taken any more.
    ///
    /// # Panics
    /// If the entries have gaps, among themselves or after the log's end, or begin at or below the group's floor.
    pub fn append(&mut self, group: GroupId, write: &LogWrite) -> Result<(), WalError> {
        self.check_running()?;
        let start = self.buffer.len();
        format::put_write(&mut self.buffer, group, write);
        if self.buffer.len() > MAX_BATCH_BYTES {
            let len_bytes = self.buffer.len() - start;
            self.buffer.truncate(start);
            return Err(WalError::BatchTooLarge { len_bytes });
        }
        let log = self.groups.entry(group).or_default();
        if let Some(meta) = &write.reset {
            marks::RESET.reach();
            log.reset(meta.clone());
            self.usage.on_reset(group);
        }
        if let Some(hard_state) = write.hard_state {
            log.hard_state = hard_state;
        }
        if let (Some(first), Some(last)) = (write.entries.first(), write.entries.last()) {
            log.append(&write.entries);
            self.usage.on_entries(group, first.index, last.index);
        }
        Ok(())
    }

    /// Writes what was appended, and returns when it is durable. Costs one write and one sync; at the end of a segment one
    /// rename more.
    ///
    /// # Errors
    /// [`WalError::Stopped`]: whether what was appended since the last sync is durable is unknown until the log is opened again;
    /// what was synced before is.
    pub fn sync(&mut self) -> Result<(), WalError> {
        self.check_running()?;
        if format::is_empty_batch(&self.buffer) {
            return Ok(());
        }
        let room = self.options.segment_bytes.saturating_sub(self.end);
        let written = if format::padded(self.buffer.len()) > room {
            // A log that is never idle enough for housekeeping must give back its segments all the same.
            self.roll().and_then(|()| self.retire_unneeded().map(drop))
        } else {
            self.write_batch()
        };
        written.map_err(|error| self.stop(error))
    }

    /// The entries of `group` up to and including `upto` are not needed any more. They are still there after a restart if the next
    /// sync does not come to pass. What lies above the log's end is ignored.
    ///
    /// # Errors
    /// [`WalError::Stopped`].
    pub fn compact(&mut self, group: GroupId, upto: LogIndex) -> Result<(), WalError> {
        self.check_running()?;
        if let Some(floor) = self.groups.get_mut(&group).and_then(|log| log.compact(upto)) {
            format::put_floor(&mut self.buffer, group, floor);
        }
        Ok(())
    }

    /// Does one bounded step of housekeeping: syncs what was appended, gives back segments that nobody needs, makes room ahead of the log's end, or
    /// marks the last batch as synced. To be called after what was synced has been answered; again at once while it returns
    /// true and nothing else is to do.
    ///
    /// # Errors
    /// [`WalError::Stopped`].
    pub fn maintain(&mut self) -> Result<bool, WalError> {
        self.check_running()?;
        if !format::is_empty_batch(&self.buffer) {
            // Floors must be durable before they cost a segment.
            self.sync()?;
            return Ok(true);
        }
        self.maintain_step().map_err(|error| self.stop(error))
    }

    /// Ends the log in order: syncs what was appended and leaves proof that it was.
    ///
    /// # Errors
    /// [`WalError::Stopped`], as [`Wal::sync`].
    pub fn close(mut self) -> Result<(), WalError> {
        self.sync()?;
        let marked = self.mark().and_then(|()| segment::sync(self.active.file.as_ref()));
        marked.map_err(|error| self.stop(error))
    }

    /// Where the next batch goes: the segment, and the offset in it. For observers.
    #[must_use]
    pub fn position(&self) -> (u64, u64) {
        (self.active.sequence, self.end)
    }

    /// How many segment files there are.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.usage.segment_count()
    }

    /// What `group`'s log starts after; 0 for one that was never written or compacted.
    #[must_use]
    pub fn floor(&self, group: GroupId) -> LogIndex {
        self.groups.get(&group).map_or(LogIndex(0), |log| log.floor().index)
    }

    /// Where `group`'s log ends.
    #[must_use]
    pub fn last_index(&self, group: GroupId) -> LogIndex {
        self.groups.get(&group).map_or(LogIndex(0), GroupLog::last)
    }

    fn check_running(&self) -> Result<(), WalError> {
        self.stopped.as_ref().map_or(Ok(()), |cause| Err(WalError::Stopped { cause: cause.clone() }))
    }

    fn stop(&mut self, cause: DiskError) -> WalError {
        match cause {
            DiskError::Full { .. } => marks::STOPPED_FULL.reach(),
            _ => marks::STOPPED_FAILED.reach(),
        }
        self.stopped = Some(cause.clone());
        WalError::Stopped { cause }
    }

    fn write_batch(&mut self) -> Result<(), DiskError> {
        let checksum =
            format::finish_batch(&mut self.buffer, self.active.sequence, self.end, self.next_batch);
        self.active.file.write_at(self.end, &self.buffer)?;
        segment::sync(self.active.file.as_ref())?;
        self.end += self.buffer.len() as u64;
        self.active.len_bytes = self.active.len_bytes.max(self.end);
        self.on_batch_durable(checksum);
        Ok(())
    }

    /// Writes the batch as the first one of a new segment, together with what the groups carry over.
    fn roll(&mut self) -> Result<(), DiskError> {
        for (group, log) in &self.groups {
            format::put_floor(&mut self.buffer, *group, log.floor());
            if !Mistake::RollForgetsHardState.is_planted() {
                format::put_hard_state(&mut self.buffer, *group, log.hard_state);
            }
        }
        marks::ROLLED.reach();
        let sequence = self.active.sequence + 1;
        let checksum = format::finish_batch(&mut self.buffer, sequence, BLOCK_BYTES, self.next_batch);
        let header = format::SegmentHeader::new(&self.options, sequence, self.next_batch);
        self.active = Segment::create(self.disk.as_ref(), &self.dir, &header, &self.buffer)?;
        self.end = BLOCK_BYTES + self.buffer.len() as u64;
        self.usage.on_new_segment(sequence);
        self.on_batch_durable(checksum);
        Ok(())
    }

    fn on_batch_durable(&mut self, checksum: u32) {
        assert!(self.end.is_multiple_of(BLOCK_BYTES), "batches begin at blocks");
        self.usage.on_batch();
        self.next_batch = self.next_batch.next(checksum);
        self.marked = false;
        format::clear_batch(&mut self.buffer);
        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        }
    }

    fn maintain_step(&mut self) -> Result<bool, DiskError> {
        if self.retire_unneeded()? {
            return Ok(true);
        }
        if self.usage.segment_count() > MAX_PINNED_SEGMENTS
            && let Some((idle, newest)) = self.usage.idle_keepers(RECENT_SEGMENTS, |group| self.floor(group))
        {
            self.move_entries(&idle, newest)?;
            return Ok(true);
        }
        if self.fill_ahead()? {
            return Ok(true);
        }
        self.mark()?;
        Ok(false)
    }

    /// Gives back the segments that nobody needs, of which there are seldom more than one; says whether there were any. All
    /// floors are durable, because nothing is in the buffer.
    fn retire_unneeded(&mut self) -> Result<bool, DiskError> {
        assert!(format::is_empty_batch(&self.buffer), "floors are durable before they cost a segment");
        let before = self.usage.segment_count();
        while let Some(oldest) = self.usage.unneeded(|group| self.floor(group)) {
            segment::retire(self.disk.as_ref(), &self.dir, oldest, 2 * self.options.segment_bytes)?;
            self.usage.on_retired(oldest);
            marks::RETIRED.reach();
        }
        Ok(self.usage.segment_count() < before)
    }

    /// Writes again what these groups, which have nothing in segments after `newest`, still need: an idle group must not keep
    /// every segment that was written after its last entry.
    fn move_entries(&mut self, idle: &[GroupId], newest: u64) -> Result<(), DiskError> {
        marks::IDLE_MOVED.reach();
        let segments = self.usage.oldest()..=newest;
        for (group, mut entries) in recovery::read_entries(self.disk.as_ref(), &self.dir, segments, idle)? {
            let floor = self.floor(group);
            entries.retain(|entry| entry.index > floor);
            assert_eq!(
                entries.last().map(|entry| entry.index),
                Some(self.last_index(group)),
                "all of the group is there"
            );
            let write = LogWrite { entries, ..LogWrite::default() };
            self.append(group, &write).map_err(WalError::into_cause)?;
        }
        self.sync().map_err(WalError::into_cause)
    }

    /// Writes the next zeros ahead of the log's end; says whether there were any to write.
    fn fill_ahead(&mut self) -> Result<bool, DiskError> {
        let from = self.active.len_bytes;
        let wanted = self.options.segment_bytes.min(self.end + FILL_AHEAD_BYTES);
        let step = FILL_STEP_BYTES.min(self.options.segment_bytes.saturating_sub(from));
        if step == 0 || from + step > wanted {
            return Ok(false);
        }
        self.active.file.write_at(from, &vec![0; usize::try_from(step).expect("a step fits into memory")])?;
        segment::sync(self.active.file.as_ref())?;
        self.active.len_bytes += step;
        Ok(true)
    }

    /// Leaves an empty batch where the next one goes, unsynced: should the last batch be damaged later, recovery sees by the mark
    /// that it had been synced.
    fn mark(&mut self) -> Result<(), DiskError> {
        if !self.marked && self.end + BLOCK_BYTES <= self.options.segment_bytes {
            let mut mark = format::empty_batch();
            format::finish_batch(&mut mark, self.active.sequence, self.end, self.next_batch);
            self.active.file.write_at(self.end, &mark)?;
            self.active.len_bytes = self.active.len_bytes.max(self.end + BLOCK_BYTES);
            self.marked = true;
        }
        Ok(())
    }
}
