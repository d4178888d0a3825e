//! Which of many key ranges hold a key.
//!
//! An interval tree: a search tree by (from, to) in which each node knows the largest end below it, so that a search leaves
//! out what ends too early or begins too late. It is kept balanced as a treap: a heap by random priorities, split and merged.
//! With n ranges an insertion, a removal or a lookup costs O(log n) expected; a search O(log n) and O(log n) more per hit
//! at worst, O(1) where hits are neighbours.
//!
//! **Invariant:** in order by (from, to), each pair once; no child outranks its parent; `max_to` is the largest `to` of the
//! subtree.
//!
//! **Source:** Cormen et al., "Introduction to Algorithms", §14.3; Seidel, Aragon: "Randomized search trees" (1996).

use super::slab::{GroupSlot, Slab, Slot, slot};
use quorate_types::{Bytes, Rng};

slot!(
    /// A node's place in the tree.
    NodeSlot
);

/// The first key beyond a range.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum RangeEnd {
    Key(Bytes),
    /// Greater than all keys.
    Unbounded,
}

impl RangeEnd {
    fn is_beyond(&self, key: &[u8]) -> bool {
        match self {
            RangeEnd::Key(end) => *key < **end,
            RangeEnd::Unbounded => true,
        }
    }
}

/// From the first key to the end, which is not in it.
pub(super) type Span = (Bytes, RangeEnd);

#[derive(Debug)]
struct Node {
    span: Span,
    group: GroupSlot,
    max_to: RangeEnd,
    priority: u64,
    left: Option<NodeSlot>,
    right: Option<NodeSlot>,
}

/// The ranges, each with the group of watchers that want it.
#[derive(Debug)]
pub(super) struct IntervalTree {
    nodes: Slab<NodeSlot, Node>,
    root: Option<NodeSlot>,
    rng: Rng,
}

impl IntervalTree {
    pub(super) fn new(rng: Rng) -> Self {
        IntervalTree { nodes: Slab::new(), root: None, rng }
    }

    pub(super) fn get(&self, span: &Span) -> Option<GroupSlot> {
        let mut at = self.root;
        while let Some(slot) = at {
            let node = &self.nodes[slot];
            at = match span.cmp(&node.span) {
                std::cmp::Ordering::Less => node.left,
                std::cmp::Ordering::Equal => return Some(node.group),
                std::cmp::Ordering::Greater => node.right,
            };
        }
        None
    }

    /// Adds a range that is not there yet.
    pub(super) fn insert(&mut self, span: Span, group: GroupSlot) {
        assert!(self.get(&span).is_none(), "a range has one group");
        let priority = self.rng.next_u64();
        let (left, right) = self.split(self.root, &span);
        let max_to = span.1.clone();
        let node = self.nodes.insert(Node { span, group, max_to, priority, left: None, right: None });
        let left = self.merge(left, Some(node));
        self.root = self.merge(left, right);
    }

    /// Removes a range that is there.
    pub(super) fn remove(&mut self, span: &Span) {
        self.root = self.remove_below(self.root, span);
    }

    /// Calls `hit` with the group of each range that holds `key`.
    pub(super) fn search(&self, key: &[u8], hit: &mut impl FnMut(GroupSlot)) {
        self.search_below(self.root, key, hit);
    }

    fn search_below(&self, at: Option<NodeSlot>, key: &[u8], hit: &mut impl FnMut(GroupSlot)) {
        let Some(slot) = at else { return };
        let node = &self.nodes[slot];
        if !node.max_to.is_beyond(key) {
            return;
        }
        self.search_below(node.left, key, hit);
        if *node.span.0 <= *key {
            if node.span.1.is_beyond(key) {
                hit(node.group);
            }
            self.search_below(node.right, key, hit);
        }
    }

    fn remove_below(&mut self, at: Option<NodeSlot>, span: &Span) -> Option<NodeSlot> {
        let slot = at.expect("only ranges that are there are removed");
        let (left, right) = (self.nodes[slot].left, self.nodes[slot].right);
        match span.cmp(&self.nodes[slot].span) {
            std::cmp::Ordering::Less => self.nodes[slot].left = self.remove_below(left, span),
            std::cmp::Ordering::Greater => self.nodes[slot].right = self.remove_below(right, span),
            std::cmp::Ordering::Equal => {
                self.nodes.remove(slot);
                return self.merge(left, right);
            }
        }
        self.refresh(slot);
        Some(slot)
    }

    /// Parts a subtree into what lies before `span` and the rest.
    fn split(&mut self, at: Option<NodeSlot>, span: &Span) -> (Option<NodeSlot>, Option<NodeSlot>) {
        let Some(slot) = at else { return (None, None) };
        if self.nodes[slot].span < *span {
            let (middle, right) = self.split(self.nodes[slot].right, span);
            self.nodes[slot].right = middle;
            self.refresh(slot);
            (Some(slot), right)
        } else {
            let (left, middle) = self.split(self.nodes[slot].left, span);
            self.nodes[slot].left = middle;
            self.refresh(slot);
            (left, Some(slot))
        }
    }

    /// Joins two subtrees of which the first lies wholly before the second.
    fn merge(&mut self, left: Option<NodeSlot>, right: Option<NodeSlot>) -> Option<NodeSlot> {
        let (Some(low), Some(high)) = (left, right) else { return left.or(right) };
        let top = if self.nodes[low].priority >= self.nodes[high].priority {
            self.nodes[low].right = self.merge(self.nodes[low].right, right);
            low
        } else {
            self.nodes[high].left = self.merge(left, self.nodes[high].left);
            high
        };
        self.refresh(top);
        Some(top)
    }

    fn refresh(&mut self, slot: NodeSlot) {
        let node = &self.nodes[slot];
        let below = [node.left, node.right].into_iter().flatten().map(|child| &self.nodes[child].max_to);
        let max_to = below.fold(&node.span.1, Ord::max).clone();
        self.nodes[slot].max_to = max_to;
    }

    pub(super) fn check_invariants(&self) {
        let mut spans = Vec::new();
        self.check_below(self.root, u64::MAX, &mut spans);
        assert!(spans.is_sorted_by(|a, b| a < b), "in order, each once");
        assert_eq!(spans.len(), self.nodes.len());
    }

    fn check_below<'a>(&'a self, at: Option<NodeSlot>, above: u64, spans: &mut Vec<&'a Span>) {
        let Some(slot) = at else { return };
        let node = &self.nodes[slot];
        assert!(node.priority <= above, "no child outranks its parent");
        let first = spans.len();
        self.check_below(node.left, node.priority, spans);
        spans.push(&node.span);
        self.check_below(node.right, node.priority, spans);
        assert_eq!(spans[first..].iter().map(|span| &span.1).max(), Some(&node.max_to));
    }
}

#[cfg(test)]
mod tests {
    use super::{IntervalTree, RangeEnd, Span};
    use crate::watch::slab::{GroupSlot, Slot};
    use quorate_types::{Bytes, Rng};
    use std::collections::BTreeMap;

    fn random_span(rng: &mut Rng) -> Span {
        let from = rng.below(200) as u8;
        let length = if rng.chance(1, 2) { 3 } else { 100 };
        let to = match rng.chance(1, 10) {
            true => RangeEnd::Unbounded,
            false => RangeEnd::Key(Bytes::from(vec![from.saturating_add(1 + rng.below(length) as u8)])),
        };
        (Bytes::from(vec![from]), to)
    }

    #[test]
    fn finds_what_a_list_finds() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let (mut tree, mut list) = (IntervalTree::new(rng.fork()), BTreeMap::new());
            for group in 0..300 {
                let span = random_span(&mut rng);
                if list.remove(&span).is_some() {
                    tree.remove(&span);
                } else {
                    tree.insert(span.clone(), GroupSlot::from_position(group));
                    list.insert(span, group);
                }
            }
            tree.check_invariants();
            for byte in 0..=u8::MAX {
                let mut hits = Vec::new();
                tree.search(&[byte], &mut |group| hits.push(group.position()));
                let expect = list.iter().filter(|((from, to), _)| from[0] <= byte && to.is_beyond(&[byte]));
                assert_eq!(
                    hits,
                    expect.map(|(_, group)| *group).collect::<Vec<_>>(),
                    "seed {seed}, key {byte}"
                );
            }
            for span in list.keys() {
                assert!(tree.get(span).is_some());
                tree.remove(span);
            }
            tree.check_invariants();
        }
    }
}
