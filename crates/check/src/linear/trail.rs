//! Many orders that share their beginnings.
//!
//! **Idea.** Each order is a chain of links back to the root. Orders that are given up leave links that nobody reaches; when most may
//! be such, the links that are still needed move together. Orders that go on for long have a common past, as the survivors in
//! Viterbi's algorithm do, so what stays is one trunk and a small crown.

use crate::limits::{Budget, Exhausted, Held};

/// The end of no order.
pub const ROOT: u32 = u32::MAX;

/// All links.
pub struct Trail<'a> {
    /// The link before, or [`ROOT`], and the operation. The link before has a smaller number.
    links: Vec<(u32, u32)>,
    /// Collect when there are so many.
    limit: usize,
    held: Held<'a, 'a>,
}

const LIMIT_MIN: usize = 1 << 12;
const LINK_BYTES: u64 = std::mem::size_of::<(u32, u32)>() as u64;

impl<'a> Trail<'a> {
    /// No order.
    pub fn new(budget: &'a Budget<'a>) -> Result<Self, Exhausted> {
        Ok(Trail { links: Vec::new(), limit: LIMIT_MIN, held: budget.hold(0)? })
    }

    /// An order with one more operation.
    pub fn push(&mut self, before: u32, op: u32) -> Result<u32, Exhausted> {
        if self.links.len() == self.links.capacity() {
            let more = self.links.capacity().max(16);
            self.held.grow(more as u64 * LINK_BYTES)?;
            self.links.reserve_exact(more);
        }
        let link = self.links.len() as u32;
        self.links.push((before, op));
        Ok(link)
    }

    /// The order that ends with a link.
    pub fn order(&self, mut link: u32) -> Vec<u32> {
        let mut order = Vec::new();
        while link != ROOT {
            let (before, op) = self.links[link as usize];
            order.push(op);
            link = before;
        }
        order.reverse();
        order
    }

    /// Whether it is time to collect.
    pub fn is_crowded(&self) -> bool {
        self.links.len() >= self.limit
    }

    /// Drops all links that lead to none of `ends`, and renumbers `ends`.
    pub fn collect<'e>(&mut self, ends: impl Iterator<Item = &'e mut u32>) {
        const DROPPED: u32 = u32::MAX;
        let mut ends: Vec<&mut u32> = ends.filter(|end| **end != ROOT).collect();
        let mut moved = vec![DROPPED; self.links.len()];
        for end in &ends {
            let mut link = **end;
            while link != ROOT && moved[link as usize] == DROPPED {
                moved[link as usize] = 0;
                link = self.links[link as usize].0;
            }
        }
        let mut kept = 0;
        for link in 0..self.links.len() {
            if moved[link] == DROPPED {
                continue;
            }
            let (before, op) = self.links[link];
            let before = if before == ROOT { ROOT } else { moved[before as usize] };
            self.links[kept as usize] = (before, op);
            moved[link] = kept;
            kept += 1;
        }
        self.links.truncate(kept as usize);
        for end in &mut ends {
            **end = moved[**end as usize];
        }
        self.limit = LIMIT_MIN.max(2 * kept as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::{ROOT, Trail};
    use crate::limits::Budget;

    #[test]
    fn what_leads_to_an_end_stays() {
        let budget = Budget::unlimited();
        let mut trail = Trail::new(&budget).unwrap();
        let mut trunk = ROOT;
        let mut twigs = Vec::new();
        for op in 0..10 {
            twigs.push(trail.push(trunk, 100 + op).unwrap());
            trunk = trail.push(trunk, op).unwrap();
        }
        let mut ends = [trunk, twigs[5], ROOT];
        let before = ends.map(|end| trail.order(end));
        trail.collect(ends.iter_mut());
        assert_eq!(ends.map(|end| trail.order(end)), before);
        assert_eq!(trail.links.len(), 11);
    }
}
