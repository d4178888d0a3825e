//! An open backup: a saved snapshot, a bare database, or etcd's data directory.

use crate::file::BackupFile;
use crate::layout;
use quorate_bolt::{Bucket, Database, ReadError, Value};
use quorate_types::Revision;
use std::io;
use std::path::{Path, PathBuf};

/// Where etcd's database lies below its data directory.
const DATABASE_PATHS: [&str; 2] = ["member/snap/db", "snap/db"];

/// What a backup was opened from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A file whose checksum is right.
    Snapshot,
    /// A file that was not checked.
    Unchecked,
    /// etcd's data directory: what stands only in its write-ahead log is not part of it.
    DataDir,
}

/// Why a backup cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory without etcd's database.
    #[error("{path} is no data directory of etcd: it has no member/snap/db", path = .path.display())]
    NoDatabase {
        /// Which.
        path: PathBuf,
    },
    /// An etcd is running on the directory.
    #[error(
        "{path} is in use: stop the etcd that it belongs to, or save a snapshot of it with `quorate snapshot save`",
        path = .path.display()
    )]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// There is no checksum at the end.
    #[error(
        "{path} does not end with the checksum of a saved snapshot: it was cut short, or copied from a data directory; if it was copied, give \
         --skip-hash-check",
        path = .path.display()
    )]
    NoSum {
        /// Which.
        path: PathBuf,
    },
    /// The checksum is wrong.
    #[error("{path} is damaged: its checksum is not that of its content", path = .path.display())]
    WrongSum {
        /// Which.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error("{path}: {source}", path = .path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// The database does not hold what etcd keeps in one.
    #[error("{path} is not a database of etcd, or is damaged: {what}", path = .path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

/// See the module.
pub struct Backup {
    pub(crate) path: PathBuf,
    pub(crate) database: Database<BackupFile>,
    origin: Origin,
}

impl Backup {
    /// Opens the file at `path`, or the database in the data directory there. A file must end with its checksum unless
    /// `skip_hash_check`.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn open(path: &Path, skip_hash_check: bool) -> Result<Self, BackupError> {
        let (path, origin) = if path.is_dir() {
            let found = DATABASE_PATHS.iter().map(|below| path.join(below)).find(|path| path.is_file());
            (found.ok_or_else(|| BackupError::NoDatabase { path: path.to_path_buf() })?, Origin::DataDir)
        } else if skip_hash_check {
            (path.to_path_buf(), Origin::Unchecked)
        } else {
            (path.to_path_buf(), Origin::Snapshot)
        };
        let file = BackupFile::open(&path, origin == Origin::Snapshot)?;
        if !file.is_at_rest() {
            return Err(BackupError::InUse { path });
        }
        match Database::open(file) {
            Ok(database) => Ok(Backup { path, database, origin }),
            Err(source) => Err(BackupError::Database { path, source }),
        }
    }

    /// What it was opened from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The oldest revision that can be read: 0 if none was ever compacted. A compaction that had only begun counts.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn compacted(&self) -> Result<Revision, BackupError> {
        let mut compacted = Revision(0);
        for name in [layout::FINISHED_COMPACTION, layout::SCHEDULED_COMPACTION] {
            let Some(value) = self.meta(name)? else { continue };
            let (revision, _) =
                layout::revision(&value).ok_or_else(|| self.foreign("a compaction's revision"))?;
            compacted = compacted.max(revision);
        }
        Ok(compacted)
    }

    /// The newest revision.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn revision(&self) -> Result<Revision, BackupError> {
        let newest = self.bucket(layout::KEY)?.last_key().map_err(|source| self.damaged(source))?;
        let newest = match newest {
            None => Revision(1),
            Some(key) => {
                layout::revision(&key).ok_or_else(|| self.foreign("the newest record's revision"))?.0
            }
        };
        Ok(newest.max(self.compacted()?).max(Revision(1)))
    }

    /// One of the few values about the database itself.
    pub(crate) fn meta(&self, name: &[u8]) -> Result<Option<Vec<u8>>, BackupError> {
        for entry in self.bucket(layout::META)?.entries() {
            let entry = entry.map_err(|source| self.damaged(source))?;
            if let (true, Value::Bytes(value)) = (entry.key == name, entry.value) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    pub(crate) fn bucket(&self, name: &[u8]) -> Result<Bucket<'_, BackupFile>, BackupError> {
        let found = self.database.bucket(name).map_err(|source| self.damaged(source))?;
        found.ok_or_else(|| self.foreign("a bucket that every etcd has is missing"))
    }

    pub(crate) fn damaged(&self, source: ReadError) -> BackupError {
        BackupError::Database { path: self.path.clone(), source }
    }

    pub(crate) fn foreign(&self, what: &'static str) -> BackupError {
        BackupError::Foreign { path: self.path.clone(), what }
    }
}
