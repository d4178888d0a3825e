//! Open files and locks of a faulty disk. They are dead once it has booted again.

use super::names::FileId;
use super::state::{State, failed};
use crate::disk::{DiskError, DiskFile};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub(super) fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no holder of this lock panics")
}

pub(super) struct Handle {
    disk: Arc<Mutex<State>>,
    id: FileId,
    boot: u64,
    path: PathBuf,
}

impl Handle {
    /// A handle on a file of `disk`, whose state the caller has locked.
    pub(super) fn open(disk: &Arc<Mutex<State>>, state: &mut State, id: FileId, path: &Path) -> Self {
        state.on_opened(id);
        Handle { disk: Arc::clone(disk), id, boot: state.boot, path: path.to_path_buf() }
    }

    fn state(&self, op: &'static str) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = locked(&self.disk);
        if state.boot != self.boot {
            return Err(failed(op, &self.path, "opened before the last boot"));
        }
        state.check_power(op, &self.path)?;
        Ok(state)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A poisoned lock means that a test is failing already.
        if let Ok(mut state) = self.disk.lock() {
            state.on_closed(self.id, self.boot);
        }
    }
}

impl DiskFile for Handle {
    fn len_bytes(&self) -> Result<u64, DiskError> {
        Ok(self.state("stat")?.file(self.id).len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.state("read")?.read(self.id, &self.path, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.state("write")?.write(self.id, &self.path, offset, bytes)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.state("sync")?.sync(self.id, &self.path)
    }
}

pub(super) struct HeldLock {
    disk: Arc<Mutex<State>>,
    path: PathBuf,
    boot: u64,
}

impl HeldLock {
    /// Takes the lock, unless somebody has it.
    pub(super) fn take(disk: &Arc<Mutex<State>>, state: &mut State, path: &Path) -> Option<Self> {
        let is_free = state.locks.insert(path.to_path_buf());
        is_free.then(|| HeldLock { disk: Arc::clone(disk), path: path.to_path_buf(), boot: state.boot })
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if let Ok(mut state) = self.disk.lock()
            && state.boot == self.boot
        {
            state.locks.remove(&self.path);
        }
    }
}
