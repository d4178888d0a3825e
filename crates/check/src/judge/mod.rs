//! Everything about one history: each level's verdict, the strongest that held, and why the others did not.
//!
//! **Idea.** Each decision is made once, strongest level first, and entered on a board together with what it implies, so that a
//! linearizable history costs one decision and not ten. A violation is then reduced to its smallest form.
//!
//! **Invariant:** the levels of a report never contradict the lattice of [`Level::implies`].

mod board;
mod confirm;
mod objects;
mod project;
mod transactions;

use crate::history::{History, OpId};
use crate::level::{Level, OBJECT_LEVELS, TXN_LEVELS};
use crate::limits::{Budget, Runner};
use crate::model::BadOperation;
use crate::subject::Subject;
use crate::txn::BadTxn;
use crate::verdict::{Refutation, Report, Verdict, Violation};
use crate::workload;
use board::Board;
pub use confirm::confirm;

/// Gives out what decisions may take, and hears what is being done.
pub trait Allowance {
    /// A budget for one phase. It ends when the next is asked for.
    fn budget(&self, phase: &str, share: Share) -> Budget<'_>;
}

/// How much of what is left one phase may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// A part: others come after it that should get some too.
    Part,
    /// All.
    Rest,
}

/// No limit at all: for tests and small histories.
pub struct Unlimited;

impl Allowance for Unlimited {
    fn budget(&self, _: &str, _: Share) -> Budget<'_> {
        Budget::unlimited()
    }
}

/// How to judge.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Only this level, and what its decision tells of others. All if none.
    pub level: Option<Level>,
    /// Time and memory.
    pub allowance: &'a dyn Allowance,
    /// Threads.
    pub runner: &'a dyn Runner,
}

/// A history that does not fit what it is judged as.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadHistory {
    /// The model has no such operation.
    #[error(transparent)]
    Operation(#[from] BadOperation),
    /// Not a transaction.
    #[error(transparent)]
    Txn(#[from] BadTxn),
    /// The level speaks of other things than the model.
    #[error("{level} is no level of a {model}; its levels are {}", list(.levels))]
    Level {
        /// What was asked for.
        level: Level,
        /// The model's name.
        model: &'static str,
        /// What can be asked for.
        levels: Vec<Level>,
    },
}

fn list(levels: &[Level]) -> String {
    levels.iter().map(|level| level.name()).collect::<Vec<_>>().join(", ")
}

impl BadHistory {
    /// The operation that does not fit.
    pub fn op(&self) -> Option<OpId> {
        match self {
            BadHistory::Operation(bad) => Some(bad.op),
            BadHistory::Txn(bad) => Some(bad.op),
            BadHistory::Level { .. } => None,
        }
    }
}

/// The levels that make sense for a subject, strongest first.
pub fn levels(subject: Subject) -> &'static [Level] {
    match subject {
        Subject::Objects(_) => &OBJECT_LEVELS,
        Subject::Txns(_) => &TXN_LEVELS,
        Subject::Workload(_) => &[Level::Invariant],
    }
}

/// The level that a history of such a subject is held against unless somebody says otherwise: the strongest of which it can tell.
pub fn demanded(subject: Subject, history: &History) -> Level {
    let knows = |level: &&Level| history.order == crate::history::Order::RealTime || !level.needs_real_time();
    *levels(subject).iter().find(knows).expect("each subject has a level without real time")
}

/// Judges a history as a subject.
///
/// # Errors
/// If an operation does not fit the subject, or the level does not.
///
/// # Panics
/// If two methods contradict each other: a bug in a checker.
pub fn judge(history: &History, subject: Subject, settings: Settings<'_>) -> Result<Report, BadHistory> {
    let fitting = levels(subject);
    if let Some(level) = settings.level.filter(|level| !fitting.contains(level)) {
        return Err(BadHistory::Level { level, model: subject.name(), levels: fitting.to_vec() });
    }
    match subject {
        Subject::Objects(kind) => kind.visit(objects::Objects { history, settings }),
        Subject::Txns(kind) => transactions::judge(history, kind, settings),
        Subject::Workload(workload) => {
            let budget = settings.allowance.budget(subject.name(), Share::Rest);
            Ok(workload::check(workload, history, &budget)?)
        }
    }
}

/// Puts the smallest form of each violation in its place, and tells those that are implied by it of it.
fn reduce_violations(
    verdicts: &mut [(Level, Verdict)],
    mut smallest: impl FnMut(Level, &Violation) -> Option<Violation>,
) {
    let mut reduced: Vec<(Level, Violation)> = Vec::new();
    for (level, verdict) in verdicts.iter_mut() {
        if let Verdict::Violated(violation) = verdict
            && !matches!(violation.refutation, Refutation::Implied(_))
            && let Some(smaller) = smallest(*level, violation)
        {
            reduced.push((*level, smaller.clone()));
            **violation = smaller;
        }
    }
    for (_, verdict) in verdicts {
        if let Verdict::Violated(violation) = verdict
            && let Refutation::Implied(weaker) = violation.refutation
            && let Some((_, smaller)) = reduced.iter().find(|(level, _)| *level == weaker)
        {
            **violation = smaller.implied_by(weaker);
        }
    }
}

impl Report {
    /// The verdict for a level, if there is one.
    pub fn verdict(&self, level: Level) -> Option<&Verdict> {
        self.levels.iter().find(|(at, _)| *at == level).map(|(_, verdict)| verdict)
    }

    /// The levels that hold and that no other level that holds implies: usually one.
    pub fn strongest(&self) -> Vec<Level> {
        let holding = || {
            let holds = |verdict: &Verdict| matches!(verdict, Verdict::Holds(_));
            self.levels.iter().filter(move |(_, verdict)| holds(verdict)).map(|(level, _)| *level)
        };
        let is_weaker = |level: Level| holding().any(|other| other != level && other.is_at_least(level));
        holding().filter(|level| !is_weaker(*level)).collect()
    }
}
