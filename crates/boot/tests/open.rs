//! What a node finds when it starts again, after its disk or a part of it was lost.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use quorate_boot::{
    Log, OpenError, Opened, OpenedGroup, Plan, RESTORED, RestoreError, open, open_ephemeral, restore,
};
use quorate_consensus::raft::{Config, Entry, HardState, LogWrite, Payload};
use quorate_kv::watch::HubOptions;
use quorate_kv::{Import, ImportError, KeyValue, Record};
use quorate_node::MachineInput;
use quorate_node::declaration::{DEFAULT_GROUP, Declarations};
use quorate_storage::disk::Survivors;
use quorate_storage::{DataDirError, Disk, FaultyDisk};
use quorate_table::{Engine, LaggingEngine, TableError};
use quorate_types::{ClusterId, LogIndex, NodeId, Revision, Term, Time};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DIR: &str = "/data";
const LOG_DIR: &str = "/data/log";
const SPACE: &str = "1";
const NOW: Time = Time(7_000_000_000);
const MEMBERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

fn plan(declarations: &Declarations) -> Plan<'_> {
    Plan {
        cluster: ClusterId(9),
        me: MEMBERS[0],
        name: "a",
        members: &MEMBERS,
        declarations,
        raft: Config::new(MEMBERS[0]),
        hub: HubOptions::default(),
        segment_bytes: 64 << 10,
    }
}

/// What of a node outlives its process.
struct Machinery {
    disk: FaultyDisk,
    tables: LaggingEngine,
}

impl Machinery {
    fn new(seed: u64) -> Self {
        Machinery { disk: FaultyDisk::new(seed), tables: LaggingEngine::new() }
    }

    fn open_as(&self, plan: &Plan<'_>) -> Result<Opened, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let engine: Arc<dyn Engine> = Arc::new(self.tables.clone());
        open(plan, &disk, Path::new(DIR), |_| Ok(engine), || NOW, || 3)
    }

    fn open(&self) -> Result<Opened, OpenError> {
        self.open_as(&plan(&Declarations::default()))
    }

    fn lose_power(&self, survivors: Survivors, commits: usize) {
        self.disk.power_cycle(survivors);
        self.tables.lose_power(|_| commits);
    }

    fn lose_log(&self) {
        for name in self.disk.list(Path::new(LOG_DIR)).unwrap() {
            self.disk.remove(&Path::new(LOG_DIR).join(name)).unwrap();
        }
        self.disk.sync_dir(Path::new(LOG_DIR)).unwrap();
    }
}

fn entries(from: u64, to: u64) -> Vec<Entry> {
    let entry = |index| Entry { term: Term(1), index: LogIndex(index), payload: Payload::NoOp };
    (from..=to).map(entry).collect()
}

fn append(log: &mut Log, from: u64, to: u64) {
    let hard_state = Some(HardState { term: Term(1), vote: Some(MEMBERS[1]) });
    let write = LogWrite { hard_state, entries: entries(from, to), ..LogWrite::default() };
    log.append(DEFAULT_GROUP, &write).unwrap();
}

/// Applies these entries, one commit each.
fn apply(group: &mut OpenedGroup, from: u64, to: u64) {
    for entry in entries(from, to) {
        group.machine.step(NOW, MachineInput::Apply { entries: vec![entry] }, &mut Vec::new()).unwrap();
    }
}

fn applied(opened: &Opened) -> u64 {
    opened.groups[0].machine.view().applied().0.0
}

/// Where log and machine of a new node begin: (term, vote, last index of the log, applied).
fn stands(opened: &Opened) -> (u64, Option<NodeId>, u64, u64) {
    let raft = opened.groups[0].group.raft();
    let HardState { term, vote } = raft.hard_state();
    assert_eq!(raft.applied().0, applied(opened), "the core knows where its machine stands");
    (term.0, vote, raft.last_index().0, applied(opened))
}

#[test]
fn a_new_node_goes_on_where_a_power_failure_left_it() {
    // Entries 1 to 4 are synced, 5 is not; applied are 1 to 4, persisted 1 to 2. So many later commits survive.
    for (commits, expect) in [(0, 2), (1, 3), (2, 4)] {
        let machinery = Machinery::new(commits as u64);
        let mut opened = machinery.open().unwrap();
        assert_eq!(stands(&opened), (0, None, 0, 0));
        let voters: Vec<NodeId> = opened.groups[0].configuration.voters().to_vec();
        assert_eq!(voters, MEMBERS);
        append(&mut opened.log, 1, 4);
        opened.log.sync().unwrap();
        append(&mut opened.log, 5, 5);
        apply(&mut opened.groups[0], 1, 2);
        opened.groups[0].machine.persist_handle().persist().unwrap();
        apply(&mut opened.groups[0], 3, 4);
        machinery.lose_power(Survivors::Random, commits);
        drop(opened);
        assert_eq!(stands(&machinery.open().unwrap()), (1, Some(MEMBERS[1]), 4, expect));
    }
}

#[test]
fn tables_that_are_ahead_of_the_log_reset_it_once_they_are_durable() {
    let machinery = Machinery::new(1);
    let mut opened = machinery.open().unwrap();
    append(&mut opened.log, 1, 2);
    opened.log.sync().unwrap();
    apply(&mut opened.groups[0], 1, 5);
    machinery.lose_power(Survivors::Nothing, 5);
    assert_eq!(machinery.tables.unsynced(SPACE), 0);
    // Only the process ends: the tables are as far as they were, and no more durable.
    let mut opened = machinery.open().unwrap();
    assert_eq!(stands(&opened), (1, Some(MEMBERS[1]), 5, 5));
    apply(&mut opened.groups[0], 6, 7);
    drop(opened);
    machinery.disk.kill_processes();
    machinery.tables.restart();
    assert_eq!(machinery.tables.unsynced(SPACE), 2);
    assert_eq!(stands(&machinery.open().unwrap()), (1, Some(MEMBERS[1]), 7, 7));
    machinery.lose_power(Survivors::Nothing, 0);
    assert_eq!(stands(&machinery.open().unwrap()), (1, Some(MEMBERS[1]), 7, 7));
}

#[test]
fn a_start_that_is_cut_short_can_be_made_again() {
    let operations = {
        let machinery = Machinery::new(0);
        machinery.open().unwrap();
        machinery.disk.operations()
    };
    assert!(operations > 10, "there is something to cut");
    for operation in 1..=operations {
        for survivors in [Survivors::Nothing, Survivors::Random, Survivors::Everything] {
            let machinery = Machinery::new(operation);
            machinery.disk.crash_at(operation);
            assert!(machinery.open().is_err());
            machinery.lose_power(survivors, 0);
            let opened = machinery.open();
            let opened = opened.unwrap_or_else(|error| panic!("cut at {operation}, {survivors:?}: {error}"));
            assert_eq!(stands(&opened), (0, None, 0, 0));
        }
    }
}

/// A node's disk with the entries 1 to 8, of which all are applied and persisted and those up to `floor` are compacted.
fn used(floor: u64) -> Machinery {
    let machinery = Machinery::new(5);
    let mut opened = machinery.open().unwrap();
    append(&mut opened.log, 1, 8);
    opened.log.sync().unwrap();
    apply(&mut opened.groups[0], 1, 8);
    opened.groups[0].machine.persist_handle().persist().unwrap();
    opened.log.compact(DEFAULT_GROUP, LogIndex(floor)).unwrap();
    opened.log.close().unwrap();
    machinery.disk.kill_processes();
    machinery.tables.restart();
    machinery
}

#[test]
fn what_is_missing_is_missed() {
    let missing_log = used(0);
    missing_log.lose_log();
    assert!(matches!(missing_log.open(), Err(OpenError::LogMissing { .. })));

    let everything_but_identity = used(0);
    everything_but_identity.lose_log();
    everything_but_identity.tables.wipe();
    assert!(
        matches!(everything_but_identity.open(), Err(OpenError::LogMissing { .. })),
        "a declared keyspace"
    );

    let old_tables = used(3);
    old_tables.tables.wipe();
    let Err(OpenError::TablesBehindLog { source, .. }) = old_tables.open() else {
        panic!("entries 1 to 3 are nowhere");
    };
    assert_eq!((source.applied, source.start), (LogIndex(0), LogIndex(3)));

    let whole_log = used(0);
    whole_log.tables.wipe();
    assert_eq!(stands(&whole_log.open().unwrap()), (1, Some(MEMBERS[1]), 8, 0), "the log holds everything");
}

#[test]
fn what_is_not_this_nodes_is_refused() {
    let machinery = used(0);
    let declarations = Declarations::default();
    let own = plan(&declarations);
    let refused = |plan: &Plan<'_>| match machinery.open_as(plan) {
        Err(OpenError::DataDir(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    let other_node = Plan { me: MEMBERS[1], name: "b", ..own.clone() };
    assert!(matches!(refused(&other_node), DataDirError::OtherNode { .. }));
    let other_cluster = Plan { cluster: ClusterId(8), ..own.clone() };
    assert!(matches!(refused(&other_cluster), DataDirError::OtherCluster { .. }));
    let opened = machinery.open().unwrap();
    assert!(matches!(refused(&own), DataDirError::InUse { .. }));
    drop(opened);

    let more = Declarations::parse("[[keyspace]]\nname = \"extra\"\nlevel = \"linearizable\"\n").unwrap();
    assert_eq!(machinery.open_as(&plan(&more)).unwrap().groups.len(), 2, "a new keyspace begins empty");
    let Err(OpenError::DeclarationChanged { was }) = machinery.open() else {
        panic!("a keyspace with data is not declared any more");
    };
    assert!(was.starts_with("extra "), "{was}");
    assert!(machinery.open_as(&plan(&more)).is_ok(), "refusals change nothing");
}

#[test]
fn tables_that_cannot_be_opened_and_timings_that_make_no_sense_are_named() {
    let machinery = used(0);
    let declarations = Declarations::default();
    let disk: Arc<dyn Disk> = Arc::new(machinery.disk.clone());
    let no_tables = open(
        &plan(&declarations),
        &disk,
        Path::new(DIR),
        |dir| {
            assert_eq!(dir, Path::new("/data/tables"));
            Err(TableError::Full)
        },
        || NOW,
        || 3,
    );
    assert!(matches!(no_tables, Err(OpenError::Tables { source: TableError::Full, .. })));
    let mut mad = plan(&declarations);
    mad.raft.heartbeat_interval = Duration::from_secs(10);
    assert!(matches!(machinery.open_as(&mad), Err(OpenError::Timing(_))));
    assert!(matches!(open_ephemeral(&mad, || NOW, || 3), Err(OpenError::Timing(_))));
}

#[test]
fn an_ephemeral_node_begins_anew() {
    let declarations = Declarations::default();
    let mut opened = open_ephemeral(&plan(&declarations), || NOW, || 3).unwrap();
    append(&mut opened.log, 1, 2);
    assert_eq!(opened.log.sync().unwrap(), 0, "its log keeps nothing");
    apply(&mut opened.groups[0], 1, 2);
    assert!(opened.data_dir.is_none());
    assert_eq!(stands(&open_ephemeral(&plan(&declarations), || NOW, || 3).unwrap()), (0, None, 0, 0));
}

/// Restores a store with one key; with `fails`, filling it fails after a part.
fn restored(machinery: &Machinery, fails: bool) -> Result<(), RestoreError<ImportError>> {
    let disk: Arc<dyn Disk> = Arc::new(machinery.disk.clone());
    let engine: Arc<dyn Engine> = Arc::new(machinery.tables.clone());
    let pair = |key: &str| KeyValue {
        key: key.to_owned().into(),
        create_revision: Revision(5),
        mod_revision: Revision(5),
        version: 1,
        ..KeyValue::default()
    };
    let fill = |tables| {
        let mut import = Import::new(tables, Revision(0))?;
        import.add(Record::Put(pair("key")))?;
        if fails {
            import.add(Record::Put(pair("")))?;
        }
        Ok((import.finish(RESTORED.0, RESTORED.1)?, ()))
    };
    restore(&plan(&Declarations::default()), &disk, Path::new(DIR), |_| Ok(engine), fill)
}

#[test]
fn a_restored_directory_is_a_nodes() {
    let machinery = Machinery::new(1);
    restored(&machinery, false).unwrap();
    assert!(matches!(restored(&machinery, false), Err(RestoreError::HasData { .. })));
    machinery.lose_power(Survivors::Nothing, 0);
    let opened = machinery.open().unwrap();
    let group = &opened.groups[0];
    assert_eq!(group.machine.view().revision(), Revision(5));
    assert_eq!(group.machine.view().applied(), RESTORED);
    assert_eq!(group.configuration.voters(), MEMBERS);
    drop(opened);
    // It can be given more keyspaces, which begin empty.
    let more = Declarations::parse("[[keyspace]]\nname = \"more\"\nlevel = \"sequential\"").unwrap();
    let opened = machinery.open_as(&plan(&more)).unwrap();
    let revisions: Vec<_> = opened.groups.iter().map(|group| group.machine.view().revision().0).collect();
    assert_eq!(revisions, [5, 1]);
}

#[test]
fn what_was_restored_in_part_is_not_started() {
    let machinery = Machinery::new(1);
    assert!(matches!(restored(&machinery, true), Err(RestoreError::Fill(ImportError::Record { .. }))));
    machinery.disk.create_dir(Path::new("/data/tables")).unwrap();
    assert!(matches!(machinery.open(), Err(OpenError::DataDir(DataDirError::Foreign { .. }))));
}
