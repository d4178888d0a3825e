//! Objects to play with, and histories of them.

use quorate_check::history::{Lines, Op, OpId, Outcome, Point, ProcessId, SessionId, Value};
use quorate_check::model::{Access, Item, Misfit, Model, Register};
use quorate_types::Rng;
use std::collections::VecDeque;

/// A model that makes up calls.
pub trait Play: Model {
    /// A call on one of the objects that is legal in its state.
    fn sample(&mut self, rng: &mut Rng, key: u32, state: &Self::State) -> Self::Call;
    /// A call with any result.
    fn garbled(&mut self, rng: &mut Rng, key: u32) -> Self::Call;
}

/// How a history is made up.
#[derive(Clone, Copy)]
pub struct Plan {
    pub ops: usize,
    pub processes: usize,
    pub keys: u32,
    /// Of a thousand operations so many end in doubt.
    pub doubtful: u64,
    /// Of a thousand operations so many give any result.
    pub garbled: u64,
}

struct Running<M: Model> {
    id: u32,
    key: u32,
    from: u32,
    call: Option<M::Call>,
}

/// A run in which each operation takes effect at some moment between its call and its return, but for those that are garbled.
pub fn random_run<M: Play>(model: &mut M, rng: &mut Rng, plan: Plan) -> Vec<Item<M::Call>> {
    let mut states: Vec<M::State> = (0..plan.keys).map(|_| model.initial()).collect();
    let mut open: Vec<Option<Running<M>>> = (0..plan.processes).map(|_| None).collect();
    let mut sessions: Vec<u32> = (0..plan.processes as u32).collect();
    let (mut items, mut clock, mut next) = (Vec::with_capacity(plan.ops), 0, 0);
    let mut new_session = plan.processes as u32;
    while items.len() < plan.ops {
        let process = rng.below(plan.processes as u64) as usize;
        clock += 1;
        let Some(running) = &mut open[process] else {
            if next < plan.ops {
                let key = rng.below(u64::from(plan.keys)) as u32;
                open[process] = Some(Running { id: next as u32, key, from: clock, call: None });
                next += 1;
            }
            continue;
        };
        let in_doubt = rng.chance(plan.doubtful, 2000);
        let item = |running: &Running<M>, call, session, certain| Item {
            id: OpId(running.id),
            call,
            from: Point(running.from),
            until: if certain { Point(clock) } else { Point::NEVER },
            session: SessionId(session),
            certain,
        };
        match running.call.take() {
            None if in_doubt => {
                let call = model.garbled(rng, running.key);
                items.push(item(running, call, sessions[process], false));
            }
            None => {
                let state = &mut states[running.key as usize];
                if rng.chance(plan.garbled, 1000) {
                    running.call = Some(model.garbled(rng, running.key));
                } else {
                    let call = model.sample(rng, running.key, state);
                    *state = model.step(state, &call, true).expect("a sample is legal");
                    running.call = Some(call);
                }
                continue;
            }
            Some(call) => items.push(item(running, call, sessions[process], !in_doubt)),
        }
        if in_doubt {
            sessions[process] = new_session;
            new_session += 1;
        }
        open[process] = None;
    }
    items.sort_by_key(|item| item.from);
    items
}

/// At most so many operations of so many processes on one object, half the time with garbled results.
pub fn random_items<M: Play>(
    rng: &mut Rng,
    mut model: M,
    (most_ops, most_processes): (u64, u64),
) -> (M, Vec<Item<M::Call>>) {
    let ops = rng.between(1, most_ops) as usize;
    let processes = rng.between(1, most_processes) as usize;
    let doubtful = [0, 200, 500][rng.below(3) as usize];
    let garbled = [0, 300 * 7 / most_ops][rng.below(2) as usize];
    let items = random_run(&mut model, rng, Plan { ops, processes, keys: 1, doubtful, garbled });
    (model, items)
}

/// [`Register`] with few values.
#[derive(Clone)]
pub struct Few {
    inner: Register,
    domain: u64,
    /// The number that stands for each value that is made up.
    names: Vec<i64>,
}

/// A register of values below `domain`, which are their own numbers.
pub fn register(domain: u64) -> Few {
    let mut few = Few { inner: Register::default(), domain, names: (0..domain as i64).collect() };
    for value in 0..domain {
        few.write(0, value as i64);
    }
    few
}

impl Few {
    /// From now on makes up other values.
    pub fn rename(&mut self, names: Vec<i64>) {
        self.names = names;
    }

    fn value(&self, rng: &mut Rng) -> i64 {
        self.names[rng.below(self.domain) as usize]
    }

    pub fn call(&mut self, f: &str, key: u32, input: Value, output: Value) -> <Register as Model>::Call {
        let op = Op {
            process: ProcessId(0),
            session: SessionId(0),
            node: None,
            f: f.into(),
            key: i64::from(key).into(),
            input,
            output,
            outcome: Outcome::Ok,
            call: Point(0),
            ret: Point(1),
            lines: Lines::default(),
            time: None,
        };
        self.inner.parse(&op).expect("a register has these")
    }

    pub fn write(&mut self, key: u32, value: i64) -> <Register as Model>::Call {
        self.call("write", key, value.into(), Value::Nil)
    }

    pub fn read(&mut self, key: u32, value: Option<i64>) -> <Register as Model>::Call {
        self.call("read", key, Value::Nil, value.map_or(Value::Nil, Value::Int))
    }

    pub fn cas(&mut self, key: u32, old: i64, new: i64, done: bool) -> <Register as Model>::Call {
        self.call("cas", key, Value::list([old.into(), new.into()]), Value::Bool(done))
    }
}

impl Play for Few {
    fn sample(&mut self, rng: &mut Rng, key: u32, state: &Option<u32>) -> Self::Call {
        let [old, new] = [self.value(rng), self.value(rng)];
        match rng.below(10) {
            0..5 => self.read(key, state.map(i64::from)),
            5..9 => self.write(key, new),
            _ => self.cas(key, old, new, *state == Some(old as u32)),
        }
    }

    fn garbled(&mut self, rng: &mut Rng, key: u32) -> Self::Call {
        let [old, new] = [self.value(rng), self.value(rng)];
        match rng.below(4) {
            0 => self.write(key, new),
            1 => {
                let done = rng.chance(1, 2);
                self.cas(key, old, new, done)
            }
            _ => self.read(key, Some(new)),
        }
    }
}

impl Model for Few {
    type State = Option<u32>;
    type Call = <Register as Model>::Call;

    const NAME: &'static str = "few";

    fn parse(&mut self, op: &Op) -> Result<Self::Call, Misfit> {
        self.inner.parse(op)
    }
    fn object(&self, call: &Self::Call) -> Option<u32> {
        self.inner.object(call)
    }
    fn object_name(&self, object: u32) -> String {
        self.inner.object_name(object)
    }
    fn initial(&self) -> Self::State {
        self.inner.initial()
    }
    fn step(&self, state: &Self::State, call: &Self::Call, seen: bool) -> Option<Self::State> {
        self.inner.step(state, call, seen)
    }
    fn accesses(&self, call: &Self::Call, seen: bool, out: &mut Vec<Access>) -> bool {
        self.inner.accesses(call, seen, out)
    }
    fn overwrites(&self, call: &Self::Call, seen: bool) -> bool {
        let mut accesses = Vec::new();
        self.accesses(call, seen, &mut accesses) && matches!(accesses[..], [Access::Write { .. }])
    }
    fn reads_only(&self, call: &Self::Call, seen: bool) -> bool {
        let stays = |state| self.step(&state, call, seen).is_none_or(|next| next == state);
        stays(None) && (0..self.domain as u32).all(|value| stays(Some(value)))
    }
}

/// For models of one object that no history is parsed for.
macro_rules! one_object {
    ($name:literal) => {
        const NAME: &'static str = $name;

        fn parse(&mut self, _: &Op) -> Result<Self::Call, Misfit> {
            unreachable!("calls are made up")
        }
        fn object(&self, _: &Self::Call) -> Option<u32> {
            None
        }
        fn object_name(&self, _: u32) -> String {
            unreachable!("there is one object")
        }
    };
}

/// A queue of small numbers, which need not be distinct.
#[derive(Clone)]
pub struct Queue;

#[derive(Clone, Debug)]
pub enum QueueCall {
    Push(u8),
    Pop(Option<u8>),
}

impl Model for Queue {
    type State = VecDeque<u8>;
    type Call = QueueCall;

    one_object!("queue");

    fn initial(&self) -> VecDeque<u8> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<u8>, call: &QueueCall, seen: bool) -> Option<VecDeque<u8>> {
        let mut state = state.clone();
        match call {
            QueueCall::Push(value) => state.push_back(*value),
            QueueCall::Pop(value) => {
                let popped = state.pop_front();
                if seen && popped != *value {
                    return None;
                }
            }
        }
        Some(state)
    }
}

impl Play for Queue {
    fn sample(&mut self, rng: &mut Rng, _: u32, state: &VecDeque<u8>) -> QueueCall {
        match rng.below(2) {
            0 => QueueCall::Push(rng.below(3) as u8),
            _ => QueueCall::Pop(state.front().copied()),
        }
    }

    fn garbled(&mut self, rng: &mut Rng, _: u32) -> QueueCall {
        match rng.below(3) {
            0 => QueueCall::Push(rng.below(3) as u8),
            1 => QueueCall::Pop(Some(rng.below(3) as u8)),
            _ => QueueCall::Pop(None),
        }
    }
}

/// A counter that tells its total, and may be told to add nothing.
#[derive(Clone)]
pub struct Counter;

#[derive(Clone, Debug)]
pub enum CounterCall {
    Add(i64),
    AddAndGet(i64, i64),
    Read(i64),
}

impl Model for Counter {
    type State = i64;
    type Call = CounterCall;

    one_object!("counter");

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, call: &CounterCall, seen: bool) -> Option<i64> {
        match call {
            CounterCall::Add(more) => Some(state + more),
            CounterCall::AddAndGet(more, total) => (!seen || state + more == *total).then_some(state + more),
            CounterCall::Read(total) => (!seen || state == total).then_some(*state),
        }
    }

    fn reads_only(&self, call: &CounterCall, _: bool) -> bool {
        matches!(call, CounterCall::Read(_))
    }
}

impl Play for Counter {
    fn sample(&mut self, rng: &mut Rng, _: u32, state: &i64) -> CounterCall {
        let more = rng.below(4) as i64 - 1;
        match rng.below(3) {
            0 => CounterCall::Add(more),
            1 => CounterCall::AddAndGet(more, state + more),
            _ => CounterCall::Read(*state),
        }
    }

    fn garbled(&mut self, rng: &mut Rng, _: u32) -> CounterCall {
        let total = rng.below(5) as i64 - 1;
        self.sample(rng, 0, &total)
    }
}

/// A few switches: each state is a set of those that are on. Nothing is a read by its form, and many calls change nothing at times.
#[derive(Clone)]
pub struct Switches;

#[derive(Clone, Debug)]
pub enum SwitchCall {
    /// Turns a switch on or off, whatever it was.
    Turn(u8, bool),
    /// Flips a switch and tells what it was.
    Flip(u8, bool),
    /// Turns all on or off; tells how many were on.
    All(bool, u32),
}

impl Model for Switches {
    type State = u8;
    type Call = SwitchCall;

    one_object!("switches");

    fn initial(&self) -> u8 {
        0
    }

    fn step(&self, state: &u8, call: &SwitchCall, seen: bool) -> Option<u8> {
        match *call {
            SwitchCall::Turn(at, on) => Some(if on { state | 1 << at } else { state & !(1 << at) }),
            SwitchCall::Flip(at, was) => {
                (!seen || (state & 1 << at != 0) == was).then_some(state ^ (1 << at))
            }
            SwitchCall::All(on, were) => {
                (!seen || state.count_ones() == were).then_some(if on { 7 } else { 0 })
            }
        }
    }
}

impl Play for Switches {
    fn sample(&mut self, rng: &mut Rng, _: u32, state: &u8) -> SwitchCall {
        let (at, on) = (rng.below(3) as u8, rng.chance(1, 2));
        match rng.below(4) {
            0 => SwitchCall::Turn(at, on),
            1 | 2 => SwitchCall::Flip(at, state & 1 << at != 0),
            _ => SwitchCall::All(on, state.count_ones()),
        }
    }

    fn garbled(&mut self, rng: &mut Rng, _: u32) -> SwitchCall {
        let state = rng.below(8) as u8;
        self.sample(rng, 0, &state)
    }
}
