//! Sequential and causal consistency, PRAM, session guarantees.
//!
//! **Problem.** Which of the object levels below linearizability does a history keep? Real time does not count, only the order of sessions.
//!
//! **Idea.** Where each value that was read has one writer, causal levels, PRAM and the guarantees are each the absence of a circle,
//! found in polynomial time. Sequential consistency, and everything for other models, takes a search; what the levels
//! imply of one another, and complete enumeration of small histories, decides some of the rest. The remainder is unknown.
//!
//! **Definitions.** An operation whose outcome is in doubt has an effect and no result; it is the last of its session, so having it happen
//! never hurts. The *effect* of an operation is what it does when its result is not looked at. A sequence is legal if
//! each operation in it whose result is looked at gives that result.
//!
//! | level | there is … |
//! |---|---|
//! | sequential | one order of all operations that extends all sessions' orders and is legal |
//! | PRAM | for each session such an order, in which only its own results are looked at |
//! | causal (CC) | a partial order of causes that extends the sessions' orders, and for each operation an order of its causes, extending that one, after which it gives its result |
//! | causal memory (CM) | the same, where the results of causes in the operation's own session are looked at too |
//! | causal convergence (CCv) | the same as CC, with one total order of which all those orders are parts |
//! | a session guarantee | for each session `s` one order `ar` of all effects, and for each operation `o` of `s` a set `vis(o)` of effects, without those of `s` from `o` on, after which in the order `ar` it gives its result; and … |
//! | read-your-writes | `vis(o)` has all earlier operations of `s`, and `ar` keeps their order |
//! | monotonic reads | `vis(o)` contains `vis` of each earlier operation of `s` |
//! | monotonic writes | `ar` extends all sessions' orders, and `vis(o)` has with an effect all earlier ones of its session |
//! | writes-follow-reads | every operation `r` read from a set `rf(r)`, which in some order explains its result alone, and is part of `vis(r)`; for each `w` not before `r` in `r`'s session, `ar` puts `rf(r)` before `w`, and `vis(o)` has `rf(r)` if it has `w` |
//!
//! **Invariant:** `Holds` and `Violated` are proved; models for which nothing here decides get `Unknown`.
//!
//! Sources: [`crate::level`] and each submodule. Deviations: the session guarantees of Terry et al. 1994 speak of real servers; here some
//! choice of views must keep them.

mod case;
mod causal;
mod clocks;
mod facts;
mod graph;
mod guarantees;
mod report;
mod search;
mod sequential;
mod small;
mod views;

use crate::history::History;
use crate::level::Level;
use crate::limits::{Budget, Exhausted};
use crate::model::{Item, Model};
use crate::verdict::{Cause, Refutation, Sequence, Stuck, Verdict, View, Violation, Witness};
use case::{Case, unknown};
use facts::{Facts, Found, Results};
use report::Anomaly;
use search::{Hints, Outcome, search};

/// The levels that are decided here, strongest first.
pub const ORDER_LEVELS: [Level; 9] = [
    Level::Sequential,
    Level::CausalMemory,
    Level::CausalConvergence,
    Level::Causal,
    Level::Pram,
    Level::ReadYourWrites,
    Level::MonotonicReads,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
];

/// Decides one of [`ORDER_LEVELS`]. `items` are those of `history`, by `from`.
///
/// # Panics
/// For any other level.
pub fn decide<M: Model>(
    level: Level,
    model: &M,
    items: &[Item<M::Call>],
    history: &History,
    budget: &Budget<'_>,
) -> Verdict {
    assert!(ORDER_LEVELS.contains(&level), "{level} is not decided here");
    let verdict = || {
        let _held = budget.hold((items.len() * 160) as u64)?;
        let case = Case::new(model, items, history, budget);
        decide_case(&case, level)
    };
    let progress = || format!("{} steps for {} operations", budget.steps(), items.len());
    verdict().unwrap_or_else(|why| unknown(Cause::Exhausted(why), progress()))
}

fn decide_case<M: Model>(case: &Case<'_, M>, level: Level) -> Result<Verdict, Exhausted> {
    let results = if level == Level::Sequential { Results::All } else { Results::Own };
    let facts = match Facts::find(case, results)? {
        Found::Unwritten(op) => return Ok(report::unwritten(case, op)),
        Found::Facts(facts, held) => Some((facts, held)),
        Found::Nothing => None,
    };
    let facts = facts.as_ref().map(|(facts, _)| facts);
    if level == Level::Sequential {
        return sequential::decide(case, facts);
    }
    let decided = match (facts, level) {
        (None, _) => None,
        (Some(facts), Level::Causal | Level::CausalConvergence) => causal::decide(case, facts, level)?,
        (Some(facts), Level::CausalMemory | Level::Pram) => views::decide(case, facts, level)?,
        (Some(facts), _) => guarantees::decide(case, facts, level)?,
    };
    match decided {
        Some(verdict) => Ok(verdict),
        None => generic(case, level),
    }
}

/// Decides without knowing what was read from where.
fn generic<M: Model>(case: &Case<'_, M>, level: Level) -> Result<Verdict, Exhausted> {
    /// Steps for trying a stronger level: enough for what is nearly linearizable.
    const TRY: u64 = 1 << 16;
    let steps = TRY + 4 * case.len() as u64;
    let found = Facts::find(case, Results::All)?;
    let facts = if let Found::Facts(facts, _) = &found { Some(facts) } else { None };
    let hints = Hints { own: None, clocks: None, facts, steps };
    if let Outcome::Order(order) = search(case, hints)? {
        return Ok(by_one_order(case, level, order));
    }
    let pram = pram(case, if level == Level::Pram { u64::MAX } else { steps })?;
    match (pram, level) {
        (verdict, Level::Pram) => return Ok(verdict),
        (Verdict::Violated(violation), Level::CausalMemory) => {
            let Violation { ops, reason, .. } = *violation;
            let refutation = Refutation::Implied(Level::Pram);
            let violation = Violation { anomaly: "PRAM violated", ops, reason, refutation };
            return Ok(Verdict::Violated(Box::new(violation)));
        }
        (Verdict::Holds(_), Level::ReadYourWrites | Level::MonotonicReads | Level::MonotonicWrites) => {
            return Ok(Verdict::Holds(Witness::Implied(Level::Pram)));
        }
        _ => {}
    }
    if case.len() > small::MOST {
        let what = "values do not tell what was read from where, and there are too many operations to try all causes";
        return Ok(unknown(Cause::NoMethod, what));
    }
    if small::holds(case, level)? {
        return Ok(Verdict::Holds(Witness::Argument(
            "all choices of causes and views were tried, and one explains all",
        )));
    }
    let stuck = Stuck { scope: String::new(), order: Vec::new(), state: String::new(), blocked: Vec::new() };
    let anomaly =
        Anomaly { name: "no explanation", meaning: "No choice of causes and views explains all results" };
    Ok(sequential::stuck_at(case, stuck, anomaly))
}

/// Sequential consistency holds with this order, so all the others do.
fn by_one_order<M: Model>(case: &Case<'_, M>, level: Level, order: Vec<u32>) -> Verdict {
    let order = case.ids(order);
    let witness = match level {
        Level::CausalConvergence => Witness::Orders(vec![Sequence { scope: String::new(), ops: order }]),
        Level::CausalMemory | Level::Pram => {
            let sessions = case.sessions.ops.iter().map(|ops| case.items[ops[0] as usize].session);
            Witness::Views(sessions.map(|session| View { session, op: None, order: order.clone() }).collect())
        }
        _ => Witness::Implied(Level::Sequential),
    };
    Verdict::Holds(witness)
}

/// PRAM of any model: one search for each session.
fn pram<M: Model>(case: &Case<'_, M>, steps: u64) -> Result<Verdict, Exhausted> {
    const NO_VIEW: Anomaly = Anomaly {
        name: "writes out of order",
        meaning: "No order of all effects explains one session's results",
    };
    let mut views = Vec::new();
    for (own, ops) in case.sessions.ops.iter().enumerate() {
        let session = case.items[ops[0] as usize].session;
        match search(case, Hints { own: Some(own), clocks: None, facts: None, steps })? {
            Outcome::Order(order) => views.push(View { session, op: None, order: case.ids(order) }),
            Outcome::Stuck(mut stuck) => {
                stuck.scope = format!("session {}", case.history.sessions[session.0 as usize]);
                return Ok(sequential::stuck_at(case, stuck, NO_VIEW));
            }
            Outcome::GaveUp(placed) => {
                let progress = format!("{placed} of {} operations placed for one session", case.len());
                return Ok(unknown(Cause::NoMethod, progress));
            }
        }
    }
    Ok(Verdict::Holds(Witness::Views(views)))
}
