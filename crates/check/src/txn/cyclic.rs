//! Anomalies that are circles.
//!
//! **Idea.** Components are taken apart by ever fewer labels: a circle of dependencies lies within one of all plain edges, and that within
//! one with sessions and real time. Then each component is searched, the gravest kind first, and a kind is left out
//! where a circle found in the same component already rules out as much.
//!
//! **Invariant:** a component in which no kind was found has no circle, or the search of some kind was cut short, which is counted.
//!
//! Source: Elle (VLDB 2020) §6.1.

use super::circles::{Found, Policy, Query, Searcher, Step};
use super::components::{Components, NONE};
use super::graph::{Graph, Label};
use super::names::{self, Variant};
use super::tally::Tally;
use super::words::Words;
use crate::level::Level;
use crate::limits::{Budget, Exhausted};
use crate::verdict::Refutation;
use rustc_hash::FxHashSet;

const WW: u8 = Label::Ww as u8;
const DEPENDENCIES: u8 = 1 << WW | 1 << Label::Wr as u8;
const PLAIN: u8 = DEPENDENCIES | 1 << Label::Rw as u8;

/// What the search for circles came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Components by all edges.
    pub components: usize,
    /// Searches of one kind in one component that were cut short.
    pub cut_short: usize,
}

/// Finds circles of each kind.
///
/// # Errors
/// If the budget is exhausted.
pub fn find(
    graph: &Graph,
    words: &Words<'_>,
    tally: &mut Tally,
    budget: &Budget<'_>,
) -> Result<Summary, Exhausted> {
    let node_bytes = graph.len() as u64;
    let _held = budget.hold(8 * node_bytes)?;
    let all = Components::new(graph, u8::MAX, budget)?;
    let mut summary = Summary { components: all.len(), cut_short: 0 };
    if all.len() == 0 {
        return Ok(summary);
    }
    let _held = budget.hold(Searcher::bytes(graph) + 25 * node_bytes)?;
    let mut search = Cyclic {
        graph,
        words,
        tally,
        budget,
        searcher: Searcher::new(graph),
        ruled_out: vec![0; graph.txn_count as usize],
        cut_short: 0,
    };
    let sessions = PLAIN | Label::So.mask();
    let by_sessions = all.within(graph, sessions, budget)?;
    let plain = by_sessions.within(graph, PLAIN, budget)?;
    search.layer(&plain, 0, None)?;
    search.pairs(&all, Variant::Process)?;
    search.layer(&by_sessions, Label::So.mask(), Some(Label::So))?;
    search.pairs(&all, Variant::RealTime)?;
    search.layer(&all, Label::So.mask() | Label::Rt.mask(), Some(Label::Rt))?;
    summary.cut_short = search.cut_short;
    Ok(summary)
}

struct Cyclic<'a, 'g, 'b> {
    graph: &'g Graph,
    words: &'a Words<'a>,
    tally: &'a mut Tally,
    budget: &'a Budget<'b>,
    searcher: Searcher<'g>,
    /// By transaction: levels that circles through it rule out, as bits.
    ruled_out: Vec<u32>,
    cut_short: usize,
}

impl Cyclic<'_, '_, '_> {
    /// Searches the components by all labels of a layer: the plain ones, and those of sessions or of real time.
    fn layer(
        &mut self,
        components: &Components,
        order: u8,
        required: Option<Label>,
    ) -> Result<(), Exhausted> {
        let (graph, budget) = (self.graph, self.budget);
        let dependencies = components.within(graph, DEPENDENCIES | order, budget)?;
        let writes = dependencies.within(graph, 1 << WW | order, budget)?;
        let query = |labels, policy| Query { labels: labels | order, policy, required };
        let variant = match required {
            None => Variant::Plain,
            Some(Label::So) => Variant::Process,
            Some(_) => Variant::RealTime,
        };
        let level = |kind| names::rules_out(kind, variant);
        self.each(&writes, &query(1 << WW, Policy::Never), level(names::Kind::G0))?;
        self.each(&dependencies, &query(DEPENDENCIES, Policy::Never), level(names::Kind::G1c))?;
        self.each(components, &query(PLAIN, Policy::Once), level(names::Kind::Single))?;
        self.each(components, &query(PLAIN, Policy::Apart), level(names::Kind::Nonadjacent))?;
        self.each(components, &query(PLAIN, Policy::Any), level(names::Kind::G2))
    }

    fn each(&mut self, components: &Components, query: &Query, level: Level) -> Result<(), Exhausted> {
        for component in 0..components.len() {
            let nodes = components.nodes(component);
            let txns = nodes.iter().filter(|node| self.graph.is_txn(**node));
            let known = txns.fold(0, |known, txn| known | self.ruled_out[*txn as usize]);
            self.budget.step(nodes.len() as u64)?;
            if implies(known, level) {
                continue;
            }
            match self.searcher.find(components, component, query, self.budget)? {
                Found::Circle(circle) => self.report(&simplest(circle)),
                Found::Nothing => {}
                Found::CutShort => self.cut_short += 1,
            }
        }
        Ok(())
    }

    /// Circles of two: an edge that leads back in a session, or in real time.
    fn pairs(&mut self, all: &Components, variant: Variant) -> Result<(), Exhausted> {
        let mut seen = FxHashSet::default();
        for from in 0..self.graph.txn_count {
            self.budget.step(1)?;
            for arc in self.graph.arcs(from) {
                let is_plain = PLAIN & arc.label().mask() != 0;
                if !is_plain || !self.graph.is_txn(arc.to) || all.of(from) == NONE {
                    continue;
                }
                let Some(back) = self.order(arc.to, from, variant) else { continue };
                let step = Step { from, to: arc.to, label: arc.label(), key: arc.key() };
                let circle = [step, Step { from: arc.to, to: from, label: back, key: 0 }];
                let (kind, _) = names::classify(&circle);
                let known = self.ruled_out[from as usize] & self.ruled_out[arc.to as usize];
                if !implies(known, names::rules_out(kind, variant)) && seen.insert((from, arc.to)) {
                    self.report(&circle);
                }
            }
        }
        Ok(())
    }

    /// Whether the order of sessions, or else of real time, has `first` before `second`.
    fn order(&self, first: u32, second: u32, variant: Variant) -> Option<Label> {
        let [first, second] = [first, second].map(|txn| &self.words.txns.txns[txn as usize]);
        let (precedes, is_session) = (first.until < second.from, first.session == second.session);
        match variant {
            Variant::Process if precedes && is_session => Some(Label::So),
            Variant::RealTime if precedes && !is_session && self.words.has_real_time() => Some(Label::Rt),
            _ => None,
        }
    }

    fn report(&mut self, circle: &[Step]) {
        let (kind, variant) = names::classify(circle);
        let level = names::rules_out(kind, variant);
        for step in circle {
            self.ruled_out[step.from as usize] |= 1 << level as u32;
        }
        // Two that read the same version and overwrote it: found as a lost update.
        let is_lost_update = matches!(circle, [one, other]
            if one.label == Label::Rw && other.label == Label::Rw && one.key == other.key);
        let name = names::name(circle);
        if is_lost_update || !self.tally.count(name) {
            return;
        }
        let ops = circle.iter().map(|step| self.words.op(step.from)).collect();
        let edges: Vec<_> = circle.iter().map(|step| self.words.edge(step)).collect();
        let whys: Vec<&str> = edges.iter().map(|edge| edge.why.as_str()).collect();
        let reason = format!("each must come before the next, in a circle: {}", whys.join("; "));
        self.tally.tell(name, level, ops, reason, Refutation::Cycle(edges));
    }
}

/// Whether one of the levels (as bits) is no stronger than this one.
fn implies(ruled_out: u32, level: Level) -> bool {
    crate::level::TXN_LEVELS
        .iter()
        .any(|known| ruled_out & 1 << *known as u32 != 0 && level.is_at_least(*known))
}

/// Of a closed walk that meets a transaction twice, the part that rules out as much, if there is one.
fn simplest(mut walk: Vec<Step>) -> Vec<Step> {
    let level = |walk: &[Step]| {
        let (kind, variant) = names::classify(walk);
        names::rules_out(kind, variant)
    };
    'again: loop {
        for end in 1..walk.len() {
            for start in 0..end {
                if walk[start].from != walk[end].from {
                    continue;
                }
                let inner = walk[start..end].to_vec();
                let outer = [&walk[..start], &walk[end..]].concat();
                let parts = [inner, outer];
                let simpler = parts.into_iter().find(|part| level(&walk).is_at_least(level(part)));
                if let Some(part) = simpler {
                    walk = part;
                    continue 'again;
                }
            }
        }
        return walk;
    }
}
