//! What the cluster is like while nothing fails.
//!
//! **Problem:** small bounds meet more of the code, but a cluster that is slow *and* may send one small entry at a time can never catch up, and then a
//! run says nothing about liveness. **Idea:** everything is drawn from tables; then what is too small for this cluster's speed is raised to what it
//! takes for [`ENTRIES_PER_S`]. **Invariant:** with nothing failing, a quorum hears its leader within a quarter of the shortest election timeout.

use super::choice::{Range, banded, either_way, weighted, within};
use crate::scenario::{Bounds, ClockSettings, DiskSettings, NetworkSettings, Settings};
use quorate_node::CHECKPOINT_INTERVAL;
use quorate_types::Rng;

/// Heartbeat, shortest and longest election timeout, patience with a disk: milliseconds.
const TIMEOUTS_MS: [(u64, [u64; 4]); 6] = [
    (10, [50, 150, 300, 600]),
    (1, [20, 60, 120, 400]),
    (1, [100, 200, 400, 800]),
    (1, [50, 100, 150, 500]),
    (1, [30, 300, 900, 1_000]),
    (1, [50, 150, 300, 150]),
];
/// Reads by lease, in a third of the seeds: how much they trust clocks.
const LEASE_READS_PPM: [(u64, Option<u32>); 4] =
    [(6, None), (1, Some(1_000)), (1, Some(5_000)), (1, Some(20_000))];

const BASE_US: [(u64, Range); 3] = [(2, (50, 300)), (2, (300, 1_000)), (1, (1_000, 5_000))];
const JITTER_US: [(u64, Range); 4] =
    [(1, (0, 0)), (2, (1, 1_000)), (2, (1_000, 5_000)), (1, (5_000, 15_000))];
/// Slow messages of a thousand.
const TAIL_PER_MILLE: [(u64, Range); 2] = [(1, (0, 0)), (1, (1, 60))];
const TAIL_MS: Range = (1, 60);
/// Only where the network may be degraded.
const LOSS_PER_MILLE: [(u64, Range); 2] = [(1, (0, 0)), (1, (1, 30))];
const DUPLICATE_PER_MILLE: [(u64, Range); 2] = [(1, (0, 0)), (1, (1, 150))];
/// One in so many clusters of several nodes lies in several regions.
const REGIONS_ONE_OF: u64 = 4;
const REGIONS: u64 = 3;
const REGION_US: Range = (500, 30_000);

const SYNC_MAX_US: [(u64, Range); 3] = [(2, (100, 1_000)), (3, (1_000, 10_000)), (2, (10_000, 100_000))];
const SEGMENT_KIB: [(u64, Range); 2] = [(1, (8, 16)), (3, (16, 96))];
/// A quarter of the values is this long at most: some fill several sectors of the log.
const VALUE_BYTES: [(u64, Range); 2] = [(1, (0, 0)), (1, (400, 3_000))];
const PERSIST_EVERY_MS: [(u64, Range); 2] = [(1, (50, 300)), (1, (300, 1_500))];
const MAX_BATCH: [(u64, Range); 2] = [(1, (1, 3)), (1, (4, 16))];
/// A disk that may take longer than this syncs several appends at once.
const SLOW_SYNC_US: u64 = 20_000;
const SLOW_SYNC_BATCH: u64 = 4;
const APPLY_MAX_US: [(u64, Range); 3] = [(2, (50, 1_000)), (2, (1_000, 10_000)), (1, (10_000, 40_000))];
/// A machine that may take longer than this applies several entries at once.
const SLOW_APPLY_US: u64 = 10_000;
const SLOW_APPLY_ENTRIES: u64 = 4;

/// How fast a follower that is behind can be brought up to date, at least.
pub const ENTRIES_PER_S: u64 = 150;
/// What an entry of these clients takes, about.
pub const ENTRY_BYTES: u64 = 120;
/// Pieces of snapshots grow by so much with each millisecond that a piece may take, for a state of some 30 KiB.
const PIECE_BYTES_PER_MS: u64 = 40;

/// Of four bounds one is wide, so that what it bounds is met as well.
const APPEND_BYTES: [(u64, Range); 2] = [(3, (1, 1_000)), (1, (4_000, 64_000))];
const INFLIGHT_APPENDS: [(u64, Range); 2] = [(3, (1, 6)), (1, (16, 64))];
const INFLIGHT_BYTES: [(u64, Range); 2] = [(3, (1, 2_000)), (1, (8_000, 64_000))];
const UNCOMMITTED_BYTES: [(u64, Range); 2] = [(3, (200, 3_200)), (1, (16_000, 64_000))];
const PENDING_READS: [(u64, Range); 2] = [(3, (1, 10)), (1, (100, 1_000))];
const APPLY_BYTES: [(u64, Range); 2] = [(3, (1, 1_000)), (1, (4_000, 64_000))];
const APPLY_ENTRIES: [(u64, Range); 2] = [(3, (1, 6)), (1, (16, 256))];
const UNAPPLIED_BYTES: [(u64, Range); 2] = [(3, (1, 2_000)), (1, (8_000, 64_000))];
const LOG_TAIL_BYTES: [(u64, Range); 2] = [(5, (0, 3_000)), (1, (64_000, 128_000))];
const LOG_TAIL_ENTRIES: [(u64, Range); 2] = [(5, (0, 20)), (1, (200, 1_000))];
const SNAPSHOT_RETRY_MS: Range = (100, 300);
const PIECE_BYTES: [(u64, Range); 2] = [(1, (100, 600)), (1, (600, 4_100))];
const WATCH_WINDOW_BYTES: [(u64, Range); 3] = [(1, (512, 1_024)), (1, (1_024, 8_192)), (1, (8_192, 65_536))];
/// In half of the seeds life begins so far before a checkpoint.
const BEFORE_CHECKPOINT: [(u64, Range); 1] = [(1, (1, 60))];

const OFFSET_MS: Range = (1_000, 100_000);
/// Clocks that may jump back show at least this, so that they never go below 0.
pub const JUMPING_OFFSET_MS: u64 = 20_000;
/// How clocks drift where they may and no read trusts them.
const DRIFT_PPM: [(u64, Range); 3] = [(1, (0, 0)), (3, (1, 500)), (1, (500, 50_000))];

/// What the drawn classes of faults mean for the settings.
#[derive(Clone, Copy)]
pub struct Allowed {
    /// The network loses and repeats messages from the beginning.
    pub bad_network: bool,
    /// Clocks drift from the beginning.
    pub bad_clocks: bool,
}

/// The settings of a cluster of so many nodes.
pub fn draw(rng: &mut Rng, nodes: u64, allowed: Allowed) -> Settings {
    let [heartbeat_ms, election_min_ms, election_max_ms, disk_stall_ms] = weighted(rng, &TIMEOUTS_MS);
    let lease_reads_ppm = weighted(rng, &LEASE_READS_PPM);
    let network = network(&mut rng.fork(), nodes, 1_000 * election_min_ms, allowed.bad_network);
    // A vote waits for a sync, a leader for several, before its patience ends.
    let disk = disk(&mut rng.fork(), (600 * election_min_ms).min(250 * disk_stall_ms));
    let apply_max_us = banded(rng, &APPLY_MAX_US);
    let mut bounds = bounds(&mut rng.fork());
    let snapshot_piece_bytes = banded(rng, &PIECE_BYTES);
    let watch_window_bytes = banded(rng, &WATCH_WINDOW_BYTES);
    let before = banded(rng, &BEFORE_CHECKPOINT);
    let first_index = if rng.chance(1, 2) { 0 } else { CHECKPOINT_INTERVAL - before };
    let clocks = clocks(&mut rng.fork(), nodes, lease_reads_ppm, allowed.bad_clocks);

    let round_us = 2 * (slowest_us(&network) + disk.sync_max_us);
    keep_pace(&mut bounds, round_us, apply_max_us);
    let piece_ms = (2 * slowest_us(&network) + apply_max_us) / 1_000;
    Settings {
        heartbeat_ms,
        election_min_ms,
        election_max_ms,
        disk_stall_ms,
        lease_reads_ppm,
        network,
        disk,
        apply_max_us,
        bounds,
        clocks,
        first_index,
        snapshot_piece_bytes: snapshot_piece_bytes.max(PIECE_BYTES_PER_MS * piece_ms),
        watch_window_bytes,
        value_bytes: banded(rng, &VALUE_BYTES),
    }
}

/// How long a message takes at most if it is not one of the few slow ones.
pub fn slowest_us(network: &NetworkSettings) -> u64 {
    let first = network.regions.iter().min().copied().unwrap_or_default();
    let last = network.regions.iter().max().copied().unwrap_or_default();
    network.base_us + network.jitter_us + network.region_us * (last - first) * 3 / 2
}

fn network(rng: &mut Rng, nodes: u64, election_min_us: u64, bad: bool) -> NetworkSettings {
    let most_us = election_min_us / 4;
    let tail_per_mille = banded(rng, &TAIL_PER_MILLE);
    let tail_ms = within(rng, TAIL_MS).min(most_us / 1_000);
    let base_us = banded(rng, &BASE_US);
    let jitter_us = banded(rng, &JITTER_US).min(most_us / 2 - base_us);
    let mut network = NetworkSettings {
        base_us,
        jitter_us,
        tail_per_mille,
        tail_ms: if tail_per_mille == 0 { 0 } else { tail_ms },
        loss_per_mille: banded(rng, &LOSS_PER_MILLE),
        duplicate_per_mille: banded(rng, &DUPLICATE_PER_MILLE),
        regions: Vec::new(),
        region_us: 0,
    };
    if !bad {
        (network.loss_per_mille, network.duplicate_per_mille) = (0, 0);
    }
    if nodes > 1 && rng.chance(1, REGIONS_ONE_OF) {
        network.regions = (0..nodes).map(|_| rng.below(REGIONS)).collect();
        // From the first region to the last, the slower way.
        let room_us = (most_us - base_us - jitter_us - 1) * 2 / 3 / (REGIONS - 1);
        network.region_us = within(rng, REGION_US).min(room_us);
    }
    network
}

fn disk(rng: &mut Rng, most_sync_us: u64) -> DiskSettings {
    let sync_max_us = banded(rng, &SYNC_MAX_US).min(most_sync_us);
    let least_batch = if sync_max_us > SLOW_SYNC_US { SLOW_SYNC_BATCH } else { 1 };
    DiskSettings {
        sync_max_us,
        segment_kib: banded(rng, &SEGMENT_KIB),
        persist_every_ms: banded(rng, &PERSIST_EVERY_MS),
        max_batch: banded(rng, &MAX_BATCH).max(least_batch),
    }
}

fn bounds(rng: &mut Rng) -> Bounds {
    Bounds {
        append_bytes: banded(rng, &APPEND_BYTES),
        inflight_appends: banded(rng, &INFLIGHT_APPENDS),
        inflight_bytes: banded(rng, &INFLIGHT_BYTES),
        uncommitted_bytes: banded(rng, &UNCOMMITTED_BYTES),
        pending_reads: banded(rng, &PENDING_READS),
        apply_bytes: banded(rng, &APPLY_BYTES),
        apply_entries: banded(rng, &APPLY_ENTRIES),
        unapplied_bytes: banded(rng, &UNAPPLIED_BYTES),
        log_tail_bytes: banded(rng, &LOG_TAIL_BYTES),
        log_tail_entries: banded(rng, &LOG_TAIL_ENTRIES),
        snapshot_retry_ms: within(rng, SNAPSHOT_RETRY_MS),
    }
}

/// Raises what would be too small for a cluster with such rounds and machines.
fn keep_pace(bounds: &mut Bounds, round_us: u64, apply_max_us: u64) {
    let entries_per_round = round_us * ENTRIES_PER_S / 1_000_000;
    if entries_per_round > 0 {
        let least = (entries_per_round + 1) * ENTRY_BYTES;
        bounds.append_bytes = bounds.append_bytes.max(least);
        bounds.inflight_bytes = bounds.inflight_bytes.max(least);
    }
    if apply_max_us > SLOW_APPLY_US {
        bounds.apply_entries = bounds.apply_entries.max(SLOW_APPLY_ENTRIES);
        bounds.apply_bytes = bounds.apply_bytes.max(SLOW_APPLY_ENTRIES * ENTRY_BYTES);
    }
}

fn clocks(rng: &mut Rng, nodes: u64, lease_reads_ppm: Option<u32>, bad: bool) -> Vec<ClockSettings> {
    let (mut low, high) = OFFSET_MS;
    if bad && lease_reads_ppm.is_none() {
        low = JUMPING_OFFSET_MS;
    }
    let clock = |rng: &mut Rng| {
        let offset_ms = rng.between(low, high);
        let size_ppm = match lease_reads_ppm {
            // Half of what is trusted, and half of that again is left for a fault.
            Some(trusted) => rng.below(u64::from(trusted) / 4 + 1),
            None => banded(rng, &DRIFT_PPM),
        };
        let drift_ppm = either_way(rng, size_ppm);
        ClockSettings { offset_ms, drift_ppm: if bad { drift_ppm } else { 0 } }
    };
    (0..nodes).map(|_| clock(rng)).collect()
}
