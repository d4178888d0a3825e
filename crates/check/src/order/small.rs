//! Causal levels and session guarantees of small histories of any model, by trying everything.
//!
//! **Problem.** Where values do not tell what was read from where (counters, queues, repeated values), causes can only be guessed, and no
//! polynomial method is known.
//!
//! **Idea.** Up to [`MOST`] operations, sets of operations are bits of a number. For the causal levels operations are placed one by
//! one, each with a set of earlier ones as its causes; for the guarantees each order of all effects is tried, and for each operation
//! each set that it may see.
//!
//! **Invariant:** the definitions of the module above are followed to the letter; nothing is cut off but what was tried before.

use super::case::Case;
use crate::level::Level;
use crate::limits::Exhausted;
use crate::model::Model;
use rustc_hash::{FxHashMap, FxHashSet};

/// The most operations of a history that is decided here.
pub(super) const MOST: usize = 8;

/// A set of operations.
type Set = u32;

/// All objects' states.
type World<M> = Vec<<M as Model>::State>;

/// Whether the level holds.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn holds<M: Model>(case: &Case<'_, M>, level: Level) -> Result<bool, Exhausted> {
    let small = Small::new(case);
    match level {
        Level::Causal | Level::CausalMemory | Level::CausalConvergence => {
            let mut tried = FxHashSet::default();
            small.place(level, &mut Placed::default(), &mut tried)
        }
        Level::WritesFollowReads => small.follows(&mut Vec::new()),
        _ => {
            let no_causes = vec![0; case.len()];
            small.all_sessions(level, &no_causes, &no_causes)
        }
    }
}

struct Small<'a, M: Model> {
    case: &'a Case<'a, M>,
    /// By operation, its object.
    slots: Vec<usize>,
    objects: usize,
    /// By operation, what its session did before.
    earlier: Vec<Set>,
}

/// Operations placed, with their causes.
#[derive(Default)]
struct Placed {
    order: Vec<u32>,
    set: Set,
    causes: [Set; MOST],
}

fn members(set: Set) -> impl Iterator<Item = u32> {
    (0..MOST as u32).filter(move |op| set >> op & 1 == 1)
}

/// All subsets of a set.
fn subsets(set: Set) -> impl Iterator<Item = Set> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let subset: Set = next?;
        next = (subset != set).then(|| (subset | !set).wrapping_add(1) & set);
        Some(subset)
    })
}

impl<'a, M: Model> Small<'a, M> {
    fn new(case: &'a Case<'a, M>) -> Self {
        let mut known: FxHashMap<Option<u32>, usize> = FxHashMap::default();
        let mut slots = Vec::new();
        for item in case.items {
            let next = known.len();
            slots.push(*known.entry(case.model.object(&item.call)).or_insert(next));
        }
        let mut earlier = vec![0; case.len()];
        for ops in &case.sessions.ops {
            for pair in ops.windows(2) {
                earlier[pair[1] as usize] = earlier[pair[0] as usize] | 1 << pair[0];
            }
        }
        Small { case, slots, objects: known.len(), earlier }
    }

    fn initial(&self) -> World<M> {
        vec![self.case.model.initial(); self.objects]
    }

    fn step(&self, world: &World<M>, op: u32, seen: bool) -> Option<World<M>> {
        let item = &self.case.items[op as usize];
        let slot = self.slots[op as usize];
        let state = self.case.model.step(&world[slot], &item.call, seen && item.certain)?;
        let mut world = world.clone();
        world[slot] = state;
        Some(world)
    }

    /// Places one more operation and then the rest, if that can be.
    fn place(
        &self,
        level: Level,
        placed: &mut Placed,
        tried: &mut FxHashSet<(Vec<u32>, [Set; MOST], Set)>,
    ) -> Result<bool, Exhausted> {
        if placed.order.len() == self.case.len() {
            return Ok(true);
        }
        let order = if level == Level::CausalConvergence { placed.order.clone() } else { Vec::new() };
        if !tried.insert((order, placed.causes, placed.set)) {
            return Ok(false);
        }
        for op in 0..self.case.len() as u32 {
            let earlier = self.earlier[op as usize];
            if placed.set >> op & 1 == 1 || earlier & !placed.set != 0 {
                continue;
            }
            for more in subsets(placed.set & !earlier) {
                self.case.budget.step(1)?;
                let past = earlier | more;
                let is_closed = members(past).all(|cause| placed.causes[cause as usize] & !past == 0);
                if !is_closed || !self.explains(level, placed, op, past)? {
                    continue;
                }
                placed.order.push(op);
                placed.set |= 1 << op;
                placed.causes[op as usize] = past;
                if self.place(level, placed, tried)? {
                    return Ok(true);
                }
                placed.causes[op as usize] = 0;
                placed.set &= !(1 << op);
                placed.order.pop();
            }
        }
        Ok(false)
    }

    /// Whether an operation can follow its causes.
    fn explains(&self, level: Level, placed: &Placed, op: u32, past: Set) -> Result<bool, Exhausted> {
        if level == Level::CausalConvergence {
            let mut world = self.initial();
            for cause in placed.order.iter().filter(|cause| past >> **cause & 1 == 1) {
                self.case.budget.step(1)?;
                world = self.step(&world, *cause, false).expect("an effect is always legal");
            }
            return Ok(self.step(&world, op, true).is_some());
        }
        let seen = if level == Level::CausalMemory { self.earlier[op as usize] } else { 0 };
        let ends = self.ends(past, seen, &placed.causes)?;
        Ok(ends.iter().any(|world| self.step(world, op, true).is_some()))
    }

    /// The states after the operations of a set, in any order that extends the causal one; results of `seen` ones count.
    fn ends(&self, set: Set, seen: Set, causes: &[Set]) -> Result<FxHashSet<World<M>>, Exhausted> {
        let mut ends: FxHashMap<Set, FxHashSet<World<M>>> = FxHashMap::default();
        ends.entry(0).or_default().insert(self.initial());
        // Subsets come in ascending order, so those with one operation fewer came before.
        for done in subsets(set) {
            let Some(worlds) = ends.get(&done).cloned() else { continue };
            for op in members(set & !done).filter(|op| causes[*op as usize] & set & !done == 0) {
                for world in &worlds {
                    self.case.budget.step(1)?;
                    let next = self.step(world, op, seen >> op & 1 == 1);
                    ends.entry(done | 1 << op).or_default().extend(next);
                }
            }
        }
        Ok(ends.remove(&set).unwrap_or_default())
    }

    /// For writes-follow-reads: chooses for each operation what it read from, the least that explains it.
    fn follows(&self, sources: &mut Vec<Set>) -> Result<bool, Exhausted> {
        let op = sources.len();
        if op == self.case.len() {
            let causes: Vec<Set> = (0..op)
                .map(|write| {
                    let reads = self.earlier[write] | 1 << write;
                    members(reads).fold(0, |all, read| all | sources[read as usize])
                })
                .collect();
            return self.all_sessions(Level::WritesFollowReads, sources, &causes);
        }
        let mut least: Vec<Set> = Vec::new();
        for set in subsets(self.seeable(op as u32)) {
            if least.iter().any(|smaller| smaller & !set == 0) {
                continue;
            }
            let ends = self.ends(set, 0, &[0; MOST])?;
            if ends.iter().any(|world| self.step(world, op as u32, true).is_some()) {
                least.push(set);
            }
        }
        for set in least {
            sources.push(set);
            if self.follows(sources)? {
                return Ok(true);
            }
            sources.pop();
        }
        Ok(false)
    }

    /// All but what its session does then or later.
    fn seeable(&self, op: u32) -> Set {
        let all: Set = (1 << self.case.len()) - 1;
        let session = self.case.sessions.of[op as usize] as usize;
        let own = self.case.sessions.ops[session].iter().fold(0, |set, op| set | 1 << op);
        all & !own | self.earlier[op as usize]
    }

    /// Whether each session has an order of effects that explains it.
    fn all_sessions(&self, level: Level, sources: &[Set], causes: &[Set]) -> Result<bool, Exhausted> {
        let mut before = causes.to_vec();
        for session in 0..self.case.sessions.ops.len() {
            for (op, before) in before.iter_mut().enumerate() {
                let is_own = self.case.sessions.of[op] as usize == session;
                match level {
                    Level::MonotonicWrites => *before = self.earlier[op],
                    Level::ReadYourWrites => *before = if is_own { self.earlier[op] } else { 0 },
                    _ => {}
                }
            }
            if !self.some_order(level, session, sources, &before, &mut Vec::new())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Extends an order of effects in all ways.
    fn some_order(
        &self,
        level: Level,
        session: usize,
        sources: &[Set],
        before: &[Set],
        order: &mut Vec<u32>,
    ) -> Result<bool, Exhausted> {
        if order.len() == self.case.len() {
            return self.explains_session(level, session, sources, before, order);
        }
        let set = order.iter().fold(0, |set, op| set | 1 << op);
        let all: Set = (1 << self.case.len()) - 1;
        for op in members(all & !set).filter(|op| before[*op as usize] & !set == 0) {
            self.case.budget.step(1)?;
            order.push(op);
            if self.some_order(level, session, sources, before, order)? {
                return Ok(true);
            }
            order.pop();
        }
        Ok(false)
    }

    /// Whether each operation of a session is explained by effects that it may see, in this order.
    fn explains_session(
        &self,
        level: Level,
        session: usize,
        sources: &[Set],
        before: &[Set],
        order: &[u32],
    ) -> Result<bool, Exhausted> {
        let all: Set = (1 << self.case.len()) - 1;
        self.case.budget.step(u64::from(all))?;
        // By set, the state after its effects, made from the state without its last one.
        let mut worlds: Vec<World<M>> = vec![self.initial(); all as usize + 1];
        for (at, op) in order.iter().enumerate() {
            let sooner = order[..at].iter().fold(0, |set, op| set | 1 << op);
            for set in subsets(sooner) {
                let world = self.step(&worlds[set as usize], *op, false).expect("an effect is always legal");
                worlds[(set | 1 << op) as usize] = world;
            }
        }
        let is_closed = |set: Set| members(set).all(|op| before[op as usize] & !set == 0);
        let mut seen: Vec<Set> = vec![0];
        for op in &self.case.sessions.ops[session] {
            let demanded = match level {
                Level::ReadYourWrites => self.earlier[*op as usize],
                _ => sources[*op as usize],
            };
            let mut next = Vec::new();
            for set in subsets(self.seeable(*op)) {
                let is_allowed = demanded & !set == 0
                    && (matches!(level, Level::ReadYourWrites | Level::MonotonicReads) || is_closed(set))
                    && (level != Level::MonotonicReads || seen.iter().any(|less| less & !set == 0));
                if is_allowed && self.step(&worlds[set as usize], *op, true).is_some() {
                    next.push(set);
                }
            }
            if next.is_empty() {
                return Ok(false);
            }
            seen = next;
        }
        Ok(true)
    }
}
