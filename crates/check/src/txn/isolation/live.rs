//! An order of nodes that is kept up to date while edges come and go.
//!
//! **Idea.** An edge that points forward costs nothing. One that points backward moves only nodes between its ends: those that its
//! target reaches go behind those that reach its source (Pearce & Kelly, *A dynamic topological sort algorithm*, JEA 2006). An
//! edge that is taken away leaves the order valid, so undoing costs nothing either.
//!
//! **Invariant:** every edge points forward in `position`.

use super::cast::NONE;
use super::rows::Rows;
use crate::limits::{Budget, Exhausted, Held};

/// One edge of a circle: from, to, and the choice that it belongs to, if it is not certain.
pub type Link = (u32, u32, Option<u32>);

struct Extra {
    from: u32,
    to: u32,
    choice: u32,
    /// The edge out of the same node that came before, and the one into it.
    next_out: u32,
    next_in: u32,
}

/// A graph of certain edges and a stack of chosen ones, in order.
pub struct Live<'g, 'b, 'a> {
    out: &'g Rows<u32>,
    into: Rows<u32>,
    extras: Vec<Extra>,
    last_out: Vec<u32>,
    last_in: Vec<u32>,
    position: Vec<u32>,
    /// For the search at hand: whether a node was seen, from where, and by which choice.
    seen: Vec<u32>,
    search: u32,
    came: Vec<(u32, u32)>,
    ahead: Vec<u32>,
    behind: Vec<u32>,
    places: Vec<u32>,
    effort: u64,
    budget: &'b Budget<'a>,
    held: Held<'b, 'a>,
}

impl<'g, 'b, 'a> Live<'g, 'b, 'a> {
    /// Starts with an order that respects the certain edges.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(out: &'g Rows<u32>, order: &[u32], budget: &'b Budget<'a>) -> Result<Self, Exhausted> {
        let mut held = budget.hold(28 * order.len() as u64)?;
        let into = out.reversed(&mut held)?;
        let mut position = vec![0; order.len()];
        for (at, node) in order.iter().enumerate() {
            position[*node as usize] = at as u32;
        }
        Ok(Live {
            out,
            into,
            extras: Vec::new(),
            last_out: vec![NONE; order.len()],
            last_in: vec![NONE; order.len()],
            position,
            seen: vec![0; order.len()],
            search: 0,
            came: vec![(NONE, NONE); order.len()],
            ahead: Vec::new(),
            behind: Vec::new(),
            places: Vec::new(),
            effort: 0,
            budget,
            held,
        })
    }

    /// Each node's place in the order.
    pub fn position(&self) -> &[u32] {
        &self.position
    }

    /// Steps taken so far.
    pub fn effort(&self) -> u64 {
        self.effort
    }

    /// How many chosen edges there are.
    pub fn depth(&self) -> usize {
        self.extras.len()
    }

    /// Takes away the chosen edges that came last.
    pub fn shrink(&mut self, depth: usize) {
        for edge in self.extras.drain(depth..).rev() {
            self.last_out[edge.from as usize] = edge.next_out;
            self.last_in[edge.to as usize] = edge.next_in;
        }
    }

    /// Adds an edge, or gives the circle that it would close: its edges in order, the new one last.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn insert(&mut self, from: u32, to: u32, choice: u32) -> Result<Option<Vec<Link>>, Exhausted> {
        self.budget.step(1)?;
        if from == to {
            return Ok(Some(vec![(from, to, Some(choice))]));
        }
        if self.position[from as usize] > self.position[to as usize] {
            if self.look_ahead(to, from)? {
                return Ok(Some(self.circle(from, to, choice)));
            }
            self.look_behind(from, self.position[to as usize])?;
            self.reorder();
        }
        if self.extras.len() == self.extras.capacity() {
            self.held.grow(size_of::<Extra>() as u64 * self.extras.len().max(64) as u64)?;
        }
        let number = self.extras.len() as u32;
        let next_out = std::mem::replace(&mut self.last_out[from as usize], number);
        let next_in = std::mem::replace(&mut self.last_in[to as usize], number);
        self.extras.push(Extra { from, to, choice, next_out, next_in });
        Ok(None)
    }

    /// Collects in `ahead` what `start` reaches without going beyond the place of `goal`. Gives true if it reaches `goal`.
    fn look_ahead(&mut self, start: u32, goal: u32) -> Result<bool, Exhausted> {
        let limit = self.position[goal as usize];
        self.search += 1;
        self.seen[start as usize] = self.search;
        self.ahead.clear();
        self.ahead.push(start);
        let mut next = 0;
        while let Some(node) = self.ahead.get(next).copied() {
            next += 1;
            let row = self.out.row(node);
            let steps = 1 + row.len() as u64;
            self.effort += steps;
            self.budget.step(steps)?;
            let mut extra = self.last_out[node as usize];
            let extras = std::iter::from_fn(|| {
                let edge = self.extras.get(extra as usize)?;
                extra = edge.next_out;
                Some((edge.to, edge.choice))
            });
            for (to, choice) in row.iter().map(|to| (*to, NONE)).chain(extras) {
                if self.position[to as usize] > limit || self.seen[to as usize] == self.search {
                    continue;
                }
                self.seen[to as usize] = self.search;
                self.came[to as usize] = (node, choice);
                if to == goal {
                    return Ok(true);
                }
                self.ahead.push(to);
            }
        }
        Ok(false)
    }

    /// Collects in `behind` what reaches `start` without going before the place `limit`.
    fn look_behind(&mut self, start: u32, limit: u32) -> Result<(), Exhausted> {
        self.search += 1;
        self.seen[start as usize] = self.search;
        self.behind.clear();
        self.behind.push(start);
        let mut next = 0;
        while let Some(node) = self.behind.get(next).copied() {
            next += 1;
            let row = self.into.row(node);
            let steps = 1 + row.len() as u64;
            self.effort += steps;
            self.budget.step(steps)?;
            let mut extra = self.last_in[node as usize];
            let extras = std::iter::from_fn(|| {
                let edge = self.extras.get(extra as usize)?;
                extra = edge.next_in;
                Some(edge.from)
            });
            for from in row.iter().copied().chain(extras) {
                if self.position[from as usize] >= limit && self.seen[from as usize] != self.search {
                    self.seen[from as usize] = self.search;
                    self.behind.push(from);
                }
            }
        }
        Ok(())
    }

    /// Gives the places of all collected nodes to those of `behind` first, then to those of `ahead`.
    fn reorder(&mut self) {
        let position = &mut self.position;
        self.places.clear();
        for nodes in [&mut self.behind, &mut self.ahead] {
            nodes.sort_unstable_by_key(|node| position[*node as usize]);
            self.places.extend(nodes.iter().map(|node| position[*node as usize]));
        }
        self.places.sort_unstable();
        for (node, place) in self.behind.iter().chain(&self.ahead).zip(&self.places) {
            position[*node as usize] = *place;
        }
    }

    fn circle(&self, from: u32, to: u32, choice: u32) -> Vec<Link> {
        let mut links = vec![(from, to, Some(choice))];
        let mut node = from;
        while node != to {
            let (earlier, choice) = self.came[node as usize];
            links.push((earlier, node, (choice != NONE).then_some(choice)));
            node = earlier;
        }
        links.reverse();
        links
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Rows;
    use super::Live;
    use crate::limits::Budget;
    use quorate_types::Rng;

    #[test]
    fn the_order_respects_every_edge_and_circles_are_real() {
        for seed in 0..500 {
            let mut rng = Rng::new(seed);
            let count = rng.between(2, 9) as u32;
            let budget = Budget::unlimited();
            let mut held = budget.hold(0).unwrap();
            // The certain edges go up; so the numbers are an order.
            let certain: Vec<(u32, u32)> = (0..rng.below(6))
                .map(|_| (rng.below(u64::from(count)) as u32, rng.below(u64::from(count)) as u32))
                .filter(|(from, to)| from < to)
                .collect();
            let rows =
                Rows::build(count as usize, &mut held, |emit| certain.iter().for_each(|(a, b)| emit(*a, *b)));
            let rows = rows.unwrap();
            let order: Vec<u32> = (0..count).collect();
            let mut live = Live::new(&rows, &order, &budget).unwrap();
            let mut chosen: Vec<(u32, u32)> = Vec::new();
            for choice in 0..20 {
                if rng.chance(1, 4) {
                    chosen.truncate(rng.below(chosen.len() as u64 + 1) as usize);
                    live.shrink(chosen.len());
                }
                let (from, to) = (rng.below(u64::from(count)) as u32, rng.below(u64::from(count)) as u32);
                match live.insert(from, to, choice).unwrap() {
                    None => chosen.push((from, to)),
                    Some(circle) => {
                        let is_edge = |a, b| {
                            certain.contains(&(a, b)) || chosen.contains(&(a, b)) || (a, b) == (from, to)
                        };
                        assert!(circle.iter().all(|(a, b, _)| is_edge(*a, *b)), "seed {seed}");
                        let next = circle.iter().cycle().skip(1);
                        assert!(circle.iter().zip(next).all(|(a, b)| a.1 == b.0), "seed {seed}");
                    }
                }
                let position = live.position();
                let edges = certain.iter().chain(&chosen);
                let forward = |(a, b): &(u32, u32)| position[*a as usize] < position[*b as usize];
                assert!(edges.into_iter().all(forward), "seed {seed}");
                assert_eq!(live.depth(), chosen.len());
            }
        }
    }
}
