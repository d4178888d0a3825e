//! What must come before what, and why.
//!
//! **Idea.** A graph of operations whose edges remember their reasons. An order that respects it is a topological order; if there is
//! none, a circle of edges tells why. An edge that was derived from a path holds only with that path, so each
//! has a round: it follows from edges of earlier rounds.
//!
//! **Invariant:** an edge of round `r` is justified by edges of rounds below `r`, so explaining an edge ends.

use crate::limits::{Budget, Exhausted};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// `from` must come before `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub from: u32,
    pub to: u32,
    pub why: Why,
    /// It follows from edges of earlier rounds.
    pub round: u32,
}

/// The reason of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// The same session did it before.
    Session,
    /// `to` read what `from` wrote.
    Read,
    /// `reader` read what `to` wrote, and `from` writes the same object and is before (or visible to) `reader`.
    Before { reader: u32, shown: Shown },
    /// `from` read what `writer` wrote, and `to` writes the same object and is after `writer`.
    After { writer: u32 },
    /// `from` read the initial value of an object that `to` writes.
    Initial,
    /// `to` sees `from`.
    Visible(Shown),
}

/// How an operation came to see another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// By a path of edges of earlier rounds.
    Path,
    /// Its session's order and this operation show it.
    By(u32),
}

/// The graph.
pub(super) struct Graph {
    /// Nodes are numbered below this.
    pub nodes: usize,
    pub edges: Vec<Edge>,
    /// Added to an operation's number, the node that stands for what it knows: 0 where that is the operation itself.
    pub knows: u32,
}

/// The outcome of sorting.
pub(super) enum Sorted {
    /// All nodes, lowest numbers first where the edges leave a choice.
    Order(Vec<u32>),
    /// Edges that form a circle.
    Circle(Vec<u32>),
}

/// Edges by the node that they leave.
pub(super) struct Index {
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Index {
    /// The edges that leave a node.
    pub fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

impl Graph {
    /// No edges.
    pub fn new(nodes: usize) -> Self {
        Graph { nodes, edges: Vec::new(), knows: 0 }
    }

    /// Adds an edge.
    pub fn add(&mut self, from: u32, to: u32, why: Why, round: u32) {
        self.edges.push(Edge { from, to, why, round });
    }

    /// Edges by the node that they leave.
    pub fn index(&self) -> Index {
        let mut starts = vec![0_u32; self.nodes + 1];
        for edge in &self.edges {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..self.nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut edges = vec![0; self.edges.len()];
        for (at, edge) in self.edges.iter().enumerate() {
            let slot = &mut next[edge.from as usize];
            edges[*slot as usize] = at as u32;
            *slot += 1;
        }
        Index { starts, edges }
    }

    /// Sorts the nodes, or finds a short circle.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn sort(&self, budget: &Budget<'_>) -> Result<Sorted, Exhausted> {
        budget.step((self.nodes + self.edges.len()) as u64)?;
        let _held = budget.hold((self.nodes * 20 + self.edges.len() * 4) as u64)?;
        let index = self.index();
        let mut left = vec![0_u32; self.nodes];
        for edge in &self.edges {
            left[edge.to as usize] += 1;
        }
        let mut ready: BinaryHeap<Reverse<u32>> =
            (0..self.nodes as u32).filter(|node| left[*node as usize] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(self.nodes);
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for edge in index.of(node) {
                let to = self.edges[*edge as usize].to;
                left[to as usize] -= 1;
                if left[to as usize] == 0 {
                    ready.push(Reverse(to));
                }
            }
        }
        if order.len() == self.nodes { Ok(Sorted::Order(order)) } else { self.circle(&left, &index, budget) }
    }

    /// A circle among nodes that have predecessors left, as short as those through one of them get.
    fn circle(&self, left: &[u32], index: &Index, budget: &Budget<'_>) -> Result<Sorted, Exhausted> {
        const TRIES: usize = 32;
        let mut before = vec![u32::MAX; self.nodes];
        for edge in &self.edges {
            if left[edge.from as usize] > 0 {
                before[edge.to as usize] = edge.from;
            }
        }
        let mut node = left.iter().position(|left| *left > 0).expect("something was not sorted") as u32;
        let mut seen = vec![false; self.nodes];
        while !seen[node as usize] {
            seen[node as usize] = true;
            node = before[node as usize];
        }
        let (start, mut best): (u32, Option<Vec<u32>>) = (node, None);
        for _ in 0..TRIES {
            let circle =
                self.path_in(index, node, node, u32::MAX, budget)?.expect("the node lies on a circle");
            if best.as_ref().is_none_or(|best| circle.len() < best.len()) {
                best = Some(circle);
            }
            node = before[node as usize];
            if node == start {
                break;
            }
        }
        Ok(Sorted::Circle(best.expect("at least one was tried")))
    }

    /// A path of at least one edge, of rounds below `round`, with few edges besides those of sessions.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn path(
        &self,
        from: u32,
        to: u32,
        round: u32,
        budget: &Budget<'_>,
    ) -> Result<Option<Vec<u32>>, Exhausted> {
        self.path_in(&self.index(), from, to, round, budget)
    }

    fn path_in(
        &self,
        index: &Index,
        from: u32,
        to: u32,
        round: u32,
        budget: &Budget<'_>,
    ) -> Result<Option<Vec<u32>>, Exhausted> {
        let mut reached = vec![(u32::MAX, u32::MAX); self.nodes];
        let mut next = VecDeque::from([(from, 0_u32)]);
        let mut first = true;
        while let Some((node, cost)) = next.pop_front() {
            if !first && node == to {
                break;
            }
            if !first && reached[node as usize].0 < cost {
                continue;
            }
            first = false;
            let leaving = index.of(node);
            budget.step(1 + leaving.len() as u64)?;
            for at in leaving {
                let edge = self.edges[*at as usize];
                let is_free = matches!(edge.why, Why::Session);
                let cost = cost + u32::from(!is_free);
                if edge.round >= round || reached[edge.to as usize].0 <= cost {
                    continue;
                }
                reached[edge.to as usize] = (cost, *at);
                if is_free { next.push_front((edge.to, cost)) } else { next.push_back((edge.to, cost)) }
            }
        }
        if reached[to as usize].1 == u32::MAX {
            return Ok(None);
        }
        let mut path = Vec::new();
        let mut node = to;
        loop {
            let at = reached[node as usize].1;
            path.push(at);
            node = self.edges[at as usize].from;
            if node == from {
                break;
            }
        }
        path.reverse();
        Ok(Some(path))
    }
}
