//! How much a decision may take, and how it is spread over threads.
//!
//! **Idea.** Deciding consistency is hard in the worst case, so whoever searches asks a [`Budget`] again and again whether it may
//! go on. The budget counts steps and bytes itself; the clock and the threads belong to the caller and come in as functions, so that
//! the same run with the same limits gives the same answer.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Why a decision was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Exhausted {
    /// The caller's clock ran out.
    #[error("the time limit was reached")]
    Time,
    /// More bytes than allowed would be in use.
    #[error("the memory limit was reached")]
    Memory,
    /// More steps than allowed were taken.
    #[error("the limit of steps was reached")]
    Steps,
}

/// What may be used. The default sets no limit.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Search steps in all.
    pub steps: u64,
    /// Bytes that checkers hold at a time, by their own count.
    pub memory_bytes: u64,
    /// Asked every [`POLL_STEPS`] steps and at every large allocation.
    pub poll: &'a dyn Poll,
}

/// Whoever knows whether there is time and memory left.
pub trait Poll: Sync {
    /// Asks.
    ///
    /// # Errors
    /// If the work must stop; says why.
    fn poll(&self) -> Result<(), Exhausted>;
}

impl<F: Fn() -> Result<(), Exhausted> + Sync> Poll for F {
    fn poll(&self) -> Result<(), Exhausted> {
        self()
    }
}

/// Steps between two polls.
pub const POLL_STEPS: u64 = 1024;

struct NoLimit;

impl Poll for NoLimit {
    fn poll(&self) -> Result<(), Exhausted> {
        Ok(())
    }
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Limits { steps: u64::MAX, memory_bytes: u64::MAX, poll: &NoLimit }
    }
}

/// Counts what is used, over all threads that share it.
pub struct Budget<'a> {
    limits: Limits<'a>,
    steps: AtomicU64,
    bytes: AtomicU64,
    bytes_peak: AtomicU64,
    /// 0, or which limit was reached: what was exhausted once stays so, for all threads.
    exhausted: AtomicU8,
}

impl<'a> Budget<'a> {
    /// Nothing used yet.
    pub fn new(limits: Limits<'a>) -> Self {
        let [steps, bytes, bytes_peak] = [const { AtomicU64::new(0) }; 3];
        Budget { limits, steps, bytes, bytes_peak, exhausted: AtomicU8::new(0) }
    }

    /// For small inputs.
    pub fn unlimited() -> Budget<'static> {
        Budget::new(Limits::default())
    }

    /// No more than this many steps.
    pub fn of_steps(steps: u64) -> Budget<'static> {
        Budget::new(Limits { steps, ..Limits::default() })
    }

    /// Takes steps of a search. Cheap enough for each step of an inner loop; a loop of tiny steps may take many at once.
    ///
    /// # Errors
    /// If the budget is exhausted; stop at once.
    pub fn step(&self, count: u64) -> Result<(), Exhausted> {
        let before = self.steps.fetch_add(count, Ordering::Relaxed);
        let after = before.saturating_add(count);
        if after > self.limits.steps {
            return Err(self.stop(Exhausted::Steps));
        }
        if before / POLL_STEPS != after / POLL_STEPS { self.poll() } else { Ok(()) }
    }

    /// Asks whether to go on, at once.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn poll(&self) -> Result<(), Exhausted> {
        match self.exhausted.load(Ordering::Relaxed) {
            0 => self.limits.poll.poll().map_err(|why| self.stop(why)),
            1 => Err(Exhausted::Time),
            2 => Err(Exhausted::Memory),
            _ => Err(Exhausted::Steps),
        }
    }

    /// Counts bytes until the result is dropped.
    ///
    /// # Errors
    /// If there would be more than the limit; nothing is counted.
    pub fn hold(&self, bytes: u64) -> Result<Held<'_, 'a>, Exhausted> {
        let mut held = Held { budget: self, bytes: 0 };
        held.grow(bytes)?;
        Ok(held)
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// The most bytes counted at a time.
    pub fn bytes_peak(&self) -> u64 {
        self.bytes_peak.load(Ordering::Relaxed)
    }

    fn stop(&self, why: Exhausted) -> Exhausted {
        let code = match why {
            Exhausted::Time => 1,
            Exhausted::Memory => 2,
            Exhausted::Steps => 3,
        };
        self.exhausted.store(code, Ordering::Relaxed);
        why
    }
}

/// Bytes counted against a [`Budget`].
pub struct Held<'b, 'a> {
    budget: &'b Budget<'a>,
    bytes: u64,
}

impl Held<'_, '_> {
    /// Counts more.
    ///
    /// # Errors
    /// If there would be more than the limit; nothing is added.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let budget = self.budget;
        let total = budget.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if total > budget.limits.memory_bytes {
            budget.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(budget.stop(Exhausted::Memory));
        }
        self.bytes += bytes;
        budget.bytes_peak.fetch_max(total, Ordering::Relaxed);
        Ok(())
    }

    /// Counts fewer; at most what is held.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.budget.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Runs independent jobs, perhaps at the same time.
pub trait Runner: Sync {
    /// Calls `job` once with each number below `count`, in any order, and returns when all have returned.
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync));
}

/// One after the other on the caller's thread.
pub struct InTurn;

impl Runner for InTurn {
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(job);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Exhausted, Limits};

    #[test]
    fn steps_are_counted_and_the_clock_is_asked() {
        let budget = Budget::of_steps(2);
        assert_eq!(budget.step(2), Ok(()));
        assert_eq!(budget.step(1), Err(Exhausted::Steps));
        assert_eq!(budget.poll(), Err(Exhausted::Steps));

        let late = || Err(Exhausted::Time);
        let budget = Budget::new(Limits { poll: &late, ..Limits::default() });
        assert_eq!(budget.step(1), Ok(()));
        assert_eq!(budget.step(super::POLL_STEPS), Err(Exhausted::Time));
    }

    #[test]
    fn bytes_are_given_back() {
        let budget = Budget::new(Limits { memory_bytes: 100, ..Limits::default() });
        let held = budget.hold(80).unwrap();
        drop(held);
        let mut held = budget.hold(60).unwrap();
        held.shrink(20);
        held.grow(60).unwrap();
        assert_eq!(budget.bytes_peak(), 100);
        assert_eq!(budget.hold(1).err(), Some(Exhausted::Memory));
    }
}
