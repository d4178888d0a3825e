//! The file system.

use super::{Disk, DiskError, DiskFile, DiskLock};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file system of the operating system. Unix only: positioned reads and writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile {
    file: File,
    path: PathBuf,
}

impl RealDisk {
    fn open_with(options: &OpenOptions, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let file = options.open(path).map_err(|e| DiskError::new("open", path, e))?;
        Ok(Box::new(RealFile { file, path: path.to_path_buf() }))
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(DiskError::new("create directory", path, e));
                }
                _ => {}
            }
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            self.sync_dir(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, DiskError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(|e| DiskError::new("list", dir, e))? {
            let entry = entry.map_err(|e| DiskError::new("list", dir, e))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        Self::open_with(OpenOptions::new().read(true).write(true), path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        Self::open_with(OpenOptions::new().read(true).write(true).create(true).truncate(true), path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to).map_err(|e| DiskError::new("rename", from, e))
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path).map_err(|e| DiskError::new("remove", path, e))
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), DiskError> {
        let sync = || File::open(dir)?.sync_all();
        sync().map_err(|e| DiskError::new("sync directory", dir, e))
    }

    fn lock(&self, path: &Path) -> Result<Option<DiskLock>, DiskError> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.map_err(|e| DiskError::new("open", path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(DiskLock { _holder: Box::new(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(DiskError::new("lock", path, e)),
        }
    }
}

impl DiskFile for RealFile {
    fn len_bytes(&self) -> Result<u64, DiskError> {
        let metadata = self.file.metadata().map_err(|e| DiskError::new("stat", &self.path, e))?;
        Ok(metadata.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(DiskError::new("read", &self.path, e)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, offset).map_err(|e| DiskError::new("write", &self.path, e))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|e| DiskError::new("sync", &self.path, e))
    }
}
