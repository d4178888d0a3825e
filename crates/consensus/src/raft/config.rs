//! The numbers that an operator or a test may choose.

use quorate_types::NodeId;
use std::fmt;
use std::time::Duration;

/// The largest clock drift for which lease reads may be asked: a clock that is off by more is broken.
pub const MAX_DRIFT_PPM: u32 = 100_000;

/// How a core behaves. Make one by [`Config::new`] and change what differs; `lease_reads` and the election timeouts must be the
/// same on every member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// This member.
    pub id: NodeId,
    /// A follower that hears no leader for a random time between this…
    pub election_timeout_min: Duration,
    /// …and this asks for votes. Also: how long a leader goes on without a quorum's answers, and a transfer may take.
    pub election_timeout_max: Duration,
    /// How often a leader says that it still leads; also how soon lost messages are noticed and sent again.
    pub heartbeat_interval: Duration,
    /// Bytes of entries in one `Append`; a single larger entry travels alone.
    pub max_append_bytes: usize,
    /// `Append`s that may be unanswered, for each follower.
    pub max_inflight_appends: usize,
    /// Bytes of entries that may be unanswered, for each follower; one `Append` is always allowed.
    pub max_inflight_bytes: usize,
    /// Bytes of entries that a leader holds uncommitted before it answers `Overloaded`; one proposal is always allowed.
    pub max_uncommitted_bytes: usize,
    /// Batches of reads that may wait, here for an answer or, on the leader, for a confirmation.
    pub max_pending_reads: usize,
    /// Bytes of entries in one `Apply`; a single larger entry comes alone.
    pub max_apply_bytes: usize,
    /// Entries in one `Apply`.
    pub max_apply_entries: usize,
    /// Bytes of entries handed out by `Apply` and not yet reported as applied; one `Apply` is always allowed.
    pub max_unapplied_bytes: usize,
    /// Bytes of entries kept in memory, though the machine no longer needs them, for followers that are behind.
    pub max_log_tail_bytes: usize,
    /// The same bound in entries.
    pub max_log_tail_entries: usize,
    /// An unanswered piece of a snapshot is sent again after this long.
    pub snapshot_retry: Duration,
    /// Answer reads on the leader without a round of heartbeats, trusting that no member's clock runs fast or slow by more than
    /// this many parts per million (dissertation §6.4.1). `None`: trust no clock.
    pub lease_reads: Option<u32>,
    /// A leader whose oldest unfinished disk write is older than this gives its leadership away.
    pub disk_stall_timeout: Duration,
}

impl Config {
    /// The defaults, for member `id`.
    #[must_use]
    pub fn new(id: NodeId) -> Self {
        Config {
            id,
            election_timeout_min: Duration::from_millis(150),
            election_timeout_max: Duration::from_millis(300),
            heartbeat_interval: Duration::from_millis(50),
            max_append_bytes: 1 << 20,
            max_inflight_appends: 64,
            max_inflight_bytes: 16 << 20,
            max_uncommitted_bytes: 64 << 20,
            max_pending_reads: 16 << 10,
            max_apply_bytes: 1 << 20,
            max_apply_entries: 4096,
            max_unapplied_bytes: 32 << 20,
            max_log_tail_bytes: 32 << 20,
            max_log_tail_entries: 100_000,
            snapshot_retry: Duration::from_secs(2),
            lease_reads: None,
            disk_stall_timeout: Duration::from_millis(600),
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        if self.id == NodeId(0) {
            return Err(InvalidConfig::IdIsZero);
        }
        if self.heartbeat_interval.is_zero() {
            return Err(InvalidConfig::Zero { field: "heartbeat_interval" });
        }
        if self.election_timeout_min > self.election_timeout_max {
            return Err(InvalidConfig::ElectionTimeoutsReversed);
        }
        if self.election_timeout_min < self.heartbeat_interval * 2 {
            return Err(InvalidConfig::ElectionTimeoutTooShort);
        }
        if self.disk_stall_timeout < self.heartbeat_interval {
            return Err(InvalidConfig::DiskStallTimeoutTooShort);
        }
        if self.lease_reads.is_some_and(|ppm| ppm > MAX_DRIFT_PPM) {
            return Err(InvalidConfig::DriftTooLarge);
        }
        let bounds = [
            ("max_append_bytes", self.max_append_bytes),
            ("max_inflight_appends", self.max_inflight_appends),
            ("max_inflight_bytes", self.max_inflight_bytes),
            ("max_uncommitted_bytes", self.max_uncommitted_bytes),
            ("max_pending_reads", self.max_pending_reads),
            ("max_apply_bytes", self.max_apply_bytes),
            ("max_apply_entries", self.max_apply_entries),
            ("max_unapplied_bytes", self.max_unapplied_bytes),
            ("snapshot_retry", self.snapshot_retry.as_nanos().min(1) as usize),
        ];
        match bounds.iter().find(|(_, bound)| *bound == 0) {
            Some((field, _)) => Err(InvalidConfig::Zero { field }),
            None => Ok(()),
        }
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidConfig {
    /// `id` is 0, which stands for "none".
    IdIsZero,
    /// This bound or time must be above 0.
    Zero {
        /// Its name.
        field: &'static str,
    },
    /// `election_timeout_min` is above `election_timeout_max`.
    ElectionTimeoutsReversed,
    /// `election_timeout_min` is under two heartbeat intervals: one lost heartbeat would cost the leadership.
    ElectionTimeoutTooShort,
    /// `disk_stall_timeout` is under a heartbeat interval.
    DiskStallTimeoutTooShort,
    /// `lease_reads` is above [`MAX_DRIFT_PPM`].
    DriftTooLarge,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidConfig::IdIsZero => write!(f, "the member's id is 0"),
            InvalidConfig::Zero { field } => write!(f, "`{field}` is 0"),
            InvalidConfig::ElectionTimeoutsReversed => {
                write!(f, "`election_timeout_min` is above `election_timeout_max`")
            }
            InvalidConfig::ElectionTimeoutTooShort => {
                write!(f, "`election_timeout_min` is under two heartbeat intervals")
            }
            InvalidConfig::DiskStallTimeoutTooShort => {
                write!(f, "`disk_stall_timeout` is under a heartbeat interval")
            }
            InvalidConfig::DriftTooLarge => write!(f, "`lease_reads` is above {MAX_DRIFT_PPM} ppm"),
        }
    }
}

impl std::error::Error for InvalidConfig {}

#[cfg(test)]
mod tests {
    use super::{Config, InvalidConfig, MAX_DRIFT_PPM};
    use quorate_types::NodeId;
    use std::time::Duration;

    #[test]
    fn each_mistake_is_named() {
        let check = |change: fn(&mut Config), expect| {
            let mut config = Config::new(NodeId(1));
            change(&mut config);
            assert_eq!(config.validate(), expect);
        };
        check(|_| (), Ok(()));
        check(|c| c.id = NodeId(0), Err(InvalidConfig::IdIsZero));
        check(|c| c.max_append_bytes = 0, Err(InvalidConfig::Zero { field: "max_append_bytes" }));
        check(|c| c.snapshot_retry = Duration::ZERO, Err(InvalidConfig::Zero { field: "snapshot_retry" }));
        check(
            |c| c.election_timeout_min = Duration::from_secs(9),
            Err(InvalidConfig::ElectionTimeoutsReversed),
        );
        check(
            |c| c.heartbeat_interval = Duration::from_millis(100),
            Err(InvalidConfig::ElectionTimeoutTooShort),
        );
        check(|c| c.disk_stall_timeout = Duration::ZERO, Err(InvalidConfig::DiskStallTimeoutTooShort));
        check(|c| c.lease_reads = Some(MAX_DRIFT_PPM + 1), Err(InvalidConfig::DriftTooLarge));
    }
}
