//! The best scenario so far, and the one way to a better one.

use crate::scenario::Scenario;
use crate::violation::Violation;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Says what a scenario breaks first.
pub type Run<'a> = &'a mut dyn FnMut(&Scenario) -> Option<Violation>;

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// At most so many runs after the first.
    pub max_runs: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { max_runs: 2_000 }
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Shrunk {
    /// The smallest scenario that was found.
    pub scenario: Scenario,
    /// What it breaks.
    pub violation: Violation,
    /// How large it was before.
    pub before: Size,
    /// How large it is.
    pub after: Size,
    /// How many runs it took, without the first.
    pub runs: u64,
    /// Whether it could perhaps be made smaller with more runs.
    pub is_unfinished: bool,
}

/// How far a search is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Runs so far,
    pub runs: u64,
    /// of at most so many.
    pub max_runs: u64,
    /// What is being tried, in words.
    pub stage: &'static str,
    /// The best so far.
    pub size: Size,
}

/// How large a scenario is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "they are the lengths of the scenario's fields")]
pub struct Size {
    pub nodes: u64,
    pub faults: usize,
    pub clients: usize,
    pub operations: usize,
    pub faulty_ms: u64,
}

impl Size {
    /// A scenario's.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let clients: BTreeSet<u64> = scenario.operations.iter().map(|operation| operation.client).collect();
        Size {
            nodes: scenario.nodes,
            faults: scenario.faults.len(),
            clients: clients.len(),
            operations: scenario.operations.len(),
            faulty_ms: scenario.faulty_ms,
        }
    }
}

/// See the module.
pub(super) struct Search<'a> {
    best: Scenario,
    violation: Violation,
    before: Size,
    run: Run<'a>,
    on_run: &'a mut dyn FnMut(&Progress),
    max_runs: u64,
    runs: u64,
    accepted: u64,
    stage: &'static str,
    /// A cluster that could serve must not become one that cannot: it would be accused of that.
    must_serve: bool,
    /// Hashes of what was run already. If two scenarios had the same one, the second would not be tried, and nothing else.
    tried: BTreeSet<u64>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        scenario: Scenario,
        violation: Violation,
        run: Run<'a>,
        options: &Options,
        on_run: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        Search {
            before: Size::of(&scenario),
            must_serve: scenario.settings.can_serve(),
            tried: BTreeSet::from([hash(&scenario)]),
            best: scenario,
            violation,
            run,
            on_run,
            max_runs: options.max_runs,
            runs: 0,
            accepted: 0,
            stage: "",
        }
    }

    /// The smallest scenario so far that breaks the promise.
    pub(super) fn best(&self) -> &Scenario {
        &self.best
    }

    /// What that one breaks.
    pub(super) fn violation(&self) -> &Violation {
        &self.violation
    }

    /// How often a smaller one was found.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Whether there are no runs left.
    pub(super) fn is_exhausted(&self) -> bool {
        self.runs >= self.max_runs
    }

    pub(super) fn begin(&mut self, stage: &'static str) {
        self.stage = stage;
    }

    /// Runs a candidate. If it breaks the same promise it is the best from now on.
    pub(super) fn attempt(&mut self, candidate: Scenario) -> bool {
        if self.is_exhausted() {
            return false;
        }
        let is_sound = candidate.validate().is_ok() && (candidate.settings.can_serve() || !self.must_serve);
        if !is_sound || !self.tried.insert(hash(&candidate)) {
            return false;
        }
        self.runs += 1;
        let found = (self.run)(&candidate).filter(|found| found.invariant == self.violation.invariant);
        let is_accepted = found.is_some();
        if let Some(violation) = found {
            self.violation = violation;
            self.best = candidate;
            self.accepted += 1;
        }
        let size = Size::of(&self.best);
        (self.on_run)(&Progress { runs: self.runs, max_runs: self.max_runs, stage: self.stage, size });
        is_accepted
    }

    /// The same, with the best one changed.
    pub(super) fn attempt_with(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.attempt(candidate)
    }

    pub(super) fn into_shrunk(self) -> Shrunk {
        Shrunk {
            after: Size::of(&self.best),
            is_unfinished: self.is_exhausted(),
            scenario: self.best,
            violation: self.violation,
            before: self.before,
            runs: self.runs,
        }
    }
}

fn hash(scenario: &Scenario) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{scenario:?}").hash(&mut hasher);
    hasher.finish()
}
