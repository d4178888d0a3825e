//! Who may open a data directory.

use quorate_storage::disk::{Disk, RealDisk, Survivors};
use quorate_storage::{DataDir, DataDirError, FaultyDisk, Identity};
use quorate_types::{ClusterId, NodeId};
use std::path::Path;
use tempfile::TempDir;

const DIR: &str = "/data";
/// Names the directory that a child process shall try to open.
const CHILD_DIR: &str = "QUORATE_TEST_DATA_DIR";

fn identity() -> Identity {
    let declarations = "[keyspace.orders]\nconsistency = \"linearizable\"\n".to_owned();
    Identity { cluster: ClusterId(0xabc), node: NodeId(3), name: "berlin-1".to_owned(), declarations }
}

fn established(disk: &dyn Disk, path: &Path) -> DataDir {
    let mut dir = DataDir::open(disk, path).expect("an empty directory");
    dir.establish(disk, &identity()).expect("it is new");
    dir
}

#[test]
fn an_identity_is_kept_and_declarations_can_change() {
    let disk = FaultyDisk::new(1);
    drop(established(&disk, Path::new(DIR)));
    disk.power_cycle(Survivors::Nothing);
    let mut dir = DataDir::open(&disk, Path::new(DIR)).expect("it is ours");
    assert_eq!(dir.identity(), Some(&identity()));
    let other_text = Identity { declarations: "ignored".to_owned(), ..identity() };
    dir.establish(&disk, &other_text).expect("declarations need not agree");
    assert_eq!(dir.identity(), Some(&identity()));
    dir.set_declarations(&disk, "new").expect("the disk works");
    drop(dir);
    disk.power_cycle(Survivors::Nothing);
    let dir = DataDir::open(&disk, Path::new(DIR)).expect("it is ours");
    assert_eq!(dir.identity().map(|own| own.declarations.as_str()), Some("new"));
    assert_eq!(
        (dir.log_dir(), dir.tables_dir()),
        (Path::new(DIR).join("log"), Path::new(DIR).join("tables"))
    );
}

#[test]
fn strangers_are_refused_and_told_what_to_do() {
    let disk = FaultyDisk::new(1);
    let mut dir = established(&disk, Path::new(DIR));
    let mut check = |asks: Identity, expect: &str| {
        let refused = dir.establish(&disk, &asks).expect_err("it is another's").to_string();
        assert!(refused.contains(expect), "{refused}");
        assert_eq!(dir.identity(), Some(&identity()), "nothing changed");
    };
    check(
        Identity { cluster: ClusterId(1), ..identity() },
        "belongs to cluster abc, not 1: choose this cluster's",
    );
    check(
        Identity { node: NodeId(4), ..identity() },
        "belongs to node 3 (`berlin-1`), not 4 (`berlin-1`): start that node",
    );
    check(Identity { name: "x".to_owned(), ..identity() }, "belongs to node 3 (`berlin-1`), not 3 (`x`)");
}

#[test]
fn a_directory_is_opened_once() {
    let dir = TempDir::new().expect("a directory");
    let disk = RealDisk;
    let open = established(&disk, dir.path());
    let refused = DataDir::open(&disk, dir.path()).expect_err("it is open");
    assert!(matches!(refused, DataDirError::InUse { .. }), "{refused}");
    let child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "as_a_child_process_this_finds_the_directory_in_use"])
        .env(CHILD_DIR, dir.path())
        .status();
    assert!(child.expect("it starts").success(), "another process is refused too");
    drop(open);
    assert_eq!(DataDir::open(&disk, dir.path()).expect("it is free").identity(), Some(&identity()));
}

#[test]
fn as_a_child_process_this_finds_the_directory_in_use() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let refused = DataDir::open(&RealDisk, Path::new(&dir)).expect_err("the parent has it");
        assert!(refused.to_string().contains("is in use by another process: stop that one"), "{refused}");
    }
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let disk = FaultyDisk::new(1);
    disk.create_dir(Path::new(DIR)).expect("an empty disk");
    disk.install(&Path::new(DIR).join("thesis.tex"), b"x");
    let refused = DataDir::open(&disk, Path::new(DIR)).expect_err("it holds something").to_string();
    assert!(refused.contains("is not a data directory of Quorate, but holds `thesis.tex`"), "{refused}");
}

#[test]
fn damage_and_newer_formats_are_refused() {
    let whole = FaultyDisk::new(1);
    drop(established(&whole, Path::new(DIR)));
    let file = Path::new(DIR).join("identity");
    let content = whole.content(&file).expect("it is there");
    let open = |content: &[u8]| {
        let disk = FaultyDisk::new(1);
        disk.create_dir(Path::new(DIR)).expect("an empty disk");
        disk.install(&file, content);
        DataDir::open(&disk, Path::new(DIR)).map(|dir| dir.identity().cloned())
    };
    assert_eq!(open(&content).expect("it is whole"), Some(identity()));
    for byte in 0..content.len() {
        let mut flipped = content.clone();
        flipped[byte] ^= 1 << (byte % 8);
        let refused = open(&flipped).expect_err("a bit is wrong");
        let expected = matches!(refused, DataDirError::Damaged { .. } | DataDirError::Newer { .. });
        assert!(expected, "byte {byte}: {refused}");
        assert!(open(&content[..byte]).is_err(), "cut at {byte}");
    }
    let mut newer = content;
    newer[8] = 2;
    let refused = open(&newer).expect_err("a newer build wrote it").to_string();
    assert!(
        refused.ends_with("has format 2, and this build reads up to 1: start a newer build"),
        "{refused}"
    );
}

#[test]
fn a_crash_leaves_no_identity_or_the_whole() {
    let whole = FaultyDisk::new(0);
    drop(established(&whole, Path::new(DIR)));
    for cut in 1..=whole.operations() {
        for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Random, Survivors::Random] {
            let disk = FaultyDisk::new(cut);
            disk.crash_at(cut);
            let mut dir = DataDir::open(&disk, Path::new(DIR)).expect("opening changes nothing");
            dir.establish(&disk, &identity()).expect_err("the power fails");
            drop(dir);
            disk.power_cycle(survivors);
            let mut dir =
                DataDir::open(&disk, Path::new(DIR)).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
            assert!(dir.identity().is_none_or(|own| *own == identity()), "cut {cut}");
            dir.establish(&disk, &identity()).expect("the disk works");
        }
    }
}
