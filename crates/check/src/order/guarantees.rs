//! The four session guarantees, where values tell what was read from where.
//!
//! **Problem.** Is there for each session `s` an order of all writes, and for each of its operations a set of writes that it sees, such that
//! the guarantee is kept and each read returns the last visible write of its object?
//!
//! **Idea.** Seeing more only adds conditions, so each operation sees what the guarantee forces it to: its sources and what follows from them.
//! Each visible write of what it reads then comes before the source. With the order that the guarantee itself demands
//! these edges form a circle, or any topological order of them will do.
//!
//! *Why that suffices.* Let `ar` extend all edges, and let each operation see just what it is forced to. What is forced is closed under the
//! guarantee's rules, and `ar` keeps the order that it demands. A read of `x` from `w` sees `w`; every other write of `x` that it
//! sees has an edge to `w`; so `w` is the last, and the read returns its value. A read of the initial value sees no write of `x`.
//! *Why it is needed.* Whatever sets are chosen, they contain the forced ones, so every edge is a condition on `ar`.
//!
//! **Invariant:** the edges of a session's graph are exactly the conditions on its order of writes. Those of writes-follow-reads pass through
//! a second node per operation, which stands for what it knows: sources lead to it, it leads to what the session
//! knows next and to the operation's own write.
//!
//! Source: Terry et al., *Session guarantees for weakly consistent replicated data*, PDIS 1994, made existential and without real time.

use super::case::Case;
use super::clocks::last_among;
use super::facts::{Facts, INITIAL};
use super::graph::{Graph, Shown, Sorted, Why};
use super::report::{self, Anomaly};
use crate::level::Level;
use crate::limits::Exhausted;
use crate::model::Model;
use crate::verdict::{Verdict, View, Witness};

const FUTURE: Anomaly = Anomaly { name: "future read", meaning: "A session read what it was yet to write" };

fn anomaly(level: Level) -> Anomaly {
    match level {
        Level::ReadYourWrites => {
            Anomaly { name: "own write not read", meaning: "A session read past its own write" }
        }
        Level::MonotonicReads => {
            Anomaly { name: "reads went backward", meaning: "A session saw less than it had seen before" }
        }
        Level::MonotonicWrites => Anomaly {
            name: "writes out of order",
            meaning: "A session's write was seen without an earlier one of the same session",
        },
        _ => Anomaly {
            name: "effect before cause",
            meaning: "A write was seen without one that its session had read before",
        },
    }
}

/// Decides one of the guarantees. Nothing if there is no violation and the facts are not complete.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn decide<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    level: Level,
) -> Result<Option<Verdict>, Exhausted> {
    let base = demanded(case, facts, level);
    let _held = case.budget.hold((base.edges.len() * 64) as u64)?;
    let mut views = Vec::new();
    let is_write = |op: &u32| !facts.writes[*op as usize].is_empty();
    for session in 0..case.sessions.ops.len() {
        let mut graph = Graph { nodes: base.nodes, edges: base.edges.clone(), knows: base.knows };
        let mut sight = Sight { case, facts, level, graph: &mut graph, pending: Vec::new(), own: Vec::new() };
        for op in &case.sessions.ops[session] {
            if let Some(verdict) = sight.see(*op)? {
                return Ok(Some(verdict));
            }
        }
        match graph.sort(case.budget)? {
            Sorted::Circle(circle) => {
                return report::circle(case, &graph, &circle, anomaly(level)).map(Some);
            }
            Sorted::Order(order) => {
                let order = order.into_iter().filter(|op| *op < case.len() as u32 && is_write(op));
                let session = case.items[case.sessions.ops[session][0] as usize].session;
                views.push(View { session, op: None, order: case.ids(order) });
            }
        }
    }
    Ok(facts.complete.then_some(Verdict::Holds(Witness::Views(views))))
}

/// The order of writes that a guarantee demands whatever is read.
fn demanded<M: Model>(case: &Case<'_, M>, facts: &Facts, level: Level) -> Graph {
    let count = case.len();
    let mut graph = Graph::new(count);
    if matches!(level, Level::MonotonicWrites | Level::ReadYourWrites) {
        // For read-your-writes only a session's own order counts in its view; `Sight::see` needs no more of it than the order of
        // own writes of one object, and adds that.
        if level == Level::MonotonicWrites {
            for ops in &case.sessions.ops {
                for pair in ops.windows(2) {
                    graph.add(pair[0], pair[1], Why::Session, 0);
                }
            }
        }
    } else if level == Level::WritesFollowReads {
        graph.nodes = 2 * count;
        graph.knows = count as u32;
        for ops in &case.sessions.ops {
            for op in ops {
                graph.add(op + graph.knows, *op, Why::Session, 0);
            }
            for pair in ops.windows(2) {
                graph.add(pair[0] + graph.knows, pair[1] + graph.knows, Why::Session, 0);
            }
        }
        for (op, reads) in facts.reads.iter().enumerate() {
            for read in reads.iter().filter(|read| read.source != INITIAL) {
                graph.add(read.source, op as u32 + graph.knows, Why::Read, 0);
            }
        }
    }
    graph
}

/// One session's operations, in their order.
struct Sight<'a, M: Model> {
    case: &'a Case<'a, M>,
    facts: &'a Facts,
    level: Level,
    graph: &'a mut Graph,
    /// By object: writes that came into sight since the session last read it, each with the operation that showed it. For monotonic
    /// reads.
    pending: Vec<Vec<(u32, u32)>>,
    /// By object, the last own write. For read-your-writes.
    own: Vec<u32>,
}

impl<M: Model> Sight<'_, M> {
    /// Adds the conditions of one operation; gives the violation if they cannot be met whatever the order.
    fn see(&mut self, op: u32) -> Result<Option<Verdict>, Exhausted> {
        let (case, facts) = (self.case, self.facts);
        let reads = &facts.reads[op as usize];
        case.budget.step(1 + reads.len() as u64)?;
        let is_future = |source: u32| {
            let (of, place) = (&case.sessions.of, &case.sessions.place);
            of[source as usize] == of[op as usize] && place[source as usize] >= place[op as usize]
        };
        let sources = reads.iter().map(|read| read.source).filter(|source| *source != INITIAL);
        if let Some(source) = sources.clone().find(|source| is_future(*source)) {
            let mut graph = Graph::new(case.len());
            graph.add(source, op, Why::Read, 0);
            let mut circle = vec![0];
            if source != op {
                graph.add(op, source, Why::Session, 0);
                circle.push(1);
            }
            return report::circle(case, &graph, &circle, FUTURE).map(Some);
        }
        let visible = self.visible(op)?;
        for (object, write, shown) in visible {
            let read =
                reads.iter().find(|read| read.object == object).expect("only what is read was asked for");
            if read.source == write {
                continue;
            }
            if read.source == INITIAL {
                self.graph.add(write, op + self.graph.knows, Why::Visible(shown), 1);
                self.graph.add(op + self.graph.knows, write, Why::Initial, 1);
                let last = self.graph.edges.len() as u32 - 1;
                return report::circle(case, self.graph, &[last - 1, last], anomaly(self.level)).map(Some);
            }
            self.graph.add(write, read.source, Why::Before { reader: op, shown }, 1);
        }
        self.remember(op);
        Ok(None)
    }

    /// The visible writes of the objects that an operation reads, besides those that are known to come before the source.
    fn visible(&mut self, op: u32) -> Result<Vec<(u32, u32, Shown)>, Exhausted> {
        let (case, facts) = (self.case, self.facts);
        let reads = &facts.reads[op as usize];
        let mut visible = Vec::new();
        let sources = || reads.iter().map(|read| read.source).filter(|source| *source != INITIAL);
        let is_read = |object: &u32| reads.iter().any(|read| read.object == *object);
        if reads.len() > 1 {
            // A source of one object may write another that is read as well.
            for source in sources() {
                let writes = facts.writes[source as usize].iter().filter(|object| is_read(object));
                visible.extend(writes.map(|object| (*object, source, Shown::By(op))));
            }
        }
        match self.level {
            Level::ReadYourWrites => {
                self.own.resize(facts.writers.len(), INITIAL);
                let own = reads.iter().map(|read| (read.object, self.own[read.object as usize]));
                visible.extend(
                    own.filter(|(_, write)| *write != INITIAL)
                        .map(|(object, write)| (object, write, Shown::By(write))),
                );
            }
            Level::MonotonicReads => {
                self.pending.resize(facts.writers.len(), Vec::new());
                for read in reads {
                    let pending = self.pending[read.object as usize].drain(..);
                    visible.extend(pending.map(|(write, via)| (read.object, write, Shown::By(via))));
                }
            }
            Level::MonotonicWrites => {
                for source in sources() {
                    let session = case.sessions.of[source as usize];
                    let count = case.sessions.place[source as usize] + 1;
                    for read in reads {
                        let writers = &facts.writers[read.object as usize];
                        case.budget.step(1)?;
                        let Ok(at) = writers.binary_search_by_key(&session, |(of, _)| *of) else { continue };
                        let last = last_among(&writers[at].1, count, &case.sessions);
                        visible.extend(last.map(|write| (read.object, write, Shown::By(source))));
                    }
                }
            }
            _ if reads.len() > 1 => {
                for write in known(case, facts, op)? {
                    let writes = facts.writes[write as usize].iter().filter(|object| is_read(object));
                    visible.extend(writes.map(|object| (*object, write, Shown::Path)));
                }
            }
            // All that is visible with one source comes before it already: its session had read it.
            _ => {}
        }
        Ok(visible)
    }

    fn remember(&mut self, op: u32) {
        let facts = self.facts;
        if self.level == Level::ReadYourWrites {
            self.own.resize(facts.writers.len(), INITIAL);
            for object in &facts.writes[op as usize] {
                let last = std::mem::replace(&mut self.own[*object as usize], op);
                if last != INITIAL {
                    self.graph.add(last, op, Why::Session, 0);
                }
            }
        }
        if self.level == Level::MonotonicReads {
            for read in facts.reads[op as usize].iter().filter(|read| read.source != INITIAL) {
                for object in &facts.writes[read.source as usize] {
                    self.pending[*object as usize].push((read.source, op));
                }
            }
        }
    }
}

/// Under writes-follow-reads: the writes that an operation sees, since it or the sessions of what it sees had read them.
fn known<M: Model>(case: &Case<'_, M>, facts: &Facts, op: u32) -> Result<Vec<u32>, Exhausted> {
    let mut writes = Vec::new();
    let mut seen = vec![false; case.len()];
    // By session, how many operations' reads were followed.
    let mut followed = vec![0_u32; case.sessions.ops.len()];
    let mut open: Vec<u32> = facts.reads[op as usize].iter().map(|read| read.source).collect();
    while let Some(write) = open.pop() {
        if write == INITIAL || std::mem::replace(&mut seen[write as usize], true) {
            continue;
        }
        writes.push(write);
        let session = case.sessions.of[write as usize] as usize;
        let count = case.sessions.place[write as usize] + 1;
        for at in followed[session]..count {
            let reads = &facts.reads[case.sessions.ops[session][at as usize] as usize];
            case.budget.step(1 + reads.len() as u64)?;
            open.extend(reads.iter().map(|read| read.source));
        }
        followed[session] = followed[session].max(count);
    }
    Ok(writes)
}
