//! What is on a faulty disk, what was planned for it, and how its operations end.

use super::names::{FileId, NameChange, Names};
use super::sectors::{SectorFile, Survivors};
use crate::disk::DiskError;
use quorate_types::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn failed(op: &'static str, path: &Path, why: &'static str) -> DiskError {
    DiskError::new(op, path, io::Error::other(why))
}

pub(super) fn not_found(path: &Path) -> DiskError {
    DiskError::NotFound { path: path.to_path_buf() }
}

const UNREADABLE: &str = "input/output error";

/// Faults that are to come. They are forgotten with the next boot.
#[derive(Default)]
pub(super) struct Planned {
    pub(super) crash_at: Option<u64>,
    pub(super) fail_sync_at: Option<u64>,
    /// From which operation on, and where to.
    pub(super) misdirect_at: Option<(u64, u64)>,
}

pub(super) struct State {
    rng: Rng,
    files: BTreeMap<FileId, OpenFile>,
    next_file: FileId,
    pub(super) names: Names,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) locks: BTreeSet<PathBuf>,
    /// Handles of an earlier boot are dead.
    pub(super) boot: u64,
    pub(super) operations: u64,
    pub(super) without_power: bool,
    pub(super) planned: Planned,
    pub(super) capacity_bytes: Option<u64>,
}

#[derive(Default)]
struct OpenFile {
    file: SectorFile,
    handles: usize,
    /// No name leads to it any more: it goes with its last handle.
    is_nameless: bool,
}

/// Whether an operation that is just being counted completes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// It takes effect, but is not reported as done and is not durable.
    FailsMeanwhile,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        State {
            rng: Rng::new(seed),
            files: BTreeMap::new(),
            next_file: 0,
            names: Names::default(),
            dirs: BTreeSet::new(),
            locks: BTreeSet::new(),
            boot: 0,
            operations: 0,
            without_power: false,
            planned: Planned::default(),
            capacity_bytes: None,
        }
    }

    pub(super) fn new_file(&mut self, file: SectorFile) -> FileId {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, OpenFile { file, handles: 0, is_nameless: false });
        id
    }

    pub(super) fn file(&self, id: FileId) -> &SectorFile {
        &self.files.get(&id).expect("a file stays while it has a name or a handle").file
    }

    pub(super) fn file_mut(&mut self, id: FileId) -> &mut SectorFile {
        &mut self.files.get_mut(&id).expect("a file stays while it has a name or a handle").file
    }

    #[cfg(test)]
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    pub(super) fn on_opened(&mut self, id: FileId) {
        self.files.get_mut(&id).expect("it was just found").handles += 1;
    }

    /// A handle of boot `boot` is dropped.
    pub(super) fn on_closed(&mut self, id: FileId, boot: u64) {
        if boot == self.boot
            && let Some(open) = self.files.get_mut(&id)
        {
            open.handles -= 1;
            if open.is_nameless && open.handles == 0 {
                self.files.remove(&id);
            }
        }
    }

    /// Forgets a file that lost a name, if no other one leads to it.
    fn on_name_lost(&mut self, id: FileId) {
        if !self.names.can_reach(id)
            && let Some(open) = self.files.get_mut(&id)
        {
            open.is_nameless = true;
            if open.handles == 0 {
                self.files.remove(&id);
            }
        }
    }

    fn drop_nameless(&mut self) {
        let files: Vec<FileId> = self.files.keys().copied().collect();
        files.into_iter().for_each(|id| self.on_name_lost(id));
    }

    pub(super) fn check_power(&self, op: &'static str, path: &Path) -> Result<(), DiskError> {
        if self.without_power { Err(failed(op, path, "the power is off")) } else { Ok(()) }
    }

    fn count(&mut self, op: &'static str, path: &Path) -> Result<Power, DiskError> {
        self.check_power(op, path)?;
        self.operations += 1;
        if self.planned.crash_at == Some(self.operations) {
            self.without_power = true;
            return Ok(Power::FailsMeanwhile);
        }
        Ok(Power::On)
    }

    fn done(power: Power, op: &'static str, path: &Path) -> Result<(), DiskError> {
        match power {
            Power::On => Ok(()),
            Power::FailsMeanwhile => Err(failed(op, path, "the power failed")),
        }
    }

    fn used_bytes(&self) -> u64 {
        self.names.iter().map(|(_, id)| self.file(id).len() as u64).sum()
    }

    pub(super) fn read(
        &self,
        id: FileId,
        path: &Path,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, DiskError> {
        let file = self.file(id);
        let content = file.content();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let len = buffer.len().min(content.len() - from);
        if !file.is_readable(from, from + len) {
            return Err(failed("read", path, UNREADABLE));
        }
        buffer[..len].copy_from_slice(&content[from..from + len]);
        Ok(len)
    }

    pub(super) fn write(
        &mut self,
        id: FileId,
        path: &Path,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let power = self.count("write", path)?;
        let mut offset = usize::try_from(offset).expect("a file fits into memory");
        if let Some((operation, elsewhere)) = self.planned.misdirect_at
            && self.operations >= operation
        {
            self.planned.misdirect_at = None;
            offset = usize::try_from(elsewhere).expect("a file fits into memory");
        }
        let free = self.capacity_bytes.map(|capacity| capacity.saturating_sub(self.used_bytes()));
        let file = self.file_mut(id);
        if file.must_read_broken(offset, offset + bytes.len()) {
            return Err(failed("write", path, UNREADABLE));
        }
        let growth = (offset + bytes.len()).saturating_sub(file.len()) as u64;
        if let Some(free) = free
            && growth > free
        {
            // Like the kernel, write what fits before saying that the disk is full.
            let fits = bytes.len().saturating_sub((growth - free) as usize);
            file.write(offset, &bytes[..fits]);
            return Err(DiskError::Full { path: path.to_path_buf() });
        }
        file.write(offset, bytes);
        Self::done(power, "write", path)
    }

    pub(super) fn sync(&mut self, id: FileId, path: &Path) -> Result<(), DiskError> {
        let power = self.count("sync", path)?;
        let fails = self.planned.fail_sync_at.is_some_and(|operation| self.operations >= operation);
        if fails {
            self.planned.fail_sync_at = None;
            self.file_mut(id).forget();
            return Err(failed("sync", path, "input/output error"));
        }
        if power == Power::On {
            self.file_mut(id).make_durable();
        }
        Self::done(power, "sync", path)
    }

    pub(super) fn change_name(
        &mut self,
        op: &'static str,
        path: &Path,
        change: NameChange,
    ) -> Result<(), DiskError> {
        let power = self.count(op, path)?;
        self.names.change(change);
        Self::done(power, op, path)
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> Result<(), DiskError> {
        let power = self.count("sync directory", dir)?;
        if power == Power::On {
            self.names.sync(dir).into_iter().for_each(|id| self.on_name_lost(id));
        }
        Self::done(power, "sync directory", dir)
    }

    pub(super) fn power_cycle(&mut self, survivors: Survivors) {
        let unsynced = self.names.unsynced_count();
        let kept = match survivors {
            Survivors::Nothing => 0,
            Survivors::Everything => unsynced,
            Survivors::Random => self.rng.below(unsynced as u64 + 1) as usize,
        };
        self.names.lose_power(kept);
        self.boot_again();
        for open in self.files.values_mut() {
            open.file.lose_power(survivors, &mut self.rng);
        }
    }

    pub(super) fn boot_again(&mut self) {
        self.boot += 1;
        self.locks.clear();
        self.without_power = false;
        self.planned = Planned::default();
        self.files.values_mut().for_each(|open| open.handles = 0);
        self.drop_nameless();
    }

    pub(super) fn wipe(&mut self, dir: &Path) {
        self.names.wipe(dir);
        self.dirs.retain(|path| path == dir || !path.starts_with(dir));
        self.drop_nameless();
    }
}
