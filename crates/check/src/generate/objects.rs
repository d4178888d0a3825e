//! Concurrent clients of one kind of object.

use super::collections::{Leaderboards, PriorityQueues, Queues, Sets, Stacks};
use super::numbers::{Counters, FencedLocks, Mutexes, RateLimiters};
use super::object::{Draw, Object, Request};
use super::registers::{Kvs, MultiRegisters, Registers};
use super::rng::Rng;
use crate::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
use crate::model::Kind;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What [`objects`] makes.
#[derive(Clone, Copy, Debug)]
pub struct Objects {
    /// Of which kind the objects are.
    pub kind: Kind,
    /// How many operations.
    pub ops: usize,
    /// How many clients at a time.
    pub processes: u32,
    /// How many objects; with just one, operations name no key.
    pub keys: u32,
    /// Written values are `0..domain`; 0 makes each a new one.
    pub domain: u32,
    /// Of a hundred operations so many read, or remove.
    pub read_percent: u32,
    /// Nothing but reads and writes, or insertions and removals, where the kind has more.
    pub plain: bool,
    /// Of a thousand operations so many end in doubt.
    pub info_permille: u32,
    /// Of a thousand operations so many fail.
    pub fail_permille: u32,
    /// All chance follows from it.
    pub seed: u64,
}

impl Objects {
    /// 100 operations by 5 clients on one object with new values, half of them reads, all successful.
    pub fn new(kind: Kind, seed: u64) -> Self {
        Objects {
            kind,
            ops: 100,
            processes: 5,
            keys: 1,
            domain: 0,
            read_percent: 50,
            plain: false,
            info_permille: 0,
            fail_permille: 0,
            seed,
        }
    }
}

fn object(options: &Objects) -> Box<dyn Object> {
    let Objects { domain, read_percent, plain, .. } = *options;
    let draw = Draw { domain, read_percent, plain, next: 0 };
    match options.kind {
        Kind::Register => Box::new(Registers::new(draw)),
        Kind::MultiRegister => Box::new(MultiRegisters::new(draw, options.keys)),
        Kind::Kv => Box::new(Kvs::new(draw)),
        Kind::Counter => Box::new(Counters::new(draw)),
        Kind::Set => Box::new(Sets::new(draw)),
        Kind::Queue => Box::new(Queues::new(draw)),
        Kind::Stack => Box::new(Stacks::new(draw)),
        Kind::PriorityQueue => Box::new(PriorityQueues::new(draw)),
        Kind::Mutex => Box::new(Mutexes::default()),
        Kind::FencedLock => Box::new(FencedLocks::default()),
        Kind::RateLimiter => Box::new(RateLimiters::default()),
        Kind::Leaderboard => Box::new(Leaderboards::new(draw)),
    }
}

/// What a client is about.
enum Client {
    Idle,
    Called(Request, Outcome),
    Done(Value, Outcome),
}

/// A linearizable history: each operation takes effect at one hidden point between its call and its return, one that ends in doubt
/// perhaps later or never, one that fails never.
///
/// # Panics
/// If there are no processes or no keys.
pub fn objects(options: &Objects) -> History {
    assert!(options.processes > 0 && options.keys > 0, "somebody has to call something");
    Simulation::new(options).run()
}

struct Simulation<'a> {
    options: &'a Objects,
    rng: Rng,
    object: Box<dyn Object>,
    builder: Builder,
    names: Vec<String>,
    functions: FxHashMap<&'static str, Arc<str>>,
    /// Operations in doubt that may still take effect.
    late: Vec<(u32, Request)>,
    calls: usize,
}

impl<'a> Simulation<'a> {
    fn new(options: &'a Objects) -> Self {
        Simulation {
            options,
            rng: Rng::new(options.seed),
            object: object(options),
            builder: Builder::new(Order::RealTime),
            names: (0..options.processes).map(|process| process.to_string()).collect(),
            functions: FxHashMap::default(),
            late: Vec::new(),
            calls: 0,
        }
    }

    fn run(mut self) -> History {
        let mut clients: Vec<Client> = (0..self.options.processes).map(|_| Client::Idle).collect();
        let mut busy = 0;
        while self.calls < self.options.ops || busy > 0 {
            if !self.late.is_empty() && self.rng.percent(5) {
                let late = self.rng.index(self.late.len());
                let (process, request) = self.late.swap_remove(late);
                self.object.apply(process, &request, false);
            }
            let process = self.rng.index(clients.len());
            let client = std::mem::replace(&mut clients[process], Client::Idle);
            clients[process] = match client {
                Client::Idle if self.calls == self.options.ops => Client::Idle,
                Client::Idle => {
                    busy += 1;
                    self.call(process as u32)
                }
                Client::Called(request, outcome) => self.act(process as u32, request, outcome),
                Client::Done(output, outcome) => {
                    busy -= 1;
                    self.answer(process, output, outcome);
                    Client::Idle
                }
            };
        }
        self.builder.finish().expect("each client has one call open at a time")
    }

    fn call(&mut self, process: u32) -> Client {
        let key = self.rng.below(self.options.keys.into()) as u32;
        let request = self.object.choose(process, key, self.calls as u64, &mut self.rng);
        self.calls += 1;
        let Objects { info_permille, fail_permille, .. } = *self.options;
        let outcome = match self.rng.below(1000) as u32 {
            drawn if drawn < info_permille => Outcome::Info,
            drawn if drawn < info_permille + fail_permille => Outcome::Fail,
            _ => Outcome::Ok,
        };
        let f = self.functions.entry(request.f).or_insert_with(|| request.f.into());
        let names_keys = self.options.keys > 1 && self.options.kind != Kind::MultiRegister;
        let call = Call {
            process: &self.names[process as usize],
            session: None,
            node: None,
            f: Arc::clone(f),
            key: if names_keys { Value::Int(request.key.into()) } else { Value::Nil },
            input: request.input.clone(),
            at: Stamp::Next,
            line: 0,
            time: None,
        };
        self.builder.call(call).expect("the client is idle, and there is room");
        Client::Called(request, outcome)
    }

    /// The hidden point.
    fn act(&mut self, process: u32, request: Request, outcome: Outcome) -> Client {
        let output = match outcome {
            Outcome::Ok => self.object.apply(process, &request, true),
            Outcome::Fail => Value::Nil,
            Outcome::Info => {
                match self.rng.below(3) {
                    0 => drop(self.object.apply(process, &request, false)),
                    1 => self.late.push((process, request)),
                    _ => {}
                }
                Value::Nil
            }
        };
        Client::Done(output, outcome)
    }

    fn answer(&mut self, process: usize, output: Value, outcome: Outcome) {
        let ret = Return { outcome, output, at: Stamp::Next, line: 0, time: None };
        self.builder.ret(&self.names[process], ret).expect("the client has a call open");
    }
}
