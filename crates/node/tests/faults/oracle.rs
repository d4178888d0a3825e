//! What must hold, known to an observer who sees all members at once.
//!
//! The first member that applies an entry tells the oracle, which applies it to a machine of its own. So for every log position it knows the
//! one entry, the state after it, and which request stands there; members, answers and reads are compared with that.

use quorate_consensus::raft::{Entry, Payload};
use quorate_kv::{Command, Kv, View};
use quorate_node::envelope::{Envelope, UNANSWERED};
use quorate_node::{Answer, RequestFailure};
use quorate_types::{LeaseId, LogIndex, NodeId, Revision, StateHash, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a request ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Answered,
    /// It was told that nothing was done.
    Undone,
    /// It was told that it may have been done, or its node crashed.
    Unknown,
}

/// A write that was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub node: NodeId,
    pub at: Time,
    /// When its client is to have heard of it, with room for delays.
    pub due: Time,
    /// Everything up to here was known to some client before.
    pub floor: LogIndex,
    pub end: Option<End>,
}

struct Lease {
    ttl: Duration,
    /// When its last renewal, or its grant, was asked for.
    since: Time,
}

pub struct Oracle {
    kv: Kv,
    base: LogIndex,
    entries: Vec<Entry>,
    /// After each entry.
    states: Vec<(StateHash, Revision)>,
    asked: BTreeMap<u64, Asked>,
    placed: BTreeMap<u64, LogIndex>,
    leases: BTreeMap<LeaseId, Lease>,
    /// The newest position that any client has learned of.
    known: LogIndex,
    pub expired_leases: u64,
}

impl Oracle {
    pub fn new(kv: Kv) -> Oracle {
        let base = kv.applied().0;
        Oracle {
            kv,
            base,
            entries: Vec::new(),
            states: Vec::new(),
            asked: BTreeMap::new(),
            placed: BTreeMap::new(),
            leases: BTreeMap::new(),
            known: base,
            expired_leases: 0,
        }
    }

    /// The newest position that any member has applied.
    pub fn applied(&self) -> LogIndex {
        self.kv.applied().0
    }

    /// Everything up to here is known to some client.
    pub fn known(&self) -> LogIndex {
        self.known
    }

    pub fn revision(&self) -> Revision {
        self.kv.revision()
    }

    pub fn end_of(&self, sequence: u64) -> Option<End> {
        self.asked[&sequence].end
    }

    pub fn on_asked(&mut self, sequence: u64, node: NodeId, at: Time, due: Time) {
        let asked = Asked { node, at, due, floor: self.known, end: None };
        assert!(self.asked.insert(sequence, asked).is_none(), "numbers are used once");
    }

    /// A member is about to apply `entry`.
    pub fn on_apply(&mut self, entry: &Entry, now: Time) {
        let offset = (entry.index.0 - self.base.0 - 1) as usize;
        if let Some(known) = self.entries.get(offset) {
            assert_eq!(known, entry, "members apply the same entry at a position");
            return;
        }
        assert_eq!(offset, self.entries.len(), "somebody applied every entry before");
        self.entries.push(entry.clone());
        let envelope = match &entry.payload {
            Payload::Command(bytes) => Some(Envelope::decode(bytes.clone()).expect("an envelope")),
            Payload::NoOp | Payload::Configuration(_) => None,
        };
        let command = envelope.as_ref().map(|envelope| &envelope.command);
        let applied = self.kv.apply(entry.index, entry.term, command).expect("memory");
        self.kv.commit().expect("memory");
        self.states.push((self.kv.state_hash(), applied.revision));
        if let Some(envelope) = envelope {
            let sequence = envelope.id.sequence;
            if sequence != UNANSWERED {
                let before = self.placed.insert(sequence, entry.index);
                assert_eq!(before, None, "request {sequence} is done twice, at {} too", entry.index);
                let asked = &self.asked[&sequence];
                assert_ne!(
                    asked.end,
                    Some(End::Undone),
                    "request {sequence} is done though its client heard it is not"
                );
                assert!(
                    entry.index > asked.floor,
                    "request {sequence} is ordered before what was known when it was asked"
                );
            }
            self.follow_leases(sequence, &envelope.command.command, now);
        }
    }

    /// No lease may end by time before its life is over, counted from when its holder last asked for it.
    fn follow_leases(&mut self, sequence: u64, command: &Command, now: Time) {
        let view = self.kv.view();
        let lives = |id: LeaseId| view.lease(id, false, 0).expect("memory");
        match command {
            Command::LeaseGrant { id, .. } => {
                if let Some(status) = lives(*id) {
                    let ttl = Duration::from_secs(status.granted_ttl_s.unsigned_abs());
                    self.leases.entry(*id).or_insert(Lease { ttl, since: self.asked[&sequence].at });
                }
            }
            Command::LeaseRenew { ids } => {
                for id in ids.iter().filter(|id| lives(**id).is_some()) {
                    let lease = self.leases.get_mut(id).expect("it was granted");
                    lease.since = lease.since.max(self.asked[&sequence].at);
                }
            }
            Command::LeaseRevoke { id } => {
                self.leases.remove(id);
            }
            Command::LeaseExpire { leases, .. } => {
                for (id, _) in leases.iter().filter(|(id, _)| lives(*id).is_none()) {
                    if let Some(lease) = self.leases.remove(id) {
                        let age = now.since(lease.since);
                        assert!(age >= lease.ttl, "lease {id} of {:?} ends after {age:?}", lease.ttl);
                        self.expired_leases += 1;
                    }
                }
            }
            _ => {}
        }
    }

    /// A member published `view`.
    pub fn on_published(&self, view: &View) {
        let (index, _) = view.applied();
        let Some(offset) = index.0.checked_sub(self.base.0 + 1) else { return };
        let (hash, revision) = self.states[offset as usize];
        assert_eq!(view.state_hash(), hash, "all replicas have the same state at {index}");
        assert_eq!(view.revision(), revision, "all replicas have the same revision at {index}");
    }

    /// `node` answered request `sequence`; whether its client still waited. A machine that applies an entry again after a crash
    /// answers again.
    pub fn on_answered(&mut self, node: NodeId, sequence: u64, answer: &Answer) -> bool {
        let asked = self.asked.get_mut(&sequence).expect("only what was asked is answered");
        assert_eq!(asked.node, node, "a request is answered where it was asked");
        assert_eq!(self.placed.get(&sequence), Some(&answer.index), "an answer names its entry");
        let (_, revision) = self.states[(answer.index.0 - self.base.0 - 1) as usize];
        assert_eq!(answer.revision, revision, "an answer names its revision");
        assert_ne!(asked.end, Some(End::Undone), "request {sequence} is answered though it was refused");
        let is_first = asked.end.is_none();
        if is_first {
            asked.end = Some(End::Answered);
            self.known = self.known.max(answer.index);
        }
        is_first
    }

    /// Request `sequence` ended without an outcome.
    pub fn on_failed(&mut self, sequence: u64, failure: RequestFailure) {
        let asked = self.asked.get_mut(&sequence).expect("only what was asked fails");
        let is_undone = failure != RequestFailure::TimedOut;
        match asked.end {
            None => asked.end = Some(if is_undone { End::Undone } else { End::Unknown }),
            // The node gave up before it had heard that its machine has answered.
            Some(End::Answered) if !is_undone => {}
            Some(end) => panic!("request {sequence} had ended as {end:?} and fails as {failure:?}"),
        }
        assert!(
            !is_undone || !self.placed.contains_key(&sequence),
            "request {sequence} is done, not {failure:?}"
        );
    }

    /// A linearizable read that was asked when everything up to `floor` was known got `view`.
    pub fn on_read(&mut self, floor: LogIndex, view: &View) {
        let index = view.applied().0;
        assert!(index >= floor, "a read from {index} misses what was known at {floor} when it was asked");
        self.known = self.known.max(index);
    }

    /// `node` crashed: its clients hear nothing any more.
    pub fn on_crashed(&mut self, node: NodeId) {
        for asked in self.asked.values_mut().filter(|asked| asked.node == node && asked.end.is_none()) {
            asked.end = Some(End::Unknown);
        }
    }

    /// Every client has heard of its request by the time that it was to.
    pub fn check_ends(&self, now: Time) {
        let late = self.asked.iter().find(|(_, asked)| asked.end.is_none() && asked.due < now);
        assert!(late.is_none(), "{late:?} has not ended");
    }

    /// No lease outlives its time by more than `grace`.
    pub fn check_leases_ended(&self, now: Time, grace: Duration) {
        let late = self.leases.iter().find(|(_, lease)| now.since(lease.since) > lease.ttl + grace);
        assert!(late.is_none(), "lease {:?} lives on", late.map(|(id, _)| id));
    }
}
