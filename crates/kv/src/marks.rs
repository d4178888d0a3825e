//! The rare situations of the machine and its watch hub that a campaign of simulations must have met.

use quorate_types::mark::Mark;

pub(crate) const LEASE_EXPIRED: Mark = Mark("kv: a lease ran out");
pub(crate) const EXPIRY_CAME_TOO_LATE: Mark =
    Mark("kv: an expiry did nothing because the lease was renewed meanwhile");
pub(crate) const TXN_ELSE: Mark = Mark("kv: a transaction took its else-branch");
pub(crate) const COMPACTED_IN_SLICES: Mark = Mark("kv: a compaction took several slices");
pub(crate) const COMPACTED_DELETION: Mark = Mark("kv: a compaction removed a deletion");
pub(crate) const READ_COMPACTED: Mark = Mark("kv: a read was refused because its revision is compacted");
pub(crate) const SESSION_ANSWERED_AGAIN: Mark =
    Mark("kv: a numbered write that was asked for again was answered as before");
pub(crate) const SESSION_EVICTED: Mark = Mark("kv: an idle session made room for a new one");
pub(crate) const WATCH_CAUGHT_UP: Mark = Mark("watch: a watcher caught up from the history");
pub(crate) const WATCH_FELL_BEHIND: Mark = Mark("watch: a snapshot made a watcher read what it skipped");
pub(crate) const WATCH_COMPACTED: Mark = Mark("watch: a watcher was told that its revision is compacted");
pub(crate) const WATCH_STARTS_AHEAD: Mark = Mark("watch: a watcher waits for a revision to come");
pub(crate) const WATCH_WINDOW_FULL: Mark = Mark("watch: a watcher fell behind because its stream was full");
pub(crate) const WATCH_PROGRESS_WAITS: Mark = Mark("watch: progress was asked for while watchers lagged");
pub(crate) const WATCH_FRAGMENT: Mark = Mark("watch: events were split into fragments");

/// All of them.
pub const MARKS: &[Mark] = &[
    LEASE_EXPIRED,
    EXPIRY_CAME_TOO_LATE,
    TXN_ELSE,
    COMPACTED_IN_SLICES,
    COMPACTED_DELETION,
    READ_COMPACTED,
    SESSION_ANSWERED_AGAIN,
    SESSION_EVICTED,
    WATCH_CAUGHT_UP,
    WATCH_FELL_BEHIND,
    WATCH_COMPACTED,
    WATCH_STARTS_AHEAD,
    WATCH_WINDOW_FULL,
    WATCH_PROGRESS_WAITS,
    WATCH_FRAGMENT,
];
