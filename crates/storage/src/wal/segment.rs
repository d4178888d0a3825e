//! Segment files: their names, how one comes to be, and what becomes of one that nobody needs.
//!
//! A new segment is written under the name `spare`, synced, and only then given its real name: so every file with a
//! segment's name has a valid header and a valid first batch. A retired segment becomes the next spare, because a file whose
//! blocks are all allocated and written costs the file system less to sync.

use super::format::{BLOCK_BYTES, SegmentHeader};
use crate::disk::{Disk, DiskError, DiskFile};
use quorate_types::mistake::Mistake;
use std::path::{Path, PathBuf};

/// The first segment's sequence.
pub(super) const FIRST_SEQUENCE: u64 = 1;
const SPARE: &str = "spare";
const SUFFIX: &str = ".wal";

/// A segment's path.
pub(super) fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:016x}{SUFFIX}"))
}

/// The sequence of the segment of that name; `None` for other files.
pub(super) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// The segment that is written to.
pub(super) struct Segment {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) sequence: u64,
    /// The file's length: up to here its blocks are allocated.
    pub(super) len_bytes: u64,
}

impl Segment {
    pub(super) fn open(disk: &dyn Disk, dir: &Path, sequence: u64) -> Result<Self, DiskError> {
        let file = disk.open(&path(dir, sequence))?;
        let len_bytes = file.len_bytes()?;
        Ok(Segment { file, sequence, len_bytes })
    }

    /// Makes a segment with its first batch, durably.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        header: &SegmentHeader,
        batch: &[u8],
    ) -> Result<Self, DiskError> {
        let spare = dir.join(SPARE);
        let file = match disk.open(&spare) {
            Err(DiskError::NotFound { .. }) => disk.create(&spare)?,
            opened => opened?,
        };
        file.write_at(0, &header.encode())?;
        file.write_at(BLOCK_BYTES, batch)?;
        sync(file.as_ref())?;
        disk.rename(&spare, &path(dir, header.sequence))?;
        sync_names(disk, dir)?;
        let len_bytes = file.len_bytes()?;
        Ok(Segment { file, sequence: header.sequence, len_bytes })
    }
}

/// Takes the oldest segment out of the log, durably: keeps it as the spare, or removes it if there is one or if it has more than
/// `max_spare_bytes`.
pub(super) fn retire(
    disk: &dyn Disk,
    dir: &Path,
    sequence: u64,
    max_spare_bytes: u64,
) -> Result<(), DiskError> {
    let segment = path(dir, sequence);
    let spare = dir.join(SPARE);
    let have_spare = !matches!(disk.open(&spare), Err(DiskError::NotFound { .. }));
    if have_spare || disk.open(&segment)?.len_bytes()? > max_spare_bytes {
        disk.remove(&segment)?;
    } else {
        disk.rename(&segment, &spare)?;
    }
    sync_names(disk, dir)
}

/// Returns when the file's batches are durable.
pub(super) fn sync(file: &dyn DiskFile) -> Result<(), DiskError> {
    match file.sync() {
        Err(_) if Mistake::IgnoreFailedSync.is_planted() => Ok(()),
        outcome => outcome,
    }
}

/// Returns when the segments' names are durable.
fn sync_names(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    if Mistake::RollWithoutDirectorySync.is_planted() { Ok(()) } else { disk.sync_dir(dir) }
}
