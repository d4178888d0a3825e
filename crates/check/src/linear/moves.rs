//! What may come next, best first.
//!
//! Three rules cut the choice without cutting off a solution.
//!
//! **Reads at once.** Let `r` be open, sure to have happened, legal now, and such that it leaves *every* state as it is. If some order of the
//! rest contains `r` later, then moving `r` to the front keeps it legal: no other operation notices, since `r` changes
//! nothing wherever it stands, and `r` itself is legal now. So `r` is placed at once. (It is not enough that `r` leaves the
//! *present* state as it is: a write of the present value may be needed later.)
//!
//! **Earliest of a class.** Let `a` and `b` be open and act alike in every state, and let `a` return no later than `b`. If some order
//! places `b` now, then exchanging `a` and `b` in it, or putting `a` for `b` if it lacks `a`, keeps it legal, and in time:
//! `a` moves forward and is open, `b` moves back to where `a` was in time. So only `a` is tried. One of unknown outcome
//! returns never.
//!
//! **No idle doubt.** An operation of unknown outcome that leaves the present state as it is need not be placed here: the
//! same order without it is legal.

use super::machine::Machine;
use super::spent::{Spent, SpentId};
use super::timeline::Timeline;
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
    /// What serves the operation at the front comes first, and what surely happened before what may have.
    hope: u8,
    /// By return, or by class if it never does.
    rank: u32,
    op: u32,
}

const SERVES: u8 = 0;
const MAY_SERVE: u8 = 1;
const OTHER: u8 = 2;
const MAY_HAPPEN: u8 = 3;

/// Finds moves; keeps its room.
#[derive(Default)]
pub struct Moves {
    list: Vec<Move>,
    /// Open operations by return.
    open: Vec<(u32, u32)>,
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
        let (timeline, front) = (space.timeline, window.front_op());
        let serves = |machine: &mut Machine<'_, M>, op| Ok(!is_legal && machine.opens(state, op, front)?);
        self.open.clear();
        self.open.extend(window.candidates(done).map(|op| (timeline.rank[op as usize], op)));
        space.budget.step(self.open.len() as u64)?;
        self.open.sort_unstable();
        self.start_round(timeline.reads_only.len());
        for (rank, op) in &self.open {
            let seen = &mut self.seen[timeline.class(*op) as usize];
            let is_later_twin = std::mem::replace(seen, self.round) == self.round;
            if is_later_twin || *op == front || !space.machine.look(state, *op)?.is_legal {
                continue;
            }
            let hope = if serves(&mut space.machine, *op)? { SERVES } else { OTHER };
            self.list.push(Move { hope, rank: *rank, op: *op });
        }
        for (group, called) in window.maybe() {
            let count = space.spent.count(spent, group);
            if count == called {
                continue;
            }
            space.budget.step(1)?;
            let op = timeline.maybe[group as usize][count as usize];
            if space.machine.look(state, op)?.stays {
                continue;
            }
            let hope = if serves(&mut space.machine, op)? { MAY_SERVE } else { MAY_HAPPEN };
            self.list.push(Move { hope, rank: group, op });
        }
        self.list.sort_unstable();
        Ok(())
    }

    /// The operations that were found.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.list.iter().map(|found| found.op)
    }

    fn start_round(&mut self, classes: usize) {
        self.seen.resize(classes, 0);
        if self.round == u32::MAX {
            self.seen.fill(0);
            self.round = 0;
        }
        self.round += 1;
    }
}
