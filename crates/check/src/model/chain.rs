//! A sequence that grows and shrinks at one end and is copied in constant time.
//!
//! **Problem.** A search copies a state at every step, and states such as a stack hold as much as the history is long.
//! **Idea.** Sequences share their beginnings: an element points to the one below it. Each knows the hash of everything up to itself,
//! so that different sequences are told apart at once, and equal ones end their comparison where they begin to share.
//!
//! **Invariant:** equal sequences have equal hashes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Odd, so that multiplying by it loses nothing (the constant of Knuth's multiplicative hashing).
pub(super) const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads a number over 64 bits (the finalizer of `SplitMix64`).
pub(super) fn spread(number: u64) -> u64 {
    let number = number.wrapping_add(BASE);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A persistent sequence; its end is where things happen.
pub struct Chain<T> {
    last: Option<Arc<Link<T>>>,
}

struct Link<T> {
    value: T,
    before: Option<Arc<Link<T>>>,
    len: u32,
    hash: u64,
}

impl<T> Chain<T> {
    /// How many elements it has.
    pub fn len(&self) -> u32 {
        self.last.as_ref().map_or(0, |last| last.len)
    }

    /// The hash of everything in it; 0 if empty.
    pub fn hash(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.hash)
    }

    /// With `value` at the end. `hash` is that of the result and says the same for the same elements.
    pub fn push(&self, value: T, hash: u64) -> Self {
        let before = self.last.clone();
        Chain { last: Some(Arc::new(Link { value, before, len: self.len() + 1, hash })) }
    }

    /// The last element, and the rest.
    pub fn pop(&self) -> Option<(&T, Self)> {
        let last = self.last.as_ref()?;
        Some((&last.value, Chain { last: last.before.clone() }))
    }

    /// From the last to the first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::successors(self.last.as_ref(), |link| link.before.as_ref()).map(|link| &link.value)
    }
}

impl<T> Default for Chain<T> {
    fn default() -> Self {
        Chain { last: None }
    }
}

impl<T> Clone for Chain<T> {
    fn clone(&self) -> Self {
        Chain { last: self.last.clone() }
    }
}

/// One link after the other: a recursive drop would take as much stack as the chain is long.
impl<T> Drop for Link<T> {
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut link) = next.and_then(|link| Arc::try_unwrap(link).ok()) {
            next = link.before.take();
        }
    }
}

impl<T: Eq> PartialEq for Chain<T> {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() || self.hash() != other.hash() {
            return false;
        }
        let (mut a, mut b) = (&self.last, &other.last);
        while let (Some(x), Some(y)) = (a, b) {
            if Arc::ptr_eq(x, y) {
                return true;
            }
            if x.value != y.value {
                return false;
            }
            (a, b) = (&x.before, &y.before);
        }
        true
    }
}

impl<T: Eq> Eq for Chain<T> {}

impl<T> Hash for Chain<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash());
    }
}

/// From the first to the last.
impl<T: fmt::Debug> fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<&T> = self.iter().collect();
        values.reverse();
        f.debug_list().entries(values).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;

    fn chain(values: &[u32]) -> Chain<u32> {
        values
            .iter()
            .fold(Chain::default(), |chain, value| chain.push(*value, chain.hash() * 31 + u64::from(*value)))
    }

    #[test]
    fn equal_elements_are_equal_chains() {
        assert_eq!(chain(&[1, 2, 3]), chain(&[1, 2, 3]));
        assert_ne!(chain(&[1, 2, 3]), chain(&[1, 3, 2]));
        let longer = chain(&[1, 2, 3, 4]);
        let (last, rest) = longer.pop().unwrap();
        assert_eq!((*last, &rest), (4, &chain(&[1, 2, 3])));
        assert_eq!(format!("{rest:?}"), "[1, 2, 3]");
        assert!(Chain::<u32>::default().pop().is_none());
    }

    #[test]
    fn a_long_chain_is_dropped_without_recursion() {
        let mut long = Chain::default();
        for value in 0..1_000_000u32 {
            long = long.push(value, 0);
        }
        assert_eq!(long.len(), 1_000_000);
        drop(long);
    }
}
