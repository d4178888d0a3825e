//! What may come next, best first.
//!
//! Five rules cut the choice without cutting off a solution. In each, *order* means a legal one of all that must still be placed.
//!
//! **Reads at once.** Let `r` be open, sure to have happened, legal now, and such that it leaves *every* state as it is. If some order
//! contains `r` later, then moving `r` to the front keeps it legal: no other operation notices, since `r` changes nothing
//! wherever it stands, and `r` itself is legal now. So `r` is placed at once. (It is not enough that `r` leaves the
//! *present* state as it is: a write of the present value may be needed later.)
//!
//! **Earliest of a class.** Let `a` and `b` be open and act alike in every state, and let `a` return no later than `b`. If some order
//! places `b` now, then exchanging `a` and `b` in it, or putting `a` for `b` if it lacks `a`, keeps it legal, and in time:
//! `a` moves forward and is open, `b` moves back to where `a` was in time. So only `a` is tried. One of unknown outcome
//! returns never.
//!
//! **No idle doubt.** An operation of unknown outcome that leaves the present state as it is need not be placed here: the
//! same order without it is legal.
//!
//! **Free overwrites.** Let `w` and `z` be legal in every state and lead to the same state always, as writes of a register do. If `w` was
//! open and not placed when `z` was placed, then `w` can be put right before `z` at any later time: nobody sees it there. So `w`
//! is *free*: it can be placed for its effect, or pass its return without any. All that were open when the last overwrite
//! was placed are free, so one number tells which. A configuration in which `w` is free can do whatever one can in which
//! `w` is placed, or is not.
//!
//! **No idle overwrite.** Let `w` be an overwrite other than the operation at the front, and let no open operation but overwrites be
//! legal right after it. If some order places `w` now, an overwrite follows, which hides `w`, so that `w` may as well stay
//! free; or the operation at the front is free and passes, which it may as well do before. So `w` is not tried.

use super::machine::Machine;
use super::spent::{Spent, SpentId};
use super::timeline::{Kind, Timeline};
use super::window::Window;
use crate::limits::{Budget, Exhausted};
use crate::model::Model;

/// All that the searches of one object share.
pub struct Space<'a, M: Model> {
    /// The operations.
    pub timeline: &'a Timeline<'a>,
    /// The model.
    pub machine: Machine<'a, M>,
    /// What was spent.
    pub spent: Spent<'a>,
    /// What may be used.
    pub budget: &'a Budget<'a>,
}

/// Something to do next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Move {
    hope: Hope,
    /// By return, or by class if it never does.
    rank: u32,
    op: u32,
}

/// What serves the operation at the front comes first, and what surely happened before what may have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hope {
    Serves,
    MayServe,
    Happened,
    MayHappen,
}

/// Finds moves; keeps its room.
#[derive(Default)]
pub struct Moves {
    list: Vec<Move>,
    /// Open operations by return.
    open: Vec<(u32, u32)>,
    /// Operations of unknown outcome, the first of each group that is not spent.
    doubtful: Vec<(u32, u32)>,
    /// For each class the last round that saw it.
    seen: Vec<u32>,
    round: u32,
}

impl Moves {
    /// Finds all moves other than the operation at the front. `is_legal` says whether that one is legal now.
    pub fn find<M: Model>(
        &mut self,
        space: &mut Space<'_, M>,
        window: &Window<'_>,
        (state, spent, done): (u32, SpentId, &[u64]),
        is_legal: bool,
    ) -> Result<(), Exhausted> {
        self.list.clear();
        self.gather(space, window, spent, done);
        space.budget.step((self.open.len() + self.doubtful.len()) as u64)?;
        let (timeline, machine, front) = (space.timeline, &mut space.machine, window.front_op());
        for at in 0..self.open.len() {
            let (rank, op) = self.open[at];
            let seen = &mut self.seen[timeline.class(op) as usize];
            let is_later_twin = std::mem::replace(seen, self.round) == self.round;
            if is_later_twin || op == front || !machine.look(state, op)?.is_legal {
                continue;
            }
            if !is_legal && machine.opens(state, op, front)? {
                self.list.push(Move { hope: Hope::Serves, rank, op });
            } else if !self.is_idle(timeline, machine, state, op)? {
                self.list.push(Move { hope: Hope::Happened, rank, op });
            }
        }
        for at in 0..self.doubtful.len() {
            let (group, op) = self.doubtful[at];
            if machine.look(state, op)?.stays {
                continue;
            }
            if !is_legal && machine.opens(state, op, front)? {
                self.list.push(Move { hope: Hope::MayServe, rank: group, op });
            } else if !self.is_idle(timeline, machine, state, op)? {
                self.list.push(Move { hope: Hope::MayHappen, rank: group, op });
            }
        }
        self.list.sort_unstable();
        Ok(())
    }

    /// The operations that were found.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.list.iter().map(|found| found.op)
    }

    /// Fills `open` and `doubtful`, and starts a round.
    fn gather<M: Model>(&mut self, space: &Space<'_, M>, window: &Window<'_>, spent: SpentId, done: &[u64]) {
        let timeline = space.timeline;
        self.open.clear();
        self.open.extend(window.candidates(done).map(|op| (timeline.rank[op as usize], op)));
        self.open.sort_unstable();
        self.doubtful.clear();
        for (group, called) in window.maybe() {
            let count = space.spent.count(spent, group);
            if count < called {
                self.doubtful.push((group, timeline.maybe[group as usize][count as usize]));
            }
        }
        self.seen.resize(timeline.kinds.len(), 0);
        if self.round == u32::MAX {
            self.seen.fill(0);
            self.round = 0;
        }
        self.round += 1;
    }

    /// Whether an operation is an overwrite after which no open operation but overwrites is legal.
    fn is_idle<M: Model>(
        &self,
        timeline: &Timeline<'_>,
        machine: &mut Machine<'_, M>,
        state: u32,
        op: u32,
    ) -> Result<bool, Exhausted> {
        if timeline.kind(op) != Kind::Overwrite {
            return Ok(false);
        }
        let after = machine.step(state, op)?.expect("an overwrite is legal everywhere");
        for (_, other) in &self.open {
            if timeline.kind(*other) != Kind::Overwrite && machine.look(after, *other)?.is_legal {
                return Ok(false);
            }
        }
        for (_, other) in &self.doubtful {
            if timeline.kind(*other) != Kind::Overwrite && !machine.look(after, *other)?.stays {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
