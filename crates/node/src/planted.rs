//! What the mistakes do that can be planted here: each breaks its promise, and without it the promise is kept.

use crate::envelope::Envelope;
use crate::{
    Effect, Group, Input, Machine, MachineEffect, MachineInput, PeerMessage, RecoveredLog, RequestFailure,
    WriteRequest, restore,
};
use quorate_consensus::raft::{
    Body, Config, Configuration, Entry, HardState, LogWrite, Message, Payload, ProposalId, Raft, Restored,
    SnapshotMeta,
};
use quorate_kv::watch::{HubOptions, WatchHub};
use quorate_kv::{Command, Kv, Stamped};
use quorate_table::{Engine, MemoryEngine};
use quorate_types::mistake::{Mistake, plant};
use quorate_types::{Bytes, GroupId, LeaseId, LogIndex, NodeId, Rng, Term, Time};
use std::sync::Arc;

const ME: NodeId = NodeId(1);
const GROUP: GroupId = GroupId(1);

/// `run` without the mistake and with it.
fn compare<T>(mistake: Mistake, run: impl Fn() -> T) -> (T, T) {
    assert!(plant(None));
    let right = run();
    assert!(plant(Some(mistake)));
    let wrong = run();
    assert!(plant(None));
    (right, wrong)
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

/// A group of `voters` on node 1, with an empty log of which nothing is kept that the tables have.
struct Rig {
    group: Group,
    now: u64,
}

impl Rig {
    fn new(voters: u64) -> Rig {
        let configuration = Configuration::of_voters((1..=voters).map(NodeId).collect());
        let snapshot = SnapshotMeta { configuration, ..SnapshotMeta::default() };
        let config = Config { max_log_tail_entries: 0, ..Config::new(ME) };
        let raft = Raft::new(config, Restored { snapshot, ..Restored::default() }, at(1000), 1);
        Rig { group: Group::new(GROUP, raft), now: 1000 }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        self.now += 1;
        let mut out = Vec::new();
        self.group.step(at(self.now), input, &mut out);
        out
    }

    /// A message of `from`, who leads in `term`.
    fn hear(&mut self, from: u64, term: u64, body: Body) -> Vec<Effect> {
        let message = PeerMessage::Raft(Message { term: Term(term), body });
        self.step(Input::Peer { from: NodeId(from), group: GROUP, message })
    }

    fn follow(&mut self, leader: u64, term: u64) -> Vec<Effect> {
        self.hear(leader, term, Body::Heartbeat { commit: LogIndex(0), round: 1 })
    }

    fn ask(&mut self) -> Vec<Effect> {
        let write =
            WriteRequest { sequence: 9, command: Command::Tick, deadline: at(60_000), require_leader: false };
        self.step(Input::Requests { group: GROUP, writes: vec![write], reads: Vec::new() })
    }
}

/// To whom requests are forwarded.
fn forwards(effects: &[Effect]) -> Vec<u64> {
    let to = |effect: &Effect| match effect {
        Effect::Send {
            to, message: PeerMessage::Raft(Message { body: Body::Forward { .. }, .. }), ..
        } => Some(to.0),
        _ => None,
    };
    effects.iter().filter_map(to).collect()
}

#[test]
fn a_request_is_sent_to_the_next_leader_although_the_last_one_may_have_logged_it() {
    let (right, wrong) = compare(Mistake::RetryUnproved, || {
        let mut rig = Rig::new(3);
        rig.follow(2, 1);
        assert_eq!(forwards(&rig.ask()), [2]);
        forwards(&rig.follow(3, 2))
    });
    assert_eq!((right, wrong), (vec![], vec![3]));
}

#[test]
fn a_request_is_sent_again_although_the_snapshot_may_hold_it() {
    let (right, wrong) = compare(Mistake::SnapshotProvesLoss, || {
        let mut rig = Rig::new(3);
        rig.follow(2, 1);
        assert_eq!(forwards(&rig.ask()), [2]);
        let configuration = rig.group.raft().configuration().clone();
        let meta = SnapshotMeta { index: LogIndex(50), term: Term(1), configuration };
        rig.hear(2, 1, Body::SnapshotChunk { meta, sequence: 0, data: Bytes::new(), last: true });
        let effects = rig.step(Input::SnapshotStored { group: GROUP, index: LogIndex(50), sequence: 0 });
        let failed = Effect::Fail { sequence: 9, failure: RequestFailure::TimedOut };
        (forwards(&effects), effects.contains(&failed))
    });
    assert_eq!((right, wrong), ((vec![], true), (vec![2], false)));
}

#[test]
fn the_log_is_given_up_where_only_the_running_tables_have_it() {
    let (right, wrong) = compare(Mistake::CompactBeforeDurable, || {
        let mut rig = Rig::new(1);
        let mut effects = rig.step(Input::Tick);
        let mut given_up = None;
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Append { write, .. } => {
                    effects.extend(rig.step(Input::Persisted { group: GROUP, write }));
                }
                Effect::Apply { entries, .. } => {
                    let last = entries.last().expect("something is applied");
                    let (index, term) = (last.index, last.term);
                    let answered = Vec::new();
                    let applied = Input::Applied { group: GROUP, index, term, answered, clock_offset_ns: 0 };
                    effects.extend(rig.step(applied));
                }
                Effect::CompactLog { upto, .. } => given_up = Some(upto),
                _ => {}
            }
        }
        assert_eq!(rig.group.status().applied, LogIndex(1));
        given_up
    });
    assert_eq!((right, wrong), (None, Some(LogIndex(1))));
}

#[test]
fn a_restart_begins_before_what_the_tables_hold() {
    let (right, wrong) = compare(Mistake::ApplyTwiceAfterRestart, || {
        let entry = |index| Entry { term: Term(1), index: LogIndex(index), payload: Payload::NoOp };
        let log = RecoveredLog {
            hard_state: HardState { term: Term(1), vote: None },
            snapshot: SnapshotMeta::default(),
            entries: (1..=5).map(entry).collect(),
        };
        let restored: Result<(Restored, Option<LogWrite>), _> = restore(log, (LogIndex(4), Term(1)));
        restored.expect("the log reaches back").0.applied
    });
    assert_eq!((right, wrong), (LogIndex(4), LogIndex(0)));
}

#[test]
fn a_new_leaders_own_clock_ends_leases_that_have_just_been_granted() {
    let (right, wrong) = compare(Mistake::LeaseClockLocal, || {
        let engine = Arc::new(MemoryEngine::new());
        let kv = Kv::open(engine.open("1").expect("memory")).expect("empty tables");
        let hub = WatchHub::new(HubOptions::default(), Rng::new(1));
        let mut machine = Machine::new(ME, "1", engine, kv, hub, at(0));
        let mut step = |now, input| {
            let mut out = Vec::new();
            machine.step(at(now), input, &mut out).expect("memory");
            out.iter().any(|effect| matches!(effect, MachineEffect::Propose { .. }))
        };
        let command = Command::LeaseGrant { id: LeaseId(7), ttl_s: 2 };
        let id = ProposalId { origin: NodeId(2), sequence: 1 };
        let bytes = Envelope { id, command: Stamped { cluster_time_ns: 5_000_000_000, command } }.encode();
        let entry = |index, term, payload| MachineInput::Apply {
            entries: vec![Entry { term: Term(term), index: LogIndex(index), payload }],
        };
        step(59_999, entry(1, 1, Payload::Command(bytes)));
        step(60_000, MachineInput::Role { term: Term(2), leads: true });
        step(60_001, entry(2, 2, Payload::NoOp));
        step(60_002, MachineInput::Tick)
    });
    assert_eq!((right, wrong), (false, true));
}
