//! Concurrent clients of a database.

use super::rng::Rng;
use crate::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
use crate::txn::Kind;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What [`transactions`] makes.
#[derive(Clone, Copy, Debug)]
pub struct Transactions {
    /// Lists or registers.
    pub kind: Kind,
    /// How many transactions, beside those of faults.
    pub txns: usize,
    /// How many clients at a time.
    pub processes: u32,
    /// How many keys are in use at a time.
    pub keys: u32,
    /// After so many writes a key is given up for a new one.
    pub max_writes_per_key: u32,
    /// A transaction has from 1 to so many reads and writes.
    pub max_mops_per_txn: u32,
    /// Of a hundred so many are reads.
    pub read_percent: u32,
    /// Of a thousand transactions so many end in doubt.
    pub info_permille: u32,
    /// Of a thousand transactions so many abort.
    pub fail_permille: u32,
    /// Which fault to plant, and how often.
    pub fault: Option<(Fault, u32)>,
    /// All chance follows from it.
    pub seed: u64,
}

impl Transactions {
    /// 100 transactions of up to 4 reads and writes by 5 clients on 5 keys of up to 32 writes, all successful, without fault.
    pub fn new(kind: Kind, seed: u64) -> Self {
        Transactions {
            kind,
            txns: 100,
            processes: 5,
            keys: 5,
            max_writes_per_key: 32,
            max_mops_per_txn: 4,
            read_percent: 50,
            info_permille: 0,
            fail_permille: 0,
            fault: None,
            seed,
        }
    }
}

/// What a database may do wrong. Each is played on keys of its own by clients of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// Two transactions read the same version and both write the next.
    LostUpdate,
    /// Two transactions read the same two keys, and each writes another one of them.
    WriteSkew,
    /// Of two writes one reader sees only the first, another only the second.
    LongFork,
    /// A transaction does not see one that had returned before it was called.
    StaleSnapshot,
    /// A transaction reads what an aborted one wrote.
    DirtyRead,
}

/// A history of transactions, each of which takes effect at one hidden point between its call and its return, one in doubt
/// perhaps later or never, an aborted one never: strictly serializable but for the planted faults. No value is written twice to
/// a key.
///
/// # Panics
/// If there are no processes, no keys or no reads and writes.
pub fn transactions(options: &Transactions) -> History {
    let Transactions { processes, keys, max_writes_per_key, max_mops_per_txn, .. } = *options;
    assert!(processes > 0 && keys > 0 && max_writes_per_key > 0 && max_mops_per_txn > 0, "nothing to do");
    Simulation::new(options).run()
}

/// A read, or a write of a value.
type Mop = (i64, Option<i64>);

/// A transaction that is played: client, reads and writes, what each read sees, outcome.
type Played<'a> = (&'a str, &'a [Mop], &'a [&'a [i64]], Outcome);

enum Client {
    Idle,
    Called(Vec<Mop>, Outcome),
    Done(Value, Outcome),
}

struct Simulation<'a> {
    options: &'a Transactions,
    rng: Rng,
    builder: Builder,
    names: Vec<String>,
    words: Words,
    /// Keys in use, each with how often it was written.
    keys: Vec<(i64, u32)>,
    next_key: i64,
    store: FxHashMap<i64, Vec<i64>>,
    late: Vec<Vec<Mop>>,
    calls: usize,
}

struct Words {
    txn: Arc<str>,
    read: Value,
    write: Value,
}

impl<'a> Simulation<'a> {
    fn new(options: &'a Transactions) -> Self {
        let write = if options.kind == Kind::ListAppend { "append" } else { "w" };
        Simulation {
            options,
            rng: Rng::new(options.seed),
            builder: Builder::new(Order::RealTime),
            names: (0..options.processes).map(|process| process.to_string()).collect(),
            words: Words {
                txn: "txn".into(),
                read: Value::Keyword("r".into()),
                write: Value::Keyword(write.into()),
            },
            keys: (0..i64::from(options.keys)).map(|key| (key, 0)).collect(),
            next_key: options.keys.into(),
            store: FxHashMap::default(),
            late: Vec::new(),
            calls: 0,
        }
    }

    fn run(mut self) -> History {
        let (fault, mut left) = self.options.fault.map_or((None, 0), |(fault, times)| (Some(fault), times));
        let between = self.options.txns / (left as usize + 1);
        let mut clients: Vec<Client> = self.names.iter().map(|_| Client::Idle).collect();
        let mut busy = 0;
        while self.calls < self.options.txns || busy > 0 {
            if let Some(fault) = fault.filter(|_| left > 0 && self.calls >= between * left as usize) {
                left -= 1;
                self.play(fault, left);
            }
            if !self.late.is_empty() && self.rng.percent(5) {
                let late = self.rng.index(self.late.len());
                let mops = self.late.swap_remove(late);
                self.apply(&mops);
            }
            let at = self.rng.index(clients.len());
            clients[at] = match std::mem::replace(&mut clients[at], Client::Idle) {
                Client::Idle if self.calls == self.options.txns => Client::Idle,
                Client::Idle => {
                    busy += 1;
                    self.start(at)
                }
                Client::Called(mops, outcome) => self.act(mops, outcome),
                Client::Done(output, outcome) => {
                    busy -= 1;
                    let name = std::mem::take(&mut self.names[at]);
                    self.ret(&name, output, outcome);
                    self.names[at] = name;
                    Client::Idle
                }
            };
        }
        self.builder.finish().expect("each client has one transaction open at a time")
    }

    fn start(&mut self, at: usize) -> Client {
        let len = 1 + self.rng.below(self.options.max_mops_per_txn.into());
        let mops: Vec<Mop> = (0..len).map(|_| self.draw()).collect();
        self.calls += 1;
        let Transactions { info_permille, fail_permille, .. } = *self.options;
        let outcome = match self.rng.below(1000) as u32 {
            drawn if drawn < info_permille => Outcome::Info,
            drawn if drawn < info_permille + fail_permille => Outcome::Fail,
            _ => Outcome::Ok,
        };
        let name = std::mem::take(&mut self.names[at]);
        self.call(&name, &mops);
        self.names[at] = name;
        Client::Called(mops, outcome)
    }

    fn draw(&mut self) -> Mop {
        let at = self.rng.index(self.keys.len());
        if self.rng.percent(self.options.read_percent) {
            return (self.keys[at].0, None);
        }
        let (key, writes) = &mut self.keys[at];
        *writes += 1;
        let mop = (*key, Some(i64::from(*writes)));
        if *writes == self.options.max_writes_per_key {
            self.keys[at] = (self.next_key, 0);
            self.next_key += 1;
        }
        mop
    }

    fn act(&mut self, mops: Vec<Mop>, outcome: Outcome) -> Client {
        let output = match outcome {
            Outcome::Ok => self.apply(&mops),
            Outcome::Fail => Value::Nil,
            Outcome::Info => {
                match self.rng.below(3) {
                    0 => drop(self.apply(&mops)),
                    1 => self.late.push(mops),
                    _ => {}
                }
                Value::Nil
            }
        };
        Client::Done(output, outcome)
    }

    fn apply(&mut self, mops: &[Mop]) -> Value {
        let mut done = Vec::with_capacity(mops.len());
        for (key, written) in mops {
            match written {
                None => {
                    let seen = self.seen(*key);
                    done.push(self.read(*key, seen));
                }
                Some(value) => {
                    let values = self.store.entry(*key).or_default();
                    if self.options.kind == Kind::RwRegister {
                        values.clear();
                    }
                    values.push(*value);
                    done.push(self.write(*key, *value));
                }
            }
        }
        Value::list(done)
    }

    fn seen(&self, key: i64) -> Value {
        let values: &[i64] = self.store.get(&key).map_or(&[], Vec::as_slice);
        self.version(values)
    }

    /// What a read gives after these writes.
    fn version(&self, values: &[i64]) -> Value {
        match self.options.kind {
            Kind::ListAppend => Value::list(values.iter().map(|value| Value::Int(*value))),
            Kind::RwRegister => values.last().map_or(Value::Nil, |value| Value::Int(*value)),
        }
    }

    fn read(&self, key: i64, seen: Value) -> Value {
        Value::list([self.words.read.clone(), Value::Int(key), seen])
    }

    fn write(&self, key: i64, value: i64) -> Value {
        Value::list([self.words.write.clone(), Value::Int(key), Value::Int(value)])
    }

    fn call(&mut self, process: &str, mops: &[Mop]) {
        let mops = mops.iter().map(|(key, written)| match written {
            None => self.read(*key, Value::Nil),
            Some(value) => self.write(*key, *value),
        });
        let call = Call {
            process,
            session: None,
            node: None,
            f: Arc::clone(&self.words.txn),
            key: Value::Nil,
            input: Value::list(mops),
            at: Stamp::Next,
            line: 0,
            time: None,
        };
        self.builder.call(call).expect("the client is idle, and there is room");
    }

    fn ret(&mut self, process: &str, output: Value, outcome: Outcome) {
        let ret = Return { outcome, output, at: Stamp::Next, line: 0, time: None };
        self.builder.ret(process, ret).expect("the client has a transaction open");
    }

    /// Plays a fault on two new keys.
    fn play(&mut self, fault: Fault, number: u32) {
        let (a, b) = (self.next_key, self.next_key + 1);
        self.next_key += 2;
        let name = |client: &str| format!("fault {number} {client}");
        let [one, two, three, four] = ["a", "b", "c", "d"].map(name);
        // Each reads versions as they are given here: the values written so far to each key.
        let (r, w) = (|key| (key, None), |key, value| (key, Some(value)));
        match fault {
            Fault::LostUpdate => self.play_together(&[
                (&one, &[r(a), w(a, 1)], &[&[]], Outcome::Ok),
                (&two, &[r(a), w(a, 2)], &[&[]], Outcome::Ok),
            ]),
            Fault::WriteSkew => self.play_together(&[
                (&one, &[r(a), r(b), w(a, 1)], &[&[], &[]], Outcome::Ok),
                (&two, &[r(a), r(b), w(b, 1)], &[&[], &[]], Outcome::Ok),
            ]),
            Fault::LongFork => self.play_together(&[
                (&one, &[w(a, 1)], &[], Outcome::Ok),
                (&two, &[w(b, 1)], &[], Outcome::Ok),
                (&three, &[r(a), r(b)], &[&[1], &[]], Outcome::Ok),
                (&four, &[r(a), r(b)], &[&[], &[1]], Outcome::Ok),
            ]),
            Fault::StaleSnapshot => {
                self.play_together(&[(&one, &[w(a, 1)], &[], Outcome::Ok)]);
                self.play_together(&[(&two, &[r(a)], &[&[]], Outcome::Ok)]);
            }
            Fault::DirtyRead => self.play_together(&[
                (&one, &[w(a, 1)], &[], Outcome::Fail),
                (&two, &[r(a)], &[&[1]], Outcome::Ok),
            ]),
        }
    }

    /// Runs transactions at the same time.
    fn play_together(&mut self, txns: &[Played<'_>]) {
        for (process, mops, ..) in txns {
            self.call(process, mops);
        }
        for (process, mops, seen, outcome) in txns {
            let mut seen = seen.iter();
            let done = mops.iter().map(|(key, written)| match written {
                Some(value) => self.write(*key, *value),
                None => {
                    let values = seen.next().expect("a version for each read");
                    self.read(*key, self.version(values))
                }
            });
            let output = if *outcome == Outcome::Ok { Value::list(done) } else { Value::Nil };
            self.ret(process, output, *outcome);
        }
    }
}
