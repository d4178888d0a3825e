//! The clock that leases live by, seen at one machine.

use quorate_consensus::raft::{Entry, Payload, ProposalId};
use quorate_kv::watch::{HubOptions, WatchHub};
use quorate_kv::{Command, Kv, Stamped};
use quorate_node::envelope::Envelope;
use quorate_node::{Machine, MachineEffect, MachineInput};
use quorate_table::{Engine, MemoryEngine};
use quorate_types::{Bytes, LeaseId, LogIndex, NodeId, Rng, Term, Time};
use std::sync::Arc;

const ME: NodeId = NodeId(1);
const LEASE: LeaseId = LeaseId(7);
const TTL_S: i64 = 2;

struct Rig {
    machine: Machine,
    index: u64,
}

impl Rig {
    fn new(now: Time) -> Rig {
        let engine = Arc::new(MemoryEngine::new());
        let kv = Kv::open(engine.open("1").expect("memory")).expect("empty tables");
        let hub = WatchHub::new(HubOptions::default(), Rng::new(1));
        let mut rig = Rig { machine: Machine::new(ME, "1", engine, kv, hub, now), index: 0 };
        assert_eq!(rig.step(now, MachineInput::Tick), None);
        rig
    }

    /// What the machine proposes, if anything.
    fn step(&mut self, now: Time, input: MachineInput) -> Option<Command> {
        let mut effects = Vec::new();
        self.machine.step(now, input, &mut effects).expect("memory");
        effects.into_iter().find_map(|effect| match effect {
            MachineEffect::Propose { command, .. } => Some(command),
            _ => None,
        })
    }

    fn apply(&mut self, now: Time, term: u64, payload: Payload) {
        self.index += 1;
        let entry = Entry { term: Term(term), index: LogIndex(self.index), payload };
        assert_eq!(self.step(now, MachineInput::Apply { entries: vec![entry] }), None);
    }

    fn grant(&mut self, now: Time, term: u64, cluster_time_ns: u64) {
        let id = ProposalId { origin: NodeId(2), sequence: 1 };
        let command = Command::LeaseGrant { id: LEASE, ttl_s: TTL_S };
        let bytes: Bytes = Envelope { id, command: Stamped { cluster_time_ns, command } }.encode();
        self.apply(now, term, Payload::Command(bytes));
    }

    fn lead(&mut self, now: Time, term: u64) {
        assert_eq!(self.step(now, MachineInput::Role { term: Term(term), leads: true }), None);
    }
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

#[test]
fn a_lease_lives_its_whole_life_however_long_the_log_was_idle() {
    let mut rig = Rig::new(at(0));
    // Ten minutes without an entry; then this node leads, and a lease is granted, first by an entry that nobody knew the time of.
    rig.lead(at(600_000), 1);
    rig.apply(at(600_001), 1, Payload::NoOp);
    rig.grant(at(600_100), 1, 0);
    assert_eq!(rig.step(at(602_099), MachineInput::Tick), None, "it has {TTL_S} s to live");
    let due = rig.machine.next_deadline().expect("a lease runs");
    assert!(at(602_100) <= due && due <= at(602_600), "{due}");
    let expected = Command::LeaseExpire { leases: vec![(LEASE, 0)], term: 1 };
    assert_eq!(rig.step(due, MachineInput::Tick), Some(expected));
}

#[test]
fn a_new_leader_takes_the_clock_up_where_the_log_left_it() {
    let mut rig = Rig::new(at(0));
    rig.grant(at(10), 1, 5_000_000_000);
    // Nobody leads for a minute, in which nobody could renew.
    rig.lead(at(60_000), 2);
    rig.apply(at(60_001), 2, Payload::NoOp);
    assert_eq!(rig.step(at(62_000), MachineInput::Tick), None);
    assert!(rig.step(at(62_600), MachineInput::Tick).is_some());
}

#[test]
fn a_leader_without_an_entry_of_its_own_waits_quietly() {
    let mut rig = Rig::new(at(0));
    rig.grant(at(10), 1, 0);
    rig.lead(at(60_000), 2);
    assert_eq!(rig.machine.next_deadline(), None, "there is nothing to do before its first entry is applied");
}
