//! What one seed's world is like: drawn once, at its start.

use quorate_consensus::raft::{Config, Configuration};
use quorate_types::{NodeId, Rng};
use std::time::Duration;

/// Chances are out of 1000.
#[derive(Clone, Debug)]
pub struct Options {
    pub configuration: Configuration,
    pub loss: u64,
    pub duplication: u64,
    pub slow_message: u64,
    pub max_delay_us: u64,
    pub max_disk_delay_us: u64,
    pub disk_stall: u64,
    pub disk_failure: u64,
    pub crash: u64,
    pub partition: u64,
    pub pause: u64,
    pub transfer: u64,
    pub ambush: u64,
    pub table_sync: u64,
    pub drift_ppm: u64,
    pub config: Config,
}

fn ids(range: std::ops::RangeInclusive<u64>) -> Vec<NodeId> {
    range.map(NodeId).collect()
}

impl Options {
    /// Swarm testing: each seed has its own mix of faults, and some of none of a kind, because faults can hide one another.
    pub fn draw(rng: &mut Rng) -> Options {
        let configuration = match rng.below(8) {
            0 => Configuration::of_voters(ids(1..=1)),
            1 => Configuration::of_voters(ids(1..=2)),
            2 => Configuration::of_voters(ids(1..=3)),
            3 => Configuration::new(ids(1..=3), Vec::new(), ids(4..=5)),
            4 => Configuration::new(ids(1..=3), ids(3..=5), Vec::new()),
            5 => Configuration::new(ids(1..=2), ids(2..=4), ids(5..=5)),
            _ => Configuration::of_voters(ids(1..=5)),
        };
        let mut some = |max: u64| if rng.chance(1, 2) { rng.below(max + 1) } else { 0 };
        let mut options = Options {
            configuration,
            loss: some(150),
            duplication: some(150),
            slow_message: some(60),
            max_delay_us: 200 + some(15_000),
            max_disk_delay_us: 100 + some(30_000),
            disk_stall: some(8),
            disk_failure: some(12),
            crash: some(120),
            partition: some(150),
            pause: some(40),
            transfer: some(100),
            ambush: some(80),
            table_sync: 300 + some(600),
            drift_ppm: some(1) * 20_000,
            config: Config::new(NodeId(1)),
        };
        options.draw_bounds(rng);
        options
    }

    /// Bounds are small, so that each of them is met.
    fn draw_bounds(&mut self, rng: &mut Rng) {
        let config = &mut self.config;
        config.max_append_bytes = 1 + rng.below(200) as usize;
        config.max_inflight_appends = 1 + rng.below(6) as usize;
        config.max_inflight_bytes = 1 + rng.below(400) as usize;
        config.max_uncommitted_bytes = 20 + rng.below(400) as usize;
        config.max_pending_reads = 1 + rng.below(10) as usize;
        config.max_apply_bytes = 1 + rng.below(200) as usize;
        config.max_apply_entries = 1 + rng.below(6) as usize;
        config.max_unapplied_bytes = 1 + rng.below(400) as usize;
        config.max_log_tail_bytes = rng.below(600) as usize;
        config.max_log_tail_entries = rng.below(20) as usize;
        config.snapshot_retry = Duration::from_millis(100 + rng.below(200));
        if rng.chance(1, 2) {
            // The clocks drift by less than the core was told.
            config.lease_reads = Some(self.drift_ppm as u32 + 1000);
        }
    }

    pub fn calm(&mut self) {
        (self.loss, self.duplication, self.slow_message) = (0, 0, 0);
        (self.disk_stall, self.disk_failure, self.crash) = (0, 0, 0);
        (self.partition, self.pause, self.transfer, self.ambush) = (0, 0, 0, 0);
        self.max_delay_us = 1000;
        self.max_disk_delay_us = 1000;
    }
}
