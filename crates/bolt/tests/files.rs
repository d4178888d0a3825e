//! What is written is read back; etcd's own file is read; damaged files give errors and nothing worse.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use proptest::prelude::*;
use quorate_bolt::{Database, Entry, PAGE_LEN_BYTES, ReadError, Value, WriteError, Writer};
use std::collections::BTreeMap;
use std::io::Cursor;

/// A snapshot that etcdctl 3.5.1 saved from etcd 3.5.1; a checksum stands behind its pages.
const OF_ETCD: &[u8] = include_bytes!("../fixtures/etcd-3.5.1.snapshot");
const SUM_LEN_BYTES: usize = 32;

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;
type Buckets = BTreeMap<Vec<u8>, Pairs>;

fn written(buckets: &Buckets) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
    for (name, pairs) in buckets {
        writer.begin_bucket(name).unwrap();
        for (key, value) in pairs {
            writer.put(key, value).unwrap();
        }
    }
    let (out, len_bytes) = writer.finish().unwrap();
    assert_eq!(out.get_ref().len() as u64, len_bytes);
    assert_eq!(len_bytes as usize % PAGE_LEN_BYTES, 0);
    out.into_inner()
}

/// All buckets of the root bucket with their pairs.
fn read(file: &[u8]) -> Result<Buckets, ReadError> {
    let database = Database::open(file)?;
    let mut buckets = Buckets::new();
    for entry in database.root().entries() {
        let Entry { key: name, value } = entry?;
        let mut pairs = Pairs::new();
        if let Value::Bucket(bucket) = value {
            for entry in bucket.entries() {
                let Entry { key, value } = entry?;
                if let Value::Bytes(value) = value {
                    pairs.insert(key, value);
                }
            }
        }
        buckets.insert(name, pairs);
    }
    Ok(buckets)
}

fn check(buckets: &Buckets) {
    assert!(read(&written(buckets)).unwrap() == *buckets);
}

fn named(pairs: Pairs) -> Buckets {
    Buckets::from([(b"bucket".to_vec(), pairs)])
}

#[test]
fn trees_of_every_height_come_back() {
    check(&Buckets::new());
    check(&named(Pairs::new()));
    for count in [1, 20, 100, 200, 10_000, 40_000_u32] {
        check(&named((0..count).map(|n| (n.to_be_bytes().to_vec(), vec![n as u8; 20])).collect()));
    }
    let long_keys =
        (0..20_u8).map(|n| (vec![n; 3000 * usize::from(n) + 1].into_iter().take(32_768).collect(), vec![n]));
    check(&named(long_keys.collect()));
    let long_values =
        (0..9_u8).map(|n| (vec![n], vec![n; PAGE_LEN_BYTES * usize::from(n) - usize::from(n > 3) * 48]));
    check(&named(long_values.collect()));
    let many_buckets =
        (0..900_u32).map(|n| (n.to_be_bytes().to_vec(), Pairs::from([(vec![1], vec![2; 600])])));
    check(&many_buckets.collect());
}

#[test]
fn what_a_file_cannot_hold_is_refused() {
    let mut writer = Writer::new(Cursor::new(Vec::new())).unwrap();
    writer.begin_bucket(b"b").unwrap();
    writer.put(b"k", b"v").unwrap();
    assert!(matches!(writer.put(b"k", b"v"), Err(WriteError::OutOfOrder)));
    assert!(matches!(writer.put(b"a", b"v"), Err(WriteError::OutOfOrder)));
    assert!(matches!(writer.put(b"", b"v"), Err(WriteError::Length { .. })));
    assert!(matches!(writer.put(&[b'l'; 40_000], b"v"), Err(WriteError::Length { .. })));
    assert!(matches!(writer.begin_bucket(b"a"), Ok(()) | Err(WriteError::OutOfOrder)));
    assert!(matches!(writer.begin_bucket(b"b"), Err(WriteError::OutOfOrder)));
}

#[test]
fn a_file_of_etcd_is_read() {
    let buckets = read(OF_ETCD).unwrap();
    let names: Vec<_> = buckets.keys().map(|name| std::str::from_utf8(name).unwrap()).collect();
    let expect = [
        "alarm",
        "auth",
        "authRoles",
        "authUsers",
        "cluster",
        "key",
        "lease",
        "members",
        "members_removed",
        "meta",
    ];
    assert_eq!(names, expect);
    let keys = &buckets[&b"key"[..]];
    assert!(keys.keys().all(|key| (17..=18).contains(&key.len()) && key[8] == b'_'));
    assert_eq!(keys.last_key_value().unwrap().0[..8], 73_u64.to_be_bytes());
    assert!(keys.values().any(|value| value.len() > 2 * PAGE_LEN_BYTES), "a value that goes over pages");
    assert_eq!(buckets[&b"lease"[..]].len(), 1);
    check(&buckets);
}

#[test]
fn the_older_meta_serves_where_the_newer_is_damaged() {
    let buckets = named(Pairs::from([(vec![1], vec![2])]));
    let whole = written(&buckets);
    for page in [0, 1] {
        let mut file = whole.clone();
        file[page * PAGE_LEN_BYTES + 20] ^= 1;
        assert!(read(&file).unwrap() == buckets);
        file[(1 - page) * PAGE_LEN_BYTES + 20] ^= 1;
        assert!(matches!(read(&file), Err(ReadError::NoMeta)));
    }
}

#[test]
fn what_is_no_file_is_refused() {
    for len in [0, 1, 79, 80, PAGE_LEN_BYTES, 10 * PAGE_LEN_BYTES] {
        assert!(matches!(read(&vec![0; len]), Err(ReadError::NoMeta)));
    }
    let cut = &OF_ETCD[..OF_ETCD.len() - SUM_LEN_BYTES - 1];
    assert!(matches!(read(cut), Err(ReadError::Damaged { .. })));
}

#[test]
fn a_page_that_is_its_own_child_ends_in_an_error() {
    let pairs: Pairs = (0..30_000_u32).map(|n| (n.to_be_bytes().to_vec(), vec![0; 20])).collect();
    let file = written(&named(pairs));
    let pages = file.len() / PAGE_LEN_BYTES;
    let is_branch = |page: &usize| file[page * PAGE_LEN_BYTES + 8] == 1;
    let branches: Vec<usize> = (3..pages).filter(is_branch).collect();
    assert!(branches.len() > 1);
    for branch in branches {
        let mut circle = file.clone();
        let child = branch * PAGE_LEN_BYTES + 16 + 8;
        circle[child..child + 8].copy_from_slice(&(branch as u64).to_le_bytes());
        assert!(matches!(read(&circle), Err(ReadError::Damaged { .. })));
    }
}

fn buckets() -> impl Strategy<Value = Buckets> {
    let key = prop::collection::vec(any::<u8>(), 1..40);
    let value_len = prop_oneof![20 => 0..60_usize, 3 => 900..5000_usize, 1 => 8000..20_000_usize];
    let value = (any::<u8>(), value_len).prop_map(|(byte, len)| vec![byte; len]);
    let pairs = prop::collection::btree_map(key.clone(), value, 0..120);
    prop::collection::btree_map(key, pairs, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_buckets_come_back(buckets in buckets()) {
        prop_assert!(read(&written(&buckets)).unwrap() == buckets);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        changes in prop::collection::vec((0..OF_ETCD.len(), any::<u8>()), 1..8),
        near_headers in prop::collection::vec((2..12_usize, 0..64_usize, any::<u8>()), 0..8),
        len in OF_ETCD.len() / 2..=OF_ETCD.len(),
    ) {
        let mut file = OF_ETCD.to_vec();
        for (at, byte) in changes {
            file[at] = byte;
        }
        for (page, at, byte) in near_headers {
            file[page * PAGE_LEN_BYTES + at] = byte;
        }
        // Whatever it is, reading it ends.
        let _ = read(&file);
        let _ = read(&file[..len]);
    }
}
