//! The log on a disk that fails: whatever happens, and after whichever operation, everything acknowledged is there again,
//! nothing is invented, and the log goes on.

use crate::script::{Groups, Run, Step, draw, open, run};
use quorate_storage::disk::Survivors;
use quorate_storage::{DiskError, FaultyDisk, WalError};
use quorate_types::Rng;

const SCRIPT_LEN: usize = 110;

/// What happens to the disk's unsynced writes, and to the processes.
#[derive(Clone, Copy, Debug)]
enum Blow {
    PowerFails(Survivors),
    ProcessIsKilled,
}

const BLOWS: [Blow; 6] = [
    Blow::PowerFails(Survivors::Nothing),
    Blow::PowerFails(Survivors::Everything),
    Blow::PowerFails(Survivors::Random),
    Blow::PowerFails(Survivors::Random),
    Blow::PowerFails(Survivors::Random),
    Blow::ProcessIsKilled,
];

fn strike(disk: &FaultyDisk, blow: Blow) {
    match blow {
        Blow::PowerFails(survivors) => disk.power_cycle(survivors),
        Blow::ProcessIsKilled => disk.kill_processes(),
    }
}

/// Runs the script from an empty disk.
fn run_from_nothing(disk: &FaultyDisk, script: &[Step]) -> Run {
    match open(disk) {
        Ok((wal, groups)) => run(wal, &groups, script),
        Err(error) => Run { acknowledged: Groups::new(), written: Groups::new(), outcome: Err(error) },
    }
}

/// Opens after a blow, and checks what is there; then that it is durable, and that the log goes on.
fn assert_recovers(disk: &FaultyDisk, before: &Run, context: &str) {
    let (wal, found) = open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(
        found == before.acknowledged || found == before.written,
        "{context}: neither what was acknowledged nor all"
    );
    drop(wal);
    disk.power_cycle(Survivors::Nothing);
    let (wal, again) = open(disk).unwrap_or_else(|error| panic!("{context}, again: {error}"));
    assert!(again == found, "{context}: what was recovered must be durable");
    let more = draw(&mut Rng::new(5), &again, 12);
    let after = run(wal, &again, &more);
    after
        .outcome
        .unwrap_or_else(|error| panic!("{context}, going on: {error}"))
        .close()
        .expect("the disk works");
    disk.power_cycle(Survivors::Nothing);
    let (_, last) = open(disk).unwrap_or_else(|error| panic!("{context}, at last: {error}"));
    assert!(last == after.acknowledged, "{context}: what was written after recovery is there");
}

fn every_cut(script_seed: u64) {
    let script = draw(&mut Rng::new(script_seed), &Groups::new(), SCRIPT_LEN);
    let whole = FaultyDisk::new(0);
    run_from_nothing(&whole, &script).outcome.expect("nothing fails");
    assert!(whole.operations() > 70, "the script does something: {}", whole.operations());
    for cut in 1..=whole.operations() {
        for (number, blow) in BLOWS.into_iter().enumerate() {
            let context = format!("script {script_seed}, cut at {cut}, blow {number} {blow:?}");
            let disk = FaultyDisk::new(cut * 10 + number as u64);
            match blow {
                Blow::PowerFails(_) => disk.crash_at(cut),
                Blow::ProcessIsKilled => disk.fail_sync_at(cut),
            }
            let before = run_from_nothing(&disk, &script);
            strike(&disk, blow);
            if number == 2 {
                // Recovery itself is cut short too.
                disk.crash_at(disk.operations() + 1 + cut % 3);
                let _ = open(&disk);
                disk.power_cycle(Survivors::Random);
            }
            assert_recovers(&disk, &before, &context);
        }
    }
}

#[test]
fn every_cut_of_the_first_script() {
    every_cut(1);
}

#[test]
fn every_cut_of_the_second_script() {
    every_cut(2);
}

#[test]
fn random_scripts_and_cuts() {
    for seed in 0..400 {
        let mut rng = Rng::new(1000 + seed);
        let disk = FaultyDisk::new(seed);
        let mut groups = Groups::new();
        for round in 0..4 {
            let script = draw(&mut rng, &groups, 60);
            disk.crash_at(disk.operations() + rng.between(4, 120));
            let (wal, found) = match open(&disk) {
                Ok(opened) => opened,
                Err(WalError::Disk(_)) => {
                    disk.power_cycle(Survivors::Random);
                    open(&disk).unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"))
                }
                Err(error) => panic!("seed {seed}, round {round}: {error}"),
            };
            assert!(found == groups, "seed {seed}, round {round}");
            let after = run(wal, &found, &script);
            disk.power_cycle(Survivors::Random);
            let (_, survived) =
                open(&disk).unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            assert!(
                survived == after.acknowledged || survived == after.written,
                "seed {seed}, round {round}"
            );
            groups = survived;
        }
    }
}

#[test]
fn a_failed_sync_stops_the_log_and_nothing_acknowledged_is_lost() {
    let script = draw(&mut Rng::new(3), &Groups::new(), SCRIPT_LEN);
    let whole = FaultyDisk::new(0);
    run_from_nothing(&whole, &script).outcome.expect("nothing fails");
    for operation in (1..=whole.operations()).step_by(3) {
        for blow in BLOWS {
            let disk = FaultyDisk::new(operation);
            disk.fail_sync_at(operation);
            let before = run_from_nothing(&disk, &script);
            if let Err(error) = &before.outcome {
                let failed_sync = matches!(
                    error,
                    WalError::Stopped { cause: DiskError::Failed { op: "sync", .. } }
                        | WalError::Disk(DiskError::Failed { op: "sync", .. })
                );
                assert!(failed_sync, "{error}");
            }
            strike(&disk, blow);
            assert_recovers(&disk, &before, &format!("failed sync at {operation}, {blow:?}"));
        }
    }
}

#[test]
fn a_full_disk_stops_the_log_until_there_is_room() {
    let script = draw(&mut Rng::new(4), &Groups::new(), SCRIPT_LEN);
    let mut stopped = 0;
    for capacity in (2_000..400_000).step_by(3_700) {
        let disk = FaultyDisk::new(capacity);
        disk.set_capacity_bytes(Some(capacity));
        let before = run_from_nothing(&disk, &script);
        if let Err(error) = &before.outcome {
            let full = WalError::Stopped { cause: DiskError::Full { path: "any".into() } }.to_string();
            let says_full = full.split("any").all(|part| error.to_string().contains(part));
            assert!(says_full || matches!(error, WalError::Disk(DiskError::Full { .. })), "{error}");
            stopped += 1;
        }
        disk.kill_processes();
        disk.set_capacity_bytes(None);
        assert_recovers(&disk, &before, &format!("capacity {capacity}"));
    }
    assert!(stopped > 10, "the limit was met {stopped} times");
}

#[test]
fn an_idle_group_does_not_keep_the_log_from_shrinking() {
    let disk = FaultyDisk::new(1);
    let script = draw(&mut Rng::new(6), &Groups::new(), 4000);
    let (wal, groups) = open(&disk).expect("an empty disk");
    let after = run(wal, &groups, &script);
    let wal = after.outcome.expect("nothing fails");
    assert!(wal.segment_count() <= 9, "{} segments", wal.segment_count());
    let idle = &after.acknowledged[&quorate_types::GroupId(0)];
    assert!(!idle.entries.is_empty(), "the idle group has entries that were never given up");
    drop(wal);
    disk.power_cycle(Survivors::Nothing);
    assert!(open(&disk).expect("an undamaged log").1 == after.acknowledged);
}
