//! A model with numbers for its states.
//!
//! **Idea.** Each state that a search stands on is stored once and has a number. Where there are few classes of calls, steps are
//! remembered in a table by state and class, as Knossos does; a model with a small domain is then never asked twice.

use super::index::{Index, hash_of};
use super::timeline::Timeline;
use crate::limits::{Budget, Exhausted, Held};
use crate::model::{Item, Model};

/// With more classes than this, steps seldom repeat.
const CLASSES_MAX: usize = 256;
/// Entries of the table.
const TABLE_MAX: usize = 1 << 18;
const NOT_ASKED: u32 = u32::MAX;
const ILLEGAL: u32 = u32::MAX - 1;

/// Steps one object of a model.
pub struct Machine<'a, M: Model> {
    model: &'a M,
    items: &'a [Item<M::Call>],
    timeline: &'a Timeline<'a>,
    states: Vec<M::State>,
    index: Index<'a>,
    /// The number of the state after, [`ILLEGAL`] or [`NOT_ASKED`]; a row for each of the first states.
    table: Vec<u32>,
    /// Entries of a row; 0 if there is no table.
    row: usize,
    held: Held<'a, 'a>,
}

/// The number of the initial state.
pub const INITIAL: u32 = 0;

impl<'a, M: Model> Machine<'a, M> {
    /// Knows the initial state only.
    pub fn new(
        model: &'a M,
        items: &'a [Item<M::Call>],
        timeline: &'a Timeline<'a>,
        budget: &'a Budget<'a>,
    ) -> Result<Self, Exhausted> {
        let classes = timeline.kinds.len();
        let row = if classes <= CLASSES_MAX { classes } else { 0 };
        let (states, table) = (Vec::new(), Vec::new());
        let (index, held) = (Index::new(budget)?, budget.hold(0)?);
        let mut machine = Machine { model, items, timeline, states, index, table, row, held };
        machine.number(model.initial())?;
        Ok(machine)
    }

    /// The state after an operation, or nothing if it cannot give its result here.
    pub fn step(&mut self, state: u32, op: u32) -> Result<Option<u32>, Exhausted> {
        let at = self.entry(state, op);
        match at.map_or(NOT_ASKED, |at| self.table[at]) {
            NOT_ASKED => {}
            ILLEGAL => return Ok(None),
            next => return Ok(Some(next)),
        }
        let next = self.next(&self.states[state as usize], op);
        let next = next.map(|next| self.number(next)).transpose()?;
        if let Some(at) = at {
            self.table[at] = next.unwrap_or(ILLEGAL);
        }
        Ok(next)
    }

    /// What an operation does to a state: whether it is legal there, and whether it leaves the state as it is.
    pub fn look(&mut self, state: u32, op: u32) -> Result<Look, Exhausted> {
        if self.entry(state, op).is_some() {
            let next = self.step(state, op)?;
            return Ok(Look { is_legal: next.is_some(), stays: next == Some(state) });
        }
        let before = &self.states[state as usize];
        let next = self.next(before, op);
        Ok(Look { is_legal: next.is_some(), stays: next.as_ref() == Some(before) })
    }

    /// Whether one operation is legal right after another.
    pub fn opens(&mut self, state: u32, first: u32, then: u32) -> Result<bool, Exhausted> {
        if self.entry(state, first).is_some() {
            let Some(next) = self.step(state, first)? else { return Ok(false) };
            return Ok(self.look(next, then)?.is_legal);
        }
        let next = self.next(&self.states[state as usize], first);
        Ok(next.is_some_and(|next| self.next(&next, then).is_some()))
    }

    /// A state, for people.
    pub fn show(&self, state: u32) -> String {
        self.model.show_state(&self.states[state as usize])
    }

    fn next(&self, state: &M::State, op: u32) -> Option<M::State> {
        let item = &self.items[self.timeline.items[op as usize] as usize];
        self.model.step(state, &item.call, item.certain)
    }

    fn entry(&self, state: u32, op: u32) -> Option<usize> {
        let at = state as usize * self.row + self.timeline.class(op) as usize;
        (self.row > 0 && at < self.table.len()).then_some(at)
    }

    fn number(&mut self, state: M::State) -> Result<u32, Exhausted> {
        let hash = hash_of(&state);
        if let Some(number) = self.index.find(hash, |number| self.states[number as usize] == state) {
            return Ok(number);
        }
        let number = self.states.len() as u32;
        let room = if self.table.len() + self.row <= TABLE_MAX { self.row } else { 0 };
        self.held.grow((self.model.state_bytes(&state) + 4 * room) as u64)?;
        self.index.add(hash, number)?;
        self.states.push(state);
        self.table.resize(self.table.len() + room, NOT_ASKED);
        Ok(number)
    }
}

/// What an operation does to a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Whether it can give its result.
    pub is_legal: bool,
    /// Whether it is legal and the state is the same after it.
    pub stays: bool,
}
