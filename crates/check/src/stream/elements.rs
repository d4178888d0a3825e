//! A set of values, small if they are numbers that follow one another.
//!
//! **Invariant:** no two runs touch or overlap. Exact: nothing is hashed away.
//!
//! **Bound:** [`RUN_BYTES`] for each run of numbers without a gap, [`VALUE_BYTES`] for each value that is no number. Numbers given out
//! in order make as many runs as there are calls that failed or are under way.

use crate::history::Value;
use crate::limits::{Budget, Exhausted, Held};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a run, about.
pub const RUN_BYTES: u64 = 48;
/// Bytes of another value, about.
pub const VALUE_BYTES: u64 = 64;

/// A set of values.
pub struct Elements<'b, 'a> {
    /// First and last number of each run.
    runs: BTreeMap<i64, i64>,
    others: BTreeSet<Value>,
    budget: &'b Budget<'a>,
    held: Option<Held<'b, 'a>>,
}

impl<'b, 'a> Elements<'b, 'a> {
    /// The empty set.
    pub fn new(budget: &'b Budget<'a>) -> Self {
        Elements { runs: BTreeMap::new(), others: BTreeSet::new(), budget, held: None }
    }

    /// Whether a value is in it.
    pub fn contains(&self, value: &Value) -> bool {
        match value {
            Value::Int(number) => self.run_of(*number).is_some(),
            value => self.others.contains(value),
        }
    }

    fn run_of(&self, number: i64) -> Option<(i64, i64)> {
        let (first, last) = self.runs.range(..=number).next_back()?;
        (*last >= number).then_some((*first, *last))
    }

    /// Takes a value in. Says whether it is new.
    ///
    /// # Errors
    /// If the memory limit is reached; the set stays as it was.
    pub fn insert(&mut self, value: &Value) -> Result<bool, Exhausted> {
        if self.contains(value) {
            return Ok(false);
        }
        let Value::Int(number) = value else {
            self.grow(VALUE_BYTES)?;
            return Ok(self.others.insert(value.clone()));
        };
        self.grow(RUN_BYTES)?;
        let before = number.checked_sub(1).and_then(|before| self.run_of(before));
        let after = number.checked_add(1).and_then(|after| self.run_of(after));
        let first = before.map_or(*number, |(first, _)| first);
        let last = after.map_or(*number, |(_, last)| last);
        if let Some((start, _)) = after {
            self.runs.remove(&start);
            self.shrink(RUN_BYTES);
        }
        if before.is_some() {
            self.shrink(RUN_BYTES);
        }
        self.runs.insert(first, last);
        Ok(true)
    }

    /// Takes a value out. Says whether it was in.
    ///
    /// # Errors
    /// If the memory limit is reached; the set stays as it was.
    pub fn remove(&mut self, value: &Value) -> Result<bool, Exhausted> {
        let Value::Int(number) = value else {
            let was_in = self.others.remove(value);
            self.shrink(if was_in { VALUE_BYTES } else { 0 });
            return Ok(was_in);
        };
        let Some((first, last)) = self.run_of(*number) else { return Ok(false) };
        // A run becomes two at most.
        self.grow(RUN_BYTES)?;
        self.runs.remove(&first);
        let before = (first < *number).then(|| (first, number - 1));
        let after = (*number < last).then(|| (number + 1, last));
        let gone = u64::from(before.is_none()) + u64::from(after.is_none());
        self.runs.extend(before.into_iter().chain(after));
        self.shrink(gone * RUN_BYTES);
        Ok(true)
    }

    /// How many values are in it.
    pub fn count(&self) -> u64 {
        let numbers = self.runs.iter().map(|(first, last)| last.abs_diff(*first) + 1);
        numbers.sum::<u64>() + self.others.len() as u64
    }

    /// The values that are not in `sorted`, which is ascending; at most `most` of them.
    pub fn missing_from(&self, sorted: &[&Value], most: usize) -> Vec<Value> {
        let has = |value: &Value| sorted.binary_search(&value).is_ok();
        let numbers: Vec<i128> = sorted.iter().filter_map(|value| value.as_int()).map(i128::from).collect();
        let mut missing: Vec<Value> = Vec::new();
        let mut take = |gap: std::ops::Range<i128>| {
            let gap = gap.filter_map(|number| i64::try_from(number).ok()).map(Value::Int);
            missing.extend(gap.take(most.saturating_sub(missing.len())));
        };
        for (first, last) in &self.runs {
            // Walks the given numbers within the run; each gap between them is missing.
            let (mut next, last) = (i128::from(*first), i128::from(*last));
            let from = numbers.partition_point(|number| *number < next);
            for number in numbers[from..].iter().take_while(|number| **number <= last) {
                take(next..*number);
                next = number + 1;
            }
            take(next..last + 1);
        }
        let others = self.others.iter().filter(|value| !has(value));
        missing.extend(others.take(most.saturating_sub(missing.len())).cloned());
        missing
    }

    fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        match &mut self.held {
            Some(held) => held.grow(bytes),
            None => {
                self.held = Some(self.budget.hold(bytes)?);
                Ok(())
            }
        }
    }

    fn shrink(&mut self, bytes: u64) {
        if let Some(held) = &mut self.held {
            held.shrink(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Elements, RUN_BYTES};
    use crate::history::Value;
    use crate::limits::Budget;
    use quorate_types::Rng;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_plain_set() {
        let budget = Budget::unlimited();
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let (mut elements, mut plain) = (Elements::new(&budget), BTreeSet::new());
            for _ in 0..60 {
                let number = i64::MAX - rng.below(14) as i64;
                let value = if rng.below(5) == 0 { Value::text("x") } else { Value::Int(number) };
                if rng.below(3) == 0 {
                    assert_eq!(elements.remove(&value), Ok(plain.remove(&value)), "seed {seed}");
                } else {
                    assert_eq!(elements.insert(&value), Ok(plain.insert(value)), "seed {seed}");
                }
                assert_eq!(elements.count(), plain.len() as u64, "seed {seed}");
                let given: Vec<Value> =
                    (0..rng.below(6)).map(|at| Value::Int(i64::MAX - 2 * at as i64)).rev().collect();
                let missing: Vec<Value> =
                    plain.iter().filter(|value| !given.contains(value)).cloned().collect();
                let given: Vec<&Value> = given.iter().collect();
                assert_eq!(elements.missing_from(&given, 100), missing, "seed {seed}");
            }
        }
    }

    #[test]
    fn numbers_in_a_row_take_one_run() {
        let budget = Budget::unlimited();
        let mut elements = Elements::new(&budget);
        for number in 0..10_000 {
            elements.insert(&Value::Int(number)).unwrap();
        }
        assert!(budget.bytes_peak() <= 2 * RUN_BYTES);
    }
}
