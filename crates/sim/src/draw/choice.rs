//! Drawing from tables, so that distributions are data that a reader can tune.

use quorate_types::Rng;

/// From this to that, both included.
pub type Range = (u64, u64);

/// One of these, each as often as its weight says against the sum of all.
pub fn weighted<T: Copy>(rng: &mut Rng, table: &[(u64, T)]) -> T {
    let sum = table.iter().map(|(weight, _)| weight).sum();
    let mut left = rng.below(sum);
    for (weight, choice) in table {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *choice,
        }
    }
    unreachable!("what is left is below the sum of the weights")
}

/// A number of a range.
pub fn within(rng: &mut Rng, (low, high): Range) -> u64 {
    rng.between(low, high)
}

/// A number of one of these ranges.
pub fn banded(rng: &mut Rng, bands: &[(u64, Range)]) -> u64 {
    let band = weighted(rng, bands);
    within(rng, band)
}

/// One of these, all alike.
pub fn one<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize]
}

/// The same in any order (Fisher and Yates).
pub fn shuffled<T: Copy>(rng: &mut Rng, of: &[T]) -> Vec<T> {
    let mut shuffled = of.to_vec();
    for last in (1..shuffled.len()).rev() {
        shuffled.swap(last, rng.below(last as u64 + 1) as usize);
    }
    shuffled
}

/// So many of these, in any order.
pub fn some<T: Copy>(rng: &mut Rng, of: &[T], count: usize) -> Vec<T> {
    let mut chosen = shuffled(rng, of);
    chosen.truncate(count);
    chosen
}

/// A subset, not empty if `of` is not: one in `alone` times of a single one, else each with a chance that is drawn once, so that sparse
/// and dense subsets are both met.
pub fn subset<T: Copy>(rng: &mut Rng, of: &[T], alone: u64) -> Vec<T> {
    if of.is_empty() {
        return Vec::new();
    }
    let single = one(rng, of);
    if rng.chance(1, alone) {
        return vec![single];
    }
    let quarters = rng.between(1, 3);
    let chosen: Vec<T> = of.iter().copied().filter(|_| rng.chance(quarters, 4)).collect();
    if chosen.is_empty() { vec![single] } else { chosen }
}

/// A size with either sign.
pub fn either_way(rng: &mut Rng, size: u64) -> i64 {
    if rng.chance(1, 2) { size as i64 } else { -(size as i64) }
}
