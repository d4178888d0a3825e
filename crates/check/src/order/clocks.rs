//! What precedes each operation, as one count per session.
//!
//! **Idea.** A relation that contains the order of sessions has closed pasts: of each session, its first so many operations. So `k` counts
//! per operation say for any two operations in constant time which comes first (Fidge 1988, Mattern 1988).

use super::case::Sessions;
use super::graph::Graph;
use crate::limits::{Budget, Exhausted};

/// By operation, how many of each session strictly precede it.
pub(super) struct Clocks {
    width: usize,
    counts: Vec<u32>,
}

impl Clocks {
    /// Pushes pasts along the edges of `graph`, which contain the order of sessions, in the topological order given.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn of(
        graph: &Graph,
        order: &[u32],
        sessions: &Sessions,
        budget: &Budget<'_>,
    ) -> Result<Clocks, Exhausted> {
        let width = sessions.ops.len();
        budget.poll()?;
        let mut counts = vec![0; sessions.of.len() * width];
        let mut row = vec![0; width];
        let index = graph.index();
        for node in order {
            let at = *node as usize * width;
            row.copy_from_slice(&counts[at..at + width]);
            row[sessions.of[*node as usize] as usize] = sessions.place[*node as usize] + 1;
            let leaving = index.of(*node);
            budget.step(1 + leaving.len() as u64)?;
            for edge in leaving {
                let to = graph.edges[*edge as usize].to as usize * width;
                join(&mut counts[to..to + width], &row);
            }
        }
        Ok(Clocks { width, counts })
    }

    /// Bytes that these take.
    pub fn bytes(sessions: &Sessions) -> u64 {
        (sessions.of.len() * sessions.ops.len() * size_of::<u32>()) as u64
    }

    /// What precedes an operation: of each session, its first so many.
    pub fn past(&self, op: u32) -> &[u32] {
        &self.counts[op as usize * self.width..][..self.width]
    }

    /// Whether `a` precedes `b`.
    pub fn precedes(&self, sessions: &Sessions, a: u32, b: u32) -> bool {
        self.past(b)[sessions.of[a as usize] as usize] > sessions.place[a as usize]
    }
}

/// The greater of each two counts.
pub(super) fn join(into: &mut [u32], other: &[u32]) {
    into.iter_mut().zip(other).for_each(|(a, b)| *a = (*a).max(*b));
}

/// The last of these operations of one session among its first `count`.
pub(super) fn last_among(ops: &[u32], count: u32, sessions: &Sessions) -> Option<u32> {
    let within = ops.partition_point(|op| sessions.place[*op as usize] < count);
    within.checked_sub(1).map(|at| ops[at])
}
