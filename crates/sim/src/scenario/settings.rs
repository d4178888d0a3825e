//! What a cluster, its machines and its network are like while nothing fails.

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A leader's heartbeat.
    pub heartbeat_ms: u64,
    /// A follower waits for it between this long
    pub election_min_ms: u64,
    /// and this long.
    pub election_max_ms: u64,
    /// A leader whose disk stalls for so long steps down.
    pub disk_stall_ms: u64,
    /// Reads by lease, trusting clocks to drift no more than this; absent: every read asks a quorum. With it, clocks must keep to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_reads_ppm: Option<u32>,
    /// The network.
    pub network: NetworkSettings,
    /// The disks.
    pub disk: DiskSettings,
    /// A batch of entries takes a machine at most so long.
    pub apply_max_us: u64,
    /// Bounds of the Raft core.
    pub bounds: Bounds,
    /// Each node's clock, in order of ids.
    pub clocks: Vec<ClockSettings>,
    /// The log position at which the cluster's life begins: near a multiple of the checkpoint interval, short runs meet one.
    pub first_index: u64,
    /// How long pieces of snapshots are.
    pub snapshot_piece_bytes: u64,
    /// What a watch stream may have unread.
    pub watch_window_bytes: u64,
    /// Values of registers are filled up with spaces, some to nearly this: large ones reach over several sectors of the log.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value_bytes: u64,
}

/// The network. A message takes `base_us` plus up to `jitter_us`, plus, if it is a slow one, up to `tail_ms`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// At least.
    pub base_us: u64,
    /// At most so much more.
    pub jitter_us: u64,
    /// So many of a thousand messages are slow.
    pub tail_per_mille: u64,
    /// They take up to so much longer.
    pub tail_ms: u64,
    /// So many of a thousand are lost.
    pub loss_per_mille: u64,
    /// So many of a thousand arrive twice.
    pub duplicate_per_mille: u64,
    /// Each node's region, in order of ids; absent: one region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<u64>,
    /// What a message from region a to region b takes more, times |a - b|; half as much again the other way, so it is asymmetric.
    #[serde(default)]
    pub region_us: u64,
}

/// The disks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskSettings {
    /// A sync takes up to so long.
    pub sync_max_us: u64,
    /// The length of a segment of the log.
    pub segment_kib: u64,
    /// The tables are made durable about so often.
    pub persist_every_ms: u64,
    /// One sync covers at most so many appends.
    pub max_batch: u64,
}

/// Bounds of the Raft core, as in its configuration. Small, so that each of them is met.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "they are the fields of `quorate_consensus::raft::Config`, explained there")]
pub struct Bounds {
    pub append_bytes: u64,
    pub inflight_appends: u64,
    pub inflight_bytes: u64,
    pub uncommitted_bytes: u64,
    pub pending_reads: u64,
    pub apply_bytes: u64,
    pub apply_entries: u64,
    pub unapplied_bytes: u64,
    pub log_tail_bytes: u64,
    pub log_tail_entries: u64,
    pub snapshot_retry_ms: u64,
}

/// One node's clock at the start.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSettings {
    /// What it shows at the start.
    pub offset_ms: u64,
    /// How much faster it runs than true time, in millionths; negative: slower.
    pub drift_ppm: i64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
