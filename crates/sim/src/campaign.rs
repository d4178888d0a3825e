//! Many seeds on many threads.
//!
//! **Problem:** threads finish in any order, but what a campaign reports is to be the same on every machine. **Idea:** seeds are handed out in
//! order and their results are merged in order, so a campaign that is stopped has run a whole range without holes; one that stops at
//! its failures forgets what it happened to run after the last of them. **Invariant:** the summary depends on the seeds that it names as run, and
//! not on threads or time.
//!
//! A seed that fails is run again at once. If that run differs in a single event the failure cannot be trusted, and is reported as what
//! it is: an error of the simulator.

use crate::outcome::{Counts, Outcome};
use crate::violation::Violation;
use quorate_types::Mark;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Which seeds.
    pub seeds: Range<u64>,
    /// On how many threads, this one among them; at least 1.
    pub threads: usize,
    /// After so many failures the rest is not run; at least 1.
    pub max_failures: usize,
}

/// What came of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Summary {
    /// How many seeds were run, from the first of the plan on, without holes.
    pub seeds_run: u64,
    /// What they met, together.
    pub counts: Counts,
    /// How often each mark was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// The seeds that failed, in order.
    pub failures: Vec<Failure>,
    /// The seeds of which nothing can be said, in order, with the reason.
    pub inconclusive: Vec<(u64, String)>,
}

/// A seed that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// How.
    pub how: How,
}

/// How a seed failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// A promise was broken, and the same one in the same way when it was run again.
    Broken(Violation),
    /// Two runs of it were not the same: the simulator has an error, or what it runs depends on something that is not simulated.
    NotDeterministic {
        /// What each run found,
        found: [Option<Violation>; 2],
        /// and the digests of what happened.
        digests: [u64; 2],
    },
    /// The simulator itself panicked.
    Panicked {
        /// With these words.
        words: String,
    },
}

/// How far a campaign is: what all threads have finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// Seeds.
    pub seeds_run: u64,
    /// What they met.
    pub counts: &'a Counts,
    /// How many of them failed.
    pub failures: usize,
}

/// What is kept of one run.
struct Ran {
    counts: Counts,
    marks: BTreeMap<&'static str, u64>,
    how: Option<How>,
    inconclusive: Option<String>,
}

/// Results that came before their turn, and what has been merged.
struct Merge {
    next: u64,
    early: BTreeMap<u64, Ran>,
    summary: Summary,
    /// What is finished, whether merged or not.
    counts: Counts,
    finished: u64,
    failures: usize,
}

/// Runs a campaign. `job` runs one seed; it must depend on the seed alone. Between two seeds each thread asks `stop` whether to end.
/// `on_progress` is called after each seed, by one thread at a time.
pub fn run(
    plan: &Plan,
    job: &(dyn Fn(u64) -> Outcome + Sync),
    stop: &(dyn Fn() -> bool + Sync),
    on_progress: &(dyn Fn(&Progress<'_>) + Sync),
) -> Summary {
    let next = AtomicU64::new(plan.seeds.start);
    let is_over = AtomicBool::new(false);
    let merge = Mutex::new(Merge::new(plan.seeds.start));
    let work = || {
        while !is_over.load(Ordering::Relaxed) && !stop() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= plan.seeds.end {
                return;
            }
            let ran = run_seed(seed, job);
            let mut merge = merge.lock().unwrap_or_else(PoisonError::into_inner);
            merge.take(seed, ran, plan.max_failures);
            if merge.failures >= plan.max_failures {
                is_over.store(true, Ordering::Relaxed);
            }
            let (seeds_run, failures) = (merge.finished, merge.failures);
            on_progress(&Progress { seeds_run, counts: &merge.counts, failures });
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..plan.threads {
            scope.spawn(work);
        }
        work();
    });
    merge.into_inner().unwrap_or_else(PoisonError::into_inner).summary
}

impl Merge {
    fn new(first: u64) -> Self {
        Merge {
            next: first,
            early: BTreeMap::new(),
            summary: Summary::default(),
            counts: Counts::default(),
            finished: 0,
            failures: 0,
        }
    }

    fn take(&mut self, seed: u64, ran: Ran, max_failures: usize) {
        self.counts.add(&ran.counts);
        self.finished += 1;
        self.failures += usize::from(ran.how.is_some());
        self.early.insert(seed, ran);
        while let Some(ran) = self.early.remove(&self.next) {
            if self.summary.failures.len() < max_failures {
                self.summary.add(self.next, ran);
            }
            self.next += 1;
        }
    }
}

impl Summary {
    fn add(&mut self, seed: u64, ran: Ran) {
        self.seeds_run += 1;
        self.counts.add(&ran.counts);
        for (name, count) in ran.marks {
            *self.marks.entry(name).or_default() += count;
        }
        self.failures.extend(ran.how.map(|how| Failure { seed, how }));
        self.inconclusive.extend(ran.inconclusive.map(|why| (seed, why)));
    }

    /// The marks of these lists that no run has reached, in their order.
    #[must_use]
    pub fn never_reached(&self, listed: &[&[Mark]]) -> Vec<&'static str> {
        let names = listed.iter().flat_map(|marks| marks.iter().map(|mark| mark.0));
        names.filter(|name| !self.marks.contains_key(name)).collect()
    }
}

/// Runs a seed, and if it fails once more.
fn run_seed(seed: u64, job: &(dyn Fn(u64) -> Outcome + Sync)) -> Ran {
    let outcome = match guarded(seed, job) {
        Ok(outcome) => outcome,
        Err(words) => return Ran::panicked(words),
    };
    let digest = outcome.trace.digest();
    let Outcome { violation, inconclusive, counts, marks, .. } = outcome;
    let how = violation.map(|violation| match guarded(seed, job) {
        Err(words) => How::Panicked { words },
        Ok(again) if again.trace.digest() == digest && again.violation.as_ref() == Some(&violation) => {
            How::Broken(violation)
        }
        Ok(again) => {
            let digests = [digest, again.trace.digest()];
            How::NotDeterministic { found: [Some(violation), again.violation], digests }
        }
    });
    Ran { counts, marks, how, inconclusive }
}

/// One run that went wrong must not end all others.
fn guarded(seed: u64, job: &(dyn Fn(u64) -> Outcome + Sync)) -> Result<Outcome, String> {
    // Nothing that the run has touched is looked at afterwards.
    catch_unwind(AssertUnwindSafe(|| job(seed))).map_err(|panic| words_of(&*panic))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it panicked without words".to_owned())
}

impl Ran {
    fn panicked(words: String) -> Self {
        let how = Some(How::Panicked { words });
        Ran { counts: Counts::default(), marks: BTreeMap::new(), how, inconclusive: None }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            How::Broken(violation) => write!(f, "{violation}"),
            How::NotDeterministic { digests: [first, second], found } => {
                let found = found.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                write!(f, "not deterministic: run twice it gave {first:016x} and {second:016x} ({found})")
            }
            How::Panicked { words } => write!(f, "the simulator panicked: {words}"),
        }
    }
}

#[cfg(test)]
mod tests;
