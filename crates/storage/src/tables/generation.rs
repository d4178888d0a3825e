//! One generation of a space: a `fjall` database and its directory.

use super::TableOptions;
use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
};
use quorate_table::{TableError, TableId};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The size of a table's files. One worker writes memtables out and merges files, so a merge must be short: commits wait when
/// four memtables do. In one run each, the longest wait
/// was 0.9 s with files of 16 MiB and 2.0 s with larger ones.
const TABLE_FILE_BYTES: u64 = 16 << 20;
/// A file in the space's directory that never stays.
const PROBE_FILE: &str = "probe";

/// The tables that exist, by number.
#[derive(Clone, Default)]
pub(super) struct TableSet {
    keyspaces: Vec<Option<Keyspace>>,
}

impl TableSet {
    pub(super) fn get(&self, table: TableId) -> Option<&Keyspace> {
        self.keyspaces.get(usize::from(table.0))?.as_ref()
    }

    pub(super) fn insert(&mut self, table: TableId, keyspace: Keyspace) {
        let slot = usize::from(table.0);
        if self.keyspaces.len() <= slot {
            self.keyspaces.resize(slot + 1, None);
        }
        self.keyspaces[slot] = Some(keyspace);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TableId, &Keyspace)> {
        self.keyspaces
            .iter()
            .zip(0..)
            .filter_map(|(keyspace, table)| Some((TableId(table), keyspace.as_ref()?)))
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.iter().map(|(_, keyspace)| keyspace.disk_space()).sum()
    }
}

/// An open database. Once retired, its files are removed when nobody reads them any more.
pub(super) struct Generation {
    /// `None` only while this is dropped: the database must be closed before its files go.
    database: Option<Database>,
    dir: PathBuf,
    number: u64,
    options: TableOptions,
    retired: AtomicBool,
}

impl Generation {
    /// Opens the database in `dir`, making it if it is not there.
    pub(super) fn open(
        dir: &Path,
        options: &TableOptions,
        shared: &fjall::Config,
    ) -> Result<Self, TableError> {
        let mut config = Database::builder(dir)
            .manual_journal_persist(true)
            .journal_compression(CompressionType::None)
            .worker_threads(options.worker_threads)
            .max_cached_files(Some(options.max_open_files))
            .into_config();
        config.cache = shared.cache.clone();
        let number = dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        Ok(Generation {
            database: Some(Database::open(config).map_err(error)?),
            dir: dir.to_path_buf(),
            number: number.expect("a generation's directory is its number"),
            options: *options,
            retired: AtomicBool::new(false),
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("open until it is dropped")
    }

    /// Tables that were made earlier.
    pub(super) fn existing_tables(&self) -> Result<TableSet, TableError> {
        let mut tables = TableSet::default();
        for name in self.database().list_keyspace_names() {
            if let Some(number) = name.strip_prefix('t').and_then(|number| number.parse().ok()) {
                tables.insert(TableId(number), self.create_table(TableId(number))?);
            }
        }
        Ok(tables)
    }

    /// Opens a table, making it if it is not there.
    pub(super) fn create_table(&self, table: TableId) -> Result<Keyspace, TableError> {
        self.database()
            .keyspace(&format!("t{}", table.0), || self.table_options())
            .map_err(|e| self.write_error(e))
    }

    fn table_options(&self) -> KeyspaceCreateOptions {
        // Filters on every level: a machine asks for missing keys as often as for existing ones.
        let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
        let compaction = Leveled::default().with_table_target_size(TABLE_FILE_BYTES);
        KeyspaceCreateOptions::default()
            .manual_journal_persist(true)
            .compaction_strategy(Arc::new(compaction))
            .max_memtable_size(u64::MAX)
            .data_block_size_policy(BlockSizePolicy::all(4096))
            .filter_policy(FilterPolicy::all(bloom))
    }

    /// Hands a table's newest rows to the workers if they fill a memtable.
    ///
    /// The database would do it by itself, but asks its workers again with every commit until it is done: that fills their
    /// queue, and a worker that then has to queue the next step waits for itself.
    pub(super) fn seal_if_full(&self, keyspace: &Keyspace) -> Result<(), TableError> {
        if keyspace.tree.active_memtable().size() >= self.options.memtable_bytes {
            keyspace.rotate_memtable().map_err(|e| self.write_error(e))?;
        }
        Ok(())
    }

    pub(super) fn batch(&self, capacity: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.database().clone(), capacity)
    }

    pub(super) fn snapshot(&self) -> fjall::Snapshot {
        self.database().snapshot()
    }

    /// Bytes that are in memory and in the journal, but in no table file yet.
    pub(super) fn unwritten_bytes(&self) -> u64 {
        self.database().write_buffer_size()
    }

    /// Returns when all commits so far are durable.
    pub(super) fn persist(&self) -> Result<(), TableError> {
        // The database syncs its journal under the lock that commits need. Syncing the file first, without it, leaves little
        // for the sync that counts, so that commits hardly wait.
        self.sync_journals().map_err(|e| error(fjall::Error::Io(e)))?;
        self.database().persist(PersistMode::SyncData).map_err(|e| self.write_error(e))
    }

    fn sync_journals(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jnl") {
                match File::open(&path) {
                    Ok(journal) => journal.sync_data()?,
                    // The database removed it meanwhile: its rows are in table files.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    /// What an error of a write means for the machine.
    ///
    /// A worker that fails ends all writing and keeps the reason to itself. A full disk is the one that an operator can mend, so
    /// it is looked for, with a file as large as the workers' own.
    pub(super) fn write_error(&self, failure: fjall::Error) -> TableError {
        if !matches!(failure, fjall::Error::Poisoned) {
            return error(failure);
        }
        let probe = self.dir.with_file_name(PROBE_FILE);
        let written = fs::write(&probe, vec![0; TABLE_FILE_BYTES as usize]);
        let _ = fs::remove_file(&probe);
        match written {
            Err(e) => error(fjall::Error::Io(e)),
            Ok(()) => TableError::Io { detail: "writing a table file failed".into() },
        }
    }

    /// The files may go when the last reader does.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        drop(self.database.take());
        if self.retired.load(Ordering::Acquire) {
            // What cannot be removed now is removed when the space is opened again.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// What an error of the database means for the machine.
pub(super) fn error(error: fjall::Error) -> TableError {
    use fjall::{Error, LsmError};
    let detail = error.to_string().into();
    match error {
        Error::Io(source) | Error::Storage(LsmError::Io(source)) => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TableError::Full,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => TableError::Corrupt { detail },
            _ => TableError::Io { detail },
        },
        Error::Poisoned | Error::Locked | Error::KeyspaceDeleted => TableError::Io { detail },
        _ => TableError::Corrupt { detail },
    }
}
