//! A circle in words, with the operations that it takes.
//!
//! **Idea.** A derived edge is true because of a path; the path's edges may be derived themselves. Following them all gives
//! a part of the history that violates the level on its own, because every edge can be derived again from it.

use super::case::Case;
use super::graph::{Edge, Graph, Shown, Why};
use crate::limits::Exhausted;
use crate::model::Model;
use crate::verdict::{self, Refutation, Relation, Verdict, Violation};

/// What a circle means.
#[derive(Clone, Copy)]
pub(super) struct Anomaly {
    /// Its name.
    pub name: &'static str,
    /// A sentence that says what went wrong.
    pub meaning: &'static str,
}

/// The violation that a circle of edges proves. Nodes beyond the operations stand for what an operation knows; see
/// `guarantees`.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn circle<M: Model>(
    case: &Case<'_, M>,
    graph: &Graph,
    circle: &[u32],
    anomaly: Anomaly,
) -> Result<Verdict, Exhausted> {
    let edges = edges(case, graph, circle);
    let mut ops = support(case, graph, circle)?;
    ops.sort_unstable();
    ops.dedup();
    let reason = format!("{}: {}.", anomaly.meaning, chain(&edges));
    let violation =
        Violation { anomaly: anomaly.name, ops: case.ids(ops), reason, refutation: Refutation::Cycle(edges) };
    Ok(Verdict::Violated(Box::new(violation)))
}

/// The violation of an operation that read what was never written.
pub(super) fn unwritten<M: Model>(case: &Case<'_, M>, op: u32) -> Verdict {
    let violation = Violation {
        anomaly: "read of a value that nobody wrote",
        ops: vec![case.id(op)],
        reason: format!("{} saw a value that no operation wrote", case.words(op)),
        refutation: Refutation::Fact,
    };
    Verdict::Violated(Box::new(violation))
}

fn chain(edges: &[verdict::Edge]) -> String {
    const SHOWN: usize = 4;
    let mut whys: Vec<&str> = edges.iter().take(SHOWN).map(|edge| &*edge.why).collect();
    if edges.len() > SHOWN {
        whys.push("and so on, back to the first");
    }
    whys.join("; ")
}

/// The edges between operations, those of a session in a row made one.
fn edges<M: Model>(case: &Case<'_, M>, graph: &Graph, circle: &[u32]) -> Vec<verdict::Edge> {
    let ops = case.len() as u32;
    let mut merged: Vec<Edge> = Vec::with_capacity(circle.len());
    let is_session = |edge: &Edge| matches!(edge.why, Why::Session);
    let start = circle.iter().position(|at| !is_session(&graph.edges[*at as usize])).unwrap_or(0);
    for at in circle[start..].iter().chain(&circle[..start]) {
        let mut edge = graph.edges[*at as usize];
        (edge.from, edge.to) = (edge.from % ops, edge.to % ops);
        match merged.last_mut() {
            Some(last) if is_session(last) && is_session(&edge) => last.to = edge.to,
            _ => merged.push(edge),
        }
    }
    merged.retain(|edge| edge.from != edge.to || !is_session(edge));
    merged.into_iter().map(|edge| shown(case, edge)).collect()
}

fn shown<M: Model>(case: &Case<'_, M>, edge: Edge) -> verdict::Edge {
    let [from, to] = [edge.from, edge.to].map(|op| case.words(op));
    let (relation, why) = match edge.why {
        Why::Session => (Relation::Session, format!("its session did [{from}] before [{to}]")),
        Why::Read => (Relation::WriteRead, format!("[{to}] read what [{from}] wrote")),
        Why::Before { reader, .. } => {
            let reader = case.words(reader);
            let why = format!(
                "[{reader}] has [{from}] behind it and yet read what [{to}] wrote, so [{from}] came before [{to}]"
            );
            (Relation::WriteWrite, why)
        }
        Why::After { writer } => {
            let writer = case.words(writer);
            let why = format!("[{from}] read what [{writer}] wrote before [{to}], so it came before [{to}]");
            (Relation::ReadWrite, why)
        }
        Why::Initial => (Relation::ReadWrite, format!("[{from}] read the value before the write of [{to}]")),
        Why::Visible(Shown::By(via)) if via != edge.to && via != edge.from => {
            (Relation::Derived, format!("[{to}] sees [{from}], as [{}] shows", case.words(via)))
        }
        Why::Visible(_) => (Relation::Derived, format!("[{to}] sees [{from}]")),
    };
    verdict::Edge { from: case.id(edge.from), to: case.id(edge.to), relation, why }
}

/// All operations that the circle and what it was derived from need.
fn support<M: Model>(case: &Case<'_, M>, graph: &Graph, circle: &[u32]) -> Result<Vec<u32>, Exhausted> {
    let count = case.len() as u32;
    let mut known = vec![false; graph.edges.len()];
    let mut open: Vec<u32> = circle.to_vec();
    let mut ops = Vec::new();
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut known[at as usize], true) {
            continue;
        }
        case.budget.step(1)?;
        let edge = graph.edges[at as usize];
        // Within a session the ends of the run of edges would do; the rest is taken out by whoever shrinks.
        ops.extend([edge.from % count, edge.to % count]);
        let (path, more) = match edge.why {
            Why::Session | Why::Read | Why::Initial => continue,
            Why::Before { reader, shown } => {
                ops.push(reader);
                (Some((edge.from, reader + graph.knows, shown)), None)
            }
            Why::After { writer } => (Some((writer, edge.to, Shown::Path)), Some(writer)),
            Why::Visible(shown) => (Some((edge.from, edge.to % count + graph.knows, shown)), None),
        };
        ops.extend(more);
        match path {
            Some((from, to, Shown::Path)) => {
                open.extend(graph.path(from, to, edge.round, case.budget)?.unwrap_or_default());
            }
            Some((_, _, Shown::By(via))) => ops.push(via),
            None => {}
        }
    }
    Ok(thin(case, graph, circle, &known, ops))
}

/// Leaves out operations that only stand between others of their session.
fn thin<M: Model>(
    case: &Case<'_, M>,
    graph: &Graph,
    circle: &[u32],
    known: &[bool],
    mut ops: Vec<u32>,
) -> Vec<u32> {
    let count = case.len() as u32;
    let mut needed = vec![false; case.len()];
    let used = known.iter().zip(&graph.edges).filter(|(known, _)| **known).map(|(_, edge)| edge);
    for edge in used {
        match edge.why {
            Why::Session => continue,
            Why::Before { reader, shown } => {
                needed[reader as usize] = true;
                if let Shown::By(via) = shown {
                    needed[via as usize] = true;
                }
            }
            Why::After { writer } => needed[writer as usize] = true,
            Why::Visible(Shown::By(via)) => needed[via as usize] = true,
            Why::Read | Why::Initial | Why::Visible(_) => {}
        }
        needed[(edge.from % count) as usize] = true;
        needed[(edge.to % count) as usize] = true;
    }
    if circle.iter().all(|at| matches!(graph.edges[*at as usize].why, Why::Session)) {
        return ops;
    }
    ops.retain(|op| needed[*op as usize]);
    ops
}
