//! Sequential consistency.
//!
//! **Problem.** Is there one order of all operations on all objects that extends the order of sessions and is legal? That is NP-complete even
//! for registers whose values are written once (Gibbons & Korach 1997), and cannot be split by object.
//!
//! **Idea.** First a guess: the order of real time, with a little search, explains what is linearizable or nearly so. Then saturation: with
//! reads-from known, a write that must precede a read must precede its source, and one that must follow a source must follow
//! its readers; a circle refutes. If the edges order each source with all other writes of its object, any topological order will do.
//! What is still open is searched, within the edges.
//!
//! **Invariant:** every edge holds in every legal order.
//!
//! Source: Gibbons & Korach, SIAM J. Comput. 26(4), 1997; the saturation as in Biswas & Enea, OOPSLA 2019.

use super::case::{Case, unknown};
use super::causal;
use super::clocks::{Clocks, last_among};
use super::facts::{Facts, INITIAL};
use super::graph::{Graph, Shown, Sorted, Why};
use super::report::{self, Anomaly};
use super::search::{Hints, Outcome, search};
use crate::limits::Exhausted;
use crate::model::Model;
use crate::verdict::{Cause, Refutation, Sequence, Stuck, Verdict, Violation, Witness};

const NO_ORDER: Anomaly =
    Anomaly { name: "no common order", meaning: "No one order of all operations explains every session" };

/// Decides it.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn decide<M: Model>(case: &Case<'_, M>, facts: Option<&Facts>) -> Result<Verdict, Exhausted> {
    let hints = Hints { own: None, clocks: None, facts, steps: 4 * case.len() as u64 + 64 };
    if let Outcome::Order(order) = search(case, hints)? {
        return Ok(holds(case, order));
    }
    let Some(facts) = facts else { return searched(case, Hints { steps: u64::MAX, ..hints }) };
    let _held = case.budget.hold(Clocks::bytes(&case.sessions))?;
    match saturate(case, facts)? {
        Saturated::Circle(verdict) => Ok(verdict),
        Saturated::Order(order) => Ok(holds(case, order)),
        Saturated::Open(clocks) => searched(case, Hints { clocks: Some(&clocks), steps: u64::MAX, ..hints }),
    }
}

fn holds<M: Model>(case: &Case<'_, M>, order: Vec<u32>) -> Verdict {
    Verdict::Holds(Witness::Orders(vec![Sequence { scope: String::new(), ops: case.ids(order) }]))
}

fn searched<M: Model>(case: &Case<'_, M>, hints: Hints<'_>) -> Result<Verdict, Exhausted> {
    Ok(match search(case, hints)? {
        Outcome::Order(order) => holds(case, order),
        Outcome::Stuck(stuck) => stuck_at(case, stuck, NO_ORDER),
        Outcome::GaveUp(placed) => {
            unknown(Cause::NoMethod, format!("{placed} of {} operations placed", case.len()))
        }
    })
}

/// The violation that a search proved by trying every order.
pub(super) fn stuck_at<M: Model>(case: &Case<'_, M>, stuck: Stuck, anomaly: Anomaly) -> Verdict {
    let ops = case.items.iter().map(|item| item.id).collect();
    let reason = format!(
        "{}; every order was tried, and the longest that can be has {} operations of {}",
        anomaly.meaning,
        stuck.order.len(),
        case.len()
    );
    let refutation = Refutation::Stuck(stuck);
    Verdict::Violated(Box::new(Violation { anomaly: anomaly.name, ops, reason, refutation }))
}

enum Saturated {
    /// No order is possible.
    Circle(Verdict),
    /// Each source is ordered with the other writes of its object, and this order is legal.
    Order(Vec<u32>),
    /// Some pairs are open.
    Open(Clocks),
}

fn saturate<M: Model>(case: &Case<'_, M>, facts: &Facts) -> Result<Saturated, Exhausted> {
    let mut graph = causal::sessions(case);
    for (op, reads) in facts.reads.iter().enumerate() {
        for read in reads {
            if read.source != INITIAL {
                graph.add(read.source, op as u32, Why::Read, 0);
                continue;
            }
            for (_, ops) in &facts.writers[read.object as usize] {
                // An operation that reads the initial value may write itself, after that.
                let first = ops.iter().find(|write| **write != op as u32);
                if let Some(write) = first {
                    graph.add(op as u32, *write, Why::Initial, 0);
                }
            }
        }
    }
    let mut held = case.budget.hold(0)?;
    for round in 1.. {
        let order = match graph.sort(case.budget)? {
            Sorted::Order(order) => order,
            Sorted::Circle(circle) => {
                return report::circle(case, &graph, &circle, NO_ORDER).map(Saturated::Circle);
            }
        };
        let clocks = Clocks::of(&graph, &order, &case.sessions, case.budget)?;
        let before = graph.edges.len();
        let is_open = derive(case, facts, &clocks, &mut graph, round)?;
        if graph.edges.len() == before {
            return Ok(if is_open { Saturated::Open(clocks) } else { Saturated::Order(order) });
        }
        held.grow(((graph.edges.len() - before) * 24) as u64)?;
    }
    unreachable!("each round adds an edge that orders one more pair")
}

/// Adds what follows from the edges so far. Whether some write is not ordered with a source of its object.
fn derive<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    clocks: &Clocks,
    graph: &mut Graph,
    round: u32,
) -> Result<bool, Exhausted> {
    let sessions = &case.sessions;
    let mut is_open = false;
    for (op, reads) in facts.reads.iter().enumerate() {
        let op = op as u32;
        for read in reads.iter().filter(|read| read.source != INITIAL) {
            let writers = &facts.writers[read.object as usize];
            case.budget.step(1 + writers.len() as u64)?;
            for (session, ops) in writers {
                let before = last_among(ops, clocks.past(op)[*session as usize], sessions);
                if let Some(write) = before
                    && write != read.source
                    && !clocks.precedes(sessions, write, read.source)
                {
                    let why = Why::Before { reader: op, shown: Shown::Path };
                    graph.add(write, read.source, why, round);
                }
                let first = ops.partition_point(|write| !clocks.precedes(sessions, read.source, *write));
                let after = ops[first..].iter().find(|write| **write != op);
                if let Some(write) = after
                    && !clocks.precedes(sessions, op, *write)
                {
                    graph.add(op, *write, Why::After { writer: read.source }, round);
                }
                // All before the first that follows the source should precede it, besides the source itself.
                let last = ops[..first].iter().rev().find(|write| **write != read.source && **write != op);
                is_open |= last.is_some_and(|write| !clocks.precedes(sessions, *write, read.source));
            }
        }
    }
    Ok(is_open)
}
