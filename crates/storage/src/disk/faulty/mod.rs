//! A disk in memory that does what disks do on their worst days.
//!
//! Each file has the content that programs see and the content that is durable. A write changes the first and remembers
//! every version of each 512-byte sector that it touched; [`DiskFile::sync`] makes the newest versions durable. When the power
//! fails, each unsynced sector ends as the durable one or as any of its later versions, and of the unsynced changes of names
//! some prefix took place: so writes are lost, kept, torn and reordered. What exactly survives follows from the seed.
//!
//! Sectors are taken to be atomic; names are taken to change in order, as a journaling file system does it.

mod handle;
#[cfg(test)]
mod model_tests;
mod names;
mod sectors;
mod state;
#[cfg(test)]
mod tests;

pub use sectors::{SECTOR_BYTES, Survivors};

use super::{Disk, DiskError, DiskFile, DiskLock};
use handle::{Handle, HeldLock, locked};
use names::NameChange;
use sectors::SectorFile;
use state::{State, not_found};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    /// An empty disk. Equal seeds and equal operations give equal outcomes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        FaultyDisk { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// How many operations changed the disk or tried to, since it was made: create, write, sync, rename, remove, sync of a
    /// directory. The first is number 1.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The power fails during operation number `operation`: it fails, may have had its effect, and everything after it
    /// fails until [`FaultyDisk::power_cycle`].
    pub fn crash_at(&self, operation: u64) {
        self.state().planned.crash_at = Some(operation);
    }

    /// Whether a crash has cut the power, and nobody has put it on again.
    #[must_use]
    pub fn is_without_power(&self) -> bool {
        self.state().without_power
    }

    /// The first file sync from operation number `operation` on fails; whether the data reached the disk is open, and later
    /// syncs do not try again.
    pub fn fail_sync_at(&self, operation: u64) {
        self.state().planned.fail_sync_at = Some(operation);
    }

    /// The next file sync fails, as with [`FaultyDisk::fail_sync_at`].
    pub fn fail_next_sync(&self) {
        self.fail_sync_at(0);
    }

    /// The first write from operation number `operation` on lands at `offset` of its file instead of where it should.
    pub fn misdirect_write_at(&self, operation: u64, offset: u64) {
        self.state().planned.misdirect_at = Some((operation, offset));
    }

    /// The next write, of whichever file, lands at `offset` of that file instead of where it should.
    pub fn misdirect_next_write(&self, offset: u64) {
        self.misdirect_write_at(0, offset);
    }

    /// Faults that were planned and have not struck will not strike.
    pub fn forget_plans(&self) {
        self.state().planned = state::Planned::default();
    }

    /// Limits the sum of all files' lengths; `None` lifts the limit.
    pub fn set_capacity_bytes(&self, capacity: Option<u64>) {
        self.state().capacity_bytes = capacity;
    }

    /// Cuts the power and boots again: what was not synced survives as `survivors` says, open files are dead, locks
    /// are free, planned faults are forgotten.
    pub fn power_cycle(&self, survivors: Survivors) {
        self.state().power_cycle(survivors);
    }

    /// Ends every process and starts again without a loss of power: open files are dead, locks are free, planned faults are
    /// forgotten, nothing is lost.
    pub fn kill_processes(&self) {
        self.state().boot_again();
    }

    /// Turns one bit of a file over, on the disk and for every reader.
    ///
    /// # Panics
    /// If there is no such file or byte.
    pub fn flip_bit(&self, path: &Path, offset: usize, bit: u8) {
        self.with_file(path, |file| file.flip_bit(offset, bit));
    }

    /// From now on the disk cannot read the sector that holds this byte: reading any part of it fails. Once it is written whole, it can be
    /// read again; a power failure that takes this write leaves it unreadable. A write of a part of it would have to read it first,
    /// and fails.
    ///
    /// # Panics
    /// If there is no such file or byte.
    pub fn break_sector(&self, path: &Path, offset: u64) {
        let offset = usize::try_from(offset).expect("a file fits into memory");
        self.with_file(path, |file| file.break_sector(offset));
    }

    /// What a file holds, as programs see it, also where the disk cannot read it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.names.get(path)?;
        Some(state.file(id).content().to_vec())
    }

    /// All files that have a name, in order of their paths, with their lengths in bytes.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        state.names.iter().map(|(path, id)| (path.clone(), state.file(id).len() as u64)).collect()
    }

    /// Puts a file there, durably.
    pub fn install(&self, path: &Path, content: &[u8]) {
        let mut state = self.state();
        let id = state.new_file(SectorFile::installed(content));
        state.names.install(path, id);
    }

    /// Removes all files and directories under `dir`, durably, but not `dir` itself. Files that are open stay so, without a name.
    pub fn wipe(&self, dir: &Path) {
        self.state().wipe(dir);
    }

    fn with_file(&self, path: &Path, change: impl FnOnce(&mut SectorFile)) {
        let mut state = self.state();
        let id = state.names.get(path).expect("the file exists");
        change(state.file_mut(id));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.check_power("create directory", dir)?;
        state.dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let state = self.state();
        state.check_power("list", dir)?;
        if !state.dirs.contains(dir) {
            return Err(not_found(dir));
        }
        let paths = state.names.iter().map(|(path, _)| path).chain(&state.dirs);
        let names: BTreeSet<String> = paths
            .filter(|path| path.parent() == Some(dir))
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        Ok(names.into_iter().collect())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let mut state = self.state();
        state.check_power("open", path)?;
        let id = state.names.get(path).ok_or_else(|| not_found(path))?;
        Ok(Box::new(Handle::open(&self.state, &mut state, id, path)))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let mut state = self.state();
        state.check_power("create", path)?;
        if !path.parent().is_some_and(|dir| state.dirs.contains(dir)) {
            return Err(not_found(path));
        }
        let id = state.new_file(SectorFile::default());
        state.change_name("create", path, NameChange::Link { path: path.to_path_buf(), file: id })?;
        Ok(Box::new(Handle::open(&self.state, &mut state, id, path)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.check_power("rename", from)?;
        if state.names.get(from).is_none() {
            return Err(not_found(from));
        }
        let change = NameChange::Rename { from: from.to_path_buf(), to: to.to_path_buf() };
        state.change_name("rename", from, change)
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.check_power("remove", path)?;
        if state.names.get(path).is_none() {
            return Err(not_found(path));
        }
        state.change_name("remove", path, NameChange::Unlink { path: path.to_path_buf() })
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        self.state().sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError> {
        let mut state = self.state();
        state.check_power("lock", path)?;
        let held = HeldLock::take(&self.state, &mut state, path);
        Ok(held.map(|held| DiskLock { _holder: Box::new(held) }))
    }
}
