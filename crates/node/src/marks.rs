//! The rare situations of a node that a campaign of simulations must have met.

use quorate_types::mark::Mark;

// Requests.
pub(crate) const PROVED_LOST: Mark =
    Mark("node: a request was proposed again after its term was proved over");
pub(crate) const REJECTED_AND_RETRIED: Mark = Mark("node: a request was tried again after a rejection");
pub(crate) const READ_ASKED_AGAIN: Mark = Mark("node: a read was asked again after a rejection");
pub(crate) const GIVEN_UP_FOR_SNAPSHOT: Mark =
    Mark("node: a request was given up because a snapshot took its place");
pub(crate) const EXPIRED_UNSENT: Mark = Mark("node: a request's time ran out before it was sent");
pub(crate) const EXPIRED_MAYBE_DONE: Mark = Mark("node: a request's time ran out and it may be done");
pub(crate) const REFUSED_NO_LEADER: Mark = Mark("node: a request was refused while no leader was known");
pub(crate) const REFUSED_DISK_FAILED: Mark = Mark("node: a request was refused after the disk had failed");
pub(crate) const REFUSED_OVERLOADED: Mark = Mark("node: requests were refused because a queue was full");
// Replicas.
pub(crate) const CHECKPOINT_EQUAL: Mark = Mark("node: a replica compared its state with the leader's");
pub(crate) const LOG_RESET: Mark = Mark("node: a log was started anew because the tables were ahead of it");
pub(crate) const TERM_ONLY_IN_TABLES: Mark = Mark("node: only the tables knew the newest term");
// Snapshots.
pub(crate) const SNAPSHOT_BEGUN_OVER: Mark =
    Mark("node: a snapshot began while an earlier one was unfinished");
pub(crate) const SNAPSHOT_FROM_KEPT_VIEW: Mark =
    Mark("node: a snapshot that began again was cut from the view that was kept");
// Leases.
pub(crate) const LEASES_TAKEN_OVER: Mark = Mark("node: a new leader took over leases that were alive");
pub(crate) const EXPIRY_PROPOSED_AGAIN: Mark =
    Mark("node: leases were still due when a proposed expiry had been waited for");
pub(crate) const CLOCK_WRITTEN: Mark = Mark("node: the group's clock was written to an idle log");

/// All of them.
pub const MARKS: &[Mark] = &[
    PROVED_LOST,
    REJECTED_AND_RETRIED,
    READ_ASKED_AGAIN,
    GIVEN_UP_FOR_SNAPSHOT,
    EXPIRED_UNSENT,
    EXPIRED_MAYBE_DONE,
    REFUSED_NO_LEADER,
    REFUSED_DISK_FAILED,
    REFUSED_OVERLOADED,
    CHECKPOINT_EQUAL,
    LOG_RESET,
    TERM_ONLY_IN_TABLES,
    SNAPSHOT_BEGUN_OVER,
    SNAPSHOT_FROM_KEPT_VIEW,
    LEASES_TAKEN_OVER,
    EXPIRY_PROPOSED_AGAIN,
    CLOCK_WRITTEN,
];
