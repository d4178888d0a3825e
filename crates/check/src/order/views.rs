//! PRAM and causal memory, where values tell what was read from where: one view for each session.
//!
//! **Problem.** Is there, for session `s`, an order of all writes and its own reads that extends the base order (sessions for PRAM, causality
//! for CM) and in which each own read is legal?
//!
//! **Idea.** Own operations are in a line, so what must precede the `i`-th is a closed set that grows with `i`: one count per session. If such
//! a set holds a write of what the `i`-th reads, that write must come before the read's source, and so be in every set that holds the
//! source. Repeat until nothing changes. If the edges found so form no circle, the sets one after the other, each sorted by the
//! edges, are the view: before an own read stands exactly its set, in which its source is the last write of the object.
//!
//! **Invariant:** a set only grows, and each growth is forced; so a circle is a violation.
//!
//! Source: Bouajjani et al., POPL 2017, §5.3 (the relation HB and the patterns `CyclicHB`, `WriteHBInitRead`). Deviations: the last
//! operation's view serves the whole session, which for reads of registers is equivalent, since a view cut down to the causes of
//! an earlier operation still explains it; and PRAM is the same with a smaller base.

use super::case::Case;
use super::causal::{self, Causality, sessions};
use super::clocks::{Clocks, join};
use super::facts::{Facts, INITIAL};
use super::graph::{Graph, Shown, Sorted, Why};
use super::report::{self, Anomaly};
use crate::level::Level;
use crate::limits::Exhausted;
use crate::model::Model;
use crate::verdict::{Verdict, View, Witness};

const CYCLIC_HB: Anomaly =
    Anomaly { name: "CyclicHB", meaning: "A session's reads allow no one order of what it knows" };
const WRITE_HB_INIT_READ: Anomaly = Anomaly {
    name: "WriteHBInitRead",
    meaning: "The initial value was read although its reader knew a write",
};
const PRAM: Anomaly = Anomaly {
    name: "writes out of order",
    meaning: "A session's reads contradict the order of others' writes",
};

/// Decides PRAM or CM. Nothing if there is no violation and the facts are not complete.
///
/// # Errors
/// If the budget is exhausted.
pub(super) fn decide<M: Model>(
    case: &Case<'_, M>,
    facts: &Facts,
    level: Level,
) -> Result<Option<Verdict>, Exhausted> {
    let _held = case.budget.hold(2 * Clocks::bytes(&case.sessions))?;
    let base = if level == Level::Pram {
        let graph = sessions(case);
        let order = case.sessions.ops.concat();
        let clocks = Clocks::of(&graph, &order, &case.sessions, case.budget)?;
        Causality { graph, clocks }
    } else {
        let mut causality = match causal::causality(case, facts)? {
            Ok(causality) => causality,
            Err(verdict) => return Ok(Some(verdict)),
        };
        if let Some(verdict) = causal::weak(case, facts, &mut causality)? {
            return Ok(Some(verdict));
        }
        causality
    };
    let mut views = Vec::new();
    for session in 0..case.sessions.ops.len() {
        let mut sight = Sight::new(case, facts, &base, session);
        let names = if level == Level::Pram { [PRAM; 2] } else { [CYCLIC_HB, WRITE_HB_INIT_READ] };
        match sight.view(names)? {
            Ok(view) => views.push(view),
            Err(verdict) => return Ok(Some(verdict)),
        }
    }
    Ok(facts.complete.then_some(Verdict::Holds(Witness::Views(views))))
}

/// What one session must have seen before each of its operations.
struct Sight<'a, M: Model> {
    case: &'a Case<'a, M>,
    facts: &'a Facts,
    base: &'a Causality,
    own: &'a [u32],
    session: usize,
    /// By own operation, how many operations of each session are before it or are it.
    sets: Vec<Vec<u32>>,
    /// By operation, the first own operation whose set holds it; `NEVER` if none.
    layers: Vec<u32>,
    /// By object, own reads of it: the reader's place, the source.
    reads: Vec<Vec<(u32, u32)>>,
    graph: Graph,
    /// By operation and object that it writes, the last edge that was added for it.
    targets: Vec<Vec<u32>>,
}

const NEVER: u32 = u32::MAX;

impl<'a, M: Model> Sight<'a, M> {
    fn new(case: &'a Case<'a, M>, facts: &'a Facts, base: &'a Causality, session: usize) -> Self {
        let own = &case.sessions.ops[session][..];
        let mut graph = Graph::new(case.len());
        graph.edges.clone_from(&base.graph.edges);
        let mut reads = vec![Vec::new(); facts.writers.len()];
        let mut sets: Vec<Vec<u32>> = Vec::with_capacity(own.len());
        for (place, op) in own.iter().enumerate() {
            let mut set = base.clocks.past(*op).to_vec();
            set[session] = place as u32 + 1;
            for read in &facts.reads[*op as usize] {
                reads[read.object as usize].push((place as u32, read.source));
                if read.source == INITIAL {
                    continue;
                }
                let of = case.sessions.of[read.source as usize] as usize;
                join(&mut set, base.clocks.past(read.source));
                set[of] = set[of].max(case.sessions.place[read.source as usize] + 1);
                graph.add(read.source, *op, Why::Read, 0);
            }
            if let Some(last) = sets.last() {
                join(&mut set, last);
            }
            sets.push(set);
        }
        let targets = facts.writes.iter().map(|objects| vec![NEVER; objects.len()]).collect();
        let layers = vec![NEVER; case.len()];
        Sight { case, facts, base, own, session, sets, layers, reads, graph, targets }
    }

    /// The view, or the violation.
    fn view(&mut self, [circle, initial]: [Anomaly; 2]) -> Result<Result<View, Verdict>, Exhausted> {
        let width = self.case.sessions.ops.len();
        let _held =
            self.case.budget.hold((self.own.len() * width * 4 + self.graph.edges.len() * 24) as u64)?;
        let mut round = 1;
        loop {
            self.case.budget.step((self.case.len() + self.own.len() * width) as u64)?;
            self.find_layers();
            if let Some((reader, write)) = self.add_edges(round)? {
                self.graph.add(reader, write, Why::Initial, round);
                return Ok(Err(causal::close(self.case, &self.graph, initial)?));
            }
            let is_stable = !self.grow()?;
            let is_absurd =
                self.sets.iter().enumerate().any(|(place, set)| set[self.session] > place as u32 + 1);
            if is_stable || is_absurd {
                break;
            }
            round += 1;
        }
        match self.graph.sort(self.case.budget)? {
            Sorted::Circle(edges) => Ok(Err(report::circle(self.case, &self.graph, &edges, circle)?)),
            Sorted::Order(mut order) => {
                // Stable: within a layer the order of the edges stays, and an own operation ends its layer.
                order.sort_by_key(|op| {
                    let layer = self.layers[*op as usize];
                    let ends = layer != NEVER && self.own[layer as usize] == *op;
                    (layer, ends)
                });
                let session = self.case.items[self.own[0] as usize].session;
                Ok(Ok(View { session, op: None, order: self.case.ids(order) }))
            }
        }
    }

    fn find_layers(&mut self) {
        let sessions = &self.case.sessions;
        let mut shown = vec![0_u32; sessions.ops.len()];
        for (place, set) in self.sets.iter().enumerate() {
            for (of, count) in set.iter().enumerate() {
                while shown[of] < *count {
                    self.layers[sessions.ops[of][shown[of] as usize] as usize] = place as u32;
                    shown[of] += 1;
                }
            }
        }
    }

    /// Orders each write before the source of the first own read that has it in its set; each source so before the next one.
    /// Gives an own read of an initial value with a write in its set, if there is one.
    fn add_edges(&mut self, round: u32) -> Result<Option<(u32, u32)>, Exhausted> {
        for write in 0..self.case.len() {
            let layer = self.layers[write];
            if layer == NEVER {
                continue;
            }
            for (slot, object) in self.facts.writes[write].iter().enumerate() {
                let reads = &self.reads[*object as usize];
                let mut at = reads.partition_point(|(place, _)| {
                    // An own write comes after what its own operation read.
                    *place < layer || (*place == layer && self.own[layer as usize] == write as u32)
                });
                self.case.budget.step(1)?;
                while reads.get(at).is_some_and(|(_, source)| *source == write as u32) {
                    at += 1;
                }
                let Some((place, source)) = reads.get(at) else { continue };
                let reader = self.own[*place as usize];
                if *source == INITIAL {
                    return Ok(Some((reader, write as u32)));
                }
                if self.targets[write][slot] != *source {
                    self.targets[write][slot] = *source;
                    let why = Why::Before { reader, shown: Shown::Path };
                    self.graph.add(write as u32, *source, why, round);
                }
            }
        }
        Ok(None)
    }

    /// Puts each write into every set that holds a source which it must precede. Whether that changed anything.
    fn grow(&mut self) -> Result<bool, Exhausted> {
        let sessions = &self.case.sessions;
        let mut has_grown = false;
        for write in 0..self.case.len() {
            for source in self.targets[write].iter().filter(|source| **source != NEVER) {
                let wanted = self.layers[*source as usize];
                if wanted >= self.layers[write] {
                    continue;
                }
                has_grown = true;
                let set = &mut self.sets[wanted as usize];
                join(set, self.base.clocks.past(write as u32));
                let of = sessions.of[write] as usize;
                set[of] = set[of].max(sessions.place[write] + 1);
                self.case.budget.step(1)?;
            }
        }
        for place in 1..self.sets.len() {
            let (before, from) = self.sets.split_at_mut(place);
            join(&mut from[0], &before[place - 1]);
        }
        Ok(has_grown)
    }
}
