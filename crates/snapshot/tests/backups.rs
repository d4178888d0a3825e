//! A store becomes a file and a store again; etcd's own file becomes a store.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use quorate_kv::{
    Command, DeleteRequest, Event, History, KeyRange, KeyValue, Kv, Operation, PutRequest, RangeRequest,
    Stamped, TxnRequest, View, verify,
};
use quorate_snapshot::{
    Backup, BackupError, BackupStatus, ExportError, FillError, Filled, LEASE_OF_UNKNOWN_TTL_S, Origin, export,
};
use quorate_table::MemoryTables;
use quorate_types::{Bytes, LeaseId, LogIndex, Revision, Rng, Term};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

const LAST: (LogIndex, Term) = (LogIndex(1), Term(1));
const NS_PER_S: u64 = 1_000_000_000;

/// Saved by etcdctl 3.5.1 from etcd 3.5.1, compacted at 9.
fn of_etcd() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bolt/fixtures/etcd-3.5.1.snapshot")
}

fn fill(backup: &Backup, upto: Option<i64>) -> Result<(Kv, Filled), FillError> {
    backup.fill(Box::new(MemoryTables::new()), upto.map(Revision), LAST)
}

fn pairs_at(view: &View, revision: i64) -> Vec<KeyValue> {
    let request = RangeRequest { range: KeyRange::prefix(b""), revision, ..RangeRequest::default() };
    view.range(&request).unwrap().kvs
}

fn events(view: &View) -> Vec<Event> {
    let mut events = Vec::new();
    view.events(view.compacted(), usize::MAX, usize::MAX, &mut events).unwrap();
    events
}

/// Exports a view into a file that has a name.
fn saved(view: &View, now_ns: u64, dir: &Path) -> Backup {
    let mut exported = export(view, now_ns, dir, &|| true).unwrap();
    let mut bytes = Vec::new();
    exported.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, exported.len_bytes);
    let path = dir.join("db");
    fs::write(&path, bytes).unwrap();
    Backup::open(&path, true).unwrap()
}

fn apply(kv: &mut Kv, command: Command) {
    let (index, term) = kv.applied();
    let command = Stamped { cluster_time_ns: 0, command };
    // Refusals are fine: what matters is what is there afterwards.
    let _ = kv.apply(index.next(), term, Some(&command)).unwrap();
}

fn put(key: String, value: Vec<u8>, lease: Option<LeaseId>) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), lease, ..PutRequest::default() }
}

/// A store with some of everything; compacted now and then if `compacts`.
fn store(seed: u64, writes: u64, compacts: bool) -> Kv {
    let mut rng = Rng::new(seed);
    let mut kv = Kv::open(Box::new(MemoryTables::new())).unwrap();
    for id in [-5, 3, 1 << 40] {
        apply(&mut kv, Command::LeaseGrant { id: LeaseId(id), ttl_s: 100 });
    }
    for _ in 0..writes {
        let key = format!("key/{}", rng.next_u64() % 40);
        let value =
            vec![7; (rng.next_u64() % 60) as usize * if rng.next_u64().is_multiple_of(16) { 200 } else { 1 }];
        let command = match rng.next_u64() % 16 {
            0 => Command::Delete(DeleteRequest { range: KeyRange::one(Bytes::from(key)), prev_kv: false }),
            1 => Command::Delete(DeleteRequest { range: KeyRange::prefix(b"key/1"), prev_kv: false }),
            2 => Command::Put(put(key, value, Some(LeaseId(3)))),
            3 if rng.next_u64().is_multiple_of(9) => Command::LeaseRevoke { id: LeaseId(-5) },
            4 if compacts => {
                Command::Compact { revision: Revision(kv.revision().0 - (rng.next_u64() % 20) as i64) }
            }
            5 => {
                let puts =
                    (0..5).map(|n| Operation::Put(put(format!("txn/{n}"), value.clone(), Some(LeaseId(-5)))));
                Command::Txn(TxnRequest { success: puts.collect(), ..TxnRequest::default() })
            }
            _ => Command::Put(put(key, value, None)),
        };
        apply(&mut kv, command);
    }
    kv.commit().unwrap();
    kv
}

#[test]
fn a_store_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    for (seed, writes, compacts) in
        [(1, 0, false), (2, 3, false), (3, 900, false), (4, 900, true), (5, 80, true)]
    {
        println!("seed {seed}");
        let was = store(seed, writes, compacts).view();
        let backup = saved(&was, 40 * NS_PER_S, dir.path());
        assert_eq!(
            (backup.revision().unwrap(), backup.compacted().unwrap()),
            (was.revision(), was.compacted())
        );
        let (kv, filled) = fill(&backup, None).unwrap();
        let is = kv.view();
        verify(&is).unwrap();
        assert_eq!(
            (filled.keys, filled.leases, filled.unknown_leases),
            (was.key_count(), was.leases().len(), 0)
        );
        assert_eq!((is.revision(), is.compacted()), (was.revision(), was.compacted()));
        for revision in was.compacted().0.max(1)..=was.revision().0 {
            assert_eq!(pairs_at(&is, revision), pairs_at(&was, revision), "at {revision}");
        }
        assert_eq!(events(&is), events(&was));
        for id in was.leases() {
            let (before, after) = (was.lease(id, true, 40 * NS_PER_S), is.lease(id, true, 0));
            assert_eq!(after.unwrap(), before.unwrap());
        }
        // Nothing depends on where or when it was written, so a second generation is the same file.
        let again = saved(&is, 0, dir.path());
        assert_eq!(again.status().unwrap().revision, if writes == 0 { 0 } else { was.revision().0 });
        let older = was.compacted().0.max(1) + (was.revision().0 - was.compacted().0.max(1)) / 2;
        let (kv, filled) = fill(&again, Some(older)).unwrap();
        verify(&kv.view()).unwrap();
        assert_eq!(filled.revision.0, older);
        assert_eq!(pairs_at(&kv.view(), 0), pairs_at(&was, older));
    }
}

#[test]
fn a_snapshot_of_etcd_is_understood() {
    let backup = Backup::open(&of_etcd(), false).unwrap();
    assert_eq!(backup.origin(), Origin::Snapshot);
    // As `etcdctl snapshot status` tells it.
    let expect = BackupStatus {
        hash: 3_771_745_186,
        revision: 73,
        total_keys: 78,
        total_len_bytes: 49_152,
        version: None,
    };
    assert_eq!(backup.status().unwrap(), expect);
    let (kv, filled) = fill(&backup, None).unwrap();
    let (revision, compacted) = (Revision(73), Revision(9));
    assert_eq!(filled, Filled { revision, compacted, keys: 65, leases: 1, unknown_leases: 0 });
    let view = kv.view();
    verify(&view).unwrap();
    let apple = pairs_at(&view, 0).into_iter().find(|pair| pair.key == "fruit/apple").unwrap();
    let expect = KeyValue {
        key: "fruit/apple".into(),
        value: "eaten".into(),
        create_revision: Revision(3),
        mod_revision: Revision(13),
        version: 4,
        lease: None,
    };
    assert_eq!(apple, expect);
    let lease = view.lease(view.leases()[0], true, 0).unwrap().unwrap();
    assert_eq!(
        (lease.granted_ttl_s, lease.remaining_ttl_s, lease.keys),
        (600, 600, vec!["session/one".into()])
    );
}

#[test]
fn a_snapshot_is_restored_at_a_revision_that_it_still_has() {
    let backup = Backup::open(&of_etcd(), false).unwrap();
    let keys_at = |upto| {
        let (kv, filled) = fill(&backup, Some(upto)).unwrap();
        verify(&kv.view()).unwrap();
        assert_eq!(filled.revision, Revision(upto));
        let text = |bytes: &Bytes| String::from_utf8(bytes[..bytes.len().min(6)].to_vec()).unwrap();
        let pairs = pairs_at(&kv.view(), 0);
        pairs.iter().map(|pair| text(&pair.key) + "=" + &text(&pair.value)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys_at(9), "both/a=1 both/b=2 fruit/=green sessio=here");
    assert_eq!(keys_at(11), "both/a=1 both/b=2 fruit/=ripe large=vvvvvv sessio=here");
    assert_eq!(keys_at(12), "both/b=2 fruit/=ripe large=vvvvvv sessio=here");
    for asked in [-1, 0, 8, 74, i64::MAX] {
        let refused = fill(&backup, Some(asked)).unwrap_err().to_string();
        let expect = format!("revision {asked} is not in the backup: it holds revisions 9 to 73");
        assert_eq!(refused, expect);
    }
}

#[test]
fn keys_whose_lease_ended_later_get_one_again() {
    let mut kv = Kv::open(Box::new(MemoryTables::new())).unwrap();
    apply(&mut kv, Command::LeaseGrant { id: LeaseId(5), ttl_s: 100 });
    apply(&mut kv, Command::Put(put("held".to_owned(), vec![1], Some(LeaseId(5)))));
    apply(&mut kv, Command::LeaseRevoke { id: LeaseId(5) });
    let view = kv.commit().unwrap().view;
    let dir = tempfile::tempdir().unwrap();
    let backup = saved(&view, 0, dir.path());
    let (kv, filled) = fill(&backup, Some(2)).unwrap();
    assert_eq!((filled.keys, filled.leases, filled.unknown_leases), (1, 1, 1));
    verify(&kv.view()).unwrap();
    let lease = kv.view().lease(LeaseId(5), true, 0).unwrap().unwrap();
    assert_eq!((lease.remaining_ttl_s, lease.keys), (LEASE_OF_UNKNOWN_TTL_S, vec!["held".into()]));
}

#[test]
fn an_export_that_nobody_wants_stops() {
    let view = store(9, 100, true).view();
    let stopped = export(&view, 0, &std::env::temp_dir(), &|| false).unwrap_err();
    assert!(matches!(stopped, ExportError::Unwanted));
}

#[test]
fn what_is_no_backup_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let open = |bytes: &[u8], skip| {
        fs::write(&path, bytes).unwrap();
        Backup::open(&path, skip).err()
    };
    let whole = fs::read(of_etcd()).unwrap();
    assert!(open(&whole, false).is_none());
    assert!(open(&whole, true).is_none());
    assert!(open(&whole[..whole.len() - 32], true).is_none());
    assert!(matches!(open(&whole[..whole.len() - 32], false), Some(BackupError::NoSum { .. })));
    assert!(matches!(open(&whole[..whole.len() - 512], false), Some(BackupError::WrongSum { .. })));
    assert!(matches!(open(&whole[..whole.len() / 2], true), Some(BackupError::Database { .. })));
    assert!(matches!(open(b"", false), Some(BackupError::NoSum { .. })));
    assert!(matches!(open(b"", true), Some(BackupError::Database { .. })));
    let mut changed = whole;
    changed[20_000] ^= 1;
    assert!(matches!(open(&changed, false), Some(BackupError::WrongSum { .. })));
    assert!(matches!(Backup::open(dir.path(), false), Err(BackupError::NoDatabase { .. })));
    assert!(matches!(Backup::open(&dir.path().join("none"), false), Err(BackupError::Unreadable { .. })));
}

#[test]
fn a_data_directory_is_taken_unless_it_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("member/snap/db");
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    let whole = fs::read(of_etcd()).unwrap();
    // A data directory's file has no checksum, and more room than it uses.
    fs::write(&database, [&whole[..whole.len() - 32], &[0; 8192]].concat()).unwrap();
    let backup = Backup::open(dir.path(), false).unwrap();
    assert_eq!((backup.origin(), fill(&backup, None).unwrap().1.keys), (Origin::DataDir, 65));
    let running = fs::File::open(&database).unwrap();
    drop(backup);
    running.lock().unwrap();
    assert!(matches!(Backup::open(dir.path(), false), Err(BackupError::InUse { .. })));
}

#[test]
fn a_damaged_database_becomes_a_store_or_an_error() {
    let whole = fs::read(of_etcd()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut rng = Rng::new(17);
    for _ in 0..300 {
        let mut changed = whole.clone();
        for _ in 0..3 {
            let at = rng.next_u64() as usize % (whole.len() - 8192) + 8192;
            changed[at] = rng.next_u64() as u8;
        }
        fs::write(&path, &changed).unwrap();
        let Ok(backup) = Backup::open(&path, true) else { continue };
        let _ = backup.status();
        if let Ok((kv, _)) = fill(&backup, None) {
            verify(&kv.view()).unwrap();
        }
    }
}
