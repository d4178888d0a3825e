//! The plainest cluster: what a scenario file leaves out, and what shrinking aims at.
//!
//! **Invariant:** these numbers belong to the file format. A saved scenario that leaves one out means the number that stood here, so a change
//! needs a new [`FORMAT`](super::FORMAT).

use super::{Bounds, ClockSettings, DiskSettings, NetworkSettings, Settings};
use std::iter;

/// A quick cluster on a network and disks that take a little time and lose nothing. Its `clocks` are empty, which in a file means that all are
/// true; see [`Settings::plain`].
impl Default for Settings {
    fn default() -> Self {
        Settings {
            heartbeat_ms: 50,
            election_min_ms: 150,
            election_max_ms: 300,
            disk_stall_ms: 600,
            lease_reads_ppm: None,
            network: NetworkSettings::default(),
            disk: DiskSettings::default(),
            apply_max_us: 500,
            bounds: Bounds::default(),
            clocks: Vec::new(),
            first_index: 0,
            snapshot_piece_bytes: 65_536,
            watch_window_bytes: 1_048_576,
            value_bytes: 0,
        }
    }
}

impl Settings {
    /// The default, with a true clock for each of `nodes` nodes.
    #[must_use]
    pub fn plain(nodes: u64) -> Self {
        Settings { clocks: true_clocks(nodes), ..Settings::default() }
    }
}

/// A true clock that may jump back quite often before it would show less than 0.
impl Default for ClockSettings {
    fn default() -> Self {
        ClockSettings { offset_ms: 20_000, drift_ppm: 0 }
    }
}

/// Clocks that do not drift.
pub(super) fn true_clocks(nodes: u64) -> Vec<ClockSettings> {
    iter::repeat_n(ClockSettings::default(), usize::try_from(nodes).unwrap_or_default()).collect()
}

impl Default for NetworkSettings {
    fn default() -> Self {
        NetworkSettings {
            base_us: 500,
            jitter_us: 0,
            tail_per_mille: 0,
            tail_ms: 0,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            regions: Vec::new(),
            region_us: 0,
        }
    }
}

impl Default for DiskSettings {
    fn default() -> Self {
        DiskSettings { sync_max_us: 1_000, segment_kib: 1_024, persist_every_ms: 200, max_batch: 16 }
    }
}

/// As generous as in production.
impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            append_bytes: 1 << 20,
            inflight_appends: 64,
            inflight_bytes: 16 << 20,
            uncommitted_bytes: 64 << 20,
            pending_reads: 16 << 10,
            apply_bytes: 1 << 20,
            apply_entries: 4_096,
            unapplied_bytes: 32 << 20,
            log_tail_bytes: 32 << 20,
            log_tail_entries: 100_000,
            snapshot_retry_ms: 2_000,
        }
    }
}
