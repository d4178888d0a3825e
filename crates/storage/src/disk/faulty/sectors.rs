//! One file of the faulty disk: what programs see, what is durable, and every version of a sector in between.
//!
//! A log writes little and syncs often, so a sync must cost nothing: the file is kept as programs see it, with what each unsynced
//! write replaced. A sync forgets the replaced contents; a power failure puts some of them back.

use quorate_types::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// What a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// What of the unsynced writes is on the disk after a power failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survivors {
    /// Nothing: only what was synced.
    Nothing,
    /// Everything, as if it had been synced.
    Everything,
    /// Any mixture, drawn from the disk's generator.
    Random,
}

type Sector = [u8; SECTOR_BYTES];

/// A write that no sync has covered.
struct Unsynced {
    first_sector: usize,
    /// The sector after the last one.
    end_sector: usize,
    /// Where in `replaced` the earlier content of these sectors begins. It ends where the file ended then; beyond are zeros.
    replaced_from: usize,
    replaced_to: usize,
}

/// A sector whose sync failed.
struct Stuck {
    /// What it held at the last sync that took it, then after each later write up to the failed sync, but for the last one.
    versions: Vec<Sector>,
    /// The kernel calls it clean: no later sync writes it unless it is written again.
    forgotten: bool,
}

#[derive(Default)]
pub(super) struct SectorFile {
    /// What programs see.
    visible: Vec<u8>,
    /// How much a power failure leaves at least.
    durable_len: usize,
    unsynced: Vec<Unsynced>,
    replaced: Vec<u8>,
    stuck: BTreeMap<usize, Stuck>,
    /// Cannot be read from the disk. One that was written since is read from memory, and is whole again once the write is durable.
    broken: BTreeSet<usize>,
}

/// The sector that begins `from` bytes into `content`, of which what is missing is zeros.
fn sector_at(content: &[u8], from: usize) -> Sector {
    let mut copy = [0; SECTOR_BYTES];
    let from = from.min(content.len());
    let to = (from + SECTOR_BYTES).min(content.len());
    copy[..to - from].copy_from_slice(&content[from..to]);
    copy
}

impl SectorFile {
    /// A file that is durable as it is.
    pub(super) fn installed(content: &[u8]) -> Self {
        SectorFile { visible: content.to_vec(), durable_len: content.len(), ..SectorFile::default() }
    }

    /// What programs see, whether or not the disk can read it.
    pub(super) fn content(&self) -> &[u8] {
        &self.visible
    }

    pub(super) fn len(&self) -> usize {
        self.visible.len()
    }

    /// Whether all of these bytes can be read.
    pub(super) fn is_readable(&self, from: usize, to: usize) -> bool {
        from >= to
            || !self.broken.range(from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES).any(|s| !self.is_dirty(*s))
    }

    fn is_dirty(&self, sector: usize) -> bool {
        self.stuck.contains_key(&sector)
            || self.unsynced.iter().any(|write| (write.first_sector..write.end_sector).contains(&sector))
    }

    /// Whether a write of these bytes would have to read a broken sector first, because it does not replace all that it holds.
    pub(super) fn must_read_broken(&self, offset: usize, end: usize) -> bool {
        !self.broken.is_empty() && offset < end && {
            let (first, last) = (offset / SECTOR_BYTES, (end - 1) / SECTOR_BYTES);
            let whole_end = ((last + 1) * SECTOR_BYTES).min(self.visible.len());
            let cut = |sector: usize| self.broken.contains(&sector) && !self.is_dirty(sector);
            (offset > first * SECTOR_BYTES && cut(first)) || (end < whole_end && cut(last))
        }
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        let (first_sector, end_sector) = (offset / SECTOR_BYTES, end.div_ceil(SECTOR_BYTES));
        let len = self.visible.len();
        let kept = (first_sector * SECTOR_BYTES).min(len)..(end_sector * SECTOR_BYTES).min(len);
        let replaced_from = self.replaced.len();
        self.replaced.extend_from_slice(&self.visible[kept]);
        let replaced_to = self.replaced.len();
        self.unsynced.push(Unsynced { first_sector, end_sector, replaced_from, replaced_to });
        for (_, stuck) in self.stuck.range_mut(first_sector..end_sector) {
            stuck.forgotten = false;
        }
        if len <= offset {
            self.visible.resize(offset, 0);
            self.visible.extend_from_slice(bytes);
            return;
        }
        if len < end {
            self.visible.resize(end, 0);
        }
        self.visible[offset..end].copy_from_slice(bytes);
    }

    /// A sync failed: the kernel takes every unsynced sector for written.
    pub(super) fn forget(&mut self) {
        for (sector, versions) in self.take_versions() {
            self.stuck.insert(sector, Stuck { versions, forgotten: true });
        }
    }

    pub(super) fn make_durable(&mut self) {
        self.durable_len = self.visible.len();
        if !self.broken.is_empty() {
            let broken = std::mem::take(&mut self.broken);
            let forgotten = |sector: usize| self.stuck.get(&sector).is_some_and(|stuck| stuck.forgotten);
            self.broken = broken.into_iter().filter(|s| !self.is_dirty(*s) || forgotten(*s)).collect();
        }
        self.stuck.retain(|_, stuck| stuck.forgotten);
        self.unsynced.clear();
        self.replaced.clear();
    }

    /// For each sector that is not durable: what it holds on the disk, then after each write, but for the last one.
    fn take_versions(&mut self) -> BTreeMap<usize, Vec<Sector>> {
        let stuck = std::mem::take(&mut self.stuck).into_iter();
        let mut versions: BTreeMap<usize, Vec<Sector>> =
            stuck.map(|(sector, stuck)| (sector, stuck.versions)).collect();
        for write in self.unsynced.drain(..) {
            let replaced = &self.replaced[write.replaced_from..write.replaced_to];
            for (position, sector) in (write.first_sector..write.end_sector).enumerate() {
                versions.entry(sector).or_default().push(sector_at(replaced, position * SECTOR_BYTES));
            }
        }
        self.replaced.clear();
        versions
    }

    pub(super) fn lose_power(&mut self, survivors: Survivors, rng: &mut Rng) {
        let (synced_len, seen_len) = (self.durable_len, self.visible.len());
        let len = match survivors {
            Survivors::Nothing => synced_len,
            Survivors::Everything => seen_len,
            Survivors::Random => {
                if rng.chance(1, 2) {
                    seen_len
                } else {
                    synced_len
                }
            }
        };
        for (sector, versions) in self.take_versions() {
            let newest = versions.len();
            let version = match survivors {
                Survivors::Nothing => 0,
                Survivors::Everything => newest,
                Survivors::Random => rng.below(newest as u64 + 1) as usize,
            };
            if let Some(older) = versions.get(version) {
                let from = sector * SECTOR_BYTES;
                let to = (from + SECTOR_BYTES).min(seen_len);
                self.visible[from..to].copy_from_slice(&older[..to - from]);
            }
            if version > 0 {
                self.broken.remove(&sector);
            }
        }
        self.visible.truncate(len);
        self.durable_len = len;
    }

    /// Turns one bit over in every version of its sector.
    ///
    /// # Panics
    /// If there is no such byte.
    pub(super) fn flip_bit(&mut self, offset: usize, bit: u8) {
        let (sector, byte) = (offset / SECTOR_BYTES, offset % SECTOR_BYTES);
        self.visible[offset] ^= 1 << bit;
        for version in self.stuck.get_mut(&sector).into_iter().flat_map(|stuck| &mut stuck.versions) {
            version[byte] ^= 1 << bit;
        }
        for write in self.unsynced.iter().filter(|w| (w.first_sector..w.end_sector).contains(&sector)) {
            let at = write.replaced_from + (sector - write.first_sector) * SECTOR_BYTES + byte;
            if at < write.replaced_to {
                self.replaced[at] ^= 1 << bit;
            }
        }
    }

    /// Makes the sector of this byte unreadable.
    ///
    /// # Panics
    /// If there is no such byte.
    pub(super) fn break_sector(&mut self, offset: usize) {
        assert!(offset < self.visible.len(), "byte {offset} of a file of {} bytes", self.visible.len());
        self.broken.insert(offset / SECTOR_BYTES);
    }
}
