//! Linearizability of registers, key by key: read, write, delete and compare-and-set, as in [`crate::model::Register`].
//!
//! **Idea.** Per key, the set of states that are possible: the value, and which open operations have already taken effect. An operation
//! that returns must have done so by then; if no possible state is left the history is not linearizable. An operation's result is needed
//! while it is open, so events wait until the oldest open call has returned. Operations that never change a value, such as reads, take
//! effect as soon as they can, which loses nothing.
//!
//! **Invariant:** of two states that differ only in operations of unknown outcome, one of which used fewer, the other is dropped.
//!
//! **Bound.** [`EVENT_BYTES`] for each event since the key's oldest open call, [`STATE_BYTES`] and more for each possible state and
//! [`KEY_BYTES`] for each key. Operations of unknown outcome stay open for ever, and each may double the states; the budget ends it.
//!
//! Source: Lowe, *Testing for linearizability*, 2017 (just-in-time linearization), with results known beforehand.

use super::steps::{Called, Ended, Step};
use super::{Check, Stop, progress};
use crate::history::{OpId, Order, Outcome, Value};
use crate::level::Level;
use crate::limits::{Budget, Held};
use crate::verdict::{Finding, Refutation, Report, Stuck, Verdict, Violation, Witness};
use std::collections::{BTreeMap, VecDeque};

const KNOWN: &str = "read, write, delete and cas of [old new]";
/// Bytes of an event that waits.
pub const EVENT_BYTES: u64 = 160;
/// Bytes of a possible state, and of each operation in it.
pub const STATE_BYTES: u64 = 80;
const DONE_BYTES: u64 = 4;
/// Bytes of a key.
pub const KEY_BYTES: u64 = 320;

/// The check of all keys. See the module.
pub struct RegisterCheck<'b, 'a> {
    budget: &'b Budget<'a>,
    held: Held<'b, 'a>,
    objects: BTreeMap<Value, Object>,
    op_count: u64,
    violation: Option<Violation>,
}

/// One register.
#[derive(Debug)]
struct Object {
    waiting: VecDeque<Event>,
    /// Operations that were called and have not returned, of those that no longer wait.
    active: Vec<Active>,
    states: Vec<State>,
    /// Bytes counted for the states.
    state_bytes: u64,
}

#[derive(Debug)]
enum Event {
    /// A call, what became of it once that is known, and what it may have done if that is never known.
    Call(OpId, Option<Fate>, Option<What>),
    Return(OpId),
}

/// What is known of an operation once it has ended.
#[derive(Debug)]
enum Fate {
    /// It did not happen, or nothing of it can be told.
    Nothing,
    /// It happened so.
    Certain(What),
    /// It may happen at any time.
    Doubtful(What),
}

#[derive(Debug)]
struct Active {
    id: OpId,
    what: What,
    certain: bool,
}

#[derive(Clone, Debug)]
enum What {
    Read(Value),
    Write(Value),
    Cas { old: Value, new: Value, done: Option<bool> },
}

/// The value, and the active operations that have taken effect, ascending.
#[derive(Clone, PartialEq, Eq, Debug)]
struct State {
    value: Value,
    certain: Vec<OpId>,
    doubtful: Vec<OpId>,
}

impl What {
    fn of(called: &Called, outcome: Outcome, output: &Value) -> Result<What, Stop> {
        match &*called.f {
            "read" | "r" | "get" => Ok(What::Read(output.clone())),
            "write" | "w" | "put" | "set" => Ok(What::Write(called.input.clone())),
            "delete" => Ok(What::Write(Value::Nil)),
            "cas" | "compare-and-set" => {
                let pair = called.input.as_pair();
                let (old, new) = pair.ok_or_else(|| Stop::unfit(called, &called.input, KNOWN))?;
                let done = (outcome == Outcome::Ok).then(|| *output != Value::Bool(false));
                Ok(What::Cas { old: old.clone(), new: new.clone(), done })
            }
            _ => Err(Stop::unfit(called, &called.input, KNOWN)),
        }
    }

    /// Whether it never changes a value.
    fn only_looks(&self) -> bool {
        matches!(self, What::Read(_) | What::Cas { done: Some(false), .. })
    }

    /// The value after it, if it can take effect now.
    fn step<'v>(&'v self, value: &'v Value) -> Option<&'v Value> {
        match self {
            What::Read(seen) => (seen == value).then_some(value),
            What::Write(new) => Some(new),
            What::Cas { old, new, done } => {
                let fits = old == value;
                done.is_none_or(|done| done == fits).then_some(if fits { new } else { value })
            }
        }
    }
}

impl State {
    fn has(&self, id: OpId) -> bool {
        self.certain.binary_search(&id).is_ok() || self.doubtful.binary_search(&id).is_ok()
    }

    fn bytes(&self) -> u64 {
        STATE_BYTES + DONE_BYTES * (self.certain.len() + self.doubtful.len()) as u64
    }

    /// Lets everything take effect that can and never changes a value.
    fn settle(&mut self, active: &[Active]) {
        for op in active.iter().filter(|op| op.certain && op.what.only_looks()) {
            if let Err(at) = self.certain.binary_search(&op.id)
                && op.what.step(&self.value).is_some()
            {
                self.certain.insert(at, op.id);
            }
        }
    }

    /// After an active operation that may change the value, if it can take effect now.
    fn after(&self, op: &Active) -> Option<State> {
        let value = op.what.step(&self.value).filter(|_| !op.what.only_looks())?;
        if !op.certain && *value == self.value {
            // What need not happen is of no use if it changes nothing.
            return None;
        }
        let mut next = State { value: value.clone(), ..self.clone() };
        let done = if op.certain { &mut next.certain } else { &mut next.doubtful };
        let at = done.binary_search(&op.id).err()?;
        done.insert(at, op.id);
        Some(next)
    }

    /// Whether whatever can follow `other` can follow this.
    fn is_as_good_as(&self, other: &State) -> bool {
        self.value == other.value
            && self.certain == other.certain
            && self.doubtful.iter().all(|id| other.doubtful.binary_search(id).is_ok())
    }
}

/// Takes a state in unless one is there that is as good.
fn add(states: &mut Vec<State>, state: State) -> bool {
    if states.iter().any(|known| known.is_as_good_as(&state)) {
        return false;
    }
    states.push(state);
    true
}

impl Object {
    fn new() -> Self {
        let first = State { value: Value::Nil, certain: Vec::new(), doubtful: Vec::new() };
        Object { waiting: VecDeque::new(), active: Vec::new(), states: vec![first], state_bytes: 0 }
    }

    /// Tells a waiting call its result.
    fn resolve(&mut self, called: OpId, result: Fate) {
        let calls = self.waiting.iter_mut().rev();
        let mut slots = calls.filter_map(|event| match event {
            Event::Call(id, slot, _) if *id == called => Some(slot),
            _ => None,
        });
        if let Some(slot) = slots.next() {
            *slot = Some(result);
        }
    }

    /// Goes on as far as results are known. Gives the operation that could not return.
    fn advance(&mut self, budget: &Budget<'_>, held: &mut Held<'_, '_>) -> Result<Option<OpId>, Stop> {
        loop {
            match self.waiting.front() {
                None | Some(Event::Call(_, None, _)) => return Ok(None),
                Some(_) => {}
            }
            let event = self.waiting.pop_front();
            held.shrink(EVENT_BYTES);
            let (id, what, certain) = match event {
                Some(Event::Call(id, Some(Fate::Certain(what)), _)) => (id, what, true),
                Some(Event::Call(id, Some(Fate::Doubtful(what)), _)) => (id, what, false),
                Some(Event::Return(id)) => {
                    if !self.returned(id, budget, held)? {
                        return Ok(Some(id));
                    }
                    continue;
                }
                _ => continue,
            };
            held.grow(EVENT_BYTES)?;
            self.active.push(Active { id, what, certain });
            self.states.iter_mut().for_each(|state| state.settle(&self.active));
        }
    }

    /// Keeps the states in which `id` has taken effect, or can. Says whether any is left.
    fn returned(&mut self, id: OpId, budget: &Budget<'_>, held: &mut Held<'_, '_>) -> Result<bool, Stop> {
        let mut left: Vec<State> = Vec::new();
        let mut seen: Vec<State> = Vec::new();
        let mut next = self.states.clone();
        let mut bytes = 0;
        while let Some(state) = next.pop() {
            budget.step(1 + seen.len() as u64)?;
            if state.has(id) {
                add(&mut left, state);
                continue;
            }
            let size = state.bytes();
            if !add(&mut seen, state.clone()) {
                continue;
            }
            held.grow(2 * size)?;
            bytes += 2 * size;
            next.extend(self.active.iter().filter_map(|op| state.after(op)).map(|mut state| {
                state.settle(&self.active);
                state
            }));
        }
        held.shrink(bytes);
        if left.is_empty() {
            return Ok(false);
        }
        self.active.retain(|op| op.id != id);
        held.shrink(EVENT_BYTES);
        left.iter_mut().for_each(|state| state.certain.retain(|done| *done != id));
        held.shrink(self.state_bytes);
        self.state_bytes = left.iter().map(State::bytes).sum();
        held.grow(self.state_bytes)?;
        self.states = left;
        Ok(true)
    }

    fn violation(&self, key: &Value, id: OpId, line: u32) -> Violation {
        let scope = if key.is_nil() { String::new() } else { key.to_string() };
        let values: Vec<String> = self.states.iter().map(|state| state.value.to_string()).collect();
        let of = if scope.is_empty() { String::new() } else { format!(" of {scope}") };
        let what = self.active.iter().find(|op| op.id == id).map(|op| match &op.what {
            What::Read(value) => format!("read {value}"),
            What::Write(value) => format!("wrote {value}"),
            What::Cas { old, new, done: Some(false) } => {
                format!("found that the value was not {old}, to become {new}")
            }
            What::Cas { old, new, .. } => format!("replaced {old} by {new}"),
        });
        let what = what.unwrap_or_default();
        let near = if line == 0 { String::new() } else { format!(" (found on line {line})") };
        let reason = format!("operation {} {what}, which no order of the operations{of} allows{near}", id.0);
        let mut ops: Vec<OpId> = self.active.iter().map(|op| op.id).collect();
        ops.sort_unstable();
        let stuck = Stuck { scope, order: Vec::new(), state: values.join(" or "), blocked: vec![(id, what)] };
        Violation { anomaly: "not linearizable", ops, reason, refutation: Refutation::Stuck(stuck) }
    }
}

impl<'b, 'a> RegisterCheck<'b, 'a> {
    /// All registers are nil.
    ///
    /// # Errors
    /// If nothing may be held.
    pub fn new(budget: &'b Budget<'a>) -> Result<Self, Stop> {
        let held = budget.hold(0)?;
        Ok(RegisterCheck { budget, held, objects: BTreeMap::new(), op_count: 0, violation: None })
    }

    fn call(&mut self, called: &Called) -> Result<(), Stop> {
        self.op_count += 1;
        let what = What::of(called, Outcome::Info, &Value::Nil)?;
        self.held.grow(EVENT_BYTES)?;
        if !self.objects.contains_key(&called.key) {
            self.held.grow(KEY_BYTES)?;
        }
        let object = self.objects.entry(called.key.clone()).or_insert_with(Object::new);
        let doubtful = Some(what).filter(|what| !matches!(what, What::Read(_)));
        object.waiting.push_back(Event::Call(called.id, None, doubtful));
        Ok(())
    }

    fn end(&mut self, ended: &Ended<'_>) -> Result<(), Stop> {
        let Ended { called, outcome, output } = ended;
        let Some(object) = self.objects.get_mut(&called.key) else { return Ok(()) };
        let what = What::of(called, *outcome, output)?;
        let result = match (outcome, what) {
            (Outcome::Fail, _) | (Outcome::Info, What::Read(_)) => Fate::Nothing,
            (Outcome::Info, what) => Fate::Doubtful(what),
            (Outcome::Ok, what) => Fate::Certain(what),
        };
        if matches!(result, Fate::Certain(_)) {
            self.held.grow(EVENT_BYTES)?;
            object.waiting.push_back(Event::Return(called.id));
        }
        object.resolve(called.id, result);
        if let Some(id) = object.advance(self.budget, &mut self.held)? {
            self.violation = Some(object.violation(&called.key, id, called.line));
        }
        Ok(())
    }
}

impl Check for RegisterCheck<'_, '_> {
    fn step(&mut self, step: &Step<'_>) -> Result<(), Stop> {
        match step {
            Step::Call(_, Order::Sessions) => Err(Stop::NoRealTime),
            // A history that is violated stays so.
            _ if self.violation.is_some() => Ok(()),
            Step::Call(called, Order::RealTime) => self.call(called),
            Step::End(ended) => self.end(ended),
        }
    }

    fn finish(mut self, stopped: Option<&Stop>) -> Report {
        let mut stopped = stopped.cloned();
        for (key, object) in &mut self.objects {
            if self.violation.is_some() || stopped.is_some() {
                break;
            }
            // What never returned may have happened.
            for event in &mut object.waiting {
                if let Event::Call(_, fate @ None, doubtful) = event {
                    *fate = Some(doubtful.take().map_or(Fate::Nothing, Fate::Doubtful));
                }
            }
            match object.advance(self.budget, &mut self.held) {
                Ok(Some(id)) => self.violation = Some(object.violation(key, id, 0)),
                Ok(None) => {}
                Err(stop) => stopped = Some(stop),
            }
        }
        let argument = "for each key, some order of its operations remained possible at every return";
        let verdict = match (&self.violation, &stopped) {
            (Some(violation), _) => Verdict::Violated(Box::new(violation.clone())),
            (None, Some(stop)) => stop.verdict(progress(self.op_count)),
            (None, None) => Verdict::Holds(Witness::Argument(argument)),
        };
        let findings = self.violation.into_iter();
        let findings = findings.map(|violation| Finding { violation, rules_out: vec![Level::Linearizable] });
        let facts = vec![("keys".to_owned(), self.objects.len().to_string())];
        let levels = vec![(Level::Linearizable, verdict)];
        Report { model: "register", levels, findings: findings.collect(), facts }
    }
}
