//! What `snapshot status` tells of a backup, in the terms of etcd's own command.

use crate::{Backup, BackupError, layout};
use quorate_bolt::Value;

/// About a backup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupStatus {
    /// CRC-32C over all buckets' names, keys and values, in their order: equal for equal content, whatever wrote it.
    pub hash: u32,
    /// The newest revision; 0 if there are no records at all.
    pub revision: i64,
    /// Entries of all buckets, as etcd 3.5 counts them.
    pub total_keys: u64,
    /// Bytes of the database, without a checksum behind it.
    pub total_len_bytes: u64,
    /// The version of the layout if the file names one: etcd 3.6 and later do.
    pub version: Option<String>,
}

impl Backup {
    /// Reads the whole backup.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn status(&self) -> Result<BackupStatus, BackupError> {
        let mut status = BackupStatus {
            hash: 0,
            revision: 0,
            total_keys: 0,
            total_len_bytes: self.database.len_bytes(),
            version: None,
        };
        for bucket in self.database.root().entries() {
            let bucket = bucket.map_err(|source| self.damaged(source))?;
            let Value::Bucket(entries) = bucket.value else {
                return Err(self.foreign("a pair without a bucket"));
            };
            status.hash = crc32c::crc32c_append(status.hash, &bucket.key);
            for entry in entries.entries() {
                let entry = entry.map_err(|source| self.damaged(source))?;
                status.total_keys += 1;
                status.hash = crc32c::crc32c_append(status.hash, &entry.key);
                if bucket.key == layout::KEY {
                    let revision = layout::revision(&entry.key);
                    status.revision = revision.ok_or_else(|| self.foreign("a record of a key"))?.0.0;
                }
                let Value::Bytes(value) = entry.value else { continue };
                status.hash = crc32c::crc32c_append(status.hash, &value);
                if bucket.key == layout::META && entry.key == layout::STORAGE_VERSION {
                    status.version = Some(String::from_utf8_lossy(&value).into_owned());
                }
            }
        }
        Ok(status)
    }
}
