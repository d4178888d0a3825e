//! What settings must keep to, and what they mean for a node.

use super::Settings;
use super::check::{Flaw, MAX_DRIFT_PPM, PER_MILLE, Wrong, field, keeps_to, within};
use quorate_consensus::raft::Config;
use quorate_types::NodeId;
use std::time::Duration;

/// Every entry below the first one is applied before a run, which takes its time.
const MAX_FIRST_INDEX: u64 = 1 << 20;
/// Values stay well below what one request may hold.
const MAX_VALUE_BYTES: u64 = 1 << 16;

impl Settings {
    /// The configuration of a node's Raft core.
    #[must_use]
    pub fn raft_config(&self, id: NodeId) -> Config {
        let bounds = &self.bounds;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Config {
            id,
            election_timeout_min: Duration::from_millis(self.election_min_ms),
            election_timeout_max: Duration::from_millis(self.election_max_ms),
            heartbeat_interval: Duration::from_millis(self.heartbeat_ms),
            max_append_bytes: size(bounds.append_bytes),
            max_inflight_appends: size(bounds.inflight_appends),
            max_inflight_bytes: size(bounds.inflight_bytes),
            max_uncommitted_bytes: size(bounds.uncommitted_bytes),
            max_pending_reads: size(bounds.pending_reads),
            max_apply_bytes: size(bounds.apply_bytes),
            max_apply_entries: size(bounds.apply_entries),
            max_unapplied_bytes: size(bounds.unapplied_bytes),
            max_log_tail_bytes: size(bounds.log_tail_bytes),
            max_log_tail_entries: size(bounds.log_tail_entries),
            snapshot_retry: Duration::from_millis(bounds.snapshot_retry_ms),
            lease_reads: self.lease_reads_ppm,
            disk_stall_timeout: Duration::from_millis(self.disk_stall_ms),
        }
    }

    /// Checks them for a cluster of so many nodes.
    pub(super) fn validate(&self, nodes: u64) -> Result<(), Flaw> {
        let config = self.raft_config(NodeId(1)).validate();
        config.map_err(|wrong| field("settings", Wrong::Config(wrong)))?;
        let network = &self.network;
        for (name, per_mille) in [
            ("tail_per_mille", network.tail_per_mille),
            ("loss_per_mille", network.loss_per_mille),
            ("duplicate_per_mille", network.duplicate_per_mille),
        ] {
            within(name, per_mille, 0, PER_MILLE)?;
        }
        let disk = &self.disk;
        for (name, number) in [
            ("segment_kib", disk.segment_kib),
            ("persist_every_ms", disk.persist_every_ms),
            ("max_batch", disk.max_batch),
            ("snapshot_piece_bytes", self.snapshot_piece_bytes),
            ("watch_window_bytes", self.watch_window_bytes),
        ] {
            within(name, number, 1, i64::MAX.cast_unsigned())?;
        }
        within("value_bytes", self.value_bytes, 0, MAX_VALUE_BYTES)?;
        within("first_index", self.first_index, 0, MAX_FIRST_INDEX)?;
        if !network.regions.is_empty() {
            one_for_each("regions", network.regions.len(), nodes)?;
        }
        one_for_each("clocks", self.clocks.len(), nodes)?;
        for clock in &self.clocks {
            let drift_ppm = clock.drift_ppm.unsigned_abs();
            within("drift_ppm", drift_ppm, 0, MAX_DRIFT_PPM)?;
            if let Some(ppm) = self.lease_reads_ppm {
                keeps_to(drift_ppm, ppm).map_err(|what| field("clocks", what))?;
            }
        }
        Ok(())
    }

    /// Whether a cluster whose nodes are all up can be expected to elect a leader and to serve: messages and syncs are quick enough for the
    /// patience of followers and leaders.
    #[must_use]
    pub fn can_serve(&self) -> bool {
        let network = &self.network;
        let regions = network.regions.iter();
        let distance =
            regions.clone().max().copied().unwrap_or_default() - regions.min().copied().unwrap_or_default();
        let slowest_us = network.base_us + network.jitter_us + network.region_us * distance * 3 / 2;
        let slow_us = if network.tail_per_mille == 0 { 0 } else { network.tail_ms * 1_000 };
        let election_us = self.election_min_ms * 1_000;
        let patience_us = (election_us * 3 / 5).min(self.disk_stall_ms * 1_000 / 4);
        slowest_us.max(slow_us) <= election_us / 4 && self.disk.sync_max_us <= patience_us
    }
}

fn one_for_each(name: &'static str, found: usize, nodes: u64) -> Result<(), Flaw> {
    let is_right = u64::try_from(found) == Ok(nodes);
    if is_right { Ok(()) } else { Err(field(name, Wrong::NotOneForEachNode { found, nodes })) }
}
