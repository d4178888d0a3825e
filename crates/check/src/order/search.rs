//! Looks for one legal order of all operations that extends the order of sessions: for sequential consistency all results count, for
//! one session's PRAM view only its own.
//!
//! **Idea.** Depth first over frontiers (how far each session has come) with the objects' states; configurations from which nothing led to
//! the end are remembered. A read that is legal now and never changes anything may as well come now, so no other choice is tried
//! then. Sessions are tried in the order of real time: what was linearizable is found at once.
//!
//! **Invariant:** an order that is given is legal; if there is none, every configuration that could be reached was tried.
//!
//! Source: Gibbons & Korach, *Testing shared memories*, SIAM J. Comput. 1997 (the frontier graph); Lowe 2017 (the memory of
//! configurations).

use super::case::Case;
use super::clocks::Clocks;
use super::facts::{Facts, INITIAL};
use crate::limits::{Exhausted, Held};
use crate::model::{Access, Model};
use crate::verdict::Stuck;
use rustc_hash::{FxHashMap, FxHashSet};

/// What a search is given besides the history.
#[derive(Clone, Copy)]
pub(super) struct Hints<'a> {
    /// The session whose results count; all if none.
    pub own: Option<usize>,
    /// What is known to precede each operation.
    pub clocks: Option<&'a Clocks>,
    /// What each operation read; all results must count.
    pub facts: Option<&'a Facts>,
    /// Steps after which the search gives up without exhausting the budget.
    pub steps: u64,
}

/// The outcome of a search.
pub(super) enum Outcome {
    /// An order of all operations.
    Order(Vec<u32>),
    /// There is none; the farthest that it came.
    Stuck(Stuck),
    /// It was given up, after placing so many operations.
    GaveUp(usize),
}

/// Searches.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn search<M: Model>(case: &Case<'_, M>, hints: Hints<'_>) -> Result<Outcome, Exhausted> {
    Search::new(case, hints)?.run()
}

struct Search<'a, M: Model> {
    case: &'a Case<'a, M>,
    hints: Hints<'a>,
    /// By operation, its object's slot in `states`.
    objects: Vec<u32>,
    /// By operation, whether it never changes a state.
    is_pure: Vec<bool>,
    known: FxHashMap<M::State, u32>,
    table: Vec<M::State>,
    /// By object, the number of its state.
    states: Vec<u32>,
    /// By session, how many operations are placed.
    frontier: Vec<u32>,
    placed: Vec<u32>,
    frames: Vec<Frame>,
    /// Sessions to be tried, those of the deepest frame last.
    choices: Vec<u32>,
    dead: FxHashSet<Box<[u32]>>,
    currency: Option<Currency>,
    longest: Vec<u32>,
    held: Held<'a, 'a>,
}

struct Frame {
    /// Its choices begin here.
    choices: usize,
    /// The next one to try.
    next: usize,
    /// The state of the object before the last placed operation.
    before: u32,
    /// The length of `Currency::log` before it.
    log: usize,
}

/// Who wrote what is current, and who has yet to read it: nothing may overwrite it before.
struct Currency {
    /// By object.
    writer: Vec<u32>,
    /// By operation: readers of it that are not placed.
    readers: Vec<u32>,
    /// By object: readers of the initial value that are not placed.
    initial: Vec<u32>,
    /// Object and writer before.
    log: Vec<(u32, u32)>,
}

impl Currency {
    fn new(facts: &Facts) -> Self {
        let objects = facts.writers.len();
        let (mut readers, mut initial) = (vec![0; facts.reads.len()], vec![0; objects]);
        for read in facts.reads.iter().flatten() {
            match read.source {
                INITIAL => initial[read.object as usize] += 1,
                source => readers[source as usize] += 1,
            }
        }
        Currency { writer: vec![INITIAL; objects], readers, initial, log: Vec::new() }
    }

    fn count(&mut self, facts: &Facts, op: u32, change: i32) {
        for read in &facts.reads[op as usize] {
            let count = match read.source {
                INITIAL => &mut self.initial[read.object as usize],
                source => &mut self.readers[source as usize],
            };
            *count = count.wrapping_add_signed(change);
        }
    }

    /// Places an operation, unless it would overwrite what somebody is yet to read.
    fn place(&mut self, facts: &Facts, op: u32) -> bool {
        self.count(facts, op, -1);
        let is_wanted = |object: &u32| {
            let object = *object as usize;
            match self.writer[object] {
                INITIAL => self.initial[object] > 0,
                // Several objects may have one writer: its readers of another object do no harm.
                writer => self.readers[writer as usize] > 0 && facts.writes[writer as usize].len() == 1,
            }
        };
        if facts.writes[op as usize].iter().any(is_wanted) {
            self.count(facts, op, 1);
            return false;
        }
        for object in &facts.writes[op as usize] {
            let before = std::mem::replace(&mut self.writer[*object as usize], op);
            self.log.push((*object, before));
        }
        true
    }

    fn take_back(&mut self, facts: &Facts, op: u32, log: usize) {
        while self.log.len() > log {
            let (object, writer) = self.log.pop().expect("the log is longer");
            self.writer[object as usize] = writer;
        }
        self.count(facts, op, 1);
    }
}

impl<'a, M: Model> Search<'a, M> {
    fn new(case: &'a Case<'a, M>, hints: Hints<'a>) -> Result<Self, Exhausted> {
        let mut slots: FxHashMap<Option<u32>, u32> = FxHashMap::default();
        let mut objects = Vec::with_capacity(case.len());
        let mut is_pure = Vec::with_capacity(case.len());
        for item in case.items {
            let next = slots.len() as u32;
            objects.push(*slots.entry(case.model.object(&item.call)).or_insert(next));
            let mut accesses = Vec::new();
            let is_told = case.model.accesses(&item.call, item.certain, &mut accesses);
            let reads = |access: &Access| {
                matches!(access, Access::Read { .. } | Access::Saw { .. } | Access::Empty { .. })
            };
            is_pure.push(is_told && accesses.iter().all(reads));
        }
        let initial = case.model.initial();
        Ok(Search {
            case,
            hints,
            objects,
            is_pure,
            known: FxHashMap::from_iter([(initial.clone(), 0)]),
            table: vec![initial],
            states: vec![0; slots.len()],
            frontier: vec![0; case.sessions.ops.len()],
            placed: Vec::new(),
            frames: Vec::new(),
            choices: Vec::new(),
            dead: FxHashSet::default(),
            currency: hints.facts.map(Currency::new),
            longest: Vec::new(),
            held: case.budget.hold((case.len() * 48) as u64)?,
        })
    }

    fn run(mut self) -> Result<Outcome, Exhausted> {
        let mut steps = 0;
        self.descend();
        while let Some(frame) = self.frames.last() {
            if self.is_done() {
                return Ok(Outcome::Order(self.complete()));
            }
            self.case.budget.step(1)?;
            steps += 1;
            if steps > self.hints.steps {
                return Ok(Outcome::GaveUp(self.placed.len().max(self.longest.len())));
            }
            if frame.next == self.choices.len() {
                self.retreat()?;
                continue;
            }
            let session = self.choices[frame.next];
            self.frames.last_mut().expect("it was there").next += 1;
            if self.advance(session)? {
                if !self.dead.is_empty() && self.dead.contains(&self.key()) {
                    self.undo();
                } else {
                    self.descend();
                }
            }
        }
        Ok(Outcome::Stuck(self.stuck()))
    }

    fn seen(&self, op: u32) -> bool {
        let is_own = self.hints.own.is_none_or(|own| self.case.sessions.of[op as usize] as usize == own);
        is_own && self.case.items[op as usize].certain
    }

    fn is_done(&self) -> bool {
        match self.hints.own {
            None => self.placed.len() == self.case.len(),
            Some(own) => self.frontier[own] as usize == self.case.sessions.ops[own].len(),
        }
    }

    /// What is left of others' operations may follow, since nobody looks.
    fn complete(mut self) -> Vec<u32> {
        for (ops, count) in self.case.sessions.ops.iter().zip(&self.frontier) {
            self.placed.extend(&ops[*count as usize..]);
        }
        self.placed
    }

    fn next(&self, session: u32) -> Option<u32> {
        self.case.sessions.ops[session as usize].get(self.frontier[session as usize] as usize).copied()
    }

    fn is_free(&self, op: u32) -> bool {
        let Some(clocks) = self.hints.clocks else { return true };
        clocks.past(op).iter().zip(&self.frontier).all(|(wanted, placed)| wanted <= placed)
    }

    fn step(&self, op: u32) -> Option<M::State> {
        let state = &self.table[self.states[self.objects[op as usize] as usize] as usize];
        self.case.model.step(state, &self.case.items[op as usize].call, self.seen(op))
    }

    /// Opens a frame for the present configuration.
    fn descend(&mut self) {
        let choices = self.choices.len();
        let sessions = 0..self.frontier.len() as u32;
        let open: Vec<(u32, u32)> =
            sessions.filter_map(|session| self.next(session).map(|op| (session, op))).collect();
        let greedy = open
            .iter()
            .find(|(_, op)| self.is_pure[*op as usize] && self.is_free(*op) && self.step(*op).is_some());
        match greedy {
            Some((session, _)) => self.choices.push(*session),
            None => {
                let free: Vec<(u32, u32)> = open.into_iter().filter(|(_, op)| self.is_free(*op)).collect();
                self.choices.extend(free.iter().map(|(session, _)| session));
                let (case, frontier) = (self.case, &self.frontier);
                self.choices[choices..].sort_by_key(|session| {
                    let ops = &case.sessions.ops[*session as usize];
                    case.items[ops[frontier[*session as usize] as usize] as usize].until
                });
            }
        }
        self.frames.push(Frame { choices, next: choices, before: 0, log: 0 });
    }

    /// Places the next operation of a session, if it can be next.
    fn advance(&mut self, session: u32) -> Result<bool, Exhausted> {
        let op = self.next(session).expect("a choice has a next operation");
        let Some(state) = self.step(op) else { return Ok(false) };
        let frame = self.frames.last_mut().expect("a choice belongs to a frame");
        if let (Some(currency), Some(facts)) = (&mut self.currency, self.hints.facts) {
            frame.log = currency.log.len();
            if !currency.place(facts, op) {
                return Ok(false);
            }
        }
        let next = self.table.len() as u32;
        let number = match self.known.get(&state) {
            Some(number) => *number,
            None => {
                self.held.grow(2 * size_of::<M::State>() as u64 + 32)?;
                self.known.insert(state.clone(), next);
                self.table.push(state);
                next
            }
        };
        frame.before = std::mem::replace(&mut self.states[self.objects[op as usize] as usize], number);
        self.frontier[session as usize] += 1;
        self.placed.push(op);
        Ok(true)
    }

    /// Takes the last operation back.
    fn undo(&mut self) {
        let Some(op) = self.placed.pop() else { return };
        let frame = self.frames.last().expect("a placed operation belongs to a frame");
        self.states[self.objects[op as usize] as usize] = frame.before;
        self.frontier[self.case.sessions.of[op as usize] as usize] -= 1;
        if let (Some(currency), Some(facts)) = (&mut self.currency, self.hints.facts) {
            currency.take_back(facts, op, frame.log);
        }
    }

    /// Leaves a configuration from which nothing led to the end.
    fn retreat(&mut self) -> Result<(), Exhausted> {
        if self.placed.len() > self.longest.len() || self.longest.is_empty() {
            self.longest.clone_from(&self.placed);
        }
        let frame = self.frames.pop().expect("there is a frame to leave");
        self.choices.truncate(frame.choices);
        let key = self.key();
        self.held.grow(4 * key.len() as u64 + 32)?;
        self.dead.insert(key);
        if !self.frames.is_empty() {
            self.undo();
        }
        Ok(())
    }

    fn key(&self) -> Box<[u32]> {
        self.frontier.iter().chain(&self.states).copied().collect()
    }

    /// The farthest configuration, in words.
    fn stuck(mut self) -> Stuck {
        let order = std::mem::take(&mut self.longest);
        self.frontier.fill(0);
        self.states.fill(0);
        for op in &order {
            let state = self.step(*op).expect("it was legal");
            self.states[self.objects[*op as usize] as usize] = self.known[&state];
            self.frontier[self.case.sessions.of[*op as usize] as usize] += 1;
        }
        let open = (0..self.frontier.len() as u32).filter_map(|session| self.next(session));
        let blocked = open.map(|op| {
            let object = self.objects[op as usize] as usize;
            let state = self.case.model.show_state(&self.table[self.states[object] as usize]);
            let why = if self.step(op).is_none() {
                format!("its object is {state} then, which does not give its result")
            } else {
                "after it no order of the rest is left".to_owned()
            };
            (self.case.id(op), why)
        });
        let blocked = blocked.collect();
        let mut shown = Vec::new();
        for (at, item) in self.case.items.iter().enumerate() {
            let slot = self.objects[at] as usize;
            if slot == shown.len() {
                let state = self.case.model.show_state(&self.table[self.states[slot] as usize]);
                let name =
                    self.case.model.object(&item.call).map(|object| self.case.model.object_name(object));
                shown.push(match name.filter(|name| !name.is_empty()) {
                    Some(name) => format!("{name}: {state}"),
                    None => state,
                });
            }
        }
        Stuck { scope: String::new(), order: self.case.ids(order), state: shown.join(", "), blocked }
    }
}
