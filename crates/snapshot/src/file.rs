//! A backup's file: what it is, and whether it is whole.

use crate::BackupError;
use quorate_bolt::Source;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of the checksum behind a saved snapshot's database: SHA-256 over all before it.
pub const SUM_LEN_BYTES: u64 = 32;
/// A database's length is a multiple of this, so a length of so many and [`SUM_LEN_BYTES`] has a checksum.
const BLOCK_LEN_BYTES: u64 = 512;
const READ_LEN_BYTES: usize = 1 << 16;

/// An open file, of which a part is the database.
#[derive(Debug)]
pub(crate) struct BackupFile {
    file: File,
    len_bytes: u64,
}

impl BackupFile {
    /// Opens the file at `path`; `has_sum` demands a checksum at its end that is right.
    pub(crate) fn open(path: &Path, has_sum: bool) -> Result<Self, BackupError> {
        let unreadable = |source| BackupError::Unreadable { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(unreadable)?;
        let len_bytes = file.metadata().map_err(unreadable)?.len();
        let backup = BackupFile { file, len_bytes };
        if has_sum {
            if len_bytes % BLOCK_LEN_BYTES != SUM_LEN_BYTES {
                return Err(BackupError::NoSum { path: path.to_path_buf() });
            }
            if !backup.sum_is_right().map_err(unreadable)? {
                return Err(BackupError::WrongSum { path: path.to_path_buf() });
            }
        }
        Ok(backup)
    }

    /// Whether nobody is writing to it: bbolt locks the file that it writes to.
    pub(crate) fn is_at_rest(&self) -> bool {
        !matches!(self.file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
    }

    fn sum_is_right(&self) -> io::Result<bool> {
        let mut sum = Sha256::new();
        let mut left = self.len_bytes - SUM_LEN_BYTES;
        let mut file = &self.file;
        let mut buffer = vec![0; READ_LEN_BYTES];
        while left > 0 {
            let wanted = usize::try_from(left).map_or(READ_LEN_BYTES, |left| left.min(READ_LEN_BYTES));
            file.read_exact(&mut buffer[..wanted])?;
            sum.update(&buffer[..wanted]);
            left -= wanted as u64;
        }
        let mut expect = [0; SUM_LEN_BYTES as usize];
        file.read_exact(&mut expect)?;
        Ok(sum.finalize()[..] == expect)
    }
}

impl Source for BackupFile {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}
