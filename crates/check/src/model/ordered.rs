//! A sorted map that is copied in constant time and changed in logarithmic time.
//!
//! **Problem.** A search copies a state at every step, and compares and hashes it; a set or a leaderboard may hold as much as the
//! history is long. **Idea.** A treap whose priorities are hashes of the keys: the same entries always make the same tree, whatever
//! their history, so trees share what did not change and compare by structure. Each node knows the size and the hash of its tree.
//!
//! **Invariant:** keys are in order from left to right; a node's (priority, key) is above those below it; equal maps have equal shapes.
//!
//! Source: Seidel & Aragon, *Randomized search trees*, Algorithmica 1996. Depth is logarithmic as far as hashes are random; so is the
//! recursion.

use super::chain::spread;
use rustc_hash::FxHasher;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A persistent sorted map.
pub struct Ordered<K, V = ()> {
    root: Tree<K, V>,
}

type Tree<K, V> = Option<Arc<Node<K, V>>>;

struct Node<K, V> {
    key: K,
    value: V,
    priority: u64,
    size: u32,
    hash: u64,
    left: Tree<K, V>,
    right: Tree<K, V>,
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    spread(hasher.finish())
}

fn size<K, V>(tree: &Tree<K, V>) -> u32 {
    tree.as_ref().map_or(0, |node| node.size)
}

fn hash<K, V>(tree: &Tree<K, V>) -> u64 {
    tree.as_ref().map_or(0, |node| node.hash)
}

impl<K: Clone + Ord + Hash, V: Clone + Hash> Node<K, V> {
    fn of(key: K, value: V, left: Tree<K, V>, right: Tree<K, V>) -> Arc<Self> {
        let priority = hash_of(&key);
        let own = spread(priority ^ hash_of(&value).rotate_left(32));
        let hash = own.wrapping_add(hash(&left)).wrapping_add(hash(&right));
        Arc::new(Node { priority, size: size(&left) + size(&right) + 1, hash, key, value, left, right })
    }

    fn with(&self, left: Tree<K, V>, right: Tree<K, V>) -> Tree<K, V> {
        Some(Node::of(self.key.clone(), self.value.clone(), left, right))
    }

    fn is_above(&self, other: &Self) -> bool {
        (self.priority, &self.key) > (other.priority, &other.key)
    }
}

impl<K: Clone + Ord + Hash, V: Clone + Hash> Ordered<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        size(&self.root) as usize
    }

    /// The hash of all entries.
    pub fn hash(&self) -> u64 {
        hash(&self.root)
    }

    /// The value at a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut tree = &self.root;
        while let Some(node) = tree {
            match key.cmp(&node.key) {
                Ordering::Less => tree = &node.left,
                Ordering::Greater => tree = &node.right,
                Ordering::Equal => return Some(&node.value),
            }
        }
        None
    }

    /// The smallest entry.
    pub fn first(&self) -> Option<(&K, &V)> {
        let mut node = self.root.as_ref()?;
        while let Some(left) = &node.left {
            node = left;
        }
        Some((&node.key, &node.value))
    }

    /// How many keys are smaller.
    pub fn rank(&self, key: &K) -> usize {
        let (mut tree, mut rank) = (&self.root, 0);
        while let Some(node) = tree {
            if *key <= node.key {
                tree = &node.left;
            } else {
                rank += size(&node.left) as usize + 1;
                tree = &node.right;
            }
        }
        rank
    }

    /// With this value at this key.
    pub fn with(&self, key: K, value: V) -> Self {
        let (less, more) = split(&self.root, &key);
        let node = Some(Node::of(key, value, None, None));
        Ordered { root: join(&join(&less, &node), &more) }
    }

    /// Without this key.
    pub fn without(&self, key: &K) -> Self {
        if self.get(key).is_none() {
            return self.clone();
        }
        let (less, more) = split(&self.root, key);
        Ordered { root: join(&less, &more) }
    }

    /// Entries in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.walk(|node| &node.left, |node| &node.right)
    }

    /// Entries in descending order.
    pub fn iter_back(&self) -> impl Iterator<Item = (&K, &V)> {
        self.walk(|node| &node.right, |node| &node.left)
    }

    fn walk<'a>(
        &'a self,
        first: impl Fn(&'a Node<K, V>) -> &'a Tree<K, V>,
        second: impl Fn(&'a Node<K, V>) -> &'a Tree<K, V>,
    ) -> impl Iterator<Item = (&'a K, &'a V)> {
        let mut above: Vec<&Node<K, V>> = Vec::new();
        let mut next = &self.root;
        std::iter::from_fn(move || {
            while let Some(node) = next {
                above.push(node);
                next = first(node);
            }
            let node = above.pop()?;
            next = second(node);
            Some((&node.key, &node.value))
        })
    }
}

/// What is smaller than a key, and what is larger.
fn split<K: Clone + Ord + Hash, V: Clone + Hash>(tree: &Tree<K, V>, key: &K) -> (Tree<K, V>, Tree<K, V>) {
    let Some(node) = tree else { return (None, None) };
    match key.cmp(&node.key) {
        Ordering::Equal => (node.left.clone(), node.right.clone()),
        Ordering::Less => {
            let (less, more) = split(&node.left, key);
            (less, node.with(more, node.right.clone()))
        }
        Ordering::Greater => {
            let (less, more) = split(&node.right, key);
            (node.with(node.left.clone(), less), more)
        }
    }
}

/// One tree of two, all of whose keys are in order.
fn join<K: Clone + Ord + Hash, V: Clone + Hash>(less: &Tree<K, V>, more: &Tree<K, V>) -> Tree<K, V> {
    match (less, more) {
        (None, tree) | (tree, None) => tree.clone(),
        (Some(a), Some(b)) if a.is_above(b) => a.with(a.left.clone(), join(&a.right, more)),
        (Some(_), Some(b)) => b.with(join(less, &b.left), b.right.clone()),
    }
}

fn same<K: Eq, V: Eq>(a: &Tree<K, V>, b: &Tree<K, V>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            Arc::ptr_eq(a, b)
                || (a.size == b.size
                    && a.hash == b.hash
                    && a.key == b.key
                    && a.value == b.value
                    && same(&a.left, &b.left)
                    && same(&a.right, &b.right))
        }
        _ => false,
    }
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Ordered { root: None }
    }
}

impl<K, V> Clone for Ordered<K, V> {
    fn clone(&self) -> Self {
        Ordered { root: self.root.clone() }
    }
}

impl<K: Eq, V: Eq> PartialEq for Ordered<K, V> {
    fn eq(&self, other: &Self) -> bool {
        same(&self.root, &other.root)
    }
}

impl<K: Eq, V: Eq> Eq for Ordered<K, V> {}

impl<K, V> Hash for Ordered<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(hash(&self.root));
    }
}

impl<K: Clone + Ord + Hash + fmt::Debug, V: Clone + Hash + fmt::Debug> fmt::Debug for Ordered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Clone + Ord + Hash, V: Clone + Hash> FromIterator<(K, V)> for Ordered<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        entries.into_iter().fold(Ordered::default(), |map, (key, value)| map.with(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::Ordered;
    use quorate_types::Rng;
    use std::collections::BTreeMap;

    #[test]
    fn it_does_as_a_sorted_map_does() {
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let (mut map, mut naive) = (Ordered::<u32, u64>::default(), BTreeMap::new());
            for _ in 0..300 {
                let (key, value) = (rng.below(40) as u32, rng.below(3));
                if rng.chance(2, 3) {
                    map = map.with(key, value);
                    naive.insert(key, value);
                } else {
                    map = map.without(&key);
                    naive.remove(&key);
                }
                let probe = rng.below(40) as u32;
                assert_eq!(map.get(&probe), naive.get(&probe), "seed {seed}");
                assert_eq!(map.rank(&probe), naive.range(..probe).count(), "seed {seed}");
                assert_eq!(map.first(), naive.first_key_value(), "seed {seed}");
                assert!(map.iter().eq(&naive) && map.iter_back().eq(naive.iter().rev()), "seed {seed}");
                // However it came about, the same entries make the same map.
                let rebuilt: Ordered<u32, u64> = naive.iter().rev().map(|(k, v)| (*k, *v)).collect();
                assert_eq!(
                    (map.hash(), &map, map.len()),
                    (rebuilt.hash(), &rebuilt, naive.len()),
                    "seed {seed}"
                );
            }
        }
    }

    #[test]
    fn different_maps_differ() {
        let map: Ordered<u32, u32> = [(1, 1), (2, 2)].into_iter().collect();
        assert_ne!(map, map.with(2, 3));
        assert_ne!(map, map.without(&2));
        assert_eq!(map, map.with(3, 3).without(&3));
    }
}
