//! One file of the faulty disk: what programs see, what is durable, and every version of a sector in between.

use quorate_types::Rng;
use std::collections::BTreeMap;

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

/// What happened to a sector since it was last made durable.
#[derive(Default)]
struct Dirty {
    /// Its contents after each write; the last is what programs see.
    versions: Vec<Sector>,
    /// A sync failed and the kernel calls the sector clean: no later sync writes it unless it is written again.
    forgotten: bool,
}

#[derive(Default)]
pub(super) struct SectorFile {
    /// What programs see.
    pub(super) visible: Vec<u8>,
    /// What a power failure leaves at least.
    pub(super) durable: Vec<u8>,
    dirty: BTreeMap<usize, Dirty>,
}

fn sector_of(content: &[u8], sector: usize) -> Sector {
    let mut copy = [0; SECTOR_BYTES];
    let from = (sector * SECTOR_BYTES).min(content.len());
    let to = ((sector + 1) * SECTOR_BYTES).min(content.len());
    copy[..to - from].copy_from_slice(&content[from..to]);
    copy
}

fn put_sector(content: &mut [u8], sector: usize, bytes: &Sector) {
    let from = (sector * SECTOR_BYTES).min(content.len());
    let to = ((sector + 1) * SECTOR_BYTES).min(content.len());
    content[from..to].copy_from_slice(&bytes[..to - from]);
}

impl SectorFile {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.visible.len() < end {
            self.visible.resize(end, 0);
        }
        self.visible[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let dirty = self.dirty.entry(sector).or_default();
            dirty.versions.push(sector_of(&self.visible, sector));
            dirty.forgotten = false;
        }
    }

    /// A sync failed: the kernel takes every unsynced sector for written.
    pub(super) fn forget(&mut self) {
        self.dirty.values_mut().for_each(|dirty| dirty.forgotten = true);
    }

    pub(super) fn make_durable(&mut self) {
        self.durable.resize(self.visible.len(), 0);
        let dirty = std::mem::take(&mut self.dirty);
        for (sector, dirty) in dirty {
            if dirty.forgotten {
                self.dirty.insert(sector, dirty);
            } else {
                let newest = dirty.versions.last().expect("a dirty sector was written");
                put_sector(&mut self.durable, sector, newest);
            }
        }
    }

    pub(super) fn lose_power(&mut self, survivors: Survivors, rng: &mut Rng) {
        let (synced_len, seen_len) = (self.durable.len(), self.visible.len());
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
        self.durable.resize(len, 0);
        for (sector, dirty) in std::mem::take(&mut self.dirty) {
            let newest = dirty.versions.len();
            let version = match survivors {
                Survivors::Nothing => 0,
                Survivors::Everything => newest,
                Survivors::Random => rng.below(newest as u64 + 1) as usize,
            };
            if version > 0 {
                put_sector(&mut self.durable, sector, &dirty.versions[version - 1]);
            }
        }
        self.visible = self.durable.clone();
    }
}
