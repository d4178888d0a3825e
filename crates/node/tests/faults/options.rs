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
    pub max_apply_delay_us: u64,
    pub max_batch: u64,
    pub disk_failure: u64,
    pub machine_failure: u64,
    pub crash: u64,
    pub partition: u64,
    pub transfer: u64,
    pub table_sync: u64,
    pub reader_failure: u64,
    pub piece_len_bytes: usize,
    pub config: Config,
}

impl Options {
    /// Swarm testing: each seed has its own mix of faults, and some of none of a kind, because faults can hide one another.
    pub fn draw(rng: &mut Rng) -> Options {
        let members = match rng.below(8) {
            0 => 1,
            1 | 2 => 5,
            _ => 3,
        };
        let mut some = |max: u64| if rng.chance(1, 2) { rng.below(max + 1) } else { 0 };
        let mut options = Options {
            configuration: Configuration::of_voters((1..=members).map(NodeId).collect()),
            loss: some(120),
            duplication: some(150),
            slow_message: some(60),
            max_delay_us: 200 + some(15_000),
            max_disk_delay_us: 100 + some(100_000),
            max_apply_delay_us: 50 + some(40_000),
            max_batch: 1 + some(8),
            disk_failure: some(8),
            machine_failure: some(4),
            crash: some(250),
            partition: some(250),
            transfer: some(100),
            table_sync: 300 + some(600),
            reader_failure: some(100),
            piece_len_bytes: 100,
            config: Config::new(NodeId(1)),
        };
        options.piece_len_bytes += rng.below(4000) as usize;
        options.draw_bounds(rng);
        options
    }

    /// Bounds are small, so that each of them is met.
    fn draw_bounds(&mut self, rng: &mut Rng) {
        let config = &mut self.config;
        config.max_append_bytes = 1 + rng.below(1000) as usize;
        config.max_inflight_appends = 1 + rng.below(6) as usize;
        config.max_inflight_bytes = 1 + rng.below(2000) as usize;
        config.max_uncommitted_bytes = 200 + rng.below(3000) as usize;
        config.max_pending_reads = 1 + rng.below(10) as usize;
        config.max_apply_bytes = 1 + rng.below(1000) as usize;
        config.max_apply_entries = 1 + rng.below(6) as usize;
        config.max_unapplied_bytes = 1 + rng.below(2000) as usize;
        config.max_log_tail_bytes = rng.below(3000) as usize;
        config.max_log_tail_entries = rng.below(20) as usize;
        config.snapshot_retry = Duration::from_millis(100 + rng.below(200));
        if rng.chance(1, 3) {
            config.lease_reads = Some(1000);
        }
    }

    pub fn calm(&mut self) {
        (self.loss, self.duplication, self.slow_message) = (0, 0, 0);
        (self.disk_failure, self.machine_failure, self.reader_failure) = (0, 0, 0);
        (self.crash, self.partition, self.transfer) = (0, 0, 0);
        self.max_delay_us = 1000;
        self.max_disk_delay_us = 1000;
        self.max_apply_delay_us = 1000;
    }
}
