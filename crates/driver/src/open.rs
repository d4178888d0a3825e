//! From a data directory to cores and machines that go on where they were.

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::log_thread::Log;
use quorate_consensus::raft::{Config, Configuration, InvalidConfig, LogWrite, Raft, Restored, SnapshotMeta};
use quorate_kv::Kv;
use quorate_kv::watch::{HubOptions, WatchHub};
use quorate_node::declaration::Keyspace;
use quorate_node::{Group, Machine, RecoveredLog, TablesBehindLog};
use quorate_storage::{
    DataDir, DataDirError, FjallEngine, Identity, RealDisk, RecoveredGroup, TableOptions, Wal, WalError,
    WalOptions,
};
use quorate_table::{Engine, MemoryEngine, TableError};
use quorate_types::{GroupId, LogIndex, NodeId, Rng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// So much of the log is kept in memory for followers that lag; who lags more gets a snapshot.
const LOG_TAIL_LEN_BYTES: usize = 16 << 20;

/// Why a node's data could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not this node's, is in use, or is of another version.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] WalError),
    /// A keyspace's tables cannot be read.
    #[error("keyspace {keyspace}: {source}")]
    Tables {
        /// Which.
        keyspace: String,
        /// Why.
        source: TableError,
    },
    /// A keyspace's rows are not what its machine wrote.
    #[error("keyspace {keyspace}: {source}")]
    Machine {
        /// Which.
        keyspace: String,
        /// Why.
        source: quorate_kv::OpenError,
    },
    /// A keyspace's tables end before its log begins.
    #[error(
        "keyspace {keyspace}: {source}: parts of the data directory are missing; remove the whole directory and let the node join again"
    )]
    TablesBehindLog {
        /// Which.
        keyspace: String,
        /// How far.
        source: TablesBehindLog,
    },
    /// A keyspace has data here but no log.
    #[error(
        "keyspace {keyspace}: its log is missing, and with it what this node promised its peers: remove the whole data directory and let \
         the node join again"
    )]
    LogMissing {
        /// Which.
        keyspace: String,
    },
    /// A keyspace that has data here is declared otherwise now.
    #[error(
        "the data was written under the declaration `{was}`, which is missing or different now: declare it as it was"
    )]
    DeclarationChanged {
        /// As it stands in the data directory.
        was: String,
    },
    /// The timing makes no sense.
    #[error("timing: {0}")]
    Timing(#[from] InvalidConfig),
}

/// What a node is made of, ready to be put on threads.
pub struct Opened {
    /// The groups with their machines.
    pub groups: Vec<OpenedGroup>,
    /// The log.
    pub log: Log,
    /// Keeps the directory locked.
    pub data_dir: Option<DataDir>,
}

/// One keyspace's parts.
pub struct OpenedGroup {
    /// The declaration.
    pub keyspace: Keyspace,
    /// The replication side.
    pub group: Group,
    /// The execution side.
    pub machine: Machine,
    /// The members.
    pub configuration: Configuration,
}

/// Opens or makes everything that `config` names.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    config: &NodeConfig,
    me: NodeId,
    clock: Clock,
    mut seed: impl FnMut() -> u64,
) -> Result<Opened, OpenError> {
    let Some(path) = &config.data_dir else {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::default());
        let mut opener = Opener {
            config,
            me,
            clock,
            engine,
            log: Log::Memory,
            recovered: BTreeMap::new(),
            declared: String::new(),
        };
        let groups = opener.groups(&mut seed)?;
        return Ok(Opened { groups, log: Log::Memory, data_dir: None });
    };
    let disk = Arc::new(RealDisk);
    let mut data_dir = claim(config, me, disk.as_ref(), path)?;
    let options = WalOptions::new(config.cluster_id(), me);
    let (wal, recovered) = Wal::open(disk.clone(), &data_dir.log_dir(), options)?;
    if let Some(torn) = &recovered.truncated_tail {
        tracing::info!("the log's unfinished end was cut off: {torn:?}");
    }
    let options = TableOptions::default();
    let engine = FjallEngine::new(&data_dir.tables_dir(), options)
        .map_err(|source| OpenError::Tables { keyspace: "all".to_owned(), source })?;
    let mut opener = Opener {
        config,
        me,
        clock,
        engine: Arc::new(engine),
        log: Log::Durable { wal, appended_len_bytes: 0 },
        recovered: recovered.groups,
        declared: data_dir.identity().map(|identity| identity.declarations.clone()).unwrap_or_default(),
    };
    let groups = opener.groups(&mut seed)?;
    let mut log = opener.log;
    log.sync()?;
    // From here on each declared keyspace has a log, and one that is missing is a loss.
    let declarations = config.declarations.canonical_text();
    if data_dir.identity().is_none_or(|identity| identity.declarations != declarations) {
        data_dir.set_declarations(disk.as_ref(), &declarations)?;
    }
    Ok(Opened { groups, log, data_dir: Some(data_dir) })
}

/// Locks the directory and makes sure that it is this node's and that its keyspaces are declared as they were. A new one is
/// established without declarations, which follow once there is a log for each.
fn claim(config: &NodeConfig, me: NodeId, disk: &RealDisk, path: &Path) -> Result<DataDir, OpenError> {
    let mut data_dir = DataDir::open(disk, path)?;
    if let Some(identity) = data_dir.identity() {
        let declarations = config.declarations.canonical_text();
        let changed = identity.declarations.lines().find(|was| !declarations.lines().any(|now| now == *was));
        if let Some(was) = changed {
            return Err(OpenError::DeclarationChanged { was: was.to_owned() });
        }
    }
    let identity = Identity {
        cluster: config.cluster_id(),
        node: me,
        name: config.name.clone(),
        declarations: String::new(),
    };
    data_dir.establish(disk, &identity)?;
    Ok(data_dir)
}

struct Opener<'a> {
    config: &'a NodeConfig,
    me: NodeId,
    clock: Clock,
    engine: Arc<dyn Engine>,
    log: Log,
    recovered: BTreeMap<GroupId, RecoveredGroup>,
    /// The declarations that have had a log here.
    declared: String,
}

impl Opener<'_> {
    fn groups(&mut self, seed: &mut impl FnMut() -> u64) -> Result<Vec<OpenedGroup>, OpenError> {
        let declarations = &self.config.declarations;
        declarations.iter().map(|keyspace| self.group(keyspace, seed())).collect()
    }

    fn group(&mut self, keyspace: &Keyspace, seed: u64) -> Result<OpenedGroup, OpenError> {
        let id = keyspace.group();
        let space = id.0.to_string();
        let now = self.clock.now();
        let name = || keyspace.name.clone();
        let tables =
            self.engine.open(&space).map_err(|source| OpenError::Tables { keyspace: name(), source })?;
        let kv = Kv::open(tables).map_err(|source| OpenError::Machine { keyspace: name(), source })?;
        let restored = self.restore(keyspace, &kv)?;
        let configuration = restored.snapshot.configuration.clone();
        tracing::info!(
            keyspace = keyspace.name,
            applied = %restored.applied,
            entries = restored.entries.len(),
            term = %restored.hard_state.term,
            "opened"
        );
        let config = self.raft_config();
        config.validate()?;
        let raft = Raft::new(config, restored, now, seed);
        let hub = WatchHub::new(HubOptions::default(), Rng::new(seed));
        let machine = Machine::new(self.me, &space, self.engine.clone(), kv, hub, now);
        Ok(OpenedGroup { keyspace: keyspace.clone(), group: Group::new(id, raft), machine, configuration })
    }

    /// What the core starts from: the log as recovered, on the state that the tables hold.
    fn restore(&mut self, keyspace: &Keyspace, kv: &Kv) -> Result<Restored, OpenError> {
        let id = keyspace.group();
        let Some(group) = self.recovered.remove(&id) else {
            let was_declared = self.declared.lines().any(|line| line == keyspace.canonical_line());
            if was_declared || kv.applied().0 > LogIndex(0) {
                return Err(OpenError::LogMissing { keyspace: keyspace.name.clone() });
            }
            let voters = self.config.members.iter().map(|member| member.id).collect();
            let configuration = Configuration::of_voters(voters);
            let snapshot = SnapshotMeta { configuration, ..SnapshotMeta::default() };
            self.reset(id, &snapshot)?;
            return Ok(Restored { snapshot, ..Restored::default() });
        };
        let RecoveredGroup { hard_state, snapshot, entries } = group;
        let log = RecoveredLog { hard_state, snapshot, entries };
        let behind = |source| OpenError::TablesBehindLog { keyspace: keyspace.name.clone(), source };
        let (restored, reset) = quorate_node::restore(log, kv.applied()).map_err(behind)?;
        if let Some(write) = reset {
            let tables = |source| OpenError::Tables { keyspace: keyspace.name.clone(), source };
            kv.persist_handle().persist().map_err(tables)?;
            self.log.append(id, &write)?;
        }
        Ok(restored)
    }

    fn reset(&mut self, group: GroupId, snapshot: &SnapshotMeta) -> Result<(), OpenError> {
        let write = LogWrite { reset: Some(snapshot.clone()), ..LogWrite::default() };
        Ok(self.log.append(group, &write)?)
    }

    fn raft_config(&self) -> Config {
        let timing = self.config.timing;
        Config {
            heartbeat_interval: timing.heartbeat,
            election_timeout_min: timing.election_min,
            election_timeout_max: timing.election_max,
            lease_reads: timing.lease_read_drift_ppm,
            max_log_tail_bytes: LOG_TAIL_LEN_BYTES,
            ..Config::new(self.me)
        }
    }
}
