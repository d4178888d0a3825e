//! Everything that is wrong with a history of transactions, by name.
//!
//! **Idea.** Infer who read from whom and which version came first; look at each transaction and each key for what is wrong by itself;
//! then at the graph of all edges for circles. Without a circle the graph is searched once.
//!
//! **Invariant:** each finding is true in every execution that gives this history, so the levels that it rules out are violated.
//! Without findings nothing is proved: [`super::isolation`] decides levels.
//!
//! Source: Adya 1999; Elle (VLDB 2020).

use super::graph::Graph;
use super::infer::{Inference, infer};
use super::tally::{MAX_FINDINGS_PER_NAME, Tally};
use super::words::Words;
use super::{Txns, Versions, cyclic, direct};
use crate::history::{History, Outcome};
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
    let mut held = budget.hold(0)?;
    let inference = infer(txns, &mut held, budget, runner)?;
    let words = Words { txns, inference: &inference, history };
    let mut tally = Tally::default();
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
        words.long(writers[0]),
        words.long(writers[1]),
    ))
}
