//! The bytes on disk are a promise: these files were written by the first build that wrote them, and every build reads them.
//!
//! `UPDATE=1` writes them anew, which is right only together with a new format version.

use crate::script::Groups;
use quorate_consensus::raft::{Configuration, Entry, HardState, LogWrite, Payload, SnapshotMeta};
use quorate_storage::{
    DataDir, Disk, FaultyDisk, Identity, Recovered, RecoveredGroup, Wal, WalError, WalOptions,
};
use quorate_types::{Bytes, ClusterId, GroupId, LogIndex, NodeId, Term};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOG_DIR: &str = "/log";
const BLOCK: usize = 4096;

fn options() -> WalOptions {
    WalOptions { segment_bytes: 5 * BLOCK as u64, ..WalOptions::new(ClusterId(0xc1), NodeId(0xa)) }
}

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn voters(ids: &[u64]) -> Configuration {
    Configuration::of_voters(ids.iter().copied().map(NodeId).collect())
}

fn entry(term: u64, index: u64, payload: Payload) -> Entry {
    Entry { term: Term(term), index: LogIndex(index), payload }
}

fn hard_state(term: u64, vote: Option<u64>) -> Option<HardState> {
    Some(HardState { term: Term(term), vote: vote.map(NodeId) })
}

/// Writes every kind of record, into two segments, and says what they mean.
fn write_log(disk: &FaultyDisk) -> Groups {
    let (mut wal, _) =
        Wal::open(Arc::new(disk.clone()), Path::new(LOG_DIR), options()).expect("an empty disk");
    let (orders, users) = (GroupId(1), GroupId(300));
    let joint = Configuration::new(vec![NodeId(1), NodeId(2)], vec![NodeId(3)], vec![NodeId(0xa)]);
    let kept = entry(2, 3, Payload::Command(Bytes::from_static(b"put a 1")));
    let entries = vec![
        entry(1, 1, Payload::NoOp),
        entry(1, 2, Payload::Configuration(joint.clone())),
        kept.clone(),
        entry(2, 4, Payload::Command(Bytes::from_static(b"put a 2"))),
    ];
    wal.append(orders, &LogWrite { reset: None, hard_state: hard_state(2, Some(1)), entries })
        .expect("running");
    let snapshot = SnapshotMeta { index: LogIndex(500), term: Term(7), configuration: voters(&[1, 2, 3]) };
    let reset =
        LogWrite { reset: Some(snapshot.clone()), hard_state: hard_state(7, Some(2)), entries: Vec::new() };
    wal.append(users, &reset).expect("running");
    wal.sync().expect("the disk works");
    wal.append(users, &LogWrite { hard_state: hard_state(8, None), ..LogWrite::default() }).expect("running");
    wal.sync().expect("the disk works");
    let replaced =
        vec![entry(3, 4, Payload::NoOp), entry(3, 5, Payload::Command(Bytes::from(vec![b'x'; 5000])))];
    wal.append(orders, &LogWrite { entries: replaced.clone(), ..LogWrite::default() }).expect("running");
    wal.compact(orders, LogIndex(2)).expect("running");
    wal.sync().expect("the disk works");
    wal.append(users, &LogWrite { hard_state: hard_state(10, Some(3)), ..LogWrite::default() })
        .expect("running");
    wal.close().expect("the disk works");
    let floor = SnapshotMeta { index: LogIndex(2), term: Term(1), configuration: joint };
    let orders_log = RecoveredGroup {
        hard_state: hard_state(2, Some(1)).unwrap_or_default(),
        snapshot: floor,
        entries: [vec![kept], replaced].concat(),
    };
    let users_log =
        RecoveredGroup { hard_state: hard_state(10, Some(3)).unwrap_or_default(), snapshot, entries: vec![] };
    Groups::from([(orders, orders_log), (users, users_log)])
}

/// The files in a directory of the faulty disk.
fn files(disk: &FaultyDisk, dir: &str) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(Path::new(dir)).expect("it exists").into_iter();
    names
        .filter_map(|name| disk.content(&Path::new(dir).join(&name)).map(|content| (name, content)))
        .collect()
}

/// Compares with the golden files, or writes them.
fn check_golden(name: &str, files: &[(String, Vec<u8>)]) {
    let dir = fixtures(name);
    for (file, content) in files {
        let path = dir.join(file);
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(&dir).expect("the fixtures can be written");
            fs::write(&path, content).expect("the fixtures can be written");
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(golden == *content, "{} has other bytes now", path.display());
    }
}

/// Opens a log made of golden files.
fn open_golden(name: &str) -> Result<Recovered, WalError> {
    let disk = FaultyDisk::new(1);
    disk.create_dir(Path::new(LOG_DIR)).expect("an empty disk");
    for file in fs::read_dir(fixtures(name)).expect("the fixture exists") {
        let file = file.expect("an entry");
        disk.install(
            &Path::new(LOG_DIR).join(file.file_name()),
            &fs::read(file.path()).expect("it is readable"),
        );
    }
    Wal::open(Arc::new(disk), Path::new(LOG_DIR), options()).map(|(_, recovered)| recovered)
}

/// The golden log with some bytes of its newest segment changed.
fn changed(files: &[(String, Vec<u8>)], change: impl Fn(&mut Vec<u8>)) -> Vec<(String, Vec<u8>)> {
    let mut files = files.to_vec();
    change(&mut files.last_mut().expect("there are segments").1);
    files
}

#[test]
fn log_files() {
    let disk = FaultyDisk::new(1);
    let expect = write_log(&disk);
    let whole = files(&disk, LOG_DIR);
    assert_eq!(whole.len(), 2, "two segments");
    check_golden("log-1", &whole);
    assert!(open_golden("log-1").expect("it is whole").groups == expect, "every kind of record is read");

    // The head batch is two blocks long, the last batch follows it, then comes the mark.
    let torn = changed(&whole, |newest| {
        newest[3 * BLOCK + 28] ^= 1;
        newest.truncate(4 * BLOCK);
    });
    check_golden("log-1-cut-batch", &torn);
    let recovered = open_golden("log-1-cut-batch").expect("the last batch was never acknowledged");
    let tail = recovered.truncated_tail.expect("there are traces of it");
    assert_eq!((tail.offset, tail.len_bytes), (3 * BLOCK as u64, BLOCK as u64));
    assert_eq!(recovered.groups[&GroupId(300)].hard_state, HardState { term: Term(8), vote: None });

    check_golden("log-1-damaged-batch", &changed(&whole, |newest| newest[3 * BLOCK + 28] ^= 1));
    let refused = open_golden("log-1-damaged-batch").expect_err("the mark proves that it was acknowledged");
    assert!(matches!(refused, WalError::Corrupt { offset, .. } if offset == 3 * BLOCK as u64), "{refused}");

    check_golden("log-1-damaged-header", &changed(&whole, |newest| newest[17] ^= 1));
    let refused = open_golden("log-1-damaged-header").expect_err("no segment lacks a header");
    assert!(matches!(refused, WalError::Corrupt { offset: 0, .. }), "{refused}");

    check_golden("log-2", &changed(&whole, |newest| newest[8] = 2));
    let refused = open_golden("log-2").expect_err("a newer build wrote it");
    assert!(matches!(refused, WalError::Newer { found: 2, .. }), "{refused}");
}

#[test]
fn identity_file() {
    let disk = FaultyDisk::new(1);
    let declarations = "[keyspace.orders]\nconsistency = \"linearizable\"\n".to_owned();
    let identity =
        Identity { cluster: ClusterId(0xc1), node: NodeId(0xa), name: "berlin-1".to_owned(), declarations };
    let mut dir = DataDir::open(&disk, Path::new("/data")).expect("an empty disk");
    dir.establish(&disk, &identity).expect("it is new");
    drop(dir);
    check_golden("identity-1", &files(&disk, "/data"));

    let golden = fs::read(fixtures("identity-1").join("identity")).expect("the fixture exists");
    let disk = FaultyDisk::new(2);
    disk.create_dir(Path::new("/data")).expect("an empty disk");
    disk.install(Path::new("/data/identity"), &golden);
    assert_eq!(DataDir::open(&disk, Path::new("/data")).expect("it is whole").identity(), Some(&identity));
}
