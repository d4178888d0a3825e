//! What the mistakes do that can be planted in the log: after a power failure it holds less than it synced, or other things.

use super::recovery::RecoveredGroup;
use super::{Wal, WalOptions, segment};
use crate::disk::{FaultyDisk, Survivors};
use quorate_consensus::raft::{Entry, HardState, LogWrite, Payload};
use quorate_types::mistake::{Mistake, plant};
use quorate_types::{Bytes, ClusterId, GroupId, LogIndex, NodeId, Term};
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/log";
const GROUP: GroupId = GroupId(1);
const HARD_STATE: HardState = HardState { term: Term(3), vote: Some(NodeId(2)) };

/// `run` without the mistake and with it.
fn compare<T>(mistake: Mistake, run: impl Fn() -> T) -> (T, T) {
    assert!(plant(None));
    let right = run();
    assert!(plant(Some(mistake)));
    let wrong = run();
    assert!(plant(None));
    (right, wrong)
}

/// What the log holds, or in words why it refuses.
fn open(disk: &FaultyDisk) -> Result<(Wal, RecoveredGroup), String> {
    let options = WalOptions { segment_bytes: 64 << 10, ..WalOptions::new(ClusterId(7), NodeId(9)) };
    let opened = Wal::open(Arc::new(disk.clone()), Path::new(DIR), options);
    let (wal, mut recovered) = opened.map_err(|error| error.to_string())?;
    Ok((wal, recovered.groups.remove(&GROUP).unwrap_or_default()))
}

fn entry(index: u64, len: usize) -> LogWrite {
    let payload = Payload::Command(Bytes::from(vec![7; len]));
    let entries = vec![Entry { term: Term(3), index: LogIndex(index), payload }];
    LogWrite { hard_state: (index == 1).then_some(HARD_STATE), entries, ..LogWrite::default() }
}

fn write(wal: &mut Wal, index: u64, len: usize) {
    wal.append(GROUP, &entry(index, len)).unwrap();
    wal.sync().unwrap();
}

/// After a power failure: how many entries are left, and the hard state.
fn after_power_failure(disk: &FaultyDisk) -> (usize, HardState) {
    disk.power_cycle(Survivors::Nothing);
    let (_, group) = open(disk).unwrap();
    (group.entries.len(), group.hard_state)
}

#[test]
fn a_failed_sync_that_is_ignored_loses_what_was_acknowledged() {
    let (right, wrong) = compare(Mistake::IgnoreFailedSync, || {
        let disk = FaultyDisk::new(1);
        let (mut wal, _) = open(&disk).unwrap();
        write(&mut wal, 1, 10);
        wal.append(GROUP, &entry(2, 10)).unwrap();
        disk.fail_sync_at(disk.operations() + 1);
        let is_acknowledged = wal.sync().is_ok();
        (is_acknowledged, after_power_failure(&disk).0)
    });
    assert_eq!((right, wrong), ((false, 1), (true, 1)));
}

#[test]
fn a_segment_whose_name_is_not_durable_is_lost_with_all_its_batches() {
    let (right, wrong) = compare(Mistake::RollWithoutDirectorySync, || {
        let disk = FaultyDisk::new(1);
        drop(open(&disk).unwrap());
        // The first segment's name becomes durable when the log is opened again.
        let (mut wal, _) = open(&disk).unwrap();
        (1..=6).for_each(|index| write(&mut wal, index, 15_000));
        assert_eq!(wal.segment_count(), 2);
        after_power_failure(&disk).0
    });
    assert_eq!(right, 6);
    assert!(wrong < 6, "{wrong}");
}

#[test]
fn a_term_and_vote_that_are_not_repeated_go_with_their_segment() {
    let (right, wrong) = compare(Mistake::RollForgetsHardState, || {
        let disk = FaultyDisk::new(1);
        let (mut wal, _) = open(&disk).unwrap();
        (1..=6).for_each(|index| write(&mut wal, index, 15_000));
        wal.compact(GROUP, LogIndex(5)).unwrap();
        while wal.maintain().unwrap() {}
        assert_eq!(wal.segment_count(), 1, "the first segment is gone");
        after_power_failure(&disk).1
    });
    assert_eq!((right, wrong), (HARD_STATE, HardState::default()));
}

#[test]
fn a_torn_batch_that_is_accepted_is_an_entry_that_nobody_wrote() {
    let (right, wrong) = compare(Mistake::TornBatchAccepted, || {
        let disk = FaultyDisk::new(1);
        let (mut wal, _) = open(&disk).unwrap();
        write(&mut wal, 1, 10);
        let second = usize::try_from(wal.end).unwrap();
        write(&mut wal, 2, 2000);
        drop(wal);
        // The batch's third sector never reached the disk.
        let path = segment::path(Path::new(DIR), segment::FIRST_SEQUENCE);
        let mut content = disk.content(&path).unwrap();
        content[second + 1024..second + 1536].fill(0);
        disk.install(&path, &content);
        disk.kill_processes();
        let (_, group) = open(&disk).unwrap();
        group.entries.len()
    });
    assert_eq!((right, wrong), (1, 2));
}
