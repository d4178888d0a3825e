//! Opening what a plan names.

use crate::{Log, OpenError};
use quorate_consensus::raft::{Config, Configuration, LogWrite, Raft, Restored, SnapshotMeta};
use quorate_kv::Kv;
use quorate_kv::watch::{HubOptions, WatchHub};
use quorate_node::declaration::{Declarations, Keyspace};
use quorate_node::{Group, Machine, RecoveredLog};
use quorate_storage::{DataDir, Disk, Identity, RecoveredGroup, Wal, WalOptions};
use quorate_table::{Engine, MemoryEngine, TableError};
use quorate_types::{ClusterId, GroupId, LogIndex, NodeId, Rng, Time};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a node must know of itself and its cluster before it can be opened.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The cluster; a directory of another one is refused.
    pub cluster: ClusterId,
    /// The node; a directory of another one is refused.
    pub me: NodeId,
    /// What people call it; belongs to the directory's identity too.
    pub name: &'a str,
    /// The voters that a keyspace begins with, this node included.
    pub members: &'a [NodeId],
    /// The keyspaces.
    pub declarations: &'a Declarations,
    /// How the Raft cores behave.
    pub raft: Config,
    /// How the watch hubs behave.
    pub hub: HubOptions,
    /// When a segment of the log is full.
    pub segment_bytes: u64,
}

/// What a node is made of.
pub struct Opened {
    /// The groups with their machines, by the keyspaces' names.
    pub groups: Vec<OpenedGroup>,
    /// The log.
    pub log: Log,
    /// Keeps the directory locked; `None` for a node without one.
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

/// Opens or makes everything that `plan` names, in the directory `path` of `disk`. `open_engine` is given the place of the tables once the
/// directory is known to be this node's. `now` and `seed` are asked once for each keyspace, when it is ready: opening takes a
/// while, and no core may start with a part of its election timeout gone.
///
/// # Errors
/// [`OpenError`]. A new directory may have got its identity and empty logs; in an old one nothing was lost or replaced.
pub fn open(
    plan: &Plan<'_>,
    disk: &Arc<dyn Disk>,
    path: &Path,
    open_engine: impl FnOnce(&Path) -> Result<Arc<dyn Engine>, TableError>,
    now: impl FnMut() -> Time,
    seed: impl FnMut() -> u64,
) -> Result<Opened, OpenError> {
    let mut data_dir = claim(plan, disk.as_ref(), path)?;
    let options = WalOptions { cluster: plan.cluster, node: plan.me, segment_bytes: plan.segment_bytes };
    let (wal, recovered) = Wal::open(disk.clone(), &data_dir.log_dir(), options)?;
    if let Some(torn) = &recovered.truncated_tail {
        tracing::info!("the log's unfinished end was cut off: {torn:?}");
    }
    let engine = open_engine(&data_dir.tables_dir())
        .map_err(|source| OpenError::Tables { keyspace: "all".to_owned(), source })?;
    let mut opener = Opener {
        plan,
        engine,
        log: Log::durable(wal),
        recovered: recovered.groups,
        declared: data_dir.identity().map(|identity| identity.declarations.clone()).unwrap_or_default(),
    };
    let groups = opener.groups(now, seed)?;
    let mut log = opener.log;
    log.sync()?;
    // From here on each declared keyspace has a log, and one that is missing is a loss.
    let declarations = plan.declarations.canonical_text();
    if data_dir.identity().is_none_or(|identity| identity.declarations != declarations) {
        data_dir.set_declarations(disk.as_ref(), &declarations)?;
    }
    Ok(Opened { groups, log, data_dir: Some(data_dir) })
}

/// Makes everything that `plan` names in memory: the node begins anew, and forgets everything at its end. `now` and `seed` as in
/// [`open`].
///
/// # Errors
/// [`OpenError::Timing`].
pub fn open_ephemeral(
    plan: &Plan<'_>,
    now: impl FnMut() -> Time,
    seed: impl FnMut() -> u64,
) -> Result<Opened, OpenError> {
    let mut opener = Opener {
        plan,
        engine: Arc::new(MemoryEngine::default()),
        log: Log::Memory,
        recovered: BTreeMap::new(),
        declared: String::new(),
    };
    let groups = opener.groups(now, seed)?;
    Ok(Opened { groups, log: Log::Memory, data_dir: None })
}

/// Locks the directory and makes sure that it is this node's and that its keyspaces are declared as they were. A new one is
/// established without declarations, which follow once there is a log for each.
fn claim(plan: &Plan<'_>, disk: &dyn Disk, path: &Path) -> Result<DataDir, OpenError> {
    let mut data_dir = DataDir::open(disk, path)?;
    if let Some(identity) = data_dir.identity() {
        let declarations = plan.declarations.canonical_text();
        let changed = identity.declarations.lines().find(|was| !declarations.lines().any(|now| now == *was));
        if let Some(was) = changed {
            return Err(OpenError::DeclarationChanged { was: was.to_owned() });
        }
    }
    let identity = Identity {
        cluster: plan.cluster,
        node: plan.me,
        name: plan.name.to_owned(),
        declarations: String::new(),
    };
    data_dir.establish(disk, &identity)?;
    Ok(data_dir)
}

struct Opener<'a> {
    plan: &'a Plan<'a>,
    engine: Arc<dyn Engine>,
    log: Log,
    recovered: BTreeMap<GroupId, RecoveredGroup>,
    /// The declarations that have had a log here.
    declared: String,
}

impl Opener<'_> {
    fn groups(
        &mut self,
        mut now: impl FnMut() -> Time,
        mut seed: impl FnMut() -> u64,
    ) -> Result<Vec<OpenedGroup>, OpenError> {
        let declarations = self.plan.declarations;
        declarations.iter().map(|keyspace| self.group(keyspace, &mut now, seed())).collect()
    }

    fn group(
        &mut self,
        keyspace: &Keyspace,
        now: &mut impl FnMut() -> Time,
        seed: u64,
    ) -> Result<OpenedGroup, OpenError> {
        let id = keyspace.group();
        let space = id.0.to_string();
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
        self.plan.raft.validate()?;
        let now = now();
        let raft = Raft::new(self.plan.raft.clone(), restored, now, seed);
        let hub = WatchHub::new(self.plan.hub.clone(), Rng::new(seed));
        let machine = Machine::new(self.plan.me, &space, self.engine.clone(), kv, hub, now);
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
            let configuration = Configuration::of_voters(self.plan.members.to_vec());
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
}
