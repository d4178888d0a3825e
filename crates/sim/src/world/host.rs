//! One host: a node with its disk and its clock, which outlive it, and its threads, as queues of work.

use crate::scenario::Settings;
use crate::world::clock::HostClock;
use crate::world::event::{Event, LogJob};
use quorate_boot::{Log, OpenError, Opened, OpenedGroup, Plan};
use quorate_consensus::raft::{Configuration, HardState, LogWrite, SnapshotMeta};
use quorate_kv::watch::{HubOptions, StreamId};
use quorate_kv::{Kv, View};
use quorate_node::declaration::{DEFAULT_GROUP, Declarations};
use quorate_node::{Machine, MachineInput, Node, ReadRequest, SnapshotReader, WriteRequest};
use quorate_storage::{DataDir, Disk, FaultyDisk};
use quorate_table::{Engine, LaggingEngine, Persist};
use quorate_types::{ClusterId, LogIndex, NodeId, Rng, Term, Time};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where a node's data lies on its disk.
pub const DATA_DIR: &str = "/data";
/// The tables' name in their engine, as the node's opening chooses it.
const SPACE: &str = "1";
const CLUSTER: ClusterId = ClusterId(7);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(400);

/// What runs while a node is up.
pub struct Running {
    /// The node.
    pub node: Node,
    /// Its machine; `None` after its failure.
    pub machine: Option<Machine>,
    /// The newest published view.
    pub view: Arc<View>,
    /// The members.
    pub configuration: Configuration,
    /// Reads snapshots for others.
    pub reader: SnapshotReader,
    /// The log; `None` after its failure.
    pub log: Option<Log>,
    /// Work that waits for the log.
    pub log_jobs: VecDeque<LogJob>,
    /// How many of them the log is writing.
    pub log_writing: usize,
    /// Whether the log has housekeeping scheduled.
    pub log_keeps_house: bool,
    /// Work that waits for the machine.
    pub machine_jobs: VecDeque<MachineInput>,
    /// Whether the machine works on the oldest.
    pub machine_works: bool,
    /// What is making the tables durable, since it began.
    pub persisting: Option<Arc<dyn Persist>>,
    /// The tables up to here were told to be durable.
    pub durable: LogIndex,
    /// Reports of the log and of the machine each arrive in order.
    pub log_reports_at: Time,
    /// See above.
    pub machine_reports_at: Time,
    /// The moments for which calls are scheduled.
    pub tick_at: Option<Time>,
    /// See above.
    pub machine_tick_at: Option<Time>,
    /// Keeps the directory locked.
    _data_dir: Option<DataDir>,
    /// Watch streams by client, each with the time before which its next message does not arrive.
    pub streams: BTreeMap<u64, (StreamId, Time)>,
    /// The last stream's number.
    pub last_stream: u64,
    /// Requests that are gathered for the next step.
    pub round: (Vec<WriteRequest>, Vec<ReadRequest>),
}

/// See the module.
pub struct Host {
    /// The node's id.
    pub id: NodeId,
    /// Its clock.
    pub clock: HostClock,
    /// Its disk, but for the tables.
    pub disk: FaultyDisk,
    /// Its tables.
    pub tables: LaggingEngine,
    /// What runs.
    pub running: Option<Running>,
    /// Counts its starts.
    pub life: u64,
    /// What happens once it goes on; `Some` while it is paused.
    pub held: Option<Vec<Event>>,
    /// How many faults pause it.
    pub pauses: u64,
    /// It never starts again.
    pub stays_down: bool,
    /// Its disk was harmed: it may refuse to start.
    pub is_harmed: bool,
    /// It ends after so many more effects, by a power failure or not.
    pub crash_after: Option<(u64, bool)>,
    /// A write is to go astray, or has: so many batches were written since that was planned.
    pub astray: Option<u64>,
    /// A fault makes its tables fail.
    pub tables_fail: bool,
    /// A fault makes a sync of its log fail.
    pub sync_fails: bool,
    /// How much longer syncs take, by fault.
    pub slow_sync_us: BTreeMap<usize, u64>,
    /// How many faults keep its disk full.
    pub full: u64,
    /// No batch that may be the last one begins before this in the newest segment: damage before it is always noticed. None if that segment
    /// has only its first batch, because it gets its name only once that one is durable.
    pub last_batch: Option<u64>,
    /// Counts decisions, by topic, so that each has a number of its own.
    pub decisions: BTreeMap<u64, u64>,
}

impl Host {
    /// A host whose node was never started, on a clean disk.
    #[must_use]
    pub fn new(id: NodeId, clock: HostClock, disk_seed: u64) -> Host {
        Host {
            id,
            clock,
            disk: FaultyDisk::new(disk_seed),
            tables: LaggingEngine::new(),
            running: None,
            life: 0,
            held: None,
            pauses: 0,
            stays_down: false,
            is_harmed: false,
            crash_after: None,
            astray: None,
            tables_fail: false,
            sync_fails: false,
            slow_sync_us: BTreeMap::new(),
            full: 0,
            last_batch: None,
            decisions: BTreeMap::new(),
        }
    }

    /// What runs.
    ///
    /// # Panics
    /// If it is down.
    pub fn up(&mut self) -> &mut Running {
        self.running.as_mut().expect("the caller looked whether it is up")
    }

    /// Faults of disk and tables that were planned and have not struck will not strike.
    pub fn forget_plans(&mut self) {
        self.disk.forget_plans();
        self.tables.forget_plans();
        self.tables_fail = false;
        self.sync_fails = false;
        self.astray = None;
    }

    /// The number of the next decision on a topic.
    pub fn decision(&mut self, topic: u64) -> u64 {
        let count = self.decisions.entry(topic).or_default();
        *count += 1;
        *count
    }

    /// Gives the host a past: its cluster stands at `first_index`, which everybody has applied and nobody has in its log.
    ///
    /// # Errors
    /// [`OpenError`]; never on a disk without faults.
    pub fn age(&mut self, settings: &Settings, members: &[NodeId], now: Time) -> Result<(), OpenError> {
        let first = LogIndex(settings.first_index);
        if first == LogIndex(0) {
            return Ok(());
        }
        let Opened { mut log, groups, data_dir } = self.open(settings, members, now, &mut Rng::new(0))?;
        drop((groups, data_dir));
        let mut kv = Kv::open(self.tables.open(SPACE).expect("tables without faults")).expect("empty tables");
        age_machine(&mut kv, first);
        kv.persist_handle().persist().expect("tables without faults");
        let configuration = Configuration::of_voters(members.to_vec());
        let snapshot = SnapshotMeta { index: first, term: Term(1), configuration };
        let hard_state = Some(HardState { term: Term(1), vote: None });
        log.append(DEFAULT_GROUP, &LogWrite { reset: Some(snapshot), hard_state, entries: Vec::new() })?;
        log.sync()?;
        drop(log);
        self.disk.kill_processes();
        self.tables.restart();
        Ok(())
    }

    /// Opens what lies on the disk, by the code of production.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        settings: &Settings,
        members: &[NodeId],
        local: Time,
        seeds: &mut Rng,
    ) -> Result<Opened, OpenError> {
        let name = format!("n{}", self.id);
        let declarations = Declarations::default();
        let plan = Plan {
            cluster: CLUSTER,
            me: self.id,
            name: &name,
            members,
            declarations: &declarations,
            raft: settings.raft_config(self.id),
            hub: HubOptions {
                progress_interval: PROGRESS_INTERVAL,
                fragment_len_bytes: 1024,
                window_len_bytes: settings.watch_window_bytes as usize,
                ..HubOptions::default()
            },
            segment_bytes: settings.disk.segment_kib << 10,
        };
        let engine: Arc<dyn Engine> = Arc::new(self.tables.clone());
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        quorate_boot::open(&plan, &disk, Path::new(DATA_DIR), |_| Ok(engine), || local, || seeds.next_u64())
    }
}

/// Applies empty entries up to `first`.
pub fn age_machine(kv: &mut Kv, first: LogIndex) {
    for index in 1..=first.0 {
        kv.apply(LogIndex(index), Term(1), None).expect("tables without faults");
    }
    kv.commit().expect("tables without faults");
}

impl Running {
    /// Puts what was opened to work.
    ///
    /// # Panics
    /// If there is not exactly one group.
    #[must_use]
    pub fn new(opened: Opened, settings: &Settings, now: Time) -> Running {
        let Opened { mut groups, log, data_dir } = opened;
        let OpenedGroup { group, machine, configuration, .. } =
            groups.pop().expect("one keyspace is declared");
        assert!(groups.is_empty(), "one keyspace is declared");
        let mut node = Node::new();
        node.add(group);
        let view = machine.view();
        Running {
            node,
            durable: view.applied().0,
            view,
            machine: Some(machine),
            configuration,
            reader: SnapshotReader::new(settings.snapshot_piece_bytes as usize),
            log: Some(log),
            log_jobs: VecDeque::new(),
            log_writing: 0,
            log_keeps_house: false,
            machine_jobs: VecDeque::new(),
            machine_works: false,
            persisting: None,
            log_reports_at: now,
            machine_reports_at: now,
            tick_at: None,
            machine_tick_at: None,
            _data_dir: data_dir,
            streams: BTreeMap::new(),
            last_stream: 0,
            round: Default::default(),
        }
    }

    /// Whether an operator would have to start it again.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.log.is_none() || self.machine.is_none()
    }
}
