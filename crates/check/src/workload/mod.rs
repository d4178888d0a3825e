//! Checks of one invariant each.
//!
//! **Problem.** Some tests ask less than consistency: is money kept, is every added element there, is every id new? **Idea.** Each
//! invariant is one pass over the history, by Jepsen's rules where they are certain; where Jepsen guesses, the answer is unknown.
//!
//! **Invariant:** a violation's operations, alone, violate the invariant too. An invariant about which a history says nothing, as when
//! no read succeeded, is neither held nor violated.
//!
//! Source: the checkers and workloads of Jepsen 0.3; each file says where it deviates.

mod bank;
mod counter_bounds;
mod findings;
mod kind;
mod long_fork;
mod set_full;
mod total_queue;
mod unique_ids;

pub use bank::Bank;
pub use kind::{NoSuchWorkload, Workload};
pub use set_full::SetFull;

use crate::history::History;
use crate::limits::{Budget, Exhausted};
use crate::model::BadOperation;
use crate::verdict::Report;

/// Judges a history by one invariant, with the options that Jepsen takes if none are given; [`Bank`] and [`SetFull`] have others.
///
/// # Errors
/// At an operation that the workload does not have.
pub fn check(kind: Workload, history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
    match kind {
        Workload::Bank => Bank::default().check(history, budget),
        Workload::CounterBounds => counter_bounds::check(history, budget),
        Workload::SetFull => SetFull::default().check(history, budget),
        Workload::TotalQueue => total_queue::check(history, budget),
        Workload::UniqueIds => unique_ids::check(history, budget),
        Workload::LongFork => long_fork::check(history, budget),
    }
}

/// Why a check came to no result.
enum Stop {
    Bad(BadOperation),
    Exhausted(Exhausted),
}

impl From<BadOperation> for Stop {
    fn from(bad: BadOperation) -> Self {
        Stop::Bad(bad)
    }
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Self {
        Stop::Exhausted(exhausted)
    }
}
