//! A damaged log is never opened as if it were whole.

use crate::script::{DIR, Groups, draw, open, options, run};
use quorate_storage::disk::Survivors;
use quorate_storage::{FaultyDisk, Wal, WalError, WalOptions};
use quorate_types::{ClusterId, NodeId, Rng};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log of several segments, closed in order.
fn closed_log(disk: &FaultyDisk, seed: u64) -> Groups {
    let (wal, groups) = open(disk).expect("an empty disk");
    let script = draw(&mut Rng::new(seed), &groups, 90);
    let after = run(wal, &groups, &script);
    after.outcome.expect("nothing fails").close().expect("nothing fails");
    after.acknowledged
}

fn segments(disk: &FaultyDisk) -> Vec<PathBuf> {
    let names = quorate_storage::Disk::list(disk, Path::new(DIR)).expect("the directory exists");
    names.iter().filter(|name| name.ends_with(".wal")).map(|name| Path::new(DIR).join(name)).collect()
}

/// Opening must refuse, or find everything.
fn assert_refused_or_whole(disk: &FaultyDisk, whole: &Groups, context: &str) -> bool {
    match open(disk) {
        Ok((_, found)) => {
            assert!(found == *whole, "{context}: opened without all that was acknowledged");
            false
        }
        Err(WalError::Corrupt { .. } | WalError::Foreign { .. } | WalError::Newer { .. }) => true,
        Err(error) => panic!("{context}: {error}"),
    }
}

#[test]
fn flipped_bits_are_found() {
    let disk = FaultyDisk::new(1);
    let whole = closed_log(&disk, 1);
    let files = segments(&disk);
    assert!(files.len() > 1, "several segments");
    let mut refused = 0;
    for file in &files {
        let content = disk.content(file).expect("it exists");
        // Every byte of every header, and some of everything else.
        let used = |offset: usize| offset % 4096 < 48 && content[offset & !4095] != 0;
        for offset in (0..content.len()).filter(|offset| used(*offset) || offset % 211 == 0) {
            let bit = (offset % 8) as u8;
            disk.flip_bit(file, offset, bit);
            let context = format!("bit {bit} of byte {offset} in {}", file.display());
            refused += u32::from(assert_refused_or_whole(&disk, &whole, &context));
            disk.flip_bit(file, offset, bit);
        }
    }
    assert!(refused > 500, "only {refused} flips mattered");
}

#[test]
fn misdirected_and_lost_writes_are_found() {
    let whole_disk = FaultyDisk::new(1);
    closed_log(&whole_disk, 2);
    let mut refused = 0;
    for operation in 4..whole_disk.operations() {
        for block in [1, 3, 9] {
            let disk = FaultyDisk::new(1);
            disk.misdirect_write_at(operation, block * 4096);
            let whole = closed_log(&disk, 2);
            disk.power_cycle(Survivors::Nothing);
            let context = format!("write {operation} went to block {block}");
            refused += u32::from(assert_refused_or_whole(&disk, &whole, &context));
        }
    }
    assert!(refused > 50, "only {refused} misdirected writes mattered");
}

#[test]
fn a_missing_segment_is_found() {
    let disk = FaultyDisk::new(1);
    closed_log(&disk, 3);
    let files = segments(&disk);
    assert!(files.len() > 2, "several segments");
    quorate_storage::Disk::remove(&disk, &files[1]).expect("it exists");
    assert!(matches!(open(&disk), Err(WalError::Corrupt { .. })));
}

#[test]
fn a_segment_cut_short_is_found() {
    for cut_bytes in [5000, 20_000, 40_000] {
        let disk = FaultyDisk::new(1);
        let whole = closed_log(&disk, 3);
        let files = segments(&disk);
        let content = disk.content(&files[0]).expect("it exists");
        disk.install(&files[0], &content[..content.len() - cut_bytes]);
        assert_refused_or_whole(&disk, &whole, &format!("cut by {cut_bytes}"));
        disk.install(&files[0], &content[..4096]);
        assert!(matches!(open(&disk), Err(WalError::Corrupt { .. })), "no batch is left");
    }
}

#[test]
fn another_nodes_log_is_refused() {
    let disk = FaultyDisk::new(1);
    closed_log(&disk, 4);
    for (cluster, node) in [(8, 9), (7, 8)] {
        let other = WalOptions { cluster: ClusterId(cluster), node: NodeId(node), ..options() };
        let refused = Wal::open(Arc::new(disk.clone()), Path::new(DIR), other).expect_err("it is another's");
        let expect = "belongs to node 9 of cluster 7: choose this node's own data directory";
        assert!(refused.to_string().ends_with(expect), "{refused}");
    }
}
