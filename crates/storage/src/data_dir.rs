//! Whose data directory this is.
//!
//! A directory that is used by two processes, or by a node that it does not belong to, destroys what a quorum was promised:
//! a node that starts on another node's log votes twice. So a directory is locked while it is open, and a small checked
//! file says whose it is; a node that is not the one is refused before it has changed anything.
//!
//! **Invariant:** the identity, once established, never changes, except for the declarations.
//!
//! ```text
//! identity file     offset  bytes
//!                        0      8  "QUORDIR\n"
//!                        8      4  format version, little endian; its meaning never changes
//!                       12      4  CRC-32C of all bytes from 16 on
//!                       16      …  cluster id, node id (varints), name, declarations (varint length, UTF-8)
//! ```

use crate::disk::{Disk, DiskError, DiskLock, read_file, replace_file};
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, ClusterId, NodeId};
use std::fmt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"QUORDIR\n";
const HEADER_BYTES: usize = 16;
const IDENTITY_FILE: &str = "identity";
const LOCK_FILE: &str = "lock";
/// A first start may have been cut short; a fresh file system brings its own directory; generated certificates are there before all else.
const FILES_OF_A_NEW_DIR: [&str; 4] = [LOCK_FILE, "identity.new", "lost+found", "fixtures"];
const LOG_DIR: &str = "log";
const TABLES_DIR: &str = "tables";

/// The version of everything in a data directory that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// Whose directory it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The member.
    pub node: NodeId,
    /// What people call the member.
    pub name: String,
    /// The keyspace declarations that the data was written under, as text that only the caller understands.
    pub declarations: String,
}

/// An open data directory. Nobody else can open it until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: Option<Identity>,
    _lock: DiskLock,
}

impl DataDir {
    /// Opens a directory, making it if it does not exist. A new one has no identity yet.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing but an empty directory and a lock file was made.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<DataDir, DataDirError> {
        let dir = || path.to_path_buf();
        disk.create_dir(path)?;
        let lock = disk.lock(&path.join(LOCK_FILE))?.ok_or_else(|| DataDirError::InUse { dir: dir() })?;
        let identity = match read_file(disk, &path.join(IDENTITY_FILE))? {
            Some(content) => Some(decode(path, &content)?),
            None => {
                let known = |name: &String| FILES_OF_A_NEW_DIR.contains(&name.as_str());
                if let Some(found) = disk.list(path)?.into_iter().find(|name| !known(name)) {
                    return Err(DataDirError::Foreign { dir: dir(), found });
                }
                None
            }
        };
        Ok(DataDir { path: dir(), identity, _lock: lock })
    }

    /// Whose it is; `None` as long as it is new.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Makes a new directory `identity`'s, durably, or checks that it is: cluster, node and name must agree. The declarations of
    /// an old one stay as they were.
    ///
    /// # Errors
    /// [`DataDirError`]; the directory is as it was.
    pub fn establish(&mut self, disk: &dyn Disk, identity: &Identity) -> Result<(), DataDirError> {
        let Some(own) = &self.identity else { return self.write(disk, identity.clone()) };
        let dir = self.path.clone();
        if own.cluster != identity.cluster {
            return Err(DataDirError::OtherCluster { dir, found: own.cluster, expected: identity.cluster });
        }
        if own.node != identity.node || own.name != identity.name {
            let found = (own.node, own.name.clone());
            return Err(DataDirError::OtherNode {
                dir,
                found,
                expected: (identity.node, identity.name.clone()),
            });
        }
        Ok(())
    }

    /// Replaces the declarations, durably.
    ///
    /// # Errors
    /// [`DataDirError`]; the old or the new ones stand in the directory.
    ///
    /// # Panics
    /// If the directory has no identity yet.
    pub fn set_declarations(&mut self, disk: &dyn Disk, declarations: &str) -> Result<(), DataDirError> {
        let own = self.identity.clone().expect("an established directory");
        self.write(disk, Identity { declarations: declarations.to_owned(), ..own })
    }

    /// Where the write-ahead log lies.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.path.join(LOG_DIR)
    }

    /// Where the tables lie.
    #[must_use]
    pub fn tables_dir(&self) -> PathBuf {
        self.path.join(TABLES_DIR)
    }

    fn write(&mut self, disk: &dyn Disk, identity: Identity) -> Result<(), DataDirError> {
        replace_file(disk, &self.path.join(IDENTITY_FILE), &encode(&identity))?;
        self.identity = Some(identity);
        Ok(())
    }
}

fn encode(identity: &Identity) -> Vec<u8> {
    let mut file = vec![0; HEADER_BYTES];
    file.put_varint(identity.cluster.0);
    file.put_varint(identity.node.0);
    file.put_bytes(identity.name.as_bytes());
    file.put_bytes(identity.declarations.as_bytes());
    let crc = crc32c::crc32c(&file[HEADER_BYTES..]);
    file[..8].copy_from_slice(MAGIC);
    file[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    file[12..16].copy_from_slice(&crc.to_le_bytes());
    file
}

fn decode(dir: &Path, file: &[u8]) -> Result<Identity, DataDirError> {
    let damaged = |reason| DataDirError::Damaged { file: dir.join(IDENTITY_FILE), reason };
    let (header, body) = file.split_at_checked(HEADER_BYTES).ok_or_else(|| damaged("it is too short"))?;
    if &header[..8] != MAGIC {
        return Err(damaged("it does not begin as an identity file does"));
    }
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(8) > FORMAT_VERSION {
        return Err(DataDirError::Newer { dir: dir.to_path_buf(), found: number(8) });
    }
    if number(8) == 0 || number(12) != crc32c::crc32c(body) {
        return Err(damaged("its checksum does not match"));
    }
    decode_body(Bytes::copy_from_slice(body)).map_err(|_| damaged("its fields do not add up"))
}

fn decode_body(body: Bytes) -> Result<Identity, DecodeError> {
    let mut reader = Reader::new(body);
    let cluster = ClusterId(reader.varint()?);
    let node = NodeId(reader.varint()?);
    let mut text = |field| {
        let bytes = reader.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Invalid { field })
    };
    let (name, declarations) = (text("name")?, text("declarations")?);
    reader.finish()?;
    Ok(Identity { cluster, node, name, declarations })
}

/// Why a data directory is refused.
#[derive(Debug, Clone)]
pub enum DataDirError {
    /// Another process, or another node in this one, has it open.
    InUse {
        /// Which.
        dir: PathBuf,
    },
    /// It has no identity but is not empty.
    Foreign {
        /// Which.
        dir: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// It is of another cluster.
    OtherCluster {
        /// Which.
        dir: PathBuf,
        /// Whose it is.
        found: ClusterId,
        /// Who asks.
        expected: ClusterId,
    },
    /// It is another member's.
    OtherNode {
        /// Which.
        dir: PathBuf,
        /// Whose it is.
        found: (NodeId, String),
        /// Who asks.
        expected: (NodeId, String),
    },
    /// A newer build wrote it.
    Newer {
        /// Which.
        dir: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// The identity file is damaged.
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The disk failed.
    Disk(DiskError),
}

impl From<DiskError> for DataDirError {
    fn from(error: DiskError) -> Self {
        DataDirError::Disk(error)
    }
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDirError::InUse { dir } => write!(
                f,
                "the data directory {} is in use by another process: stop that one, or choose another directory",
                dir.display()
            ),
            DataDirError::Foreign { dir, found } => write!(
                f,
                "the directory {} is not a data directory of Quorate, but holds `{found}`: choose an empty or a new one",
                dir.display()
            ),
            DataDirError::OtherCluster { dir, found, expected } => write!(
                f,
                "the data directory {} belongs to cluster {found}, not {expected}: choose this cluster's directory, or an empty \
                 one to join as a new member",
                dir.display()
            ),
            DataDirError::OtherNode { dir, found, expected } => write!(
                f,
                "the data directory {} belongs to node {} (`{}`), not {} (`{}`): start that node on it, or choose this \
                 node's own directory",
                dir.display(),
                found.0,
                found.1,
                expected.0,
                expected.1
            ),
            DataDirError::Newer { dir, found } => write!(
                f,
                "the data directory {} has format {found}, and this build reads up to {FORMAT_VERSION}: start a newer build",
                dir.display()
            ),
            DataDirError::Damaged { file, reason } => write!(
                f,
                "{} is damaged ({reason}): remove the member from the cluster and add it again with an empty directory, or \
                 restore the directory from a backup",
                file.display()
            ),
            DataDirError::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DataDirError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DataDirError::Disk(error) => Some(error),
            _ => None,
        }
    }
}
