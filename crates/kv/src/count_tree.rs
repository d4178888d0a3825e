//! How many keys lie before a page of keys, in O(log n), in a tree that costs O(1) to copy.
//!
//! The key space is cut into pages, each named by a lower bound of its keys; the first page's is empty, so that every key lies
//! in exactly one page. The tree's leaves are pages with their key counts and every node knows its sum. Nodes
//! are shared between copies: a change copies only the path to its page, and only while an older copy still holds it.
//!
//! **Invariant:** a node's `keys` is the sum over its entries; no node but a lone root leaf is empty; at least one page exists.

use quorate_types::Bytes;
use std::sync::Arc;

/// Entries of a node before it splits.
const FANOUT: usize = 32;

/// Some neighbouring keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    /// No key of the page is lower.
    pub(crate) first: Bytes,
    /// How many there are.
    pub(crate) keys: u32,
}

#[derive(Clone, Debug)]
enum Entries {
    Pages(Vec<Page>),
    Nodes(Vec<Arc<Node>>),
}

#[derive(Clone, Debug)]
struct Node {
    first: Bytes,
    keys: u64,
    entries: Entries,
}

/// What to do with a page.
enum Change<'a> {
    Add(i64),
    Insert(&'a Page),
    Remove,
}

impl Node {
    fn of_pages(pages: Vec<Page>) -> Node {
        let keys = pages.iter().map(|page| u64::from(page.keys)).sum();
        Node {
            first: pages.first().map(|page| page.first.clone()).unwrap_or_default(),
            keys,
            entries: Entries::Pages(pages),
        }
    }

    fn of_nodes(nodes: Vec<Arc<Node>>) -> Node {
        let keys = nodes.iter().map(|node| node.keys).sum();
        Node {
            first: nodes.first().map(|node| node.first.clone()).unwrap_or_default(),
            keys,
            entries: Entries::Nodes(nodes),
        }
    }

    fn is_empty(&self) -> bool {
        match &self.entries {
            Entries::Pages(pages) => pages.is_empty(),
            Entries::Nodes(nodes) => nodes.is_empty(),
        }
    }

    /// Changes the page at `key`; returns a right sibling if this node became too large.
    fn change(&mut self, key: &[u8], change: &Change<'_>) -> Option<Arc<Node>> {
        match (&mut self.entries, change) {
            (Entries::Pages(pages), Change::Add(keys)) => {
                let position = last_not_above(key, pages, |page| &page.first);
                let page = &mut pages[position];
                page.keys =
                    u32::try_from(i64::from(page.keys) + keys).expect("a page never holds fewer than 0 keys");
            }
            (Entries::Pages(pages), Change::Insert(page)) => {
                let position = pages.partition_point(|other| *other.first < *key);
                pages.insert(position, (*page).clone());
            }
            (Entries::Pages(pages), Change::Remove) => pages.retain(|page| *page.first != *key),
            (Entries::Nodes(nodes), _) => {
                let position = last_not_above(key, nodes, |node| &node.first);
                let child = Arc::make_mut(&mut nodes[position]);
                let sibling = child.change(key, change);
                if child.is_empty() {
                    nodes.remove(position);
                }
                if let Some(sibling) = sibling {
                    nodes.insert(position + 1, sibling);
                }
            }
        }
        let right = match &mut self.entries {
            Entries::Pages(pages) if pages.len() > FANOUT => {
                Some(Node::of_pages(pages.split_off(FANOUT / 2)))
            }
            Entries::Nodes(nodes) if nodes.len() > FANOUT => {
                Some(Node::of_nodes(nodes.split_off(FANOUT / 2)))
            }
            _ => None,
        };
        self.refresh();
        right.map(Arc::new)
    }

    /// Restores sum and lower bound after the entries changed.
    fn refresh(&mut self) {
        let (first, keys) = match &self.entries {
            Entries::Pages(pages) => {
                (pages.first().map(|p| &p.first), pages.iter().map(|p| u64::from(p.keys)).sum())
            }
            Entries::Nodes(nodes) => (nodes.first().map(|n| &n.first), nodes.iter().map(|n| n.keys).sum()),
        };
        self.keys = keys;
        match first {
            Some(first) if *first != self.first => self.first = first.clone(),
            _ => {}
        }
    }

    fn visit(&self, seen: &mut impl FnMut(&Page)) {
        match &self.entries {
            Entries::Pages(pages) => pages.iter().for_each(seen),
            Entries::Nodes(nodes) => nodes.iter().for_each(|node| node.visit(seen)),
        }
    }
}

/// The position of the last entry whose lower bound is not above `key`; the first entry if all are.
fn last_not_above<T>(key: &[u8], entries: &[T], first: impl Fn(&T) -> &Bytes) -> usize {
    entries.partition_point(|entry| **first(entry) <= *key).saturating_sub(1)
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct CountTree {
    root: Arc<Node>,
}

impl CountTree {
    /// One empty page.
    pub(crate) fn new() -> Self {
        CountTree::of(&[Page { first: Bytes::new(), keys: 0 }])
    }

    /// From all pages in order.
    ///
    /// # Panics
    /// If the first page's lower bound is not empty or there is no page.
    pub(crate) fn of(pages: &[Page]) -> Self {
        assert!(pages.first().is_some_and(|page| page.first.is_empty()), "every key lies in a page");
        let mut level: Vec<Arc<Node>> =
            pages.chunks(FANOUT / 2).map(|pages| Arc::new(Node::of_pages(pages.to_vec()))).collect();
        while level.len() > 1 {
            level = level.chunks(FANOUT / 2).map(|nodes| Arc::new(Node::of_nodes(nodes.to_vec()))).collect();
        }
        CountTree { root: level.remove(0) }
    }

    /// All keys.
    pub(crate) fn keys(&self) -> u64 {
        self.root.keys
    }

    /// The page that `key` lies in, and how many keys lie in the pages before it.
    pub(crate) fn page_of(&self, key: &[u8]) -> (&Page, u64) {
        let (mut node, mut before) = (&*self.root, 0u64);
        loop {
            match &node.entries {
                Entries::Nodes(nodes) => {
                    let position = last_not_above(key, nodes, |node| &node.first);
                    before += nodes[..position].iter().map(|node| node.keys).sum::<u64>();
                    node = &nodes[position];
                }
                Entries::Pages(pages) => {
                    let position = last_not_above(key, pages, |page| &page.first);
                    before += pages[..position].iter().map(|page| u64::from(page.keys)).sum::<u64>();
                    return (&pages[position], before);
                }
            }
        }
    }

    /// The page before the one named `first`.
    pub(crate) fn page_before(&self, first: &[u8]) -> Option<&Page> {
        let mut node = &*self.root;
        loop {
            match &node.entries {
                Entries::Pages(pages) => {
                    let position = pages.partition_point(|page| *page.first < *first).checked_sub(1)?;
                    return Some(&pages[position]);
                }
                Entries::Nodes(nodes) => {
                    node = &nodes[nodes.partition_point(|node| *node.first < *first).checked_sub(1)?];
                }
            }
        }
    }

    /// The page after the one named `first`.
    pub(crate) fn page_after(&self, first: &[u8]) -> Option<&Page> {
        let (mut node, mut right) = (&*self.root, None);
        loop {
            match &node.entries {
                Entries::Nodes(nodes) => {
                    let position = last_not_above(first, nodes, |node| &node.first);
                    right = nodes.get(position + 1).or(right);
                    node = &nodes[position];
                }
                Entries::Pages(pages) => {
                    let position = last_not_above(first, pages, |page| &page.first);
                    return pages.get(position + 1).or_else(|| right.map(|node| leftmost(node)));
                }
            }
        }
    }

    /// Counts `keys` more (or fewer) in the page that `key` lies in.
    pub(crate) fn add(&mut self, key: &[u8], keys: i64) {
        self.change(key, &Change::Add(keys));
    }

    /// Adds a page. None has its name yet.
    pub(crate) fn insert(&mut self, page: &Page) {
        debug_assert!(self.page_of(&page.first).0.first != page.first, "pages have different names");
        self.change(&page.first, &Change::Insert(page));
    }

    /// Takes a page away with its count.
    ///
    /// # Panics
    /// If it is the first one.
    pub(crate) fn remove(&mut self, first: &[u8]) {
        assert!(!first.is_empty(), "every key lies in a page");
        self.change(first, &Change::Remove);
    }

    fn change(&mut self, key: &[u8], change: &Change<'_>) {
        if let Some(right) = Arc::make_mut(&mut self.root).change(key, change) {
            self.root = Arc::new(Node::of_nodes(vec![Arc::clone(&self.root), right]));
        }
        while let Entries::Nodes(nodes) = &self.root.entries
            && nodes.len() == 1
        {
            self.root = Arc::clone(&nodes[0]);
        }
    }

    /// All pages in order.
    pub(crate) fn pages(&self) -> Vec<Page> {
        let mut pages = Vec::new();
        self.root.visit(&mut |page| pages.push(page.clone()));
        pages
    }
}

fn leftmost(mut node: &Node) -> &Page {
    loop {
        match &node.entries {
            Entries::Pages(pages) => return &pages[0],
            Entries::Nodes(nodes) => node = &nodes[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CountTree, Page};
    use proptest::prelude::*;
    use quorate_types::Bytes;
    use std::collections::BTreeMap;

    fn name(number: u16) -> Bytes {
        if number == 0 { Bytes::new() } else { Bytes::copy_from_slice(&number.to_be_bytes()) }
    }

    fn check(tree: &CountTree, model: &BTreeMap<Bytes, u32>, probe: u16) {
        let expect: Vec<Page> =
            model.iter().map(|(first, keys)| Page { first: first.clone(), keys: *keys }).collect();
        assert_eq!(tree.pages(), expect);
        assert_eq!(tree.keys(), model.values().map(|keys| u64::from(*keys)).sum::<u64>());
        let key = probe.to_be_bytes();
        let (page, before) = tree.page_of(&key);
        let (first, keys) = model.range(..=Bytes::copy_from_slice(&key)).next_back().unwrap();
        assert_eq!((&page.first, page.keys), (first, *keys));
        assert_eq!(before, model.range(..first.clone()).map(|(_, keys)| u64::from(*keys)).sum::<u64>());
        let name = page.first.clone();
        assert_eq!(
            tree.page_before(&name).map(|p| &p.first),
            model.range(..name.clone()).next_back().map(|(f, _)| f)
        );
        assert_eq!(tree.page_after(&name).map(|p| &p.first), model.range(name..).nth(1).map(|(f, _)| f));
    }

    proptest! {
        #[test]
        fn matches_a_map(steps in prop::collection::vec((0u8..4, 0u16..400, 1u32..9), 1..600), bulk: bool) {
            let mut tree = CountTree::new();
            let mut model = BTreeMap::from([(Bytes::new(), 0u32)]);
            let mut older = Vec::new();
            for (kind, number, keys) in steps {
                let first = name(number);
                match (kind, model.get(&first).copied()) {
                    (0 | 1, None) => {
                        tree.insert(&Page { first: first.clone(), keys });
                        model.insert(first, keys);
                    }
                    (0 | 1, Some(_)) => {
                        tree.add(&first, i64::from(keys));
                        *model.get_mut(&first).unwrap() += keys;
                    }
                    (2, Some(_)) if !first.is_empty() => {
                        tree.remove(&first);
                        model.remove(&first);
                    }
                    (3, Some(had)) if had > 0 => {
                        tree.add(&first, -1);
                        *model.get_mut(&first).unwrap() -= 1;
                    }
                    _ => {}
                }
                if keys == 1 {
                    older.push((tree.clone(), model.clone()));
                }
                check(&tree, &model, number);
            }
            for (tree, model) in older.iter().step_by(7) {
                check(tree, model, 200);
            }
            if bulk {
                check(&CountTree::of(&tree.pages()), &model, 200);
            }
        }
    }
}
