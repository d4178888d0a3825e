//! What the faulty disk does, and nothing else.

use super::FaultyDisk;
use crate::disk::{Disk, DiskError, DiskFile, SECTOR_BYTES, Survivors, replace_file};
use std::path::Path;

const DIR: &str = "/d";
const FILE: &str = "/d/f";

/// A disk with one durable file of two sectors of `a`, and its first sector overwritten with `b` then `c`, unsynced.
fn half_written(seed: u64) -> FaultyDisk {
    let disk = FaultyDisk::new(seed);
    disk.create_dir(Path::new(DIR)).expect("power is on");
    let file = disk.create(Path::new(FILE)).expect("the directory exists");
    file.write_at(0, &[b'a'; 2 * SECTOR_BYTES]).expect("room");
    file.sync().expect("the disk works");
    disk.sync_dir(Path::new(DIR)).expect("the disk works");
    file.write_at(0, &[b'b'; SECTOR_BYTES]).expect("room");
    file.write_at(0, &[b'c'; SECTOR_BYTES]).expect("room");
    disk
}

fn content(disk: &FaultyDisk) -> Vec<u8> {
    disk.content(Path::new(FILE)).expect("its name was synced")
}

#[test]
fn unsynced_sectors_end_as_any_of_their_versions() {
    let disk = half_written(1);
    assert_eq!(content(&disk)[0], b'c', "programs see what they wrote");
    let mut seen = [b'a', b'b', b'c'].map(|version| (version, false));
    for seed in 0..50 {
        let disk = half_written(seed);
        disk.power_cycle(Survivors::Random);
        let survived = content(&disk);
        assert!(survived[..SECTOR_BYTES].iter().all(|byte| *byte == survived[0]), "a sector is atomic");
        assert_eq!(survived[SECTOR_BYTES], b'a');
        seen.iter_mut().filter(|(version, _)| *version == survived[0]).for_each(|(_, met)| *met = true);
    }
    assert!(seen.iter().all(|(_, met)| *met), "{seen:?}");
    let disk = half_written(1);
    disk.power_cycle(Survivors::Nothing);
    assert_eq!(content(&disk)[0], b'a');
}

#[test]
fn a_failed_sync_is_never_made_up_for() {
    let disk = half_written(1);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    disk.fail_sync_at(0);
    file.sync().expect_err("as planned");
    file.sync().expect("later ones lie");
    disk.power_cycle(Survivors::Nothing);
    assert_eq!(content(&disk)[0], b'a', "the data was never written");

    let disk = half_written(1);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    disk.fail_sync_at(0);
    file.sync().expect_err("as planned");
    file.write_at(1, b"d").expect("room");
    file.sync().expect("the sector was written again");
    disk.power_cycle(Survivors::Nothing);
    assert_eq!(content(&disk)[..3], *b"cdc");
}

#[test]
fn names_survive_with_their_directory_only() {
    let disk = half_written(1);
    disk.rename(Path::new(FILE), Path::new("/d/g")).expect("it exists");
    disk.power_cycle(Survivors::Nothing);
    assert_eq!(disk.list(Path::new(DIR)).expect("it exists"), ["f"]);
    disk.rename(Path::new(FILE), Path::new("/d/g")).expect("it exists");
    disk.sync_dir(Path::new(DIR)).expect("the disk works");
    disk.power_cycle(Survivors::Nothing);
    assert_eq!(disk.list(Path::new(DIR)).expect("it exists"), ["g"]);
}

#[test]
fn without_power_nothing_works_and_old_handles_stay_dead() {
    let disk = half_written(1);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    disk.crash_at(disk.operations() + 1);
    file.write_at(0, b"x").expect_err("the power fails");
    disk.list(Path::new(DIR)).expect_err("there is no power");
    disk.power_cycle(Survivors::Everything);
    file.sync().expect_err("opened before the crash");
    assert_eq!(content(&disk)[0], b'x', "the write may have had its effect");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = half_written(1);
    disk.set_capacity_bytes(Some(2 * SECTOR_BYTES as u64 + 3));
    let file = disk.open(Path::new(FILE)).expect("it exists");
    let full = file.write_at(2 * SECTOR_BYTES as u64, b"12345").expect_err("two bytes too many");
    assert!(matches!(full, DiskError::Full { .. }), "{full}");
    assert_eq!(content(&disk)[2 * SECTOR_BYTES..], *b"123");
}

#[test]
fn a_broken_sector_is_unreadable_until_a_write_of_it_is_durable() {
    let at = SECTOR_BYTES as u64;
    let disk = half_written(1);
    disk.power_cycle(Survivors::Nothing);
    disk.break_sector(Path::new(FILE), at + 7);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    let read = |file: &dyn DiskFile, from: u64, len: usize| file.read_at(from, &mut vec![0; len]);
    assert_eq!(read(&*file, 0, SECTOR_BYTES).expect("the first sector is whole"), SECTOR_BYTES);
    for (from, len) in [(at, 1), (2 * at - 1, 1), (at - 1, 2), (0, 9 * SECTOR_BYTES)] {
        let error = read(&*file, from, len).expect_err("the second sector is broken");
        assert!(error.to_string().contains("input/output error"), "{error}");
    }
    file.write_at(at + 1, b"part").expect_err("the rest would have to be read");
    file.write_at(at, &[b'n'; SECTOR_BYTES]).expect("it is replaced");
    read(&*file, 0, 2 * SECTOR_BYTES).expect("it is in memory");
    disk.power_cycle(Survivors::Nothing);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    read(&*file, at, 1).expect_err("the write was lost");
    file.write_at(at, &[b'n'; SECTOR_BYTES]).expect("it is replaced");
    file.sync().expect("the disk works");
    disk.power_cycle(Survivors::Nothing);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    read(&*file, 0, 2 * SECTOR_BYTES).expect("the disk has written it");
    assert_eq!(content(&disk)[SECTOR_BYTES], b'n');
}

#[test]
fn a_flipped_bit_is_flipped_on_the_disk_and_in_memory() {
    for survivors in [Survivors::Nothing, Survivors::Everything] {
        let disk = half_written(1);
        let flipped = content(&disk)[3] ^ 4;
        disk.flip_bit(Path::new(FILE), 3, 2);
        assert_eq!(content(&disk)[3], flipped);
        disk.power_cycle(survivors);
        let (whole, found) = (content(&disk)[2], content(&disk)[3]);
        assert_eq!(found, whole ^ 4);
    }
}

#[test]
fn faults_can_be_planned_for_the_next_write_and_sync() {
    let disk = half_written(1);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    disk.misdirect_next_write(SECTOR_BYTES as u64);
    file.write_at(0, b"xyz").expect("it says so");
    file.write_at(3, b"d").expect("room");
    let found = content(&disk);
    assert_eq!((&found[..4], &found[SECTOR_BYTES..SECTOR_BYTES + 4]), (&b"cccd"[..], &b"xyza"[..]));
    disk.fail_next_sync();
    file.sync().expect_err("as planned");
    file.sync().expect("only the next one");
    disk.fail_next_sync();
    disk.kill_processes();
    disk.open(Path::new(FILE)).expect("it exists").sync().expect("a boot forgets what was planned");
}

#[test]
fn power_that_has_failed_stays_off_until_somebody_puts_it_on() {
    let disk = half_written(1);
    disk.crash_at(disk.operations() + 1);
    assert!(!disk.is_without_power());
    disk.sync_dir(Path::new(DIR)).expect_err("the power fails");
    assert!(disk.is_without_power());
    disk.power_cycle(Survivors::Random);
    assert!(!disk.is_without_power());
}

#[test]
fn a_wiped_directory_is_durably_empty() {
    let disk = half_written(1);
    disk.install(Path::new("/d/log/1"), b"12345");
    disk.install(Path::new("/e"), b"1");
    disk.create_dir(Path::new("/d/log")).expect("the disk works");
    let files = |disk: &FaultyDisk| -> Vec<(String, u64)> {
        disk.files().into_iter().map(|(path, len)| (path.display().to_string(), len)).collect()
    };
    let named = |path: &str, len| (path.to_owned(), len);
    assert_eq!(files(&disk), [named(FILE, 1024), named("/d/log/1", 5), named("/e", 1)]);
    disk.rename(Path::new("/d/log/1"), Path::new("/d/log/2")).expect("it exists");
    disk.wipe(Path::new(DIR));
    assert_eq!(files(&disk), [named("/e", 1)]);
    assert!(disk.list(Path::new(DIR)).expect("it is still there").is_empty());
    disk.power_cycle(Survivors::Everything);
    assert_eq!(files(&disk), [named("/e", 1)]);
    disk.create(Path::new(FILE)).expect("the directory is there");
    disk.create(Path::new("/d/log/3")).map(drop).expect_err("this one is not");
}

#[test]
fn a_file_lives_as_long_as_its_last_name_or_handle() {
    let disk = half_written(1);
    let file = disk.open(Path::new(FILE)).expect("it exists");
    disk.remove(Path::new(FILE)).expect("it exists");
    disk.sync_dir(Path::new(DIR)).expect("the disk works");
    assert_eq!(file.len_bytes().expect("it is open"), 1024);
    drop(file);
    assert_eq!(disk.state().file_count(), 0, "it went with its last handle");
    for _ in 0..3 {
        replace_file(&disk, Path::new(FILE), b"new").expect("room");
        disk.remove(Path::new(FILE)).expect("it exists");
        assert_eq!(disk.state().file_count(), 1, "a power failure can bring it back");
    }
    disk.kill_processes();
    assert_eq!(disk.state().file_count(), 1);
    disk.sync_dir(Path::new(DIR)).expect("the disk works");
    assert_eq!(disk.state().file_count(), 0);
}
