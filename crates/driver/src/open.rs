//! What a node's configuration means for opening its data.

use crate::clock::Clock;
use crate::config::NodeConfig;
use quorate_boot::{OpenError, Opened, Plan};
use quorate_consensus::raft::Config;
use quorate_kv::watch::HubOptions;
use quorate_storage::{Disk, FjallEngine, RealDisk, TableOptions, WalOptions};
use quorate_table::{Engine, TableError};
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
    let members: Vec<NodeId> = config.members.iter().map(|member| member.id).collect();
    let cluster = config.cluster_id();
    let plan = Plan {
        cluster,
        me,
        name: &config.name,
        members: &members,
        declarations: &config.declarations,
        raft: raft_config(config, me),
        hub: HubOptions::default(),
        segment_bytes: WalOptions::new(cluster, me).segment_bytes,
    };
    let now = || clock.now();
    match &config.data_dir {
        Some(path) => {
            let disk: Arc<dyn Disk> = Arc::new(RealDisk);
            quorate_boot::open(&plan, &disk, path, open_engine, now, seed)
        }
        None => quorate_boot::open_ephemeral(&plan, now, seed),
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
