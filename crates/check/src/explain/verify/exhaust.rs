//! Tries every order, for histories so small that this ends.
//!
//! **Idea.** Place one operation after the other, each that may come next in turn, and step back where none fits. There is no memory, no
//! heuristic and no shortcut: what is shared with the checkers is the sequential specification alone.

use super::operations::Operations;
use super::{Objection, Why};
use crate::history::{OpId, SessionId};
use crate::limits::Budget;
use crate::model::{Item, Model};

/// Placements after which it gives up.
const MAX_TRIES: u64 = 1 << 20;
/// Operations that have a bit of their own.
const MAX_OPS: usize = 64;

/// Something that operations are appended to, one after the other.
pub trait Grow: Clone {
    /// Appends the operation with this number; false if it cannot come next.
    fn grow(&mut self, at: usize) -> bool;
}

/// Which of a few operations must come before which, and which may be left out.
pub struct Shape {
    before: Vec<u64>,
    required: u64,
}

impl Shape {
    /// `precedes(a, b)` says whether `a` must come before `b`, `is_required(a)` whether `a` must come at all.
    ///
    /// # Errors
    /// If there are too many.
    pub fn new(
        count: usize,
        precedes: impl Fn(usize, usize) -> bool,
        is_required: impl Fn(usize) -> bool,
    ) -> Result<Shape, Objection> {
        if count > MAX_OPS {
            return Err(Why::TooMany.into());
        }
        let bits = |holds: &dyn Fn(usize) -> bool| {
            (0..count).filter(|a| holds(*a)).fold(0, |bits, a| bits | 1_u64 << a)
        };
        let before = (0..count).map(|b| bits(&|a| a != b && precedes(a, b))).collect();
        Ok(Shape { before, required: bits(&is_required) })
    }

    /// Whether some order of all required operations, and of any others, can be grown from `start`.
    ///
    /// # Errors
    /// If there are too many orders.
    pub fn some_order<G: Grow>(&self, start: &G, budget: &Budget<'_>) -> Result<bool, Objection> {
        let mut tries = 0;
        self.place(0, start, &mut tries, budget)
    }

    /// Recursion is no deeper than [`MAX_OPS`].
    fn place<G: Grow>(
        &self,
        placed: u64,
        grown: &G,
        tries: &mut u64,
        budget: &Budget<'_>,
    ) -> Result<bool, Objection> {
        if placed & self.required == self.required {
            return Ok(true);
        }
        for (at, before) in self.before.iter().enumerate() {
            if placed & 1 << at != 0 || before & !placed != 0 {
                continue;
            }
            *tries += 1;
            budget.step(1)?;
            if *tries > MAX_TRIES {
                return Err(Why::TooMany.into());
            }
            let mut next = grown.clone();
            if next.grow(at) && self.place(placed | 1 << at, &next, tries, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether some order of `ops` that respects `precedes` is legal. With `eyes`, only that session's results count, and only its operations
/// must all stand there.
pub fn some_order_of_objects<M: Model>(
    operations: &Operations<'_, M>,
    ops: &[OpId],
    precedes: &dyn Fn(OpId, OpId) -> bool,
    eyes: Option<SessionId>,
    budget: &Budget<'_>,
) -> Result<bool, Objection> {
    let items = ops.iter().map(|id| operations.item(*id)).collect::<Result<Vec<_>, _>>()?;
    let is_mine = |item: &Item<M::Call>| eyes.is_none_or(|session| session == item.session);
    let shape = Shape::new(
        items.len(),
        |a, b| precedes(items[a].id, items[b].id),
        |a| items[a].certain && is_mine(items[a]),
    )?;
    shape.some_order(&States { operations, items: &items, eyes, states: Vec::new() }, budget)
}

struct States<'o, 'h, M: Model> {
    operations: &'o Operations<'h, M>,
    items: &'o [&'o Item<M::Call>],
    eyes: Option<SessionId>,
    /// By object; those not touched yet are missing.
    states: Vec<(u32, M::State)>,
}

impl<M: Model> Clone for States<'_, '_, M> {
    fn clone(&self) -> Self {
        let States { operations, items, eyes, states } = self;
        States { operations, items, eyes: *eyes, states: states.clone() }
    }
}

impl<M: Model> Grow for States<'_, '_, M> {
    fn grow(&mut self, at: usize) -> bool {
        let item = self.items[at];
        let seen = item.certain && self.eyes.is_none_or(|session| session == item.session);
        let (model, object) = (&self.operations.model, self.operations.object(item));
        let at = match self.states.iter().position(|(known, _)| *known == object) {
            Some(at) => at,
            None => {
                self.states.push((object, model.initial()));
                self.states.len() - 1
            }
        };
        let next = model.step(&self.states[at].1, &item.call, seen);
        next.map(|next| self.states[at].1 = next).is_some()
    }
}

/// Whether some order of `ops` that respects `precedes` passes `check` when it is whole.
pub fn some_order_passes(
    ops: &[OpId],
    precedes: &dyn Fn(OpId, OpId) -> bool,
    check: &dyn Fn(&[OpId]) -> Result<(), Objection>,
    budget: &Budget<'_>,
) -> Result<bool, Objection> {
    let shape = Shape::new(ops.len(), |a, b| precedes(ops[a], ops[b]), |_| true)?;
    if ops.is_empty() {
        return Ok(check(&[]).is_ok());
    }
    shape.some_order(&Whole { ops, check, order: Vec::new() }, budget)
}

#[derive(Clone)]
struct Whole<'o> {
    ops: &'o [OpId],
    check: &'o dyn Fn(&[OpId]) -> Result<(), Objection>,
    order: Vec<OpId>,
}

impl Grow for Whole<'_> {
    fn grow(&mut self, at: usize) -> bool {
        self.order.push(self.ops[at]);
        self.order.len() < self.ops.len() || (self.check)(&self.order).is_ok()
    }
}
