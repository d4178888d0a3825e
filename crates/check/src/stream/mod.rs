//! Checks in bounded memory.
//!
//! **Problem.** A history may not fit into memory, and a service may want an answer while it runs. **Idea.** Events come one at a time
//! and are forgotten; each check keeps what it still needs, counts it against the budget, and answers unknown rather than forget
//! something that an answer depends on.
//!
//! **Invariant:** an answer here is never contradicted by the check of the whole history. What is kept is stated by each check:
//!
//! | check | keeps |
//! |---|---|
//! | [`Sessions`] | per session and key the last version read and written; per key the runs of written numbers |
//! | [`SetCheck`] | runs of numbers that were added (other elements one by one), and what was added while the reads that are open were |
//! | [`CounterCheck`] | open operations, and reads whose answer depends on them |
//! | [`RegisterCheck`] | per key the events since the oldest open call, and the states that are possible |
//!
//! All of them keep the calls that are open. Operations have the [`OpId`] that they would have in the whole history.

mod counter;
mod elements;
mod register;
mod sessions;
mod set;
mod steps;

pub use counter::CounterCheck;
pub use register::RegisterCheck;
pub use sessions::{Sessions, Versions};
pub use set::SetCheck;
pub use steps::{Called, Ended, Step};

use crate::format::{BadInput, Event};
use crate::history::{OpId, Value};
use crate::level::Level;
use crate::limits::{Budget, Exhausted};
use crate::verdict::{Cause, Finding, Refutation, Report, Unknown, Verdict, Violation};
use steps::Steps;

/// A check that sees each step once.
pub trait Check {
    /// Takes the next step. The first error ends the check.
    ///
    /// # Errors
    /// If no answer can be given any more.
    fn step(&mut self, step: &Step<'_>) -> Result<(), Stop>;

    /// The answer; `stopped` says why the history was not seen to its end, if it was not.
    fn finish(self, stopped: Option<&Stop>) -> Report;
}

/// Why a check gave up.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stop {
    /// A limit was reached.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The history orders sessions only, and the check speaks of real time.
    #[error("the history says nothing of real time")]
    NoRealTime,
    /// An operation that the check does not know.
    #[error("{f} {given} is not an operation of this check, which has {known}")]
    Unfit {
        /// What was called.
        f: String,
        /// Its argument or result.
        given: String,
        /// What can be called.
        known: &'static str,
    },
}

impl Stop {
    fn unfit(called: &Called, given: &Value, known: &'static str) -> Stop {
        Stop::Unfit { f: called.f.to_string(), given: given.to_string(), known }
    }

    /// The answer that it leaves.
    fn verdict(&self, progress: String) -> Verdict {
        let (cause, progress) = match self {
            Stop::Exhausted(exhausted) => (Cause::Exhausted(*exhausted), progress),
            Stop::NoRealTime => (Cause::NoRealTime, progress),
            Stop::Unfit { .. } => (Cause::NoMethod, format!("{self}; {progress}")),
        };
        Verdict::Unknown(Unknown { cause, progress })
    }
}

/// Runs a check over events, such as those of [`crate::format::events`].
///
/// # Errors
/// If an event is bad. What was found before it is lost with it.
pub fn run<C: Check>(
    events: impl IntoIterator<Item = Result<Event, BadInput>>,
    name: &str,
    mut check: C,
    budget: &Budget<'_>,
) -> Result<Report, BadInput> {
    let mut steps = Steps::new(budget);
    for event in events {
        let event = event?;
        let line = event.line;
        let taken = steps.push(event, &mut |step| check.step(step));
        match taken.map_err(|reason| BadInput { file: name.into(), line, reason })? {
            Ok(()) => {}
            Err(stop) => return Ok(check.finish(Some(&stop))),
        }
    }
    Ok(check.finish(None))
}

/// How far a check came, in words.
fn progress(op_count: u64) -> String {
    format!("{op_count} operations seen")
}

/// A violation that the operations show by themselves.
fn fact(anomaly: &'static str, mut ops: Vec<OpId>, reason: String) -> Violation {
    ops.sort_unstable();
    ops.dedup();
    Violation { anomaly, ops, reason, refutation: Refutation::Fact }
}

/// A violated level with its finding.
fn violated(level: Level, violation: Violation) -> (Verdict, Finding) {
    let finding = Finding { violation: violation.clone(), rules_out: vec![level] };
    (Verdict::Violated(Box::new(violation)), finding)
}
