//! One whole node with its disk, as far as it outlives a crash, and its threads, as queues of work.

use super::log::{self, MemberLog};
use super::options::Options;
use quorate_consensus::raft::{Raft, Restored};
use quorate_kv::watch::{HubOptions, WatchHub};
use quorate_kv::{Kv, SnapshotCursor, SnapshotWriter, View};
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{Group, Machine, MachineInput, Node, RecoveredLog, SnapshotReader, restore};
use quorate_table::{Engine, MemoryEngine};
use quorate_types::{NodeId, Rng, Time};
use std::collections::VecDeque;
use std::sync::Arc;

const SPACE: &str = "1";
const PIECE_LEN_BYTES: usize = 1 << 20;

/// What runs while a member is up.
pub struct Running {
    pub node: Node,
    /// `None` after its failure.
    pub machine: Option<Machine>,
    /// The newest published view.
    pub view: Arc<View>,
    pub jobs: VecDeque<MachineInput>,
    pub machine_free_at: Time,
    pub reader: SnapshotReader,
    pub disk_free_at: Time,
    /// Reports of the log and of the machine each arrive in order.
    pub log_reports_at: Time,
    pub machine_reports_at: Time,
    /// The moments for which ticks are scheduled.
    pub tick_at: Option<Time>,
    pub machine_tick_at: Option<Time>,
}

pub struct Member {
    pub id: NodeId,
    pub running: Option<Running>,
    /// Counts its starts; events of an earlier life are void.
    pub life: u64,
    started: Time,
    clock_base: u64,
    pub log: MemberLog,
    /// The tables as they are certainly durable.
    durable: Arc<View>,
    /// Later commits, each of which may or may not be.
    committed: Vec<Arc<View>>,
}

impl Member {
    pub fn new(id: NodeId, image: RecoveredLog, tables: Arc<View>) -> Member {
        Member {
            id,
            running: None,
            life: 0,
            started: Time(0),
            clock_base: 0,
            log: MemberLog { image, queue: VecDeque::new() },
            durable: tables,
            committed: Vec::new(),
        }
    }

    /// What this member's clock shows: it starts anywhere with each life.
    pub fn local(&self, now: Time) -> Time {
        Time(now.0 - self.started.0 + self.clock_base)
    }

    /// When this member's clock shows `local`.
    pub fn global(&self, local: Time) -> Time {
        Time((local.0 + self.started.0).saturating_sub(self.clock_base))
    }

    pub fn up(&mut self) -> &mut Running {
        self.running.as_mut().expect("it is up")
    }

    pub fn note_commit(&mut self, view: &Arc<View>) {
        self.committed.push(view.clone());
    }

    /// The tables are durable as they are now. False if there is nothing new.
    pub fn persist(&mut self) -> bool {
        let Some(newest) = self.committed.pop() else { return false };
        self.committed.clear();
        self.durable = newest;
        true
    }

    pub fn durable(&self) -> &Arc<View> {
        &self.durable
    }

    /// Everything in memory is gone, and of what was on its way to the disk some part.
    pub fn crash(&mut self, rng: &mut Rng) {
        self.running = None;
        let survivors = rng.below(self.log.queue.len() as u64 + 1) as usize;
        self.log.crash(survivors);
        // Batches become durable in order, on their own time. Mostly the machine itself survives, and with it all of them.
        let kept = if rng.chance(1, 2) {
            self.committed.len() as u64
        } else {
            rng.below(self.committed.len() as u64 + 1)
        };
        self.committed.truncate(kept as usize);
        self.persist();
    }

    pub fn start(&mut self, now: Time, options: &Options, rng: &mut Rng) {
        assert!(self.running.is_none(), "it was down");
        self.life += 1;
        self.started = now;
        self.clock_base = 1_000_000_000 + rng.below(100_000_000_000);
        let engine = engine_with(&self.durable);
        let kv = Kv::open(engine.open(SPACE).expect("memory")).expect("whole tables");
        assert_eq!(kv.state_hash(), self.durable.state_hash(), "tables survive whole");
        let (restored, reset) =
            restore(self.log.image.clone(), kv.applied()).expect("the log reaches back to the tables");
        if let Some(write) = reset {
            log::write(&mut self.log.image, &write);
        }
        self.running = Some(self.run(now, options, restored, (engine, kv), rng));
    }

    fn run(
        &self,
        now: Time,
        options: &Options,
        restored: Restored,
        (engine, kv): (MemoryEngine, Kv),
        rng: &mut Rng,
    ) -> Running {
        let local = self.local(now);
        let mut config = options.config.clone();
        config.id = self.id;
        let raft = Raft::new(config, restored, local, rng.next_u64());
        let mut node = Node::new();
        node.add(Group::new(DEFAULT_GROUP, raft));
        let hub = WatchHub::new(HubOptions::default(), rng.fork());
        let machine = Machine::new(self.id, SPACE, Arc::new(engine), kv, hub, local);
        Running {
            node,
            view: machine.view(),
            machine: Some(machine),
            jobs: VecDeque::new(),
            machine_free_at: now,
            reader: SnapshotReader::new(options.piece_len_bytes),
            disk_free_at: now,
            log_reports_at: now,
            machine_reports_at: now,
            tick_at: None,
            machine_tick_at: None,
        }
    }
}

/// New tables with the rows of `view`.
pub fn engine_with(view: &View) -> MemoryEngine {
    let engine = MemoryEngine::new();
    drop(engine.open(SPACE).expect("memory"));
    let mut writer = SnapshotWriter::new(engine.stage(SPACE).expect("memory"));
    let mut cursor = Some(SnapshotCursor::default());
    while let Some(at) = cursor {
        let (piece, next) = view.snapshot_chunk(&at, PIECE_LEN_BYTES).expect("memory");
        writer.store(&piece).expect("one's own piece");
        cursor = next;
    }
    let staged = writer.finish().expect("all pieces");
    drop(engine.promote(SPACE, staged).expect("memory"));
    engine
}

/// A machine of its own with the rows of `view`.
pub fn kv_with(view: &View) -> Kv {
    Kv::open(engine_with(view).open(SPACE).expect("memory")).expect("whole tables")
}
