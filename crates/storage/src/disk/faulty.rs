//! A disk in memory that does what disks do on their worst days.
//!
//! Each file has the content that programs see and the content that is durable. A write changes the first and remembers
//! every version of each 512-byte sector that it touched; [`DiskFile::sync`] makes the newest versions durable. When the power
//! fails, each unsynced sector ends as the durable one or as any of its later versions, and of the unsynced changes of names
//! some prefix took place: so writes are lost, kept, torn and reordered. What exactly survives follows from the seed.
//!
//! Sectors are taken to be atomic; names are taken to change in order, as a journaling file system does it.

use super::sectors::{SectorFile, Survivors};
use super::{Disk, DiskError, DiskFile, DiskLock};
use quorate_types::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

enum NameChange {
    Link { path: PathBuf, file: u64 },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
}

struct State {
    rng: Rng,
    files: BTreeMap<u64, SectorFile>,
    next_file: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    /// Handles of an earlier boot are dead.
    boot: u64,
    operations: u64,
    without_power: bool,
    crash_at: Option<u64>,
    fail_sync_at: Option<u64>,
    misdirect_at: Option<(u64, u64)>,
    capacity_bytes: Option<u64>,
}

impl FaultyDisk {
    /// An empty disk. Equal seeds and equal operations give equal outcomes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        FaultyDisk {
            state: Arc::new(Mutex::new(State {
                rng: Rng::new(seed),
                files: BTreeMap::new(),
                next_file: 0,
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                unsynced_names: Vec::new(),
                dirs: BTreeSet::new(),
                locks: BTreeSet::new(),
                boot: 0,
                operations: 0,
                without_power: false,
                crash_at: None,
                fail_sync_at: None,
                misdirect_at: None,
                capacity_bytes: None,
            })),
        }
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
        self.state().crash_at = Some(operation);
    }

    /// The first file sync from operation number `operation` on fails; whether the data reached the disk is open, and later
    /// syncs do not try again.
    pub fn fail_sync_at(&self, operation: u64) {
        self.state().fail_sync_at = Some(operation);
    }

    /// The first write from operation number `operation` on lands at `offset` instead of where it should.
    pub fn misdirect_write_at(&self, operation: u64, offset: u64) {
        self.state().misdirect_at = Some((operation, offset));
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
        let mut state = self.state();
        let id = *state.names.get(path).expect("the file exists");
        let file = state.files.get_mut(&id).expect("a name has its file");
        file.visible[offset] ^= 1 << bit;
        if let Some(byte) = file.durable.get_mut(offset) {
            *byte ^= 1 << bit;
        }
    }

    /// What a file holds, as programs see it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.names.get(path)?;
        state.files.get(id).map(|file| file.visible.clone())
    }

    /// Puts a file there, durably.
    pub fn install(&self, path: &Path, content: &[u8]) {
        let mut state = self.state();
        let id = state.new_file();
        let file = state.files.get_mut(&id).expect("just made");
        file.visible = content.to_vec();
        file.durable = content.to_vec();
        state.names.insert(path.to_path_buf(), id);
        state.durable_names.insert(path.to_path_buf(), id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

fn failed(op: &'static str, path: &Path, why: &'static str) -> DiskError {
    DiskError::new(op, path, io::Error::other(why))
}

fn not_found(path: &Path) -> DiskError {
    DiskError::NotFound { path: path.to_path_buf() }
}

/// Whether an operation that is just being counted completes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// It takes effect, but is not reported as done and is not durable.
    FailsMeanwhile,
}

impl State {
    fn new_file(&mut self) -> u64 {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, SectorFile::default());
        id
    }

    fn check_power(&self, op: &'static str, path: &Path) -> Result<(), DiskError> {
        if self.without_power { Err(failed(op, path, "the power is off")) } else { Ok(()) }
    }

    fn count(&mut self, op: &'static str, path: &Path) -> Result<Power, DiskError> {
        self.check_power(op, path)?;
        self.operations += 1;
        if self.crash_at == Some(self.operations) {
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
        self.names.values().map(|id| self.files[id].visible.len() as u64).sum()
    }

    fn write(&mut self, id: u64, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let power = self.count("write", path)?;
        let mut offset = usize::try_from(offset).expect("a file fits into memory");
        if let Some((operation, elsewhere)) = self.misdirect_at
            && self.operations >= operation
        {
            self.misdirect_at = None;
            offset = usize::try_from(elsewhere).expect("a file fits into memory");
        }
        let free = self.capacity_bytes.map(|capacity| capacity.saturating_sub(self.used_bytes()));
        let file = self.files.get_mut(&id).expect("an open file exists");
        let growth = (offset + bytes.len()).saturating_sub(file.visible.len()) as u64;
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

    fn sync(&mut self, id: u64, path: &Path) -> Result<(), DiskError> {
        let power = self.count("sync", path)?;
        let fails = self.fail_sync_at.is_some_and(|operation| self.operations >= operation);
        let file = self.files.get_mut(&id).expect("an open file exists");
        if fails {
            self.fail_sync_at = None;
            file.forget();
            return Err(failed("sync", path, "input/output error"));
        }
        if power == Power::On {
            file.make_durable();
        }
        Self::done(power, "sync", path)
    }

    fn change_name(&mut self, op: &'static str, path: &Path, change: NameChange) -> Result<(), DiskError> {
        let power = self.count(op, path)?;
        apply(&mut self.names, &change);
        self.unsynced_names.push(change);
        Self::done(power, op, path)
    }

    fn sync_dir(&mut self, dir: &Path) -> Result<(), DiskError> {
        let power = self.count("sync directory", dir)?;
        if power == Power::On {
            let changes = std::mem::take(&mut self.unsynced_names);
            let (now, later): (Vec<_>, Vec<_>) = changes.into_iter().partition(|c| c.dir() == Some(dir));
            now.iter().for_each(|change| apply(&mut self.durable_names, change));
            self.unsynced_names = later;
        }
        Self::done(power, "sync directory", dir)
    }

    fn power_cycle(&mut self, survivors: Survivors) {
        let kept = match survivors {
            Survivors::Nothing => 0,
            Survivors::Everything => self.unsynced_names.len(),
            Survivors::Random => self.rng.below(self.unsynced_names.len() as u64 + 1) as usize,
        };
        for change in self.unsynced_names.drain(..).take(kept) {
            apply(&mut self.durable_names, &change);
        }
        self.names = self.durable_names.clone();
        let live: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|id, _| live.contains(id));
        for file in self.files.values_mut() {
            file.lose_power(survivors, &mut self.rng);
        }
        self.boot_again();
    }

    fn boot_again(&mut self) {
        self.boot += 1;
        self.locks.clear();
        self.without_power = false;
        self.crash_at = None;
        self.fail_sync_at = None;
        self.misdirect_at = None;
    }
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => path.parent(),
            NameChange::Rename { to, .. } => to.parent(),
        }
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
    match change {
        NameChange::Link { path, file } => {
            names.insert(path.clone(), *file);
        }
        NameChange::Unlink { path } => {
            names.remove(path);
        }
        NameChange::Rename { from, to } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
    }
}

struct Handle {
    disk: FaultyDisk,
    id: u64,
    boot: u64,
    path: PathBuf,
}

impl Handle {
    fn state(&self, op: &'static str) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = self.disk.state();
        if state.boot != self.boot {
            return Err(failed(op, &self.path, "opened before the last boot"));
        }
        state.check_power(op, &self.path)?;
        Ok(state)
    }
}

impl DiskFile for Handle {
    fn len_bytes(&self) -> Result<u64, DiskError> {
        Ok(self.state("stat")?.files[&self.id].visible.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let state = self.state("read")?;
        let content = &state.files[&self.id].visible;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let len = buffer.len().min(content.len() - from);
        buffer[..len].copy_from_slice(&content[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.state("write")?.write(self.id, &self.path, offset, bytes)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.state("sync")?.sync(self.id, &self.path)
    }
}

struct HeldLock {
    disk: FaultyDisk,
    path: PathBuf,
    boot: u64,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.boot == self.boot {
            state.locks.remove(&self.path);
        }
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
        let paths = state.names.keys().chain(&state.dirs).filter(|path| path.parent() == Some(dir));
        let names: BTreeSet<String> = paths
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        Ok(names.into_iter().collect())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let state = self.state();
        state.check_power("open", path)?;
        let id = *state.names.get(path).ok_or_else(|| not_found(path))?;
        Ok(Box::new(Handle { disk: self.clone(), id, boot: state.boot, path: path.to_path_buf() }))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let mut state = self.state();
        state.check_power("create", path)?;
        if !path.parent().is_some_and(|dir| state.dirs.contains(dir)) {
            return Err(not_found(path));
        }
        let id = state.new_file();
        state.change_name("create", path, NameChange::Link { path: path.to_path_buf(), file: id })?;
        Ok(Box::new(Handle { disk: self.clone(), id, boot: state.boot, path: path.to_path_buf() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.check_power("rename", from)?;
        if !state.names.contains_key(from) {
            return Err(not_found(from));
        }
        state.change_name(
            "rename",
            from,
            NameChange::Rename { from: from.to_path_buf(), to: to.to_path_buf() },
        )
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = self.state();
        state.check_power("remove", path)?;
        if !state.names.contains_key(path) {
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
        if !state.locks.insert(path.to_path_buf()) {
            return Ok(None);
        }
        let held = HeldLock { disk: self.clone(), path: path.to_path_buf(), boot: state.boot };
        Ok(Some(DiskLock { _holder: Box::new(held) }))
    }
}

#[cfg(test)]
mod tests {
    use super::FaultyDisk;
    use crate::disk::{Disk, DiskError, SECTOR_BYTES, Survivors};
    use std::path::Path;

    const DIR: &str = "/d";
    const FILE: &str = "/d/f";

    /// A disk with one durable file of two sectors of `a`, and its first sector overwritten with `b` then `c`, unsynced.
    fn half_written(seed: u64) -> FaultyDisk {
        let disk = FaultyDisk::new(seed);
        disk.create_dir(Path::new(DIR)).expect("power is on");
        let file = disk.create(Path::new(FILE)).expect("the directory exists");
        file.write_at(0, &[b'a'; 2 * SECTOR_BYTES]).expect("room");
        file.sync().expect("the disk works");
        disk.sync_dir(Path::new(DIR)).expect("the disk works");
        file.write_at(0, &[b'b'; SECTOR_BYTES]).expect("room");
        file.write_at(0, &[b'c'; SECTOR_BYTES]).expect("room");
        disk
    }

    fn content(disk: &FaultyDisk) -> Vec<u8> {
        disk.content(Path::new(FILE)).expect("its name was synced")
    }

    #[test]
    fn unsynced_sectors_end_as_any_of_their_versions() {
        let disk = half_written(1);
        assert_eq!(content(&disk)[0], b'c', "programs see what they wrote");
        let mut seen = [b'a', b'b', b'c'].map(|version| (version, false));
        for seed in 0..50 {
            let disk = half_written(seed);
            disk.power_cycle(Survivors::Random);
            let survived = content(&disk);
            assert!(survived[..SECTOR_BYTES].iter().all(|byte| *byte == survived[0]), "a sector is atomic");
            assert_eq!(survived[SECTOR_BYTES], b'a');
            seen.iter_mut().filter(|(version, _)| *version == survived[0]).for_each(|(_, met)| *met = true);
        }
        assert!(seen.iter().all(|(_, met)| *met), "{seen:?}");
        let disk = half_written(1);
        disk.power_cycle(Survivors::Nothing);
        assert_eq!(content(&disk)[0], b'a');
    }

    #[test]
    fn a_failed_sync_is_never_made_up_for() {
        let disk = half_written(1);
        let file = disk.open(Path::new(FILE)).expect("it exists");
        disk.fail_sync_at(0);
        file.sync().expect_err("as planned");
        file.sync().expect("later ones lie");
        disk.power_cycle(Survivors::Nothing);
        assert_eq!(content(&disk)[0], b'a', "the data was never written");

        let disk = half_written(1);
        let file = disk.open(Path::new(FILE)).expect("it exists");
        disk.fail_sync_at(0);
        file.sync().expect_err("as planned");
        file.write_at(1, b"d").expect("room");
        file.sync().expect("the sector was written again");
        disk.power_cycle(Survivors::Nothing);
        assert_eq!(content(&disk)[..3], *b"cdc");
    }

    #[test]
    fn names_survive_with_their_directory_only() {
        let disk = half_written(1);
        disk.rename(Path::new(FILE), Path::new("/d/g")).expect("it exists");
        disk.power_cycle(Survivors::Nothing);
        assert_eq!(disk.list(Path::new(DIR)).expect("it exists"), ["f"]);
        disk.rename(Path::new(FILE), Path::new("/d/g")).expect("it exists");
        disk.sync_dir(Path::new(DIR)).expect("the disk works");
        disk.power_cycle(Survivors::Nothing);
        assert_eq!(disk.list(Path::new(DIR)).expect("it exists"), ["g"]);
    }

    #[test]
    fn without_power_nothing_works_and_old_handles_stay_dead() {
        let disk = half_written(1);
        let file = disk.open(Path::new(FILE)).expect("it exists");
        disk.crash_at(disk.operations() + 1);
        file.write_at(0, b"x").expect_err("the power fails");
        disk.list(Path::new(DIR)).expect_err("there is no power");
        disk.power_cycle(Survivors::Everything);
        file.sync().expect_err("opened before the crash");
        assert_eq!(content(&disk)[0], b'x', "the write may have had its effect");
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let disk = half_written(1);
        disk.set_capacity_bytes(Some(2 * SECTOR_BYTES as u64 + 3));
        let file = disk.open(Path::new(FILE)).expect("it exists");
        let full = file.write_at(2 * SECTOR_BYTES as u64, b"12345").expect_err("two bytes too many");
        assert!(matches!(full, DiskError::Full { .. }), "{full}");
        assert_eq!(content(&disk)[2 * SECTOR_BYTES..], *b"123");
    }
}
