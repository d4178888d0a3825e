//! Which isolation levels a history of transactions keeps: complete decisions.
//!
//! **Problem.** A level holds if some execution of it explains every read. Above transactional causal consistency that is NP-complete in
//! general (Papadimitriou 1979; Biswas & Enea 2019), below it is polynomial.
//!
//! **Idea.** What reads reveal becomes a graph. The weak levels add edges until nothing more follows, and hold if there is no
//! circle (`weak`, `causal`); the strong ones search for the order of those versions that nobody saw in order
//! (`strong`). All definitions stand in `docs/isolation-levels.md`.
//!
//! **Invariant:** `Holds` comes with a commit order from which the level's condition can be checked in linear time, `Violated` with
//! a circle.
//!
//! Source: Biswas & Enea, *On the Complexity of Checking Transactional Consistency*, OOPSLA 2019 (weak levels); Adya 1999 and
//! Cerone & Gotsman 2018 (strong ones). Deviation: a list shows the order of its appends, and every commit order must agree
//! with it.

mod cast;
mod causal;
mod choices;
mod circle;
mod graph;
mod live;
mod polygraph;
mod reads;
mod rows;
mod segments;
mod strong;
mod weak;
mod words;

#[cfg(test)]
mod tests;

use super::{Txns, Versions};
use crate::history::{History, Order};
use crate::level::Level;
use crate::limits::{Budget, Exhausted};
use crate::verdict::{Cause, Unknown, Verdict};
use cast::Cast;
use polygraph::Shape;
use strong::Respects;

/// Why a decision was given up, and how far it came.
struct Halted {
    why: Exhausted,
    progress: String,
}

impl From<Exhausted> for Halted {
    fn from(why: Exhausted) -> Self {
        Halted { why, progress: String::new() }
    }
}

fn halted(why: Exhausted, progress: String) -> Halted {
    Halted { why, progress }
}

/// Decides one of [`crate::level::TXN_LEVELS`]; any other level is `Unknown`.
///
/// `versions` has one entry for each key of `txns`. Reads of values that nobody wrote, of aborted or intermediate writes, and
/// transactions that contradict themselves must have been found before: they are not looked for here.
pub fn decide(
    level: Level,
    txns: &Txns,
    versions: &[Versions],
    history: &History,
    budget: &Budget<'_>,
) -> Verdict {
    let decided = try_decide(level, txns, versions, history, budget);
    decided.unwrap_or_else(|Halted { why, progress }| {
        let progress = if progress.is_empty() {
            format!("what is known of {} transactions was being ordered", txns.txns.len())
        } else {
            progress
        };
        Verdict::Unknown(Unknown { cause: Cause::Exhausted(why), progress })
    })
}

fn try_decide(
    level: Level,
    txns: &Txns,
    versions: &[Versions],
    history: &History,
    budget: &Budget<'_>,
) -> Result<Verdict, Halted> {
    let mut held = budget.hold(0)?;
    let cast = Cast::new(txns, versions, &mut held)?;
    let strong = |shape, respects| strong::decide(shape, respects, &cast, history, budget);
    match level {
        Level::StrictSerializable => in_time(history, |respects| strong(Shape::Serial, respects)),
        Level::StrongSessionSerializable => strong(Shape::Serial, Respects::Sessions),
        Level::Serializable => strong(Shape::Serial, Respects::Nothing),
        Level::StrongSnapshotIsolation => in_time(history, |respects| strong(Shape::Snapshot, respects)),
        Level::StrongSessionSnapshotIsolation => strong(Shape::Snapshot, Respects::Sessions),
        Level::SnapshotIsolation => strong(Shape::Snapshot, Respects::Nothing),
        Level::TransactionalCausal => Ok(causal::decide(&cast, history, budget)?),
        Level::ReadAtomic => Ok(weak::read_atomic(&cast, history, budget)?),
        Level::ReadCommitted => Ok(weak::read_committed(&cast, history, budget)?),
        _ => {
            let progress = format!("{level} is no level of transactions");
            Ok(Verdict::Unknown(Unknown { cause: Cause::NoMethod, progress }))
        }
    }
}

/// Decides a level of real time. If the history knows none, a violation of sessions still is one, and nothing else is known.
fn in_time(
    history: &History,
    decide: impl Fn(Respects) -> Result<Verdict, Halted>,
) -> Result<Verdict, Halted> {
    if history.order == Order::RealTime {
        return decide(Respects::RealTime);
    }
    match decide(Respects::Sessions)? {
        Verdict::Holds(_) => {
            let progress = "it holds with sessions in the place of real time".to_owned();
            Ok(Verdict::Unknown(Unknown { cause: Cause::NoRealTime, progress }))
        }
        other => Ok(other),
    }
}
