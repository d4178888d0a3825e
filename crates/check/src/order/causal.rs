//! Causal consistency (CC), causal convergence (CCv) and causal memory (CM), where values tell what was read from where.
//!
//! **Problem.** Is there a causal order that explains each operation (CC), with one arbitration order for all (CCv), or with one
//! view for each session (CM)?
//!
//! **Idea.** The least causal order is that of sessions and of reads after their sources; more only hurts. Then each level is the absence
//! of a circle: CC forbids `WriteCORead` (a source overwritten in the reader's past) and `WriteCOInitRead`; CCv orders a write
//! before the source of whoever has it in the past, for all at once; CM does so per session ([`super::views`]).
//!
//! **Invariant:** without a circle, a topological order is the witness.
//!
//! Source: Bouajjani, Enea, Guerraoui & Hamza, *On verifying causal consistency*, POPL 2017, §5. Deviation: an operation may read several
//! objects. Then CC needs a check per such operation ([`contradicts`]): its sources, and the writes that each excludes, may
//! form a circle where no single read does.

use super::case::Case;
use super::clocks::{Clocks, last_among};
use super::facts::{Facts, INITIAL, Read};
use super::graph::{Graph, Shown, Sorted, Why};
use super::report::{self, Anomaly};
use crate::level::Level;
use crate::limits::Exhausted;
use crate::model::Model;
use crate::verdict::{Sequence, Verdict, Witness};

const CYCLIC_CO: Anomaly = Anomaly { name: "CyclicCO", meaning: "An operation is among its own causes" };
const WRITE_CO_READ: Anomaly =
    Anomaly { name: "WriteCORead", meaning: "A value was read although its reader knew a later one" };
const WRITE_CO_INIT_READ: Anomaly = Anomaly {
    name: "WriteCOInitRead",
    meaning: "The initial value was read although its reader knew a write",
};
const CYCLIC_CF: Anomaly =
    Anomaly { name: "CyclicCF", meaning: "No one order of the writes agrees with all reads" };

/// The causal order: sessions, and sources before their readers.
pub(super) struct Causality {
    pub graph: Graph,
    pub clocks: Clocks,
}

/// The order of sessions as a graph.
pub(super) fn sessions<M: Model>(case: &Case<'_, M>) -> Graph {
    let mut graph = Graph::new(case.len());
    for ops in &case.sessions.ops {
        for pair in ops.windows(2) {
            graph.add(pair[0], pair[1], Why::Session, 0);
        }
    }
    graph
}

/// The causal order, or the violation that an operation causes itself.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn causality<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
) -> Result<Result<Causality, Verdict>, Exhausted> {
    let mut graph = sessions(case);
    for (op, reads) in facts.reads.iter().enumerate() {
        for read in reads.iter().filter(|read| read.source != INITIAL) {
            graph.add(read.source, op as u32, Why::Read, 0);
        }
    }
    match graph.sort(case.budget)? {
        Sorted::Circle(circle) => Ok(Err(report::circle(case, &graph, &circle, CYCLIC_CO)?)),
        Sorted::Order(order) => {
            let clocks = Clocks::of(&graph, &order, &case.sessions, case.budget)?;
            Ok(Ok(Causality { graph, clocks }))
        }
    }
}

/// Decides CC or CCv. Nothing if there is no violation and the facts are not complete.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn decide<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    level: Level,
) -> Result<Option<Verdict>, Exhausted> {
    let _held = case.budget.hold(Clocks::bytes(&case.sessions))?;
    let mut causality = match causality(case, facts)? {
        Ok(causality) => causality,
        Err(verdict) => return Ok(Some(verdict)),
    };
    if let Some(verdict) = weak(case, facts, &mut causality)? {
        return Ok(Some(verdict));
    }
    if level == Level::CausalConvergence {
        return convergence(case, facts, causality);
    }
    let why = "sessions and reads-from form no circle, and no operation's causes overwrite what it read";
    Ok(facts.complete.then_some(Verdict::Holds(Witness::Argument(why))))
}

/// The violation of CC, if there is one.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn weak<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    causality: &mut Causality,
) -> Result<Option<Verdict>, Exhausted> {
    let mut excluded = Vec::new();
    for (op, reads) in facts.reads.iter().enumerate() {
        let op = op as u32;
        excluded.clear();
        for read in reads {
            known_writes(case, facts, &causality.clocks, op, *read, |write| {
                excluded.push((write, read.source));
            })?;
            if read.source == INITIAL
                && let Some((write, _)) = excluded.last().filter(|(_, source)| *source == INITIAL)
            {
                causality.graph.add(op, *write, Why::Initial, 1);
                return close(case, &causality.graph, WRITE_CO_INIT_READ).map(Some);
            }
        }
        let clocks = &causality.clocks;
        let overwritten =
            excluded.iter().find(|(write, source)| clocks.precedes(&case.sessions, *source, *write));
        if let Some((write, source)) = overwritten {
            let why = Why::Before { reader: op, shown: Shown::Path };
            causality.graph.add(*write, *source, why, 1);
            return close(case, &causality.graph, WRITE_CO_READ).map(Some);
        }
        if reads.len() > 1 && contradicts(case, clocks, &excluded)? {
            for (write, source) in &excluded {
                let why = Why::Before { reader: op, shown: Shown::Path };
                causality.graph.add(*write, *source, why, 1);
            }
            if let Sorted::Circle(circle) = causality.graph.sort(case.budget)? {
                return report::circle(case, &causality.graph, &circle, WRITE_CO_READ).map(Some);
            }
        }
    }
    Ok(None)
}

/// The last write of the object by each session in an operation's past, besides the source itself and what precedes it.
fn known_writes<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    clocks: &Clocks,
    op: u32,
    read: Read,
    mut each: impl FnMut(u32),
) -> Result<(), Exhausted> {
    let writers = &facts.writers[read.object as usize];
    case.budget.step(1 + writers.len() as u64)?;
    let past = clocks.past(op);
    for (session, ops) in writers {
        let Some(write) = last_among(ops, past[*session as usize], &case.sessions) else { continue };
        let is_implied = read.source != INITIAL
            && (write == read.source || clocks.precedes(&case.sessions, write, read.source));
        if !is_implied {
            each(write);
        }
    }
    Ok(())
}

/// Whether the writes that one operation's reads exclude, each to come before a source, form a circle with the causal order.
fn contradicts<M: Model>(
    case: &Case<'_, M>,
    clocks: &Clocks,
    excluded: &[(u32, u32)],
) -> Result<bool, Exhausted> {
    let mut graph = Graph::new(excluded.len());
    for (first, (_, source)) in excluded.iter().enumerate() {
        case.budget.step(excluded.len() as u64)?;
        for (second, (write, _)) in excluded.iter().enumerate() {
            if source == write || clocks.precedes(&case.sessions, *source, *write) {
                graph.add(first as u32, second as u32, Why::Session, 0);
            }
        }
    }
    Ok(matches!(graph.sort(case.budget)?, Sorted::Circle(_)))
}

fn convergence<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    causality: Causality,
) -> Result<Option<Verdict>, Exhausted> {
    let Causality { mut graph, clocks } = causality;
    let mut held = case.budget.hold(0)?;
    for (op, reads) in facts.reads.iter().enumerate() {
        let before = graph.edges.len();
        for read in reads {
            known_writes(case, facts, &clocks, op as u32, *read, |write| {
                let why = Why::Before { reader: op as u32, shown: Shown::Path };
                graph.add(write, read.source, why, 1);
            })?;
        }
        held.grow(((graph.edges.len() - before) * 24) as u64)?;
    }
    match graph.sort(case.budget)? {
        Sorted::Circle(circle) => report::circle(case, &graph, &circle, CYCLIC_CF).map(Some),
        Sorted::Order(order) if facts.complete => {
            let sequence = Sequence { scope: String::new(), ops: case.ids(order) };
            Ok(Some(Verdict::Holds(Witness::Orders(vec![sequence]))))
        }
        Sorted::Order(_) => Ok(None),
    }
}

/// The violation that the last edge of the graph completes.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn close<M: Model>(
    case: &Case<'_, M>,
    graph: &Graph,
    anomaly: Anomaly,
) -> Result<Verdict, Exhausted> {
    let last = graph.edges.len() as u32 - 1;
    let edge = graph.edges[last as usize];
    let mut circle = vec![last];
    let back = graph.path(edge.to, edge.from, edge.round, case.budget)?;
    circle.extend(back.expect("the edge closes a circle"));
    report::circle(case, graph, &circle, anomaly)
}
