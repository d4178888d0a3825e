//! The names on a faulty disk, as programs see them and as they are durable.
//!
//! Changes of names take place in order, as on a journaling file system: after a power failure a prefix of those that no sync of
//! their directory covered has taken place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) type FileId = u64;

pub(super) enum NameChange {
    Link { path: PathBuf, file: FileId },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => path.parent(),
            NameChange::Rename { to, .. } => to.parent(),
        }
    }

    fn is_under(&self, dir: &Path) -> bool {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => path.starts_with(dir),
            NameChange::Rename { from, to } => from.starts_with(dir) || to.starts_with(dir),
        }
    }
}

#[derive(Default)]
pub(super) struct Names {
    visible: BTreeMap<PathBuf, FileId>,
    durable: BTreeMap<PathBuf, FileId>,
    unsynced: Vec<NameChange>,
}

/// Returns the file that lost this name, if one did.
fn apply(names: &mut BTreeMap<PathBuf, FileId>, change: &NameChange) -> Option<FileId> {
    match change {
        NameChange::Link { path, file } => names.insert(path.clone(), *file),
        NameChange::Unlink { path } => names.remove(path),
        NameChange::Rename { from, to } => {
            let file = names.remove(from)?;
            names.insert(to.clone(), file)
        }
    }
}

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<FileId> {
        self.visible.get(path).copied()
    }

    /// By path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PathBuf, FileId)> {
        self.visible.iter().map(|(path, file)| (path, *file))
    }

    pub(super) fn change(&mut self, change: NameChange) {
        apply(&mut self.visible, &change);
        self.unsynced.push(change);
    }

    /// Gives a file its name, durably.
    pub(super) fn install(&mut self, path: &Path, file: FileId) {
        self.visible.insert(path.to_path_buf(), file);
        self.durable.insert(path.to_path_buf(), file);
    }

    /// Makes the changes in `dir` durable. Returns the files that lost a name.
    pub(super) fn sync(&mut self, dir: &Path) -> Vec<FileId> {
        let changes = std::mem::take(&mut self.unsynced);
        let (now, later): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.dir() == Some(dir));
        self.unsynced = later;
        now.iter().filter_map(|change| apply(&mut self.durable, change)).collect()
    }

    pub(super) fn unsynced_count(&self) -> usize {
        self.unsynced.len()
    }

    /// The first `kept` unsynced changes took place, and no other one.
    pub(super) fn lose_power(&mut self, kept: usize) {
        for change in self.unsynced.drain(..).take(kept) {
            apply(&mut self.durable, &change);
        }
        self.visible.clone_from(&self.durable);
    }

    /// Removes everything under `dir`, durably.
    pub(super) fn wipe(&mut self, dir: &Path) {
        self.visible.retain(|path, _| !path.starts_with(dir));
        self.durable.retain(|path, _| !path.starts_with(dir));
        self.unsynced.retain(|change| !change.is_under(dir));
    }

    /// Whether a file has a name, or can have one after a power failure.
    pub(super) fn can_reach(&self, file: FileId) -> bool {
        let links = |change: &NameChange| matches!(change, NameChange::Link { file: id, .. } if *id == file);
        self.visible.values().chain(self.durable.values()).any(|id| *id == file)
            || self.unsynced.iter().any(links)
    }
}
