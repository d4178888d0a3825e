//! Strongly connected components: where circles can be.
//!
//! **Idea.** Tarjan's algorithm with its recursion on a stack of its own. A part of a component by fewer labels lies within the
//! component by more, so each search looks only inside what the one before has found.
//!
//! Source: Tarjan 1972.

use super::graph::{Graph, Label};
use crate::limits::{Budget, Exhausted};

/// Components of at least two nodes.
#[derive(Debug, Default)]
pub struct Components {
    nodes: Vec<u32>,
    starts: Vec<u32>,
    /// By node: its component, or [`NONE`].
    of: Vec<u32>,
}

/// No component.
pub const NONE: u32 = u32::MAX;

impl Components {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// A component's nodes, ascending.
    pub fn nodes(&self, component: usize) -> &[u32] {
        &self.nodes[self.starts[component] as usize..self.starts[component + 1] as usize]
    }

    /// A node's component, or [`NONE`].
    pub fn of(&self, node: u32) -> u32 {
        self.of[node as usize]
    }

    /// All components by edges of these labels.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(graph: &Graph, labels: u8, budget: &Budget<'_>) -> Result<Self, Exhausted> {
        let whole = Components { of: vec![0; graph.len()], ..Components::default() };
        let roots: Vec<u32> = (0..graph.len() as u32).collect();
        Search::new(graph, labels, &whole).run(&roots, budget)
    }

    /// Their components by fewer labels.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn within(&self, graph: &Graph, labels: u8, budget: &Budget<'_>) -> Result<Self, Exhausted> {
        Search::new(graph, labels, self).run(&self.nodes, budget)
    }
}

struct Search<'g> {
    graph: &'g Graph,
    labels: u8,
    bounds: &'g Components,
    /// By node: when it was met, from 1; 0 before.
    met: Vec<u32>,
    /// By node: the earliest met that it leads back to.
    low: Vec<u32>,
    is_open: Vec<bool>,
    open: Vec<u32>,
    path: Vec<(u32, u32)>,
    count: u32,
    found: Components,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph, labels: u8, bounds: &'g Components) -> Self {
        let len = graph.len();
        Search {
            graph,
            labels: labels | Label::On.mask(),
            bounds,
            met: vec![0; len],
            low: vec![0; len],
            is_open: vec![false; len],
            open: Vec::new(),
            path: Vec::new(),
            count: 0,
            found: Components { nodes: Vec::new(), starts: vec![0], of: vec![NONE; len] },
        }
    }

    fn run(mut self, roots: &[u32], budget: &Budget<'_>) -> Result<Components, Exhausted> {
        let _held = budget.hold(13 * self.graph.len() as u64)?;
        for root in roots {
            if self.met[*root as usize] == 0 {
                self.enter(*root);
                while let Some((node, next)) = self.path.pop() {
                    budget.step(1)?;
                    self.follow(node, next);
                }
            }
        }
        Ok(self.found)
    }

    fn enter(&mut self, node: u32) {
        self.count += 1;
        self.met[node as usize] = self.count;
        self.low[node as usize] = self.count;
        self.is_open[node as usize] = true;
        self.open.push(node);
        self.path.push((node, 0));
    }

    /// Goes on with a node's edges from number `next`, until one leads to a node not met before, or all are seen.
    fn follow(&mut self, node: u32, next: u32) {
        let graph = self.graph;
        for (at, arc) in (next..).zip(&graph.arcs(node)[next as usize..]) {
            if self.labels & arc.label().mask() == 0 || self.bounds.of(arc.to) != self.bounds.of(node) {
                continue;
            }
            if self.met[arc.to as usize] == 0 {
                self.path.push((node, at + 1));
                self.enter(arc.to);
                return;
            }
            if self.is_open[arc.to as usize] {
                self.low[node as usize] = self.low[node as usize].min(self.met[arc.to as usize]);
            }
        }
        self.leave(node);
    }

    fn leave(&mut self, node: u32) {
        if let Some((parent, _)) = self.path.last() {
            let low = self.low[node as usize].min(self.low[*parent as usize]);
            self.low[*parent as usize] = low;
        }
        if self.low[node as usize] != self.met[node as usize] {
            return;
        }
        let start = self.open.iter().rposition(|open| *open == node).expect("an unfinished node is open");
        let component = &mut self.open[start..];
        component.iter().for_each(|node| self.is_open[*node as usize] = false);
        if component.len() > 1 {
            component.sort_unstable();
            let number = self.found.len() as u32;
            component.iter().for_each(|node| self.found.of[*node as usize] = number);
            self.found.nodes.extend_from_slice(component);
            self.found.starts.push(self.found.nodes.len() as u32);
        }
        self.open.truncate(start);
    }
}
