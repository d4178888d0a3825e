//! The rare situations of the log that a campaign of simulations must have met.

use quorate_types::mark::Mark;

pub(super) const ROLLED: Mark = Mark("wal: a segment was full and the next one began");
pub(super) const RETIRED: Mark = Mark("wal: a segment that nobody needs was given back");
pub(super) const IDLE_MOVED: Mark = Mark("wal: entries of an idle group were moved");
pub(super) const RESET: Mark = Mark("wal: a group's log was started anew");
pub(super) const TAIL_CUT: Mark = Mark("wal: recovery cut off a torn tail");
pub(super) const LAST_BATCH_REWRITTEN: Mark = Mark("wal: recovery wrote the last batch again");
pub(super) const DAMAGE_REFUSED: Mark = Mark("wal: recovery refused damage");
pub(super) const STOPPED_FULL: Mark = Mark("wal: the log stopped because the disk was full");
pub(super) const STOPPED_FAILED: Mark = Mark("wal: the log stopped because a write or sync failed");

/// All of them.
pub const MARKS: &[Mark] = &[
    ROLLED,
    RETIRED,
    IDLE_MOVED,
    RESET,
    TAIL_CUT,
    LAST_BATCH_REWRITTEN,
    DAMAGE_REFUSED,
    STOPPED_FULL,
    STOPPED_FAILED,
];
