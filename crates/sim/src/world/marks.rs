//! Rare situations that only somebody who sees the whole world can name.

use quorate_types::Mark;

pub(super) const ELECTED_IN_PARTITION: Mark = Mark("sim: a leader was elected during a partition");
pub(super) const SNAPSHOT_IN_PARTITION: Mark = Mark("sim: a snapshot was installed during a partition");
pub(super) const LOG_FAILED: Mark = Mark("sim: a log stopped");
pub(super) const MACHINE_FAILED: Mark = Mark("sim: a machine stopped");
pub(super) const TORN_WRITE: Mark = Mark("sim: the power failed during a write");
pub(super) const TORN_HOUSEKEEPING: Mark = Mark("sim: the power failed while a log kept house");
pub(super) const CRASH_WHILE_STARTING: Mark = Mark("sim: the power failed while a node started");
pub(super) const START_REFUSED: Mark = Mark("sim: a node refused to start from a harmed disk");
pub(super) const HARM_SURVIVED: Mark = Mark("sim: a node found nothing missing on a harmed disk");
pub(super) const ALL_DOWN: Mark = Mark("sim: all nodes were down at once");
pub(super) const WATCH_CUT: Mark = Mark("sim: a watch stream was cut by a crash");
pub(super) const BARE_QUORUM: Mark = Mark("sim: a bare quorum healed, the rest stayed broken");
pub(super) const WRITE_ASTRAY: Mark = Mark("sim: a misdirected write was followed by others");

/// All of them.
pub const ALL: &[Mark] = &[
    ELECTED_IN_PARTITION,
    SNAPSHOT_IN_PARTITION,
    LOG_FAILED,
    MACHINE_FAILED,
    TORN_WRITE,
    TORN_HOUSEKEEPING,
    CRASH_WHILE_STARTING,
    START_REFUSED,
    HARM_SURVIVED,
    ALL_DOWN,
    WATCH_CUT,
    BARE_QUORUM,
    WRITE_ASTRAY,
];
