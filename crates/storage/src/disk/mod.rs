//! The one way to the disk.
//!
//! Code that must survive a crash cannot be tested on a disk that never crashes. So the log and the identity file know
//! only [`Disk`]: [`RealDisk`] is the file system, [`FaultyDisk`] is memory that loses, tears, flips and fills up on demand.
//!
//! **Invariant** that callers may rely on: bytes written are readable at once, but survive a power failure only after
//! [`DiskFile::sync`]; a file's name survives only after [`Disk::sync_dir`] of its directory. After a failed sync it is unknown
//! what is on the disk, and a later sync that succeeds proves nothing about earlier writes (Rebello et al., "Can
//! applications recover from fsync failures?", USENIX ATC 2020).

mod faulty;
mod real;

pub use faulty::{FaultyDisk, SECTOR_BYTES, Survivors};
pub use real::RealDisk;

use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system, as far as it is needed here. Every call blocks.
pub trait Disk: Send + Sync {
    /// Makes a directory and those above it, durably; does nothing if it exists.
    ///
    /// # Errors
    /// [`DiskError`].
    fn create_dir(&self, dir: &Path) -> Result<(), DiskError>;

    /// The names in a directory, in byte order.
    ///
    /// # Errors
    /// [`DiskError`]; `NotFound` if there is no such directory.
    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// [`DiskError`]; `NotFound` if there is no such file.
    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError>;

    /// Makes an empty file, or empties an existing one, for reading and writing.
    ///
    /// # Errors
    /// [`DiskError`].
    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError>;

    /// Gives a file another name in the same directory, replacing what had that name.
    ///
    /// # Errors
    /// [`DiskError`]; both names are as before.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Removes a file's name.
    ///
    /// # Errors
    /// [`DiskError`]; `NotFound` if there is no such file.
    fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Returns when the names in `dir` survive a power failure.
    ///
    /// # Errors
    /// [`DiskError`]; then what is durable is unknown.
    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError>;

    /// Takes the exclusive lock on a file, making it if need be, until the result is dropped or the process ends. `None` if
    /// somebody else holds it, in this process or another.
    ///
    /// # Errors
    /// [`DiskError`].
    fn lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError>;
}

/// An open file. Safe to use from several threads, though nobody here does.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// [`DiskError`].
    fn len_bytes(&self) -> Result<u64, DiskError>;

    /// Fills `buffer` from `offset` on and says how many bytes there were: fewer than asked for only at the file's end.
    ///
    /// # Errors
    /// [`DiskError`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError>;

    /// Writes all of `bytes` at `offset`, in one system call unless the kernel splits it; extends the file as needed.
    ///
    /// # Errors
    /// [`DiskError`]; any part of `bytes` may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Returns when everything written before survives a power failure (`fdatasync`).
    ///
    /// # Errors
    /// [`DiskError`]; see the module's invariant: the caller must not go on with this file.
    fn sync(&self) -> Result<(), DiskError>;
}

/// A lock that is held until this is dropped.
pub struct DiskLock {
    _holder: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for DiskLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskLock")
    }
}

/// Why the disk did not do what it was asked to.
#[derive(Clone, Debug)]
pub enum DiskError {
    /// No room is left.
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// There is no such file or directory.
    NotFound {
        /// Which.
        path: PathBuf,
    },
    /// Anything else.
    Failed {
        /// What was tried.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said. Shared, so that a log that stopped can tell everybody why.
        source: Arc<io::Error>,
    },
}

impl DiskError {
    fn new(op: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full { path },
            io::ErrorKind::NotFound => DiskError::NotFound { path },
            _ => DiskError::Failed { op, path, source: Arc::new(source) },
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::Full { path } => write!(f, "no room is left on the disk of {}", path.display()),
            DiskError::NotFound { path } => write!(f, "{} does not exist", path.display()),
            DiskError::Failed { op, path, source } => write!(f, "cannot {op} {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DiskError::Failed { source, .. } => Some(source.as_ref()),
            DiskError::Full { .. } | DiskError::NotFound { .. } => None,
        }
    }
}

/// Replaces a small file so that after a crash it has either its old or its new content, whole. The new content is written
/// beside it, under the name with `.new` added.
///
/// # Errors
/// [`DiskError`]; the file has its old or its new content.
pub fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), DiskError> {
    let dir = path.parent().expect("a file in a directory");
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let file = disk.create(&beside)?;
    file.write_at(0, content)?;
    file.sync()?;
    drop(file);
    disk.rename(&beside, path)?;
    disk.sync_dir(dir)
}

/// Reads a small file whole; `None` if it does not exist.
///
/// # Errors
/// [`DiskError`].
pub fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = vec![0; usize::try_from(file.len_bytes()?).expect("a small file")];
    let len = file.read_at(0, &mut content)?;
    content.truncate(len);
    Ok(Some(content))
}
