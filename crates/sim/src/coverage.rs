//! The rare situations that a campaign should have met.

use quorate_types::Mark;

/// The marks of all cores and of the world, each list from the crate that reaches them.
pub const MARKS: [&[Mark]; 5] = [
    quorate_consensus::raft::MARKS,
    quorate_node::MARKS,
    quorate_kv::MARKS,
    quorate_storage::MARKS,
    crate::world::marks::ALL,
];

/// Marks that nodes in the world cannot reach, or only runs far longer than these: nobody demands them here.
pub const BEYOND: [&str; 7] = [
    // The node always waits for an own entry to be written before it is asked again; only the core's own harness asks sooner.
    "raft: a candidate won before its own vote was on disk",
    // `quorate_node::restore` starts such a log anew before the core sees it.
    "raft: a machine was ahead of its log after a crash",
    "raft: a snapshot mended the log of a machine that was ahead",
    // Needs more garbage than a short run makes.
    "kv: a compaction took several slices",
    // Clients here read the newest state only.
    "kv: a read was refused because its revision is compacted",
    // Clients here do not number their writes.
    "kv: a numbered write that was asked for again was answered as before",
    "kv: an idle session made room for a new one",
];

/// Marks that are met less than once in a hundred seeds: a long campaign demands them, a smoke campaign does not.
pub const RARE: [&str; 7] = [
    "raft: a leader stepped down for its slow disk",
    "raft: a snapshot was begun anew because the machine lost it",
    "raft: a snapshot was installed and the log after it was kept",
    "node: a snapshot that began again was cut from the view that was kept",
    "node: only the tables knew the newest term",
    "node: the group's clock was written to an idle log",
    "wal: recovery cut off a torn tail",
];

#[cfg(test)]
mod tests {
    use super::{BEYOND, MARKS, RARE};
    use std::collections::BTreeSet;

    #[test]
    fn no_two_marks_have_the_same_name() {
        let names: Vec<&str> = MARKS.iter().flat_map(|list| list.iter().map(|mark| mark.0)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.len() > 100);
    }

    #[test]
    fn what_is_not_demanded_exists() {
        let names: BTreeSet<&str> = MARKS.iter().flat_map(|list| list.iter().map(|mark| mark.0)).collect();
        let excused = BEYOND.iter().chain(&RARE);
        assert!(excused.clone().all(|name| names.contains(name)));
        assert_eq!(excused.collect::<BTreeSet<_>>().len(), BEYOND.len() + RARE.len());
    }
}
