//! Everything that is wrong with a history of transactions, by name.
//!
//! **Idea.** Infer who read from whom and which version came first; look at each transaction and each key for what is wrong by itself;
//! then at the graph of all edges for circles. Without a circle the graph is searched once.
//!
//! **Invariant:** each finding is true in every execution that gives this history, so the levels that it rules out are violated.
//! Without findings nothing is proved: [`super::isolation`] decides levels.
//!
//! Source: Adya 1999; Elle (VLDB 2020).

use super::assume::{Assumptions, circle};
use super::graph::Graph;
use super::infer::{Inference, infer};
use super::tally::{MAX_FINDINGS_PER_NAME, Tally};
use super::words::Words;
use super::{Kind, Txns, Versions, cyclic, direct};
use crate::history::{History, Order, Outcome};
use crate::level::Level;
use crate::limits::{Budget, Exhausted, Runner};
use crate::verdict::Finding;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Analysis {
    /// Anomalies: first what transactions and keys show by themselves, then circles, the gravest kind first.
    pub findings: Vec<Finding>,
    /// By key, for deciding levels.
    pub versions: Vec<Versions>,
    /// Why nothing can be said to hold, if values do not tell who wrote them; a level that is not violated is then unknown.
    pub ambiguous: Option<String>,
    /// Figures by name.
    pub facts: Vec<(String, String)>,
}

/// Finds all anomalies.
///
/// # Errors
/// If the budget is exhausted.
pub fn analyse(
    txns: &Txns,
    history: &History,
    budget: &Budget<'_>,
    runner: &dyn Runner,
) -> Result<Analysis, Exhausted> {
    analyse_with(Assumptions::default(), txns, history, budget, runner)
}

/// Finds all anomalies, and those that there are if the assumptions are true.
///
/// # Errors
/// If the budget is exhausted.
pub fn analyse_with(
    assumptions: Assumptions,
    txns: &Txns,
    history: &History,
    budget: &Budget<'_>,
    runner: &dyn Runner,
) -> Result<Analysis, Exhausted> {
    let mut held = budget.hold(0)?;
    let mut inference = infer(txns, &mut held, budget, runner)?;
    let mut tally = Tally::default();
    if txns.kind == Kind::RwRegister {
        let linearizable_keys = assumptions.linearizable_keys && history.order == Order::RealTime;
        let assumptions = Assumptions { linearizable_keys, ..assumptions };
        order_versions(assumptions, txns, history, &mut inference, &mut tally, budget)?;
    }
    let words = Words { txns, inference: &inference, history };
    direct::find(&words, &mut tally, budget)?;
    let graph = Graph::new(txns, &inference, history, &mut held, budget)?;
    let summary = cyclic::find(&graph, &words, &mut tally, budget)?;
    let ambiguous = ambiguous(&words);
    let (findings, counts) = tally.finish();
    let mut facts = figures(txns, &inference);
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("edges", graph.arc_count().to_string());
    fact("cyclic components", summary.components.to_string());
    if summary.cut_short > 0 {
        fact("searches for cycles cut short", summary.cut_short.to_string());
    }
    for (name, count) in counts {
        let told = count.min(MAX_FINDINGS_PER_NAME);
        fact(name, if told < count { format!("{count}, {told} of them shown") } else { count.to_string() });
    }
    Ok(Analysis { findings, versions: inference.versions, ambiguous, facts })
}

/// Adds what is assumed, key by key, unless it contradicts what is known.
fn order_versions(
    assumptions: Assumptions,
    txns: &Txns,
    history: &History,
    inference: &mut Inference,
    tally: &mut Tally,
    budget: &Budget<'_>,
) -> Result<(), Exhausted> {
    for key in 0..txns.keys.len() as u32 {
        budget.step(1 + inference.by_key.reads(key).len() as u64)?;
        let mut level = Level::ReadCommitted;
        let mut cycle = circle(&inference.versions[key as usize]);
        if cycle.is_none() && assumptions.apply_to(txns.kind) {
            let assumed = assumptions.pairs(txns, inference, key);
            let versions = &mut inference.versions[key as usize];
            let count = versions.known.len();
            versions.known.extend(assumed);
            cycle = circle(versions);
            if cycle.is_some() {
                versions.known.truncate(count);
            }
            // In sessions alone the circle would contradict causality; in real time no more than the strongest levels.
            level = if assumptions.linearizable_keys {
                Level::StrongSnapshotIsolation
            } else {
                Level::TransactionalCausal
            };
        }
        if let Some(cycle) = cycle
            && tally.count("cyclic versions")
        {
            let words = Words { txns, inference, history };
            let names: Vec<String> = cycle.iter().map(|txn| words.name(txn.0)).collect();
            let reason = format!(
                "what these wrote to {} follows one another in a circle: {}",
                words.key(key),
                names.join(", ")
            );
            let ops = cycle.iter().map(|txn| words.op(txn.0)).collect();
            tally.fact("cyclic versions", level, ops, reason);
        }
    }
    Ok(())
}

fn figures(txns: &Txns, inference: &Inference) -> Vec<(String, String)> {
    let count = |outcome| txns.txns.iter().filter(|txn| txn.outcome == outcome).count();
    let seen = (0..txns.txns.len())
        .filter(|at| txns.txns[*at].outcome == Outcome::Info && inference.is_live[*at])
        .count();
    let unread: usize =
        inference.versions.iter().zip(0..).map(|(versions, key)| unread(inference, versions, key)).sum();
    let figures = [
        ("committed", count(Outcome::Ok)),
        ("aborted", count(Outcome::Fail)),
        ("unknown", count(Outcome::Info)),
        ("unknown but seen", seen),
        ("keys", txns.keys.len()),
        ("unread writes", unread),
    ];
    figures.map(|(name, figure)| (name.to_owned(), figure.to_string())).into()
}

/// Transactions that wrote a key and of which nobody read that.
fn unread(inference: &Inference, versions: &Versions, key: u32) -> usize {
    let order = &inference.orders[key as usize];
    let sources = order.sources.iter().flatten().filter_map(|source| source.txn());
    let mut read: Vec<u32> = sources.collect();
    read.sort_unstable();
    versions.loose.iter().filter(|writer| read.binary_search(&writer.0).is_err()).count()
}

fn ambiguous(words: &Words<'_>) -> Option<String> {
    let by_key = words.inference.orders.iter().zip(0..);
    let mut all = by_key.flat_map(|(order, key)| order.ambiguous.iter().map(move |value| (key, *value)));
    let (key, value) = all.next()?;
    let writes = words.inference.by_key.writes_of(key, value);
    let mut writers: Vec<u32> = writes.iter().map(|write| write.txn).collect();
    writers.dedup();
    let more = match all.count() {
        0 => String::new(),
        more => format!(", and {more} more values were written twice"),
    };
    Some(format!(
        "{} of {} was written by {} and by {}, so its readers may have read from either{more}",
        words.value(value),
        words.key(key),
        words.name(writers[0]),
        words.name(writers[1]),
    ))
}
