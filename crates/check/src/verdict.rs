//! Holds, violated or unknown, each with what proves it.
//!
//! **Invariant:** whoever answers `Holds` or `Violated` gives a certificate that somebody who trusts neither the checker nor its
//! author can confirm from the history alone ([`crate::explain`] does so).

use crate::history::{OpId, SessionId};
use crate::level::Level;
use crate::limits::Exhausted;
use std::fmt;

/// The answer for one level.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Some execution of the model gives this history.
    Holds(Witness),
    /// No execution of the model gives this history.
    Violated(Box<Violation>),
    /// It was not decided.
    Unknown(Unknown),
}

impl Verdict {
    /// Without the proof.
    pub fn answer(&self) -> Answer {
        match self {
            Verdict::Holds(_) => Answer::Holds,
            Verdict::Violated(_) => Answer::Violated,
            Verdict::Unknown(_) => Answer::Unknown,
        }
    }
}

/// A verdict without its proof.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Answer {
    /// It could have been.
    Holds,
    /// It could not have been.
    Violated,
    /// It was not decided.
    Unknown,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Answer::Holds => "holds",
            Answer::Violated => "violated",
            Answer::Unknown => "unknown",
        })
    }
}

/// What proves that a level holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Witness {
    /// One order of operations for each scope (all objects, or one each). Operations of unknown outcome that are missing never
    /// happened.
    Orders(Vec<Sequence>),
    /// An order for each session or operation that needs one of its own.
    Views(Vec<View>),
    /// An argument in words that the verifier knows how to check again, such as that a graph has no cycle.
    Argument(&'static str),
    /// A stronger level holds.
    Implied(Level),
}

/// An order of the operations on one object, or on all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sequence {
    /// Of which object, in words; empty for all.
    pub scope: String,
    /// In this order.
    pub ops: Vec<OpId>,
}

/// An order of operations as one session, or one operation, sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Whose session.
    pub session: SessionId,
    /// For which operation of it; for all of them if none.
    pub op: Option<OpId>,
    /// What is seen, in this order. Of other sessions' operations only the effects count, not their results.
    pub order: Vec<OpId>,
}

/// Why a level does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// By the literature's name: `stale read`, `G-single`, `lost update`, …
    pub anomaly: &'static str,
    /// The operations that it takes, ascending. On their own they violate the level too.
    pub ops: Vec<OpId>,
    /// In words.
    pub reason: String,
    /// The proof.
    pub refutation: Refutation,
}

impl Violation {
    /// The same violation, with other ids: operation `n` becomes `ids[n]`. So what was found in a part of a history
    /// ([`crate::history::History::restrict`]) is told of the whole.
    ///
    /// # Panics
    /// If it names an operation beyond `ids`.
    #[must_use]
    pub fn renumber(mut self, ids: &[OpId]) -> Violation {
        let new = |id: &mut OpId| *id = ids[id.at()];
        self.ops.iter_mut().for_each(new);
        match &mut self.refutation {
            Refutation::Cycle(edges) => edges.iter_mut().for_each(|edge| {
                new(&mut edge.from);
                new(&mut edge.to);
            }),
            Refutation::Stuck(stuck) => {
                stuck.order.iter_mut().for_each(new);
                stuck.blocked.iter_mut().for_each(|(id, _)| new(id));
            }
            Refutation::Fact | Refutation::Implied(_) => {}
        }
        self
    }

    /// What a stronger level's violation is, given this one of `weaker`.
    #[must_use]
    pub fn implied_by(&self, weaker: Level) -> Violation {
        Violation { refutation: Refutation::Implied(weaker), ..self.clone() }
    }
}

/// What proves a violation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refutation {
    /// Each edge must point forward in any execution, and they form a circle.
    Cycle(Vec<Edge>),
    /// A search tried every order.
    Stuck(Stuck),
    /// The operations contradict the model by themselves: a value that nobody wrote, a total that is wrong.
    Fact,
    /// A weaker level is violated.
    Implied(Level),
}

/// One operation must come before another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The earlier.
    pub from: OpId,
    /// The later.
    pub to: OpId,
    /// For what kind of reason.
    pub relation: Relation,
    /// For what reason, in words.
    pub why: String,
}

/// Why one operation must come before another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Relation {
    /// The same session did it before (`so`, Elle's `process`).
    Session,
    /// It returned before the other was called (`rt`).
    RealTime,
    /// The other read what it wrote (`wr`).
    WriteRead,
    /// The other overwrote what it wrote (`ww`).
    WriteWrite,
    /// The other overwrote what it read (`rw`).
    ReadWrite,
    /// By several of these in a row, or because the contrary leads to a circle.
    Derived,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Relation::Session => "so",
            Relation::RealTime => "rt",
            Relation::WriteRead => "wr",
            Relation::WriteWrite => "ww",
            Relation::ReadWrite => "rw",
            Relation::Derived => "→",
        })
    }
}

/// The farthest that a search came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stuck {
    /// Of which object, in words; empty for all.
    pub scope: String,
    /// The longest order that can be.
    pub order: Vec<OpId>,
    /// The state that it leads to, in words.
    pub state: String,
    /// Operations one of which must come next, and why each cannot.
    pub blocked: Vec<(OpId, String)>,
}

/// Why there is no verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// The cause.
    pub cause: Cause,
    /// How far it came, in words, such as `1200 of 5000 operations placed, 3 of 7 keys decided`.
    pub progress: String,
}

/// Why there is no verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A limit was reached.
    Exhausted(Exhausted),
    /// The history orders operations within sessions only, and the level speaks of real time.
    NoRealTime,
    /// No method decides this level for such a history; `progress` says what it lacks.
    NoMethod,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Exhausted(what) => write!(f, "{what}")?,
            Cause::NoRealTime => f.write_str("the history says nothing of real time")?,
            Cause::NoMethod => f.write_str("no method decides it")?,
        }
        if self.progress.is_empty() { Ok(()) } else { write!(f, "; {}", self.progress) }
    }
}

/// Everything that was found out about one history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// As which model it was judged.
    pub model: &'static str,
    /// Each level that makes sense for the model, strongest first.
    pub levels: Vec<(Level, Verdict)>,
    /// Anomalies by name, whichever levels they break.
    pub findings: Vec<Finding>,
    /// Figures by name, such as `lost` → `3`.
    pub facts: Vec<(String, String)>,
}

/// An anomaly, and the levels that it rules out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was found.
    pub violation: Violation,
    /// The weakest levels that forbid it; all above them are violated too.
    pub rules_out: Vec<Level>,
}
