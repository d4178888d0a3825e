//! The search that goes deep: one order, and back where it is stuck.
//!
//! **Idea.** Place operations one after the other, the one that must return first if it can be next, else what makes it legal, else
//! any. A configuration from which everything failed is remembered, so that it fails at once when it is met again. Nothing else is
//! remembered: an order only grows, so a configuration that is on the way cannot be met again before it failed. A history
//! that needs no going back therefore takes no memory beyond the order itself.
//!
//! **Invariant:** between two choices no open read that is legal is left, and the operation at the front is not placed.
//!
//! Source: Wing & Gong, *Testing and verifying concurrent objects*, 1993; Lowe, *Testing for linearizability*, 2017 §4. Deviations: the
//! rules of [`Moves`], the memo of failures only, and frames that are undone by moving a window instead of a linked list.

use super::configs::{Config, Configs};
use super::end::{Dead, End};
use super::machine::INITIAL;
use super::moves::{Moves, Space};
use super::order::{HIDDEN, straighten};
use super::spent::{NOTHING, SpentId};
use super::timeline::{Kind, Timeline};
use super::window::{Window, place};
use crate::limits::{Exhausted, Held};
use crate::model::Model;

/// How an operation was placed, and all that is needed to take it back.
#[derive(Clone, Copy)]
struct Frame {
    /// With [`HIDDEN`] if it passed its return as a free overwrite.
    op: u32,
    /// Before it.
    front: u32,
    /// Before it.
    state: u32,
    /// Before it.
    spent: SpentId,
    /// Before it.
    freed: u32,
    /// Which of the moves to try after it; [`FORCED`] if there was no choice.
    next: u32,
}

const FORCED: u32 = u32::MAX;
/// So many returns are looked at to guess what goes better.
const FORESIGHT: usize = 64;
/// The memo of failures is dropped at this size when the search goes farther than ever before: it will hardly come back.
const FAILED_MAX: usize = 1 << 16;

/// A search in progress.
pub struct Deep<'a> {
    timeline: &'a Timeline<'a>,
    window: Window<'a>,
    state: u32,
    spent: SpentId,
    done: Vec<u64>,
    /// Overwrites that come before this operation are free.
    freed: u32,
    /// Room for the slots of free overwrites.
    free: Vec<u64>,
    frames: Vec<Frame>,
    /// Which of the moves to try here.
    next: u32,
    failed: Configs<'a>,
    moves: Moves,
    best: Best,
    _held: Held<'a, 'a>,
}

impl<'a> Deep<'a> {
    /// Nothing placed yet.
    pub fn new<M: Model>(space: &mut Space<'a, M>) -> Result<Self, Exhausted> {
        let (timeline, budget) = (space.timeline, space.budget);
        let bytes = timeline.len() * (std::mem::size_of::<Frame>() + std::mem::size_of::<u32>());
        let mut deep = Deep {
            timeline,
            window: Window::new(timeline),
            state: INITIAL,
            spent: NOTHING,
            done: vec![0; timeline.words],
            freed: 0,
            free: vec![0; timeline.words],
            frames: Vec::new(),
            next: 0,
            failed: Configs::new(timeline.words, budget)?,
            moves: Moves::default(),
            best: Best::default(),
            _held: budget.hold(bytes as u64)?,
        };
        deep.settle(space)?;
        Ok(deep)
    }

    /// The most operations that were placed.
    pub fn placed(&self) -> usize {
        self.best.order.len().max(self.frames.len())
    }

    /// Searches on, until so many configurations in a row failed without getting farther than ever before.
    pub fn run<M: Model>(
        &mut self,
        space: &mut Space<'a, M>,
        patience: usize,
    ) -> Result<Option<End>, Exhausted> {
        let mut stalled = 0;
        loop {
            space.budget.step(1)?;
            if self.window.is_at_end() {
                let order: Vec<u32> = self.frames.iter().map(|frame| frame.op).collect();
                return Ok(Some(End::Order(straighten(self.timeline, &order))));
            }
            if let Some((op, state)) = self.choose(space)? {
                self.place(space, op, state, self.next + 1)?;
                self.settle(space)?;
                self.next = 0;
                if !self.has_failed(space) {
                    continue;
                }
            } else {
                self.window.free(&self.done, self.freed, &mut self.free);
                let config = config(&self.window, (self.state, self.spent), (&self.done, &self.free));
                self.failed.insert(config, &space.spent)?;
                stalled += 1;
            }
            if self.best.offer(self.window.front(), &self.frames) {
                stalled = 0;
                if self.failed.len() > FAILED_MAX {
                    self.failed.clear();
                }
            }
            if !self.go_back() {
                let front = self.best.front;
                let order = straighten(self.timeline, &std::mem::take(&mut self.best.order));
                return Ok(Some(End::Dead(Dead { order, front })));
            }
            if stalled > patience {
                return Ok(None);
            }
        }
    }

    /// Whether it is known that everything fails from here.
    fn has_failed<M: Model>(&mut self, space: &Space<'a, M>) -> bool {
        if self.window.is_at_end() || self.failed.len() == 0 {
            return false;
        }
        self.window.free(&self.done, self.freed, &mut self.free);
        let config = config(&self.window, (self.state, self.spent), (&self.done, &self.free));
        self.failed.covers(config, &space.spent)
    }

    /// The next move to try here, with the state after it.
    fn choose<M: Model>(&mut self, space: &mut Space<'a, M>) -> Result<Option<(u32, u32)>, Exhausted> {
        let front = self.window.front_op();
        let after = space.machine.step(self.state, front)?;
        let is_free = self.timeline.kind(front) == Kind::Overwrite && front < self.freed;
        if self.next < 2 {
            let after = after.map(|state| (front, state));
            let pass = is_free.then_some((front | HIDDEN, self.state));
            let choice = match (after, pass) {
                (Some(place), Some(pass)) => {
                    let prefers_pass = !self.prefers(space, place.1, self.state)?;
                    Some(if prefers_pass == (self.next == 0) { pass } else { place })
                }
                (place, _) if self.next == 0 => place,
                _ => None,
            };
            if choice.is_some() {
                return Ok(choice);
            }
            self.next = 2;
        }
        self.moves.find(space, &self.window, (self.state, self.spent, &self.done), after.is_some())?;
        let Some(op) = self.moves.ops().nth(self.next as usize - 2) else { return Ok(None) };
        let state = space.machine.step(self.state, op)?;
        Ok(Some((op, state.expect("only legal moves are found"))))
    }

    /// Whether the operations that return next go better with one state than with another. A guess, that only decides what is
    /// tried first.
    fn prefers<M: Model>(&self, space: &mut Space<'a, M>, state: u32, over: u32) -> Result<bool, Exhausted> {
        let front = self.window.front() as usize;
        let called = self.timeline.called[front];
        let next = &self.timeline.returns[front + 1..];
        for op in next.iter().take(FORESIGHT).filter(|op| self.timeline.kind(**op) != Kind::Overwrite) {
            let (word, bit) = place(self.timeline.slot[*op as usize]);
            if *op < called && self.done[word] & bit != 0 {
                continue;
            }
            let better = space.machine.look(state, *op)?.is_legal;
            if better != space.machine.look(over, *op)?.is_legal {
                return Ok(better);
            }
        }
        Ok(false)
    }

    fn place<M: Model>(
        &mut self,
        space: &mut Space<'a, M>,
        op: u32,
        state: u32,
        next: u32,
    ) -> Result<(), Exhausted> {
        let (front, freed) = (self.window.front(), self.freed);
        self.frames.push(Frame { op, front, state: self.state, spent: self.spent, freed, next });
        let real = op & !HIDDEN;
        let slot = self.timeline.slot[real as usize];
        if self.timeline.is_certain(real) {
            let (word, bit) = place(slot);
            self.done[word] |= bit;
        } else {
            self.spent = space.spent.with(self.spent, slot)?;
        }
        self.state = state;
        if op == real && self.timeline.kind(op) == Kind::Overwrite {
            self.freed = self.timeline.called[front as usize];
        }
        Ok(())
    }

    /// Moves the front and places reads until neither is possible.
    fn settle<M: Model>(&mut self, space: &mut Space<'a, M>) -> Result<(), Exhausted> {
        loop {
            while !self.window.is_at_end() && self.take_bit(self.window.front_slot()) {
                self.window.advance();
            }
            if self.window.is_at_end() {
                return Ok(());
            }
            let mut is_front_placed = false;
            for word in 0..self.done.len() {
                let mut rest = self.window.reads_in(word) & !self.done[word];
                while rest != 0 {
                    let op = self.window.op_at(word, rest.trailing_zeros());
                    rest &= rest - 1;
                    if space.machine.look(self.state, op)?.is_legal {
                        space.budget.step(1)?;
                        is_front_placed |= op == self.window.front_op();
                        self.place(space, op, self.state, FORCED)?;
                    }
                }
            }
            if !is_front_placed {
                return Ok(());
            }
        }
    }

    fn take_bit(&mut self, slot: u32) -> bool {
        let (word, bit) = place(slot);
        let was_set = self.done[word] & bit != 0;
        self.done[word] &= !bit;
        was_set
    }

    /// Takes back everything up to the last choice. False if there was none.
    fn go_back(&mut self) -> bool {
        while let Some(frame) = self.frames.pop() {
            while self.window.front() > frame.front {
                self.window.retreat();
                let (word, bit) = place(self.window.front_slot());
                self.done[word] |= bit;
            }
            let op = frame.op & !HIDDEN;
            if self.timeline.is_certain(op) {
                self.take_bit(self.timeline.slot[op as usize]);
            }
            (self.state, self.spent) = (frame.state, frame.spent);
            (self.freed, self.next) = (frame.freed, frame.next);
            self.best.common = self.best.common.min(self.frames.len());
            if frame.next != FORCED {
                return true;
            }
        }
        false
    }
}

fn config<'c>(
    window: &'c Window<'_>,
    (state, spent): (u32, SpentId),
    (done, free): (&'c [u64], &'c [u64]),
) -> Config<'c> {
    Config { front: window.front(), state, spent, done, free, overwrites: window.overwrites() }
}

/// The farthest that a search came.
#[derive(Default)]
struct Best {
    front: u32,
    order: Vec<u32>,
    /// So many operations at the beginning of `order` are those of the frames.
    common: usize,
}

impl Best {
    /// Keeps the order of the frames if it goes farther. Says whether its front does. Copies what is new since the last time only.
    fn offer(&mut self, front: u32, frames: &[Frame]) -> bool {
        let is_farther = front > self.front;
        if is_farther || (front == self.front && frames.len() > self.order.len()) {
            self.front = front;
            self.order.truncate(self.common);
            self.order.extend(frames[self.common..].iter().map(|frame| frame.op));
            self.common = self.order.len();
        }
        is_farther
    }
}
