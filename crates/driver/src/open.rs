//! What a node's configuration means for opening its data.

use crate::clock::Clock;
use crate::config::NodeConfig;
use quorate_boot::{OpenError, Opened, Plan, RestoreError};
use quorate_consensus::raft::Config;
use quorate_kv::Kv;
use quorate_kv::watch::HubOptions;
use quorate_storage::{Disk, FjallEngine, RealDisk, TableOptions, WalOptions};
use quorate_table::{Engine, TableError, Tables};
use quorate_types::NodeId;
use std::path::Path;
use std::sync::Arc;

/// So much of the log is kept in memory for followers that lag; who lags more gets a snapshot.
const LOG_TAIL_LEN_BYTES: usize = 16 << 20;

/// Opens or makes everything that `config` names.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    config: &NodeConfig,
    me: NodeId,
    clock: Clock,
    seed: impl FnMut() -> u64,
) -> Result<Opened, OpenError> {
    let members = members(config);
    let plan = plan(config, me, &members);
    let now = || clock.now();
    match &config.data_dir {
        Some(path) => {
            let disk: Arc<dyn Disk> = Arc::new(RealDisk);
            quorate_boot::open(&plan, &disk, path, open_engine, now, seed)
        }
        None => quorate_boot::open_ephemeral(&plan, now, seed),
    }
}

/// Makes the directory that `config` names one that holds what `fill` puts into empty tables, as [`quorate_boot::restore`] does.
///
/// # Errors
/// [`RestoreError`].
///
/// # Panics
/// If `config` names no directory, or if this node is none of its members.
pub fn restore<T, E: std::error::Error + 'static>(
    config: &NodeConfig,
    fill: impl FnOnce(Box<dyn Tables>) -> Result<(Kv, T), E>,
) -> Result<T, RestoreError<E>> {
    let me = config.me().expect("the node is one of the members").id;
    let path = config.data_dir.as_deref().expect("a restored node has a directory");
    let members = members(config);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    quorate_boot::restore(&plan(config, me, &members), &disk, path, open_engine, fill)
}

fn members(config: &NodeConfig) -> Vec<NodeId> {
    config.members.iter().map(|member| member.id).collect()
}

fn plan<'a>(config: &'a NodeConfig, me: NodeId, members: &'a [NodeId]) -> Plan<'a> {
    let cluster = config.cluster_id();
    Plan {
        cluster,
        me,
        name: &config.name,
        members,
        declarations: &config.declarations,
        raft: raft_config(config, me),
        hub: HubOptions::default(),
        segment_bytes: WalOptions::new(cluster, me).segment_bytes,
    }
}

fn open_engine(dir: &Path) -> Result<Arc<dyn Engine>, TableError> {
    Ok(Arc::new(FjallEngine::new(dir, TableOptions::default())?))
}

fn raft_config(config: &NodeConfig, me: NodeId) -> Config {
    let timing = config.timing;
    Config {
        heartbeat_interval: timing.heartbeat,
        election_timeout_min: timing.election_min,
        election_timeout_max: timing.election_max,
        lease_reads: timing.lease_read_drift_ppm,
        max_log_tail_bytes: LOG_TAIL_LEN_BYTES,
        ..Config::new(me)
    }
}
