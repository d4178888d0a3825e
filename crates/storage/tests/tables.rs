//! Tables on disk against tables in memory, and against crashes.

use proptest::prelude::*;
use quorate_storage::{FjallEngine, TableOptions};
use quorate_table::{
    Batch, Direction, Engine, MemoryEngine, Read, Row, Snapshot, TableError, TableId, Tables,
};
use quorate_types::Bytes;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const SPACE: &str = "orders";
const TABLE_A: TableId = TableId(1);
const TABLE_B: TableId = TableId(200);

/// Memtables so small that rows soon lie in files.
fn options() -> TableOptions {
    TableOptions { memtable_bytes: 2048, cache_bytes: 1 << 20, ..TableOptions::default() }
}

fn engine(dir: &Path) -> FjallEngine {
    FjallEngine::new(dir, options()).expect("a fresh directory")
}

fn rows(read: &(impl Read + ?Sized), table: TableId) -> Vec<Row> {
    let all = read.range(table, Bound::Unbounded, Bound::Unbounded, Direction::Forward);
    all.collect::<Result<_, _>>().expect("rows are readable")
}

fn put(tables: &mut dyn Tables, table: TableId, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(table, Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    tables.commit(batch).expect("the disk works");
}

fn get(read: &(impl Read + ?Sized), key: &str) -> Option<Bytes> {
    read.get(TABLE_A, key.as_bytes()).expect("rows are readable")
}

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<(bool, Vec<u8>, Option<Vec<u8>>)>),
    Get(bool, Vec<u8>),
    Range(bool, Bound<Vec<u8>>, Bound<Vec<u8>>, bool),
    Snapshot,
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(b'a'..b'd', 1..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn op() -> impl Strategy<Value = Op> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..200));
    prop_oneof![
        8 => prop::collection::vec((any::<bool>(), key(), value), 1..12).prop_map(Op::Commit),
        4 => (any::<bool>(), key()).prop_map(|(table, key)| Op::Get(table, key)),
        8 => (any::<bool>(), bound(), bound(), any::<bool>()).prop_map(|(t, from, to, d)| Op::Range(t, from, to, d)),
        2 => Just(Op::Snapshot),
        1 => Just(Op::Reopen),
    ]
}

fn table(second: bool) -> TableId {
    if second { TABLE_B } else { TABLE_A }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn same_answer(
    ours: &(impl Read + ?Sized),
    model: &(impl Read + ?Sized),
    op: &Op,
) -> Result<(), TestCaseError> {
    match op {
        Op::Get(second, key) => {
            let answer =
                |read: &dyn Fn() -> Result<Option<Bytes>, TableError>| read().expect("rows are readable");
            let found = answer(&|| ours.get(table(*second), key));
            prop_assert_eq!(found, answer(&|| model.get(table(*second), key)));
        }
        Op::Range(second, from, to, backward) => {
            let direction = if *backward { Direction::Backward } else { Direction::Forward };
            let found: Result<Vec<Row>, _> =
                ours.range(table(*second), as_slice(from), as_slice(to), direction).collect();
            let expect: Result<Vec<Row>, _> =
                model.range(table(*second), as_slice(from), as_slice(to), direction).collect();
            prop_assert_eq!(found.expect("rows are readable"), expect.expect("memory is readable"));
        }
        Op::Commit(_) | Op::Snapshot | Op::Reopen => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn equal_to_memory(ops in prop::collection::vec(op(), 1..80)) {
        let dir = TempDir::new().expect("a directory");
        let (ours_engine, model_engine) = (engine(dir.path()), MemoryEngine::new());
        let mut ours = ours_engine.open(SPACE).expect("a new space");
        let mut model = model_engine.open(SPACE).expect("memory");
        let mut snapshots: Vec<(Arc<dyn Snapshot>, Arc<dyn Snapshot>)> = Vec::new();
        for op in &ops {
            match op {
                Op::Commit(changes) => {
                    let mut batch = Batch::new();
                    for (second, key, value) in changes {
                        let key = Bytes::copy_from_slice(key);
                        match value {
                            Some(value) => batch.put(table(*second), key, Bytes::copy_from_slice(value)),
                            None => batch.delete(table(*second), key),
                        }
                    }
                    ours.commit(batch.clone()).expect("the disk works");
                    model.commit(batch).expect("memory");
                }
                Op::Snapshot => snapshots.push((ours.snapshot(), model.snapshot())),
                Op::Reopen => {
                    snapshots.clear();
                    drop(ours);
                    ours = ours_engine.open(SPACE).expect("it is there");
                }
                Op::Get(..) | Op::Range(..) => {}
            }
            same_answer(ours.as_ref(), model.as_ref(), op)?;
            for (ours, model) in &snapshots {
                same_answer(ours.as_ref(), model.as_ref(), op)?;
            }
        }
        prop_assert!(ours.len_bytes() > 0);
    }
}

#[test]
fn a_promoted_generation_replaces_the_old_one_and_its_readers_read_on() {
    let dir = TempDir::new().expect("a directory");
    let engine = engine(dir.path());
    let mut old = engine.open(SPACE).expect("a new space");
    put(old.as_mut(), TABLE_A, "k", "old");
    let snapshot = old.snapshot();
    let mut staged = engine.stage(SPACE).expect("room beside it");
    put(staged.as_mut(), TABLE_A, "k", "thrown away");
    let mut staged = {
        drop(staged);
        engine.stage(SPACE).expect("again")
    };
    assert_eq!(rows(staged.as_ref(), TABLE_A), [], "a new stage is empty");
    put(staged.as_mut(), TABLE_A, "k", "new");
    assert_eq!(get(old.as_ref(), "k").as_deref(), Some(&b"old"[..]));
    let new = engine.promote(SPACE, staged).expect("the disk works");
    drop(old);
    assert_eq!(get(new.as_ref(), "k").as_deref(), Some(&b"new"[..]));
    assert_eq!(get(snapshot.as_ref(), "k").as_deref(), Some(&b"old"[..]), "as long as it is kept");
    assert_eq!(generations(dir.path()), ["1", "3"]);
    drop(snapshot);
    assert_eq!(generations(dir.path()), ["3"]);
    drop(new);
    assert_eq!(get(engine.open(SPACE).expect("it is there").as_ref(), "k").as_deref(), Some(&b"new"[..]));
}

fn generations(root: &Path) -> Vec<String> {
    let names =
        fs::read_dir(root.join(SPACE)).expect("the space").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> =
        names.filter_map(|name| name.into_string().ok()).filter(|name| name.parse::<u64>().is_ok()).collect();
    names.sort_unstable();
    names
}

#[test]
fn open_tables_cannot_be_opened_again() {
    let dir = TempDir::new().expect("a directory");
    let engine = engine(dir.path());
    let first = engine.open(SPACE).expect("a new space");
    let refused = engine.open(SPACE).err().expect("it is open").to_string();
    assert!(refused.contains("open already"), "{refused}");
    drop(first);
    assert!(engine.open(SPACE).is_ok());
}

/// What a crash at each point of `open`, `stage` and `promote` leaves, and what is found then.
#[test]
fn a_crash_while_generations_change_leaves_the_old_or_the_new_one() {
    let check = |what: &str, crash: &dyn Fn(&Path), expect: &str| {
        let dir = TempDir::new().expect("a directory");
        {
            let engine = engine(dir.path());
            put(engine.open(SPACE).expect("a new space").as_mut(), TABLE_A, "k", "old");
        }
        crash(&dir.path().join(SPACE));
        let engine = engine(dir.path());
        let tables = engine.open(SPACE).unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = get(tables.as_ref(), "k").map(|value| String::from_utf8_lossy(&value).into_owned());
        assert_eq!(found.unwrap_or_default(), expect, "{what}");
        assert_eq!(generations(dir.path()).len(), 1, "{what}: nothing is left over");
    };
    // A complete database of one row, as a staged generation would be.
    let staged = |space: &Path| {
        let beside = TempDir::new().expect("a directory");
        let engine = engine(beside.path());
        put(engine.open(SPACE).expect("a new space").as_mut(), TABLE_A, "k", "new");
        drop(engine);
        fs::rename(beside.path().join(SPACE).join("1"), space.join("2")).expect("the same file system");
    };
    let current =
        |space: &Path, name: &str, content: &str| fs::write(space.join(name), content).expect("room");
    check("nothing happened", &|_| {}, "old");
    check("a staged directory was made", &|space| fs::create_dir(space.join("2")).expect("room"), "old");
    check("it was filled", &staged, "old");
    check(
        "CURRENT was being written",
        &|space| {
            staged(space);
            current(space, "CURRENT.new", "2");
        },
        "old",
    );
    check(
        "CURRENT was written",
        &|space| {
            staged(space);
            current(space, "CURRENT", "2\n");
        },
        "new",
    );
    let half_made = |space: &Path| {
        fs::remove_file(space.join("CURRENT")).expect("it is there");
        fs::remove_dir_all(space.join("1")).expect("it is there");
        fs::create_dir(space.join("1")).expect("room");
        fs::write(space.join("1").join("0.jnl"), b"half").expect("room");
    };
    check("the first start was cut short", &half_made, "");
}

#[test]
fn a_damaged_current_file_is_refused() {
    for content in ["", "x\n", "0\n", "1", "7\n"] {
        let dir = TempDir::new().expect("a directory");
        let engine = engine(dir.path());
        drop(engine.open(SPACE).expect("a new space"));
        fs::write(dir.path().join(SPACE).join("CURRENT"), content).expect("room");
        let refused = engine.open(SPACE).err();
        assert!(matches!(refused, Some(TableError::Corrupt { .. })), "{content:?}: {refused:?}");
    }
}

/// Cuts the journal at many places, as a power failure may: of the commits a prefix survives, each whole.
#[test]
fn batches_survive_whole_and_in_order() {
    const COMMITS: u32 = 60;
    let dir = TempDir::new().expect("a directory");
    let roomy = TableOptions { memtable_bytes: 1 << 20, ..options() };
    let engine = FjallEngine::new(dir.path(), roomy).expect("a fresh directory");
    let mut tables = engine.open(SPACE).expect("a new space");
    for number in 1..=COMMITS {
        let mut batch = Batch::new();
        for table in [TABLE_A, TABLE_B] {
            batch.put(table, Bytes::from_static(b"last"), Bytes::from(vec![number as u8; 50]));
        }
        tables.commit(batch).expect("the disk works");
    }
    tables.persist_handle().persist().expect("the disk works");
    let journal = Path::new(SPACE).join("1").join("0.jnl");
    let whole = fs::read(dir.path().join(&journal)).expect("there is one journal");
    let end = whole.iter().rposition(|byte| *byte != 0).expect("it is not empty") + 1;
    let mut seen = std::collections::BTreeSet::new();
    drop(tables);
    for cut in (0..=end).step_by(211) {
        let crashed = TempDir::new().expect("a directory");
        copy_dir_without_journals(dir.path(), crashed.path());
        fs::write(crashed.path().join(&journal), &whole[..cut]).expect("room");
        let engine = FjallEngine::new(crashed.path(), roomy).expect("it is there");
        let tables = engine.open(SPACE).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let last = |table| {
            tables.get(table, b"last").expect("rows are readable").map_or(0, |value| u32::from(value[0]))
        };
        assert_eq!(last(TABLE_A), last(TABLE_B), "cut at {cut}: a batch is whole");
        seen.insert(last(TABLE_A));
    }
    assert!(seen.len() > 20, "the cuts met many commits: {seen:?}");
}

fn copy_dir_without_journals(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("room");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy_dir_without_journals(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|extension| extension != "jnl") {
            fs::copy(entry.path(), target).expect("room");
        }
    }
}
