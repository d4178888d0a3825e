//! Why nodes follow one another, and the plainest circle of such edges.
//!
//! **Idea.** Edges carry no labels: a graph of millions of them is built from a function that names each edge with its reason, and only
//! if there is a circle the function is asked again for the reasons of the few edges in its component.

use super::cast::NONE;
use super::graph;
use super::rows::Rows;
use crate::limits::{Budget, Exhausted};

/// Names edges with their reasons, always the same in the same order.
pub type Each<'a> = dyn Fn(&mut dyn FnMut(u32, u32, Why)) + 'a;

/// Why one node comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Both are of one transaction, or neither is of any.
    Inside,
    /// The same session.
    Session,
    /// Real time, by way of moments.
    Time,
    /// Read what the other wrote.
    WriteRead {
        /// Which key.
        key: u32,
    },
    /// Wrote a later version.
    WriteWrite {
        /// Which key.
        key: u32,
    },
    /// Wrote a later version than the one that the other read.
    ReadWrite {
        /// Which key.
        key: u32,
        /// The version's writer, or [`INITIAL`](super::cast::INITIAL).
        source: u32,
    },
    /// Follows from what a third transaction read.
    Forced {
        /// The number of the rule's use.
        number: u32,
    },
}

impl Why {
    /// The plainer a circle's edges, the worse the anomaly.
    fn plainness(self) -> u8 {
        match self {
            Why::Inside | Why::WriteWrite { .. } => 0,
            Why::WriteRead { .. } => 1,
            Why::ReadWrite { .. } => 2,
            Why::Session => 3,
            Why::Time => 4,
            Why::Forced { .. } => PLAINNESS_MAX,
        }
    }
}

const PLAINNESS_MAX: u8 = 5;

/// A short circle among edges that could not be sorted, of the plainest kind that there is.
///
/// # Errors
/// If the budget is exhausted.
pub fn plainest(
    graph: &Rows<u32>,
    stuck: &[u32],
    each: &Each<'_>,
    budget: &Budget<'_>,
) -> Result<Vec<(u32, u32, Why)>, Exhausted> {
    let members = graph::component(graph, stuck, budget)?.expect("what cannot be sorted holds a circle");
    let mut held = budget.hold(4 * graph.len() as u64 + 32 * members.len() as u64)?;
    let mut local = vec![NONE; graph.len()];
    for (at, node) in members.iter().enumerate() {
        local[*node as usize] = at as u32;
    }
    let mut edges: Vec<(u32, u32, Why)> = Vec::new();
    each(&mut |from, to, why| {
        let [from, to] = [from, to].map(|node| local[node as usize]);
        if from != NONE && to != NONE {
            edges.push((from, to, why));
        }
    });
    held.grow(24 * edges.len() as u64)?;
    edges.sort_by_key(|(.., why)| why.plainness());
    for limit in 0..=PLAINNESS_MAX {
        let allowed = &edges[..edges.partition_point(|(.., why)| why.plainness() <= limit)];
        let rows = Rows::build(members.len(), &mut held, |emit| {
            allowed.iter().for_each(|(from, to, _)| emit(*from, *to));
        })?;
        if let Some(circle) = graph::circle(&rows, budget)? {
            let next = circle.iter().cycle().skip(1);
            let links = circle.iter().zip(next).map(|(from, to)| {
                let edge = allowed.iter().find(|edge| (edge.0, edge.1) == (*from, *to));
                let why = edge.expect("a circle consists of edges").2;
                (members[*from as usize], members[*to as usize], why)
            });
            return Ok(links.collect());
        }
    }
    unreachable!("a strongly connected component holds a circle")
}
