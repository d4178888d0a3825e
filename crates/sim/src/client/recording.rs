//! The history of what clients saw, kept apart by what is promised.
//!
//! **Idea:** each kind of call goes into a history of its own, under the names of `quorate-check`'s models. Order is the order in which
//! clients act, so two things at one simulated moment are told apart. **Invariant:** a correct cluster's histories satisfy their promises
//! whatever fails: where the model says less than the store (a lease may end a lock at any time), the history says less.

use super::call::{End, mops, number};
use super::command;
use crate::scenario::{Call, Scenario};
use quorate_check::history::{Builder, Call as Called, History, Op, Order, Outcome, Return, Stamp, Value};
use quorate_check::level::Level;
use quorate_check::model::Kind;
use quorate_check::subject::Subject;
use quorate_check::txn;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a history is to satisfy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Promise {
    /// Registers are linearizable: reads, writes, compare-and-sets, deletions, key by key.
    Registers,
    /// What nodes show without a promise of freshness is, in the order of the revisions that they name, what one order of all writes gives.
    /// Registers that are ever deleted are left out, because no value would tell one deletion from another.
    LocalReads,
    /// Transactions over lists are strictly serializable.
    Lists,
    /// Counters are linearizable, and each increment knows its number.
    Counters,
    /// A lock has one holder, and tokens grow. A lease may end a hold at any time after it was asked for.
    Locks,
}

impl Promise {
    /// As what it is judged.
    #[must_use]
    pub fn subject(self) -> Subject {
        match self {
            Promise::Registers | Promise::LocalReads => Subject::Objects(Kind::Register),
            Promise::Lists => Subject::Txns(txn::Kind::ListAppend),
            Promise::Counters => Subject::Objects(Kind::Counter),
            Promise::Locks => Subject::Objects(Kind::FencedLock),
        }
    }

    /// The level that it must hold.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Promise::Registers | Promise::Counters | Promise::Locks => Level::Linearizable,
            Promise::LocalReads => Level::Sequential,
            Promise::Lists => Level::StrictSerializable,
        }
    }

    /// In words, such as `the registers`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Promise::Registers => "the registers",
            Promise::LocalReads => "what nodes show of the registers",
            Promise::Lists => "the transactions over lists",
            Promise::Counters => "the counters",
            Promise::Locks => "the locks",
        }
    }
}

/// The histories of one run, each with what it is to satisfy; none is empty.
pub type Histories = Vec<(Promise, History)>;

/// A look at what a node has applied.
struct Look {
    revision: i64,
    key: u64,
    value: Value,
}

/// A lock that was, or may have been, taken.
struct Hold {
    lock: u64,
    /// Nobody knows it if the call's outcome is unknown.
    token: Option<i64>,
    /// The call's position among all events.
    asked: i64,
    returned: i64,
}

pub(super) struct Recorder {
    registers: Builder,
    lists: Builder,
    counters: Builder,
    locks: Builder,
    looks: Vec<Look>,
    holds: Vec<Hold>,
    /// Which lock each client is asking for, and since when.
    asking: BTreeMap<u64, (u64, i64)>,
    /// Counts events: the order of things.
    next: i64,
    /// All registers that the scenario names, by their texts' order.
    known: BTreeSet<u64>,
}

impl Recorder {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let builder = || Builder::new(Order::RealTime);
        let known = scenario.operations.iter().filter_map(|operation| match operation.call {
            Call::Get { key } | Call::Put { key, .. } | Call::CompareAndSet { key, .. } => Some(key),
            _ => None,
        });
        Recorder {
            registers: builder(),
            lists: builder(),
            counters: builder(),
            locks: builder(),
            looks: Vec::new(),
            holds: Vec::new(),
            asking: BTreeMap::new(),
            next: 0,
            known: known.collect(),
        }
    }

    /// Deletions of several registers are one operation for each of them, each by a process of its own: a range is deleted at one moment,
    /// but that two registers go together is for the oracle to see.
    fn deleted(&self, client: u64, key: u64, end: u64) -> Vec<(String, u64)> {
        let range = command::registers(key, end);
        let inside = self.known.iter().filter(|key| range.contains(&command::register(**key)));
        inside.map(|key| (format!("{client}/{key}"), *key)).collect()
    }

    /// A client calls.
    pub(super) fn invoke(&mut self, client: u64, node: u64, call: &Call) {
        self.next += 1;
        let at = Stamp::At(self.next);
        let node: Option<Arc<str>> = Some(node.to_string().into());
        let process = client.to_string();
        let (builder, f, key, input) = match call {
            Call::Get { key } => (&mut self.registers, "read", *key, Value::Nil),
            Call::Put { key, value } => (&mut self.registers, "write", *key, number(*value)),
            Call::CompareAndSet { key, from, to } => {
                let from = if *from == 0 { Value::Nil } else { number(*from) };
                (&mut self.registers, "cas", *key, Value::list([from, number(*to)]))
            }
            Call::Delete { key, end } => {
                for (process, key) in self.deleted(client, *key, *end) {
                    let called = Called { node: node.clone(), ..called(&process, "delete", at) };
                    tell(self.registers.call(Called { key: number(key), ..called }));
                }
                return;
            }
            Call::Transact { reads, appends } => {
                let input = mops(reads, appends, None);
                tell(self.lists.call(Called { node, input, ..called(&process, "txn", at) }));
                return;
            }
            Call::Increment { counter } => (&mut self.counters, "add-and-get", *counter, Value::Nil),
            Call::Lock { lock, .. } => {
                self.asking.insert(client, (*lock, self.next));
                (&mut self.locks, "acquire", *lock, Value::Nil)
            }
            Call::Unlock { lock } => (&mut self.locks, "release", *lock, Value::Nil),
            _ => return,
        };
        tell(builder.call(Called { node, key: number(key), input, ..called(&process, f, at) }));
    }

    /// A client's call ended.
    pub(super) fn ended(&mut self, client: u64, call: &Call, end: &End) {
        self.next += 1;
        let (outcome, output) = end.recorded.clone();
        if let (Call::GetLocal { key }, Outcome::Ok) = (call, outcome) {
            self.looks.push(Look { revision: end.seen_at.0, key: *key, value: output });
            return;
        }
        if let Call::Lock { .. } = call {
            self.held(client, outcome, &output);
        }
        let ret = Return { outcome, output, at: Stamp::At(self.next), line: 0, time: None };
        let builder = match call {
            Call::Get { .. } | Call::Put { .. } | Call::CompareAndSet { .. } => &mut self.registers,
            Call::Delete { key, end } => {
                for (process, _) in self.deleted(client, *key, *end) {
                    tell(self.registers.ret(&process, ret.clone()));
                }
                return;
            }
            Call::Transact { .. } => &mut self.lists,
            Call::Increment { .. } => &mut self.counters,
            Call::Lock { .. } | Call::Unlock { .. } => &mut self.locks,
            _ => return,
        };
        tell(builder.ret(&client.to_string(), ret));
    }

    fn held(&mut self, client: u64, outcome: Outcome, output: &Value) {
        let (lock, asked) = self.asking.remove(&client).expect("a call that ends was called");
        let returned = self.next;
        match outcome {
            Outcome::Info => self.holds.push(Hold { lock, token: None, asked, returned }),
            Outcome::Ok if output.as_int().is_some() => {
                self.holds.push(Hold { lock, token: output.as_int(), asked, returned });
            }
            _ => {}
        }
    }

    /// Leases end holds. The hold with a known token has ended before the next known one began; other holds end some time or never.
    fn expire_locks(&mut self) {
        for (at, hold) in self.holds.iter().enumerate() {
            let process = format!("lease of hold {at}");
            let called = called(&process, "expire", Stamp::At(hold.asked));
            tell(self.locks.call(Called { key: number(hold.lock), ..called }));
            let later = self.holds.iter().filter(|later| later.lock == hold.lock && later.token > hold.token);
            let next = later.min_by_key(|later| later.token).filter(|_| hold.token.is_some());
            if let Some(next) = next {
                let at = Stamp::At(next.returned.max(hold.returned));
                let ret = Return { outcome: Outcome::Ok, output: Value::Nil, at, line: 0, time: None };
                tell(self.locks.ret(&process, ret));
            }
        }
    }

    /// What nodes showed, in order of revisions, beside all writes in their clients' order.
    fn local_reads(&mut self, registers: &History) -> Builder {
        let deleted: BTreeSet<&Value> =
            registers.ops.iter().filter(|op| &*op.f == "delete").map(|op| &op.key).collect();
        let mut builder = Builder::new(Order::Sessions);
        let mut add = |process: &str, f: &str, key: &Value, (input, output): (Value, Value), outcome| {
            let key = key.clone();
            tell(builder.call(Called { key, input, ..called(process, f, Stamp::Next) }));
            tell(builder.ret(process, Return { outcome, output, at: Stamp::Next, line: 0, time: None }));
        };
        self.looks.sort_by_key(|look| look.revision);
        let looks = self.looks.iter().filter(|look| !deleted.contains(&number(look.key)));
        let shown: BTreeSet<Value> = looks.clone().map(|look| number(look.key)).collect();
        for op in registers.ops.iter().filter(|op| shown.contains(&op.key)) {
            if let Some((f, input)) = effect(op) {
                let process = &registers.sessions[op.session.0 as usize];
                add(process, f, &op.key, (input, Value::Nil), op.outcome);
            }
        }
        for look in looks {
            add("nodes", "read", &number(look.key), (Value::Nil, look.value.clone()), Outcome::Ok);
        }
        builder
    }

    /// The histories. Calls that have not ended are of unknown outcome.
    pub(super) fn finish(mut self) -> Histories {
        let asking = std::mem::take(&mut self.asking).into_values();
        let returned = self.next;
        self.holds.extend(asking.map(|(lock, asked)| Hold { lock, token: None, asked, returned }));
        self.expire_locks();
        let sound = "clients do one thing at a time, so that operations of a session do not overlap";
        let registers = std::mem::replace(&mut self.registers, Builder::new(Order::RealTime));
        let registers = registers.finish().expect(sound);
        let local = self.local_reads(&registers);
        let mut histories = vec![(Promise::Registers, registers)];
        let builders = [
            (Promise::LocalReads, local),
            (Promise::Lists, self.lists),
            (Promise::Counters, self.counters),
            (Promise::Locks, self.locks),
        ];
        histories.extend(builders.map(|(promise, builder)| (promise, builder.finish().expect(sound))));
        histories.retain(|(_, history)| !history.ops.is_empty());
        histories
    }
}

/// What a register's operation wrote, for those who look at nodes; nothing if it wrote nothing.
fn effect(op: &Op) -> Option<(&'static str, Value)> {
    match (&*op.f, op.outcome) {
        (_, Outcome::Fail) => None,
        ("write", _) => Some(("write", op.input.clone())),
        ("cas", Outcome::Ok) if op.output == Value::Bool(false) => None,
        ("cas", Outcome::Ok) => Some(("cas", op.input.clone())),
        // Whether it wrote or not: it may have, at any time.
        ("cas", Outcome::Info) => Some(("write", op.input.as_pair()?.1.clone())),
        _ => None,
    }
}

fn called<'a>(process: &'a str, f: &str, at: Stamp) -> Called<'a> {
    let (session, node, key, input) = (None, None, Value::Nil, Value::Nil);
    Called { process, session, node, f: f.into(), key, input, at, line: 0, time: None }
}

fn tell<E: std::fmt::Debug>(told: Result<(), E>) {
    told.expect("a client does one thing at a time");
}
