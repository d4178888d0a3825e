//! What clients ask.

use super::world::{Local, MS, World};
use quorate_kv::{
    Command, Compare, CompareResult, CompareTarget, DeleteRequest, KeyRange, Operation, Outcome, PutRequest,
    RangeRequest, TxnRequest, View,
};
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{Answer, Input, ReadRequest, WriteRequest};
use quorate_types::{Bytes, LeaseId, LogIndex, NodeId, Revision, Time};
use std::collections::BTreeMap;

const COUNTERS: u64 = 3;
/// Clients hear of a missed deadline at most so much later.
pub const LATENESS_MS: u64 = 150;

/// A write whose outcome its client checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expectation {
    /// The key was never written before.
    FirstPut,
    /// Adds one to a counter if it has not changed since it was read.
    Increment {
        counter: u64,
    },
    Other,
}

#[derive(Default)]
pub struct Clients {
    next: u64,
    writes: BTreeMap<u64, Expectation>,
    reads: BTreeMap<u64, Reading>,
    leases: Vec<LeaseId>,
    keys: Vec<Bytes>,
    /// Increments that clients know were done, and those that may have been.
    incremented: BTreeMap<u64, (i64, i64)>,
}

/// A linearizable read under way, after which its client increments a counter or does nothing.
struct Reading {
    node: NodeId,
    floor: LogIndex,
    then: Option<u64>,
}

fn one(key: Bytes) -> KeyRange {
    KeyRange { key, end: Bytes::new() }
}

fn counter_key(counter: u64) -> Bytes {
    Bytes::from(format!("counter/{counter}"))
}

/// (version, mod revision) of a counter; its version counts its increments.
fn counter_in(view: &View, counter: u64) -> (i64, Revision) {
    let request = RangeRequest { range: one(counter_key(counter)), ..RangeRequest::default() };
    let pair = view.range(&request).expect("memory").kvs.pop().unwrap_or_default();
    (pair.version, pair.mod_revision)
}

fn increment(counter: u64, seen: Revision) -> Command {
    let put = PutRequest { key: counter_key(counter), ..PutRequest::default() };
    Command::Txn(TxnRequest {
        compare: vec![Compare {
            range: one(counter_key(counter)),
            result: CompareResult::Equal,
            target: CompareTarget::Mod(seen.0),
        }],
        success: vec![Operation::Put(put)],
        failure: Vec::new(),
    })
}

impl World {
    /// A client of `node` asks something.
    pub fn ask_something(&mut self, node: NodeId) {
        match self.rng.below(16) {
            0..=5 => self.put_new_key(node),
            6..=9 => {
                let counter = self.rng.below(COUNTERS);
                if self.rng.chance(1, 4) {
                    let (_, seen) = counter_in(&self.member(node).up().view.clone(), counter);
                    self.increment(node, counter, seen);
                } else {
                    self.read(node, Some(counter));
                }
            }
            10 => self.delete_something(node),
            11 => self.grant(node),
            12..=13 => self.renew_or_revoke(node),
            14 if self.rng.chance(1, 4) => {
                let revision = Revision(self.oracle.revision().0 - self.rng.below(20).min(10) as i64);
                self.write(node, Command::Compact { revision }, Expectation::Other);
            }
            _ => self.read(node, None),
        }
    }

    fn number(&mut self) -> u64 {
        self.clients.next += 1;
        self.clients.next
    }

    fn put_new_key(&mut self, node: NodeId) {
        let key = Bytes::from(format!("key/{}", self.number()));
        self.clients.keys.push(key.clone());
        let lease = self.some_lease().filter(|_| self.rng.clone().chance(1, 4));
        let value = Bytes::from(vec![b'v'; self.rng.below(60) as usize]);
        let put = PutRequest { key, value, lease, prev_kv: true, ..PutRequest::default() };
        self.write(node, Command::Put(put), Expectation::FirstPut);
    }

    fn delete_something(&mut self, node: NodeId) {
        if self.clients.keys.is_empty() {
            return;
        }
        let at = self.rng.below(self.clients.keys.len() as u64) as usize;
        // Some ranges hold many keys.
        let mut range = one(self.clients.keys.swap_remove(at));
        if self.rng.chance(1, 8) {
            range.end = Bytes::from("key/9");
        }
        let delete = DeleteRequest { range, prev_kv: false };
        self.write(node, Command::Delete(delete), Expectation::Other);
    }

    fn some_lease(&mut self) -> Option<LeaseId> {
        let count = self.clients.leases.len() as u64;
        (count > 0).then(|| self.clients.leases[self.rng.below(count) as usize])
    }

    fn grant(&mut self, node: NodeId) {
        let id = LeaseId(self.number() as i64);
        self.clients.leases.push(id);
        self.write(node, Command::LeaseGrant { id, ttl_s: 2 }, Expectation::Other);
    }

    fn renew_or_revoke(&mut self, node: NodeId) {
        let Some(id) = self.some_lease() else { return };
        let command = match self.rng.below(8) {
            0 => Command::LeaseRevoke { id },
            _ => Command::LeaseRenew { ids: vec![id] },
        };
        self.write(node, command, Expectation::Other);
    }

    pub fn increment(&mut self, node: NodeId, counter: u64, seen: Revision) {
        self.write(node, increment(counter, seen), Expectation::Increment { counter });
    }

    pub fn write(&mut self, node: NodeId, command: Command, expectation: Expectation) -> u64 {
        let sequence = self.number();
        quorate_kv::validate(&command).expect("clients ask what may be asked");
        let timeout = (300 + self.rng.below(2500)) * MS;
        let due = Time(self.now.0 + timeout + LATENESS_MS * MS);
        self.oracle.on_asked(sequence, node, self.now, due);
        self.clients.writes.insert(sequence, expectation);
        let now = self.now;
        let deadline = Time(self.member(node).local(now).0 + timeout);
        let require_leader = self.rng.chance(1, 16);
        let write = WriteRequest { sequence, command, deadline, require_leader };
        self.step(node, Input::Requests { group: DEFAULT_GROUP, writes: vec![write], reads: Vec::new() });
        sequence
    }

    pub fn read(&mut self, node: NodeId, then: Option<u64>) {
        let sequence = self.number();
        self.clients.reads.insert(sequence, Reading { node, floor: self.oracle.known(), then });
        let now = self.now;
        let deadline = Time(self.member(node).local(now).0 + (200 + self.rng.below(2000)) * MS);
        let read = ReadRequest { sequence, deadline, require_leader: false };
        self.step(node, Input::Requests { group: DEFAULT_GROUP, writes: Vec::new(), reads: vec![read] });
    }

    /// A read may be served from what `node` has published.
    pub fn on_readable(&mut self, node: NodeId, sequence: u64) {
        let Reading { node: asked_at, floor, then } =
            self.clients.reads.remove(&sequence).expect("a read ends once");
        assert_eq!(asked_at, node, "a read ends where it was asked");
        let view = self.member(node).up().view.clone();
        self.oracle.on_read(floor, &view);
        self.counts.reads += 1;
        if let Some(counter) = then {
            let (_, seen) = counter_in(&view, counter);
            let at = Time(self.now.0 + self.rng.below(1000 * 1000));
            self.schedule_at(node, at, Local::Increment { counter, seen });
        }
    }

    /// A request ended without an outcome; whether it was a write.
    pub fn is_write(&mut self, sequence: u64) -> bool {
        self.clients.reads.remove(&sequence).is_none()
    }

    pub fn on_outcome(&mut self, node: NodeId, sequence: u64, answer: &Answer) {
        if !self.oracle.on_answered(node, sequence, answer) {
            return;
        }
        self.counts.answers += 1;
        match (self.clients.writes[&sequence], &answer.outcome) {
            (Expectation::FirstPut, Ok(Outcome::Put { prev_kv })) => {
                assert_eq!(*prev_kv, None, "a key that is put once was not there before");
            }
            (Expectation::Increment { counter }, Ok(Outcome::Txn(response))) if response.succeeded => {
                self.clients.incremented.entry(counter).or_default().0 += 1;
            }
            _ => {}
        }
    }

    /// Every increment that a client knows of is in its counter, and none more than those that may have been done.
    pub fn check_counters(&mut self, view: &View) {
        for (sequence, expectation) in &self.clients.writes {
            if let Expectation::Increment { counter } = expectation
                && self.oracle.end_of(*sequence) == Some(super::oracle::End::Unknown)
            {
                self.clients.incremented.entry(*counter).or_default().1 += 1;
            }
        }
        for counter in 0..COUNTERS {
            let (done, maybe) = self.clients.incremented.get(&counter).copied().unwrap_or_default();
            let (version, _) = counter_in(view, counter);
            assert!(
                (done..=done + maybe).contains(&version),
                "{version} increments, {done} known, {maybe} unknown"
            );
        }
    }

    /// What the clients of a crashed node asked for is forgotten.
    pub fn forget_reads(&mut self, node: NodeId) {
        self.clients.reads.retain(|_, reading| reading.node != node);
    }

    pub fn open_reads(&self) -> usize {
        self.clients.reads.len()
    }
}
