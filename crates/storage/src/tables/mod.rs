//! Tables on disk: one `fjall` database per space, one of its keyspaces per table.
//!
//! A machine's rows outgrow memory, and replacing all of them (a snapshot from the leader) must be atomic. So rows lie in a
//! log-structured merge tree, and each space has numbered generations of it, of which the file `CURRENT` names the one that
//! counts: a staged one is filled beside it and takes its place by one rename.
//!
//! Commits are not synced: the write-ahead log is the durability point, and recovery applies again what the tables lost.
//! Batches reach the disk in order and whole, because they go through one checksummed journal which replay cuts at the first
//! damaged batch; before any memtable becomes a file, the journal up to there is synced.
//!
//! **Invariant:** `CURRENT` names a complete generation; every other directory of the space is garbage.
//!
//! ```text
//! <root>/<space>/CURRENT      "<generation>\n"
//! <root>/<space>/<generation>/  a fjall database; table n is its keyspace "t<n>"
//! ```

mod generation;
mod rows;

use crate::disk::{Disk, DiskError, RealDisk, read_file, replace_file};
use generation::{Generation, TableSet};
use quorate_table::{Batch, Direction, Engine, Persist, Read, Rows, Snapshot, TableError, TableId, Tables};
use quorate_types::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

const CURRENT_FILE: &str = "CURRENT";
const FIRST_GENERATION: u64 = 1;

/// The longest key of a row; `fjall` counts it in 16 bits.
pub const MAX_KEY_BYTES: usize = u16::MAX as usize;

/// How much memory and how many threads the tables of a node may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableOptions {
    /// When the newest rows of one table are written to a file. Up to four times this can wait in memory before commits are
    /// held up.
    pub memtable_bytes: u64,
    /// Cache for blocks of all spaces together.
    pub cache_bytes: u64,
    /// Threads per space that write memtables out and merge files. With more than one, the first does not merge, and keeps
    /// a core busy passing on what it does not do.
    pub worker_threads: usize,
    /// Files that each space keeps open.
    pub max_open_files: usize,
}

impl Default for TableOptions {
    fn default() -> Self {
        TableOptions {
            memtable_bytes: 4 << 20,
            cache_bytes: 32 << 20,
            worker_threads: 1,
            max_open_files: 256,
        }
    }
}

/// Tables under one directory.
pub struct FjallEngine {
    root: PathBuf,
    options: TableOptions,
    /// Holds the block cache that all databases share.
    shared: fjall::Config,
    spaces: Mutex<BTreeMap<String, Space>>,
}

/// What is known of one space.
struct Space {
    current: u64,
    /// The highest generation so far: the current one, or one that was staged.
    newest: u64,
    /// Every generation that somebody may still read, whichever it is.
    live: Vec<Weak<Generation>>,
}

impl Space {
    fn live(&mut self) -> Vec<Arc<Generation>> {
        self.live.retain(|generation| generation.strong_count() > 0);
        self.live.iter().filter_map(Weak::upgrade).collect()
    }

    fn find(&mut self, number: u64) -> Option<Arc<Generation>> {
        self.live().into_iter().find(|generation| generation.number() == number)
    }
}

impl fmt::Debug for FjallEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallEngine").field("root", &self.root).finish_non_exhaustive()
    }
}

impl FjallEngine {
    /// Tables under `root`, which is made if it does not exist. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// [`TableError`] if the directory cannot be made.
    pub fn new(root: &Path, options: TableOptions) -> Result<Self, TableError> {
        RealDisk.create_dir(root).map_err(disk_error)?;
        let builder = fjall::Database::builder(root).cache_size(options.cache_bytes);
        Ok(FjallEngine {
            root: root.to_path_buf(),
            options,
            shared: builder.into_config(),
            spaces: Mutex::default(),
        })
    }

    fn open_generation(&self, space: &str, number: u64) -> Result<Arc<Generation>, TableError> {
        let dir = self.generation_dir(space, number);
        Generation::open(&dir, &self.options, &self.shared).map(Arc::new)
    }

    fn space_dir(&self, space: &str) -> PathBuf {
        assert!(is_space_name(space), "a space's name is letters, digits, `-` and `_`: {space:?}");
        self.root.join(space)
    }

    fn generation_dir(&self, space: &str, number: u64) -> PathBuf {
        self.space_dir(space).join(number.to_string())
    }

    /// The generation that counts, making the space if it is new.
    fn current(&self, space: &str) -> Result<u64, TableError> {
        let dir = self.space_dir(space);
        RealDisk.create_dir(&dir).map_err(disk_error)?;
        let file = dir.join(CURRENT_FILE);
        let Some(content) = read_file(&RealDisk, &file).map_err(disk_error)? else {
            // A first start that was cut short may have left half a database.
            remove_generations(&dir, |_| false)?;
            drop(self.open_generation(space, FIRST_GENERATION)?);
            write_current(&dir, FIRST_GENERATION)?;
            return Ok(FIRST_GENERATION);
        };
        let damaged =
            |what: String| TableError::Corrupt { detail: format!("{} {what}", file.display()).into() };
        let current =
            parse_current(&content).ok_or_else(|| damaged("does not name a generation".to_owned()))?;
        if !self.generation_dir(space, current).is_dir() {
            return Err(damaged(format!("names generation {current}, which is not there")));
        }
        Ok(current)
    }
}

impl Engine for FjallEngine {
    fn open(&self, space: &str) -> Result<Box<dyn Tables>, TableError> {
        let mut spaces = self.spaces.lock().expect("no holder of this lock panics");
        let current = self.current(space)?;
        let known = spaces.entry(space.to_owned()).or_insert_with(|| Space {
            current,
            newest: current,
            live: Vec::new(),
        });
        let live = known.live();
        if live.iter().any(|generation| generation.number() >= current) {
            return Err(TableError::Io { detail: format!("the tables of {space} are open already").into() });
        }
        remove_generations(&self.space_dir(space), |number| {
            number == current || live.iter().any(|generation| generation.number() == number)
        })?;
        let generation = self.open_generation(space, current)?;
        *known = Space { current, newest: current, live: std::mem::take(&mut known.live) };
        known.live.push(Arc::downgrade(&generation));
        Ok(Box::new(FjallTables::new(generation)?))
    }

    fn stage(&self, space: &str) -> Result<Box<dyn Tables>, TableError> {
        let mut spaces = self.spaces.lock().expect("no holder of this lock panics");
        let known = spaces.get_mut(space).ok_or_else(|| not_open(space))?;
        // Whoever filled an unfinished one may still hold it, so its number is not used again.
        if known.newest > known.current {
            match known.find(known.newest) {
                Some(unfinished) => unfinished.retire(),
                None => remove_dir(&self.generation_dir(space, known.newest))?,
            }
        }
        let generation = self.open_generation(space, known.newest + 1)?;
        known.newest += 1;
        known.live.push(Arc::downgrade(&generation));
        Ok(Box::new(FjallTables::new(generation)?))
    }

    fn promote(&self, space: &str, staged: Box<dyn Tables>) -> Result<Box<dyn Tables>, TableError> {
        let mut spaces = self.spaces.lock().expect("no holder of this lock panics");
        let known = spaces.get_mut(space).ok_or_else(|| not_open(space))?;
        assert!(known.newest > known.current, "only what was staged can be promoted");
        staged.persist_handle().persist()?;
        write_current(&self.space_dir(space), known.newest)?;
        let replaced = std::mem::replace(&mut known.current, known.newest);
        match known.find(replaced) {
            Some(old) => old.retire(),
            None => remove_dir(&self.generation_dir(space, replaced))?,
        }
        Ok(staged)
    }
}

/// One space's tables, open.
struct FjallTables {
    generation: Arc<Generation>,
    tables: Arc<TableSet>,
}

impl FjallTables {
    fn new(generation: Arc<Generation>) -> Result<Self, TableError> {
        let tables = Arc::new(generation.existing_tables()?);
        Ok(FjallTables { generation, tables })
    }
}

impl Read for FjallTables {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        let Some(keyspace) = self.tables.get(table) else { return Ok(None) };
        Ok(keyspace.get(key).map_err(generation::error)?.map(Bytes::from))
    }

    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a> {
        match self.tables.get(table) {
            Some(keyspace) if rows::spans(from, to) => {
                rows::walk(keyspace.range::<&[u8], _>((from, to)), direction)
            }
            _ => Box::new(std::iter::empty()),
        }
    }
}

impl Tables for FjallTables {
    fn commit(&mut self, batch: Batch) -> Result<(), TableError> {
        for change in &batch {
            assert!(change.key.len() <= MAX_KEY_BYTES, "a key of {} bytes", change.key.len());
            if self.tables.get(change.table).is_none() {
                let keyspace = self.generation.create_table(change.table)?;
                Arc::make_mut(&mut self.tables).insert(change.table, keyspace);
            }
        }
        let mut writes = self.generation.batch(batch.len());
        let mut touched = [false; TableId(u8::MAX).0 as usize + 1];
        for change in batch {
            let keyspace = self.tables.get(change.table).expect("made above");
            touched[usize::from(change.table.0)] = true;
            match change.value {
                Some(value) => writes.insert(keyspace, change.key, value),
                None => writes.remove(keyspace, change.key),
            }
        }
        writes.commit().map_err(|e| self.generation.write_error(e))?;
        self.tables
            .iter()
            .filter(|(table, _)| touched[usize::from(table.0)])
            .try_for_each(|(_, keyspace)| self.generation.seal_if_full(keyspace))
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(FjallSnapshot {
            rows: self.generation.snapshot(),
            tables: Arc::clone(&self.tables),
            _generation: Arc::clone(&self.generation),
        })
    }

    fn persist_handle(&self) -> Arc<dyn Persist> {
        Arc::new(FjallPersist { generation: Arc::clone(&self.generation) })
    }

    fn len_bytes(&self) -> u64 {
        self.tables.len_bytes().saturating_add(self.generation.unwritten_bytes()).max(1)
    }
}

/// The fields are dropped in this order: the generation, which may remove its files, last.
struct FjallSnapshot {
    rows: fjall::Snapshot,
    tables: Arc<TableSet>,
    _generation: Arc<Generation>,
}

impl Read for FjallSnapshot {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        let Some(keyspace) = self.tables.get(table) else { return Ok(None) };
        Ok(fjall::Readable::get(&self.rows, keyspace, key).map_err(generation::error)?.map(Bytes::from))
    }

    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a> {
        match self.tables.get(table) {
            Some(keyspace) if rows::spans(from, to) => {
                rows::walk(fjall::Readable::range::<&[u8], _>(&self.rows, keyspace, (from, to)), direction)
            }
            _ => Box::new(std::iter::empty()),
        }
    }
}

struct FjallPersist {
    generation: Arc<Generation>,
}

impl Persist for FjallPersist {
    fn persist(&self) -> Result<(), TableError> {
        self.generation.persist()
    }
}

fn is_space_name(space: &str) -> bool {
    !space.is_empty() && space.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn parse_current(content: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('\n')?;
    text.parse().ok().filter(|number| *number >= FIRST_GENERATION)
}

fn write_current(dir: &Path, number: u64) -> Result<(), TableError> {
    replace_file(&RealDisk, &dir.join(CURRENT_FILE), format!("{number}\n").as_bytes()).map_err(disk_error)
}

/// Removes every generation but those that `keep` wants.
fn remove_generations(dir: &Path, keep: impl Fn(u64) -> bool) -> Result<(), TableError> {
    for name in RealDisk.list(dir).map_err(disk_error)? {
        if name.parse().is_ok_and(|number| !keep(number)) {
            remove_dir(&dir.join(name))?;
        }
    }
    Ok(())
}

fn remove_dir(dir: &Path) -> Result<(), TableError> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(TableError::Io { detail: format!("cannot remove {}: {e}", dir.display()).into() })
        }
        _ => Ok(()),
    }
}

fn not_open(space: &str) -> TableError {
    TableError::Io { detail: format!("the tables of {space} are not open").into() }
}

fn disk_error(error: DiskError) -> TableError {
    match error {
        DiskError::Full { .. } => TableError::Full,
        other => TableError::Io { detail: other.to_string().into() },
    }
}
