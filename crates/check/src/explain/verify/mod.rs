//! Confirms verdicts without trusting whoever gave them.
//!
//! **Idea.** To find a proof is hard, to check one is easy. An order of operations is replayed; a circle is confirmed edge by edge from
//! the raw history; a small stuck history is searched by trying everything. Each of these programs is naive on purpose, shares no
//! code with the checkers, and may be read on its own:
//!
//! | file | confirms |
//! |---|---|
//! | `operations.rs` | nothing: it reads a history as operations on objects |
//! | `replay.rs` | one order of operations on objects: linearizable, sequential |
//! | `views.rs` | one order per session: PRAM and causal memory |
//! | `facts.rs` | nothing: who read from whom, and what caused what |
//! | `causes.rs` | causal consistency and convergence |
//! | `guarantees.rs` | one order of writes per session: the session guarantees |
//! | `commits.rs` | an order of commits: serializability and snapshot isolation, plain and strong |
//! | `visible.rs` | an order of commits: read committed, read atomic, transactional causal consistency |
//! | `objects.rs`, `txns.rs` | whole verdicts, with the edges of circles |
//! | `exhaust.rs` | that no order exists, by trying all |
//!
//! **Invariant:** `Confirmed` follows from the history, the sequential specification and the files above alone. What they cannot
//! confirm is `Unconfirmed`, with the reason; only a certificate that is wrong is a [`Flaw`].

mod causes;
mod commits;
mod exhaust;
mod facts;
mod guarantees;
mod objects;
mod operations;
mod replay;
mod txns;
mod views;
mod visible;

pub use objects::Objects;
pub use txns::Txns;

use crate::history::OpId;
use crate::level::Level;
use crate::limits::Exhausted;
use crate::verdict::{Refutation, Relation, Report, Verdict, Witness};

/// What became of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    /// It proves the verdict.
    Confirmed,
    /// It may or may not.
    Unconfirmed(Why),
    /// It does not.
    Flawed(Flaw),
}

/// Why a certificate could not be checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    /// There is nothing to confirm.
    #[error("the verdict is unknown")]
    Undecided,
    /// Trying everything would take too long.
    #[error("too many orders to try them all")]
    TooMany,
    /// What is named violates the level, and leaves out what its operations lean on.
    #[error("the operations named lean on others that are not named")]
    NotClosed,
    /// It is an argument in words.
    #[error("the proof is an argument, not an order")]
    Argument,
    /// No program here does it.
    #[error("there is no independent check of such a proof for {0}")]
    NoMethod(Level),
    /// It follows from another verdict, which is not confirmed either.
    #[error("it rests on the verdict for {0}")]
    RestsOn(Level),
    /// A limit was reached.
    #[error("{0}")]
    Exhausted(Exhausted),
}

/// What is wrong with a certificate.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// It names no operation of the history, or one that the model does not have.
    #[error("operation {} is not in the history", .0.0)]
    NoSuchOp(OpId),
    /// It orders an operation that failed.
    #[error("operation {} did not happen", .0.0)]
    Failed(OpId),
    /// An operation that happened stands nowhere.
    #[error("operation {} happened and is missing", .0.0)]
    Missing(OpId),
    /// An operation stands twice.
    #[error("operation {} stands twice", .0.0)]
    Twice(OpId),
    /// The operations of one object, or of one level that needs one order, stand in several orders.
    #[error("operation {} stands in an order of its own", .0.0)]
    Apart(OpId),
    /// The order contradicts the history.
    #[error("operation {} stands before {}, which came first ({})", .first.0, .second.0, .relation)]
    OutOfOrder {
        /// Stands first.
        first: OpId,
        /// Stands later, and came first.
        second: OpId,
        /// By which order.
        relation: Relation,
    },
    /// The operation cannot give its result where it stands.
    #[error("operation {} cannot give its result where it stands", .0.0)]
    Illegal(OpId),
    /// A proof of this form says nothing about this level.
    #[error("a proof of this form says nothing about {0}")]
    WrongForm(Level),
    /// One level does not follow from the other.
    #[error("{level} does not follow from {by}")]
    NotImplied {
        /// Claimed.
        level: Level,
        /// From this.
        by: Level,
    },
    /// The other verdict is not what it is said to be.
    #[error("there is no such verdict for {0}")]
    NoSuchVerdict(Level),
    /// The edges form no circle.
    #[error("the edges form no circle at operation {}", .0.0)]
    NotClosed(OpId),
    /// The history does not have an edge.
    #[error("nothing orders operation {} before {} ({relation})", .from.0, .to.0)]
    NoSuchEdge {
        /// The earlier.
        from: OpId,
        /// The later.
        to: OpId,
        /// Claimed.
        relation: Relation,
    },
    /// The level says nothing about such a circle.
    #[error("{0} permits such a circle")]
    Permitted(Level),
    /// The circle or the stuck search takes an operation that the violation does not name.
    #[error("operation {} is not among those that the violation names", .0.0)]
    NotNamed(OpId),
    /// The operations that are said to violate the level do not.
    #[error("the operations named have a legal order")]
    OrderExists,
    /// The history does not order operations of different sessions.
    #[error("the history says nothing of real time")]
    NoRealTime,
}

/// An error of this module's parts: no confirmation.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Objection {
    Unconfirmed(Why),
    Flaw(Flaw),
}

impl From<Flaw> for Objection {
    fn from(flaw: Flaw) -> Self {
        Objection::Flaw(flaw)
    }
}

impl From<Why> for Objection {
    fn from(why: Why) -> Self {
        Objection::Unconfirmed(why)
    }
}

impl From<Exhausted> for Objection {
    fn from(what: Exhausted) -> Self {
        Objection::Unconfirmed(Why::Exhausted(what))
    }
}

impl From<Result<(), Objection>> for Check {
    fn from(result: Result<(), Objection>) -> Self {
        match result {
            Ok(()) => Check::Confirmed,
            Err(Objection::Unconfirmed(why)) => Check::Unconfirmed(why),
            Err(Objection::Flaw(flaw)) => Check::Flawed(flaw),
        }
    }
}

/// Checks every verdict of a report. Verdicts that rest on others are as good as those.
fn report(report: &Report, confirm: &dyn Fn(Level, &Verdict) -> Check) -> Vec<(Level, Check)> {
    let own: Vec<(Level, Check)> =
        report.levels.iter().map(|(level, verdict)| (*level, confirm(*level, verdict))).collect();
    let resolve = |start: Level| {
        let mut level = start;
        // A chain of verdicts that rest on one another is no longer than there are levels.
        for _ in 0..=report.levels.len() {
            let Some(at) = report.levels.iter().position(|(other, _)| *other == level) else {
                return Check::Flawed(Flaw::NoSuchVerdict(level));
            };
            let (same, first) =
                (&report.levels[at].1, report.levels.iter().find(|(other, _)| *other == start));
            if first.is_some_and(|(_, first)| first.answer() != same.answer()) {
                return Check::Flawed(Flaw::NoSuchVerdict(level));
            }
            match own[at].1 {
                Check::Unconfirmed(Why::RestsOn(next)) => level = next,
                ref check => return check.clone(),
            }
        }
        Check::Flawed(Flaw::NoSuchVerdict(start))
    };
    report.levels.iter().map(|(level, _)| (*level, resolve(*level))).collect()
}

/// What follows from another level's verdict.
fn implied(level: Level, verdict: &Verdict) -> Option<Result<(), Objection>> {
    let (by, follows) = match verdict {
        Verdict::Holds(Witness::Implied(by)) => (*by, by.is_at_least(level)),
        Verdict::Violated(violation) => match violation.refutation {
            Refutation::Implied(by) => (by, level.is_at_least(by)),
            _ => return None,
        },
        _ => return None,
    };
    Some(if follows && by != level {
        Err(Why::RestsOn(by).into())
    } else {
        Err(Flaw::NotImplied { level, by }.into())
    })
}
