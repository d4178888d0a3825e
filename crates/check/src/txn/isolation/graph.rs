//! Directed graphs: an order that respects every edge, or a short circle.
//!
//! **Idea.** Kahn's algorithm removes nodes that nothing precedes. What it cannot remove holds a strongly connected component
//! (Tarjan 1972, with a stack of its own), and a breadth-first search within the component finds a shortest way around.

use super::rows::Rows;
use crate::limits::{Budget, Exhausted};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Edges that the search for a shortest circle visits at most, after the first circle was found.
const SHORTEN_STEPS: usize = 5_000_000;

/// What sorting a graph gives.
pub enum Sorted {
    /// All nodes, the source of each edge before its target.
    Order(Vec<u32>),
    /// The nodes that could not be sorted: they stand on circles or behind them.
    Stuck(Vec<u32>),
}

/// Sorts. Of nodes that could come next, the one of the least priority does; without priorities, any.
///
/// # Errors
/// If the budget is exhausted.
pub fn sort(
    graph: &Rows<u32>,
    priority: Option<&dyn Fn(u32) -> u64>,
    budget: &Budget<'_>,
) -> Result<Sorted, Exhausted> {
    let count = graph.len();
    let _held = budget.hold(24 * count as u64)?;
    let mut open = vec![0_u32; count];
    graph.items().iter().for_each(|to| open[*to as usize] += 1);
    let mut order = Vec::with_capacity(count);
    let free = (0..count as u32).filter(|node| open[*node as usize] == 0);
    match priority {
        None => {
            order.extend(free);
            let mut next = 0;
            while let Some(node) = order.get(next).copied() {
                next += 1;
                release(graph, node, &mut open, budget, |to| order.push(to))?;
            }
        }
        Some(priority) => {
            let mut heap: BinaryHeap<_> = free.map(|node| Reverse((priority(node), node))).collect();
            while let Some(Reverse((_, node))) = heap.pop() {
                order.push(node);
                release(graph, node, &mut open, budget, |to| heap.push(Reverse((priority(to), to))))?;
            }
        }
    }
    if order.len() == count {
        return Ok(Sorted::Order(order));
    }
    Ok(Sorted::Stuck((0..count as u32).filter(|node| open[*node as usize] > 0).collect()))
}

fn release(
    graph: &Rows<u32>,
    node: u32,
    open: &mut [u32],
    budget: &Budget<'_>,
    mut free: impl FnMut(u32),
) -> Result<(), Exhausted> {
    let row = graph.row(node);
    budget.step(1 + row.len() as u64)?;
    for to in row {
        open[*to as usize] -= 1;
        if open[*to as usize] == 0 {
            free(*to);
        }
    }
    Ok(())
}

/// A strongly connected component of two nodes or more that can be reached from `roots`; the smallest of all.
///
/// # Errors
/// If the budget is exhausted.
pub fn component(
    graph: &Rows<u32>,
    roots: &[u32],
    budget: &Budget<'_>,
) -> Result<Option<Vec<u32>>, Exhausted> {
    const UNSEEN: u32 = u32::MAX;
    const DONE: u32 = u32::MAX - 1;
    let _held = budget.hold(20 * graph.len() as u64)?;
    // Each node's number in order of discovery, lowered to the least that it reaches.
    let mut low = vec![UNSEEN; graph.len()];
    let mut found = 0;
    let mut stack: Vec<u32> = Vec::new();
    let mut path: Vec<(u32, u32, usize)> = Vec::new();
    let mut smallest: Option<Vec<u32>> = None;
    for root in roots {
        if low[*root as usize] != UNSEEN {
            continue;
        }
        path.push((*root, found, 0));
        while let Some((node, number, next)) = path.last_mut() {
            let (node, number) = (*node, *number);
            if *next == 0 {
                low[node as usize] = number;
                found = number + 1;
                stack.push(node);
                budget.step(1)?;
            }
            let row = graph.row(node);
            if let Some(to) = row.get(*next).copied() {
                *next += 1;
                match low[to as usize] {
                    UNSEEN => path.push((to, found, 0)),
                    DONE => {}
                    reached => low[node as usize] = low[node as usize].min(reached),
                }
                continue;
            }
            path.pop();
            let reached = low[node as usize];
            if let Some((parent, ..)) = path.last() {
                low[*parent as usize] = low[*parent as usize].min(reached);
            }
            if reached == number {
                let start = stack.iter().rposition(|other| *other == node).expect("a node is on the stack");
                stack[start..].iter().for_each(|member| low[*member as usize] = DONE);
                let members = stack.split_off(start);
                if members.len() > 1 && smallest.as_ref().is_none_or(|best| members.len() < best.len()) {
                    smallest = Some(members);
                }
            }
        }
    }
    Ok(smallest)
}

/// A shortest circle in a graph, as its nodes in order, if there is one. If the graph is large, the shortest of those that
/// a bounded effort finds.
///
/// # Errors
/// If the budget is exhausted.
pub fn circle(graph: &Rows<u32>, budget: &Budget<'_>) -> Result<Option<Vec<u32>>, Exhausted> {
    let roots: Vec<u32> = (0..graph.len() as u32).collect();
    let Some(members) = component(graph, &roots, budget)? else { return Ok(None) };
    let mut inside = vec![false; graph.len()];
    members.iter().for_each(|node| inside[*node as usize] = true);
    let mut best: Option<Vec<u32>> = None;
    let mut seen_from = vec![u32::MAX; graph.len()];
    let mut reached_by = vec![0; graph.len()];
    let mut steps = 0;
    for root in members.iter().copied() {
        if steps > SHORTEN_STEPS || best.as_ref().is_some_and(|best| best.len() == 2) {
            break;
        }
        let mut queue = vec![root];
        let mut next = 0;
        'search: while let Some(node) = queue.get(next).copied() {
            next += 1;
            budget.step(1)?;
            for to in graph.row(node).iter().copied().filter(|to| inside[*to as usize]) {
                steps += 1;
                if to == root {
                    let found = path_back(&reached_by, root, node);
                    if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                        best = Some(found);
                    }
                    break 'search;
                }
                if seen_from[to as usize] != root {
                    seen_from[to as usize] = root;
                    reached_by[to as usize] = node;
                    queue.push(to);
                }
            }
        }
    }
    Ok(best)
}

/// From `root` to `node`, following the search backward.
fn path_back(reached_by: &[u32], root: u32, mut node: u32) -> Vec<u32> {
    let mut path = vec![node];
    while node != root {
        node = reached_by[node as usize];
        path.push(node);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::super::rows::Rows;
    use super::{Sorted, circle, sort};
    use crate::limits::Budget;
    use quorate_types::Rng;

    fn graph(count: usize, edges: &[(u32, u32)]) -> Rows<u32> {
        let budget = Budget::unlimited();
        let mut held = budget.hold(0).unwrap();
        let rows = Rows::build(count, &mut held, |emit| edges.iter().for_each(|(from, to)| emit(*from, *to)));
        rows.unwrap()
    }

    #[test]
    fn the_shortest_circle_is_found() {
        let check = |edges: &[(u32, u32)], expect: Option<usize>| {
            let found = circle(&graph(8, edges), &Budget::unlimited()).unwrap();
            assert_eq!(found.map(|found| found.len()), expect, "{edges:?}");
        };
        check(&[(0, 1), (1, 2), (0, 2)], None);
        check(&[(0, 1), (1, 2), (2, 3), (3, 0), (2, 0)], Some(3));
        check(&[(0, 1), (1, 2), (2, 0), (5, 6), (6, 5), (0, 5)], Some(2));
    }

    #[test]
    fn sorting_and_circles_agree_on_random_graphs() {
        for seed in 0..2000 {
            let mut rng = Rng::new(seed);
            let count = rng.between(2, 7);
            let edges: Vec<(u32, u32)> = (0..rng.below(10))
                .map(|_| (rng.below(count) as u32, rng.below(count) as u32))
                .filter(|(from, to)| from != to)
                .collect();
            let graph = graph(count as usize, &edges);
            let budget = Budget::unlimited();
            let found = circle(&graph, &budget).unwrap();
            let priority = |node: u32| u64::from(7 - node);
            for priority in [None, Some(&priority as &dyn Fn(u32) -> u64)] {
                match sort(&graph, priority, &budget).unwrap() {
                    Sorted::Order(order) => {
                        let at = |node| order.iter().position(|other| *other == node);
                        assert!(edges.iter().all(|(from, to)| at(*from) < at(*to)), "seed {seed}");
                        assert_eq!(found, None, "seed {seed}");
                    }
                    Sorted::Stuck(_) => {
                        let found = found.as_ref().expect("a graph that cannot be sorted has a circle");
                        let pairs = found.iter().zip(found.iter().cycle().skip(1));
                        assert!(pairs.into_iter().all(|(a, b)| edges.contains(&(*a, *b))), "seed {seed}");
                    }
                }
            }
        }
    }
}
