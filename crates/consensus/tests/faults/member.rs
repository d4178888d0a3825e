//! One member: its core, its disk, its machine and the requests of its clients.

use quorate_consensus::raft::{
    Config, Entry, HardState, LogWrite, Message, Raft, Restored, SnapshotMeta, WriteId,
};
use quorate_types::{Bytes, LogIndex, NodeId, Term, Time};
use std::collections::{BTreeMap, VecDeque};

/// A write under way: its name, what it writes, and what may be sent after it.
type Write = (WriteId, LogWrite, Vec<(NodeId, Message)>);

/// The log as the disk would give it back.
#[derive(Clone, Default)]
pub struct DiskImage {
    pub hard_state: HardState,
    pub snapshot: SnapshotMeta,
    pub entries: Vec<Entry>,
}

impl DiskImage {
    pub fn write(&mut self, log: &LogWrite) {
        if let Some(meta) = &log.reset {
            self.snapshot = meta.clone();
            self.entries.clear();
        }
        if let Some(hard_state) = log.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(first) = log.entries.first() {
            assert!(first.index > self.snapshot.index, "the disk's log is written after its start");
            let keep = (first.index.0 - self.snapshot.index.0 - 1) as usize;
            assert!(keep <= self.entries.len(), "the disk's log has no gaps");
            self.entries.truncate(keep);
            self.entries.extend(log.entries.iter().cloned());
        }
    }

    pub fn holds(&self, index: LogIndex, term: Term) -> bool {
        let Some(offset) = index.0.checked_sub(self.snapshot.index.0 + 1) else { return true };
        self.entries.get(offset as usize).is_some_and(|entry| entry.term == term)
    }

    /// Drops the entries up to `droppable`, which the machine holds durably.
    pub fn compact(&mut self, droppable: LogIndex) {
        let count = droppable.0.saturating_sub(self.snapshot.index.0) as usize;
        if count == 0 || count > self.entries.len() {
            return;
        }
        let last = self.entries.drain(..count).next_back().expect("something was drained");
        self.snapshot.index = last.index;
        self.snapshot.term = last.term;
    }
}

/// The replicated machine: a list of all commands.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Machine {
    pub applied: LogIndex,
    pub applied_term: Term,
    pub commands: Vec<u64>,
}

impl Machine {
    pub fn to_bytes(&self) -> Bytes {
        self.commands.iter().flat_map(|command| command.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    pub fn from_bytes(meta: &SnapshotMeta, bytes: &[u8]) -> Machine {
        let commands =
            bytes.chunks(8).map(|chunk| u64::from_le_bytes(chunk.try_into().expect("whole commands")));
        Machine { applied: meta.index, applied_term: meta.term, commands: commands.collect() }
    }
}

/// What the machine's thread has yet to do.
#[derive(Clone, Debug)]
pub enum Work {
    Apply(Vec<Entry>),
    Read { to: NodeId, index: Option<LogIndex>, sequence: u64 },
    Store { meta: SnapshotMeta, sequence: u64, data: Bytes, last: bool },
}

pub struct Member {
    /// `None` while it is crashed.
    pub raft: Option<Raft>,
    /// Counts its starts; events of an earlier life are void.
    pub life: u64,
    /// A pause lasts until then.
    pub paused_until: Time,
    pub clock_offset: u64,
    pub clock_ppm: i64,
    pub disk: DiskImage,
    pub writes: VecDeque<Write>,
    pub disk_free_at: Time,
    pub machine: Machine,
    /// The machine as its own files would give it back.
    pub table: Machine,
    pub work: VecDeque<Work>,
    pub machine_free_at: Time,
    /// Snapshots that are being read, by receiver.
    pub reading: BTreeMap<NodeId, (SnapshotMeta, Bytes)>,
    /// The snapshot that is being stored.
    pub storing: Vec<u8>,
    /// Proposals whose outcome is awaited, and the term that each was last proposed in; `None`: not proposed at this moment.
    pub pending: BTreeMap<u64, Option<Term>>,
    /// Reads under way and the index that each must reach.
    pub reads: BTreeMap<u64, LogIndex>,
    /// The moment for which a tick is scheduled.
    pub tick_at: Option<Time>,
}

impl Member {
    pub fn new(snapshot: SnapshotMeta, clock_offset: u64, clock_ppm: i64) -> Member {
        Member {
            raft: None,
            life: 0,
            paused_until: Time(0),
            clock_offset,
            clock_ppm,
            disk: DiskImage { snapshot, ..DiskImage::default() },
            writes: VecDeque::new(),
            disk_free_at: Time(0),
            machine: Machine::default(),
            table: Machine::default(),
            work: VecDeque::new(),
            machine_free_at: Time(0),
            reading: BTreeMap::new(),
            storing: Vec::new(),
            pending: BTreeMap::new(),
            reads: BTreeMap::new(),
            tick_at: None,
        }
    }

    /// What this member's clock shows.
    pub fn local(&self, now: Time) -> Time {
        let drift = now.0 as i64 / 1_000_000 * self.clock_ppm;
        Time((now.0 + self.clock_offset).saturating_add_signed(drift))
    }

    /// When this member's clock shows at least `local`.
    pub fn global(&self, local: Time) -> Time {
        let elapsed = local.0.saturating_sub(self.clock_offset) as i64;
        // Exact to a few parts in a million of a million; a tick that comes a little early is harmless and repeated.
        Time((elapsed - elapsed / (1_000_000 + self.clock_ppm) * self.clock_ppm) as u64 + 1_000_000)
    }

    pub fn start(&mut self, config: Config, now: Time, seed: u64) {
        assert!(self.raft.is_none(), "it was down");
        self.life += 1;
        self.machine = self.table.clone();
        let restored = Restored {
            hard_state: self.disk.hard_state,
            snapshot: self.disk.snapshot.clone(),
            entries: self.disk.entries.clone(),
            applied: self.machine.applied,
        };
        self.raft = Some(Raft::new(config, restored, self.local(now), seed));
    }

    /// Everything in memory is gone; of the writes under way, the first `survivors` made it.
    pub fn crash(&mut self, survivors: usize) {
        self.raft = None;
        for (_, log, _) in self.writes.drain(..).take(survivors) {
            self.disk.write(&log);
        }
        self.writes.clear();
        self.work.clear();
        self.reading.clear();
        self.storing.clear();
        self.pending.clear();
        self.reads.clear();
        self.tick_at = None;
    }
}
