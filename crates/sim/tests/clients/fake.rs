//! A cluster that is one machine without a log: right, or wrong on purpose.

use quorate_kv::watch::{HubInput, HubOptions, StreamId, WatchHub};
use quorate_kv::{Command, CompareTarget, Kv, Operation as Op, Stamped, View};
use quorate_node::{Answer, RequestFailure};
use quorate_sim::client::{Asked, Clients, RequestId, StreamTold, Told};
use quorate_sim::scenario::{
    Bounds, Call, ClockSettings, DiskSettings, FORMAT, NetworkSettings, Operation, Scenario, Settings,
};
use quorate_sim::trace::{CallOutcome, Trace, What};
use quorate_table::MemoryTables;
use quorate_types::{LogIndex, NodeId, Rng, Term, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const NODES: u64 = 3;

/// What is wrong with the fake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    None,
    /// Linearizable reads are served from an old view.
    StaleReads,
    /// Every third write of a register is acknowledged and forgotten.
    LostWrites,
    /// Conditions on revisions are not looked at.
    NoConditions,
    /// Node 2 has missed some writes of registers, and goes on.
    Diverged,
    /// A refused transaction is done all the same.
    RefusedIsDone,
}

/// How it behaves while nothing is wrong with it.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub flaw: Flaw,
    /// So many of a hundred requests end in doubt, done at once, late or not at all.
    pub doubt: u64,
    /// Times at which every stream breaks, in ms.
    pub breaks_ms: u64,
}

pub const GOOD: Manners = Manners { flaw: Flaw::None, doubt: 0, breaks_ms: 0 };

#[derive(Debug)]
enum Due {
    Asked(Asked, NodeId),
    Late(Command),
    Told(RequestId, Told),
    Stream(StreamId, StreamTold),
    Break,
}

pub struct World {
    manners: Manners,
    rng: Rng,
    now: Time,
    kv: Kv,
    /// Node 2's, if it has diverged.
    other: Kv,
    old: Vec<Arc<View>>,
    hub: WatchHub,
    streams: BTreeMap<u64, StreamId>,
    due: BTreeMap<(Time, u64), Due>,
    count: u64,
    writes: u64,
    pub heard: Vec<(u64, String)>,
    pub asked: Vec<(Time, NodeId, Asked)>,
    pub trace: Trace,
}

pub fn scenario(operations: Vec<Operation>) -> Scenario {
    let network = NetworkSettings {
        base_us: 100,
        jitter_us: 100,
        tail_per_mille: 0,
        tail_ms: 0,
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        regions: Vec::new(),
        region_us: 0,
    };
    let bounds = Bounds {
        append_bytes: 1,
        inflight_appends: 1,
        inflight_bytes: 1,
        uncommitted_bytes: 1,
        pending_reads: 1,
        apply_bytes: 1,
        apply_entries: 1,
        unapplied_bytes: 1,
        log_tail_bytes: 1,
        log_tail_entries: 1,
        snapshot_retry_ms: 1,
    };
    let settings = Settings {
        heartbeat_ms: 50,
        election_min_ms: 100,
        election_max_ms: 200,
        disk_stall_ms: 1000,
        lease_reads_ppm: None,
        network,
        disk: DiskSettings { sync_max_us: 1, segment_kib: 1, persist_every_ms: 1, max_batch: 1 },
        apply_max_us: 1,
        bounds,
        clocks: vec![ClockSettings { offset_ms: 0, drift_ppm: 0 }; 3],
        first_index: 1,
        snapshot_piece_bytes: 1,
        watch_window_bytes: 1,

        value_bytes: 0,
    };
    Scenario {
        format: FORMAT,
        note: String::new(),
        mistake: None,
        nodes: NODES,
        noise: 7,
        faulty_ms: 1000,
        healing_ms: 1000,
        core: vec![1, 2, 3],
        settings,
        faults: Vec::new(),
        operations,
    }
}

/// The calls of one client, one every millisecond.
pub fn by_one(calls: impl IntoIterator<Item = Call>) -> Vec<Operation> {
    let operation = |(at, call)| Operation { at_us: at as u64 * 1000, client: 1, node: 1, call };
    calls.into_iter().enumerate().map(operation).collect()
}

fn machine() -> Kv {
    Kv::open(Box::new(MemoryTables::new())).expect("memory tables do not fail")
}

fn without_conditions(command: &Command) -> Command {
    let mut command = command.clone();
    if let Command::Txn(txn) = &mut command {
        txn.compare.retain(|compare| matches!(compare.target, CompareTarget::Value(_)));
    }
    command
}

fn writes_register(command: &Command) -> bool {
    let put = match command {
        Command::Put(put) => put,
        Command::Txn(txn) => match &txn.success[..] {
            [Op::Put(put)] => put,
            _ => return false,
        },
        _ => return false,
    };
    put.key.starts_with(b"register")
}

/// Does nothing but makes a revision.
fn elsewhere(command: &Command) -> Command {
    let mut command = command.clone();
    match &mut command {
        Command::Put(put) => put.key = "elsewhere".into(),
        Command::Txn(txn) => {
            if let [Op::Put(put)] = &mut txn.success[..] {
                put.key = "elsewhere".into();
            }
        }
        _ => {}
    }
    command
}

fn apply(kv: &mut Kv, now: Time, command: &Command) -> (Answer, quorate_kv::Committed) {
    let index = LogIndex(kv.applied().0.0 + 1);
    let stamped = Stamped { cluster_time_ns: now.0, command: command.clone() };
    let applied = kv.apply(index, Term(1), Some(&stamped)).expect("memory tables do not fail");
    let committed = kv.commit().expect("memory tables do not fail");
    let (outcome, revision) = (applied.outcome, applied.revision);
    (Answer { outcome, revision, term: Term(1), index }, committed)
}

impl World {
    pub fn new(manners: Manners, seed: u64) -> Self {
        let mut world = World {
            manners,
            rng: Rng::new(seed),
            now: Time(0),
            kv: machine(),
            other: machine(),
            old: Vec::new(),
            hub: WatchHub::new(HubOptions::default(), Rng::new(seed)),
            streams: BTreeMap::new(),
            due: BTreeMap::new(),
            count: 0,
            writes: 0,
            heard: Vec::new(),
            asked: Vec::new(),
            trace: Trace::new(true),
        };
        if manners.breaks_ms > 0 {
            world.after(manners.breaks_ms * 1000, Due::Break);
        }
        world
    }

    fn after(&mut self, us: u64, due: Due) {
        self.count += 1;
        self.due.insert((Time(self.now.0 + us * 1000), self.count), due);
    }

    /// Runs until all calls have ended, then 200 ms more, for watches.
    pub fn run(&mut self, clients: &mut Clients) {
        let mut out = Vec::new();
        let mut until = None;
        loop {
            if clients.are_done() && until.is_none() {
                until = Some(Time(self.now.0 + 200_000_000));
            }
            let next = self.due.keys().next().map(|(at, _)| *at);
            let Some(now) = next.into_iter().chain(clients.next_due()).min() else { break };
            self.now = self.now.max(now);
            if until.is_some_and(|until| self.now > until) {
                break;
            }
            if clients.next_due().is_some_and(|at| at <= self.now) {
                clients.on_due(self.now, &mut self.trace, &mut out);
            } else if let Some((_, due)) = self.due.pop_first() {
                self.do_due(due, clients, &mut out);
            }
            for ask in out.drain(..) {
                let is_stream = matches!(
                    ask.what,
                    Asked::OpenStream { .. } | Asked::Watch { .. } | Asked::CloseStream { .. }
                );
                let us = if is_stream { 50 } else { self.rng.between(50, 3000) };
                self.asked.push((self.now, ask.node, ask.what.clone()));
                self.after(us, Due::Asked(ask.what, ask.node));
            }
        }
    }

    fn do_due(&mut self, due: Due, clients: &mut Clients, out: &mut Vec<quorate_sim::client::Ask>) {
        match due {
            Due::Asked(asked, node) => self.on_asked(asked, node),
            Due::Late(command) => {
                self.write(&command);
            }
            Due::Told(request, told) => clients.on_told(self.now, request, told, &mut self.trace, out),
            Due::Stream(stream, told) => {
                let client =
                    self.streams.iter().find(|(_, open)| **open == stream).map(|(client, _)| *client);
                let Some(client) = client else { return };
                if let StreamTold::Message(message) = &told {
                    self.heard.push((client, format!("{message:?}")));
                    let len_bytes = message.len_bytes();
                    self.tell_hub(HubInput::Consumed { stream, len_bytes });
                } else {
                    self.streams.remove(&client);
                }
                clients.on_stream(self.now, client, told, &mut self.trace, out);
            }
            Due::Break => {
                for stream in self.streams.values().copied().collect::<Vec<_>>() {
                    self.after(0, Due::Stream(stream, StreamTold::Gone));
                    self.tell_hub(HubInput::Close { stream });
                }
                if !clients.are_done() {
                    self.after(self.manners.breaks_ms * 1000, Due::Break);
                }
            }
        }
    }

    fn tell_hub(&mut self, input: HubInput<'_>) {
        let mut out = Vec::new();
        let view = self.kv.view();
        self.hub.step(self.now, &*view, input, &mut out).expect("memory tables do not fail");
        while self.hub.next_deadline().is_some_and(|at| at <= self.now) {
            self.hub.step(self.now, &*view, HubInput::Tick, &mut out).expect("memory tables do not fail");
        }
        for (stream, message) in out {
            self.after(100, Due::Stream(stream, StreamTold::Message(message)));
        }
    }

    fn write(&mut self, command: &Command) -> Answer {
        self.old.push(self.kv.view());
        let due = self.kv.view().due_leases(self.now.0, 100);
        if !due.is_empty() {
            self.write_one(&Command::LeaseExpire { leases: due, term: 1 });
        }
        self.write_one(command)
    }

    fn write_one(&mut self, command: &Command) -> Answer {
        let flaw = self.manners.flaw;
        self.writes += u64::from(writes_register(command));
        let is_third = writes_register(command) && self.writes.is_multiple_of(3);
        let done = match flaw {
            Flaw::LostWrites if is_third => elsewhere(command),
            Flaw::NoConditions => without_conditions(command),
            _ => command.clone(),
        };
        if flaw == Flaw::Diverged {
            let other = if is_third { elsewhere(command) } else { command.clone() };
            apply(&mut self.other, self.now, &other);
        }
        let (mut answer, committed) = apply(&mut self.kv, self.now, &done);
        self.tell_hub(HubInput::Applied { events: &committed.events });
        if flaw == Flaw::RefusedIsDone
            && let Command::Txn(txn) = command
            && let Ok(quorate_kv::Outcome::Txn(response)) = &mut answer.outcome
            && !response.succeeded
        {
            let again = Command::Txn(quorate_kv::TxnRequest { compare: Vec::new(), ..txn.clone() });
            let (_, committed) = apply(&mut self.kv, self.now, &again);
            self.tell_hub(HubInput::Applied { events: &committed.events });
        }
        answer
    }

    fn on_asked(&mut self, asked: Asked, node: NodeId) {
        let back_us = self.rng.between(50, 3000);
        let in_doubt = self.rng.chance(self.manners.doubt, 100);
        match asked {
            Asked::Write { request, command, timeout } => {
                assert_eq!(quorate_kv::validate(&command), Ok(()), "clients ask what may be asked");
                assert!((300..=2800).contains(&timeout.as_millis()));
                if !in_doubt {
                    let answer = self.write(&command);
                    return self.after(back_us, Due::Told(request, Told::Answered(answer)));
                }
                match self.rng.below(5) {
                    0 => drop(self.write(&command)),
                    1 => self.after(20_000, Due::Late(command)),
                    2 => {}
                    3 => return self.after(back_us, Due::Told(request, Told::Gone { sent: false })),
                    _ => {
                        let told = Told::Failed(RequestFailure::NoLeader);
                        return self.after(back_us, Due::Told(request, told));
                    }
                }
                let sent = Told::Gone { sent: true };
                let told = if self.rng.chance(1, 2) { sent } else { Told::Failed(RequestFailure::TimedOut) };
                self.after(back_us, Due::Told(request, told));
            }
            Asked::Read { request, .. } if in_doubt => {
                self.after(back_us, Due::Told(request, Told::Failed(RequestFailure::TimedOut)));
            }
            Asked::Read { request, .. } => {
                let view = match self.old.len() {
                    len if self.manners.flaw == Flaw::StaleReads && len > 0 => {
                        self.old[len.saturating_sub(8)].clone()
                    }
                    _ => self.kv.view(),
                };
                self.after(back_us, Due::Told(request, Told::Readable(view)));
            }
            Asked::Look { request } => {
                // What is applied lags, and differs from node to node.
                let lag = self.rng.below(4) as usize;
                let view = match self.old.len() {
                    _ if self.manners.flaw == Flaw::Diverged && node == NodeId(2) => self.other.view(),
                    len if len > lag && lag > 0 => self.old[len - lag].clone(),
                    _ => self.kv.view(),
                };
                self.after(back_us, Due::Told(request, Told::Readable(view)));
            }
            Asked::OpenStream { client } => {
                self.count += 1;
                let stream = StreamId(self.count);
                assert_eq!(self.streams.insert(client, stream), None, "a client has one stream");
                self.tell_hub(HubInput::Open { stream });
            }
            Asked::Watch { client, request } => {
                if let Some(stream) = self.streams.get(&client).copied() {
                    self.tell_hub(HubInput::Request { stream, request });
                }
            }
            Asked::CloseStream { client } => {
                if let Some(stream) = self.streams.remove(&client) {
                    self.tell_hub(HubInput::Close { stream });
                }
            }
        }
    }

    /// How each call ended, in the order of the ends.
    pub fn ends(&self) -> Vec<(usize, CallOutcome, String)> {
        let end = |event: &quorate_sim::trace::Event| match &event.what {
            What::Returned { operation, outcome, words } => Some((*operation, *outcome, words.clone())),
            _ => None,
        };
        self.trace.events().iter().filter_map(end).collect()
    }
}
