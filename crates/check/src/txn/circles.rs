//! Short circles of a given kind.
//!
//! **Idea.** A circle of a kind is a path from an edge back to where it started, and whether edges may follow one another on it takes two
//! bits of memory: was the last one an anti-dependency, and did the label that must occur occur. So a breadth-first search over
//! pairs of node and memory finds a shortest one. Edges that leave auxiliary nodes cost nothing.
//!
//! **Invariant:** the steps spent on one component are bounded by a multiple of its size. Some circle through each tried edge is found
//! in one sweep, for kinds that forbid nothing; for the others a search may be cut short, which is said.
//!
//! Source: Elle (VLDB 2020) §6.1; its searches per kind are the policies here.

use super::components::Components;
use super::graph::{Graph, Label};
use crate::limits::{Budget, Exhausted};
use std::collections::VecDeque;

/// What anti-dependencies a circle may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// None.
    Never,
    /// Exactly one.
    Once,
    /// Any number, no two in a row.
    Apart,
    /// At least one.
    Any,
}

/// A kind of circle.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Labels that it may have.
    pub labels: u8,
    /// Of which [`Label::Rw`] so many.
    pub policy: Policy,
    /// A label that it must have.
    pub required: Option<Label>,
}

/// One edge of a circle of transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The earlier transaction.
    pub from: u32,
    /// The later.
    pub to: u32,
    /// Why.
    pub label: Label,
    /// On which key, unless the label is of sessions or real time.
    pub key: u32,
}

/// What a search came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A closed walk.
    Circle(Vec<Step>),
    /// There is none.
    Nothing,
    /// Not all was tried.
    CutShort,
}

/// More starts tried after a circle was found, for a shorter one.
const STARTS_FOR_SHORTER: usize = 32;
/// Edges looked at by a first try from each start.
const FIRST_TRY_STEPS: u64 = 200;
/// Edges looked at, beside a multiple of the component's.
const FREE_STEPS: u64 = 20_000;

/// Memory of a search, for all searches of a graph.
pub struct Searcher<'g> {
    graph: &'g Graph,
    /// By node and memory: the try in which it was met.
    met: Vec<u32>,
    /// By node and memory: from which one, and over which edge.
    came: Vec<(u32, u32)>,
    queue: VecDeque<u32>,
    tries: u32,
}

const AFTER_RW: u32 = 1;
const HAS_REQUIRED: u32 = 2;
const MEMORIES: usize = 4;

impl<'g> Searcher<'g> {
    /// Takes memory for a graph.
    pub fn new(graph: &'g Graph) -> Self {
        let count = MEMORIES * graph.len();
        Searcher { graph, met: vec![0; count], came: vec![(0, 0); count], queue: VecDeque::new(), tries: 0 }
    }

    /// The bytes that it takes.
    pub fn bytes(graph: &Graph) -> u64 {
        12 * MEMORIES as u64 * graph.len() as u64
    }

    /// A short circle within a component.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn find(
        &mut self,
        components: &Components,
        component: usize,
        query: &Query,
        budget: &Budget<'_>,
    ) -> Result<Found, Exhausted> {
        let graph = self.graph;
        let nodes = components.nodes(component);
        let arcs: usize = nodes.iter().map(|node| graph.arcs(*node).len()).sum();
        let mut left = 8 * arcs as u64 + FREE_STEPS;
        let mut best: Option<Vec<Step>> = None;
        let mut cut_short = false;
        // Where nothing is forbidden the first sweep succeeds; elsewhere a short try from everywhere is worth more than a long one.
        let is_free = matches!(query.policy, Policy::Never | Policy::Any);
        for each_try in [if is_free { u64::MAX } else { FIRST_TRY_STEPS }, u64::MAX] {
            let mut more = STARTS_FOR_SHORTER;
            cut_short = false;
            for node in nodes.iter().copied().filter(|node| graph.is_txn(*node)) {
                for at in 0..graph.arcs(node).len() as u32 {
                    if !is_start(graph, components, component, query, (node, at)) {
                        continue;
                    }
                    if left == 0 || more == 0 {
                        return Ok(best.map_or(Found::CutShort, Found::Circle));
                    }
                    let limit = each_try.min(left);
                    let (circle, steps) = self.through_edge(components, query, (node, at), limit);
                    budget.step(steps)?;
                    left -= steps.min(left);
                    cut_short |= circle.is_none() && steps >= limit;
                    if let Some(circle) = circle {
                        if circle.len() == 2 {
                            return Ok(Found::Circle(circle));
                        }
                        if best.as_ref().is_none_or(|best| circle.len() < best.len()) {
                            best = Some(circle);
                        }
                    }
                    more -= usize::from(best.is_some());
                }
            }
            if best.is_some() || !cut_short {
                break;
            }
        }
        Ok(match best {
            Some(circle) => Found::Circle(circle),
            None if cut_short => Found::CutShort,
            None => Found::Nothing,
        })
    }

    /// The shortest circle through an edge (its origin and its place there), and the steps taken.
    fn through_edge(
        &mut self,
        components: &Components,
        query: &Query,
        start: (u32, u32),
        limit: u64,
    ) -> (Option<Vec<Step>>, u64) {
        let graph = self.graph;
        let first = graph.arcs(start.0)[start.1 as usize];
        let mut steps = 0;
        self.tries += 1;
        self.queue.clear();
        let Some(memory) = query.remember(first.label(), 0) else { return (None, 1) };
        let state = first.to * MEMORIES as u32 + memory;
        self.meet(state, (u32::MAX, start.1), false);
        while let Some(state) = self.queue.pop_front() {
            let (node, memory) = (state / MEMORIES as u32, state % MEMORIES as u32);
            if node == start.0 {
                return (Some(self.walk(start, state)), steps);
            }
            for (at, arc) in (0..).zip(graph.arcs(node)) {
                steps += 1;
                if components.of(arc.to) != components.of(node) {
                    continue;
                }
                let Some(memory) = query.remember(arc.label(), memory) else { continue };
                if query.policy == Policy::Once && arc.label() == Label::Rw {
                    continue;
                }
                if arc.to == start.0 && !query.accepts(memory) {
                    continue;
                }
                self.meet(arc.to * MEMORIES as u32 + memory, (state, at), arc.label() == Label::On);
            }
            if steps >= limit {
                break;
            }
        }
        (None, steps)
    }

    fn meet(&mut self, state: u32, came: (u32, u32), is_free: bool) {
        if self.met[state as usize] == self.tries {
            return;
        }
        self.met[state as usize] = self.tries;
        self.came[state as usize] = came;
        if is_free {
            self.queue.push_front(state);
        } else {
            self.queue.push_back(state);
        }
    }

    /// The circle that ends in this state, auxiliary nodes left out.
    fn walk(&self, start: (u32, u32), end: u32) -> Vec<Step> {
        let mut path = Vec::new();
        let mut state = end;
        loop {
            let (before, at) = self.came[state as usize];
            let from = if before == u32::MAX { start.0 } else { before / MEMORIES as u32 };
            path.push((from, self.graph.arcs(from)[at as usize]));
            if before == u32::MAX {
                break;
            }
            state = before;
        }
        path.reverse();
        let mut steps: Vec<Step> = Vec::new();
        for (from, arc) in path {
            match steps.last_mut() {
                Some(last) if arc.label() == Label::On => last.to = arc.to,
                _ => steps.push(Step { from, to: arc.to, label: arc.label(), key: arc.key() }),
            }
        }
        steps
    }
}

impl Query {
    /// The memory after one more edge, or nothing if it may not follow.
    fn remember(&self, label: Label, memory: u32) -> Option<u32> {
        if label == Label::On {
            return Some(memory);
        }
        let is_rw = label == Label::Rw;
        if self.labels & label.mask() == 0 || is_rw && self.policy == Policy::Never {
            return None;
        }
        if self.policy == Policy::Apart && is_rw && memory & AFTER_RW != 0 {
            return None;
        }
        let seen = memory & HAS_REQUIRED | if Some(label) == self.required { HAS_REQUIRED } else { 0 };
        // Whether the last edge was an anti-dependency matters to one policy only.
        Some(seen | u32::from(is_rw && self.policy == Policy::Apart))
    }

    /// Whether a circle may close. It started with an anti-dependency if it has any.
    fn accepts(&self, memory: u32) -> bool {
        (self.required.is_none() || memory & HAS_REQUIRED != 0) && memory & AFTER_RW == 0
    }
}

/// Whether the circles through an edge may be what the query asks for, and all such circles have an edge like this.
fn is_start(
    graph: &Graph,
    components: &Components,
    component: usize,
    query: &Query,
    (node, at): (u32, u32),
) -> bool {
    let arc = graph.arcs(node)[at as usize];
    let is_wanted = match (query.policy, query.required) {
        (Policy::Never, None) => query.labels & arc.label().mask() != 0,
        (Policy::Never, Some(required)) => arc.label() == required,
        _ => arc.label() == Label::Rw,
    };
    is_wanted && components.of(arc.to) == component as u32
}
