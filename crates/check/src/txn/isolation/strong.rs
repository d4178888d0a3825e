//! Snapshot isolation and serializability, each alone, with sessions, and with real time.
//!
//! **Idea.** Sort what is certain ([`super::polygraph`]). A circle refutes the level. If no order of runs is open, or none clashes
//! in the sorted order, that order is the proof. Otherwise the search ([`super::choices`]) goes on from it.
//!
//! Most histories that keep a level keep more: the search is first tried with sessions and real time as hints, which leave little
//! to choose. Only what no hint explains is searched at large.
//!
//! Lists never need a search for serializability: writers that nobody read follow the chain, and any order among them will do. For
//! snapshot isolation they may, because two that wrote the same key must not overlap.

use super::cast::{Cast, Moments};
use super::choices::{Choices, Outcome};
use super::circle::{self, Why};
use super::graph::{self, Sorted};
use super::live::Link;
use super::polygraph::{Polygraph, Shape};
use super::segments::Segments;
use super::words::{Step, Words, anomaly};
use super::{Halted, halted};
use crate::history::{History, Order, Point};
use crate::limits::Budget;
use crate::verdict::{Sequence, Verdict, Violation, Witness};
use rustc_hash::FxHashMap;

/// Which order is respected besides that of versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Respects {
    /// None.
    Nothing,
    /// That of each session.
    Sessions,
    /// That of sessions and of real time.
    RealTime,
}

/// Steps for each transaction after which a search is given up for one with another hint.
const PATIENCE: u64 = 1000;

/// One of the six levels, for one history.
struct Question<'q> {
    shape: Shape,
    respects: Respects,
    cast: &'q Cast<'q>,
    segments: &'q Segments,
    history: &'q History,
}

/// What a search may assume and how long it may take.
#[derive(Clone, Copy)]
struct Attempt<'m> {
    sessions: bool,
    moments: Option<&'m Moments>,
    effort: u64,
}

/// Decides one of the six levels.
///
/// # Errors
/// If the budget is exhausted.
pub fn decide(
    shape: Shape,
    respects: Respects,
    cast: &Cast<'_>,
    history: &History,
    budget: &Budget<'_>,
) -> Result<Verdict, Halted> {
    let mut held = budget.hold(0)?;
    let segments = match Segments::new(cast, &mut held, budget)? {
        Ok(segments) => segments,
        Err(found) => {
            let violation = Words { cast, history }.contradiction(found);
            return Ok(Verdict::Violated(Box::new(violation)));
        }
    };
    let question = Question { shape, respects, cast, segments: &segments, history };
    let sessions = respects != Respects::Nothing;
    let patience = PATIENCE * cast.len() as u64;
    let mut attempt = Attempt { sessions, moments: None, effort: patience / 10 };
    if respects == Respects::RealTime {
        let moments = Moments::new(cast, &|txn| question.span(txn, 0), &mut held, budget)?;
        attempt = Attempt { moments: Some(&moments), effort: u64::MAX, ..attempt };
        return Ok(question.ask(attempt, budget)?.expect("a search without an end decides"));
    }
    if let Some(verdict) = question.ask(attempt, budget)? {
        return Ok(verdict);
    }
    if let Some(verdict) = question.with_hints(budget)? {
        return Ok(verdict);
    }
    attempt.effort = u64::MAX;
    Ok(question.ask(attempt, budget)?.expect("a search without an end decides"))
}

impl Question<'_> {
    /// Assumes more order than the level asks for: that sessions are respected, and real time, exactly or within a tolerance. An execution
    /// that is found so is one of the level; if none is found, nothing follows.
    fn with_hints(&self, budget: &Budget<'_>) -> Result<Option<Verdict>, Halted> {
        let holds = |verdict: &Verdict| matches!(verdict, Verdict::Holds(_));
        let effort = PATIENCE * self.cast.len() as u64;
        let hinted = Attempt { sessions: true, moments: None, effort };
        if self.respects == Respects::Nothing
            && let Some(verdict) = self.ask(hinted, budget)?.filter(holds)
        {
            return Ok(Some(verdict));
        }
        let concurrent = self.cast.txns.session_count.saturating_mul(2);
        for factor in [0, 4, 16, 64] {
            let mut held = budget.hold(0)?;
            let tolerance = concurrent.saturating_mul(factor);
            let moments = Moments::new(self.cast, &|txn| self.span(txn, tolerance), &mut held, budget)?;
            let sessions = self.respects != Respects::Nothing;
            let hinted = Attempt { sessions, moments: Some(&moments), effort };
            if let Some(verdict) = self.ask(hinted, budget)?.filter(holds) {
                return Ok(Some(verdict));
            }
        }
        Ok(None)
    }

    /// When a transaction ran, and returned if one waits for a while. If the history knows no real time, sessions are taken to go
    /// forward side by side.
    fn span(&self, txn: u32, tolerance: u32) -> (u32, u32) {
        let span = &self.cast.txns.txns[txn as usize];
        let (from, until) = match self.history.order {
            Order::RealTime => (span.from.0, span.until.0),
            Order::Sessions => {
                let round = self.cast.number(txn).saturating_mul(self.cast.txns.session_count);
                (2 * round, 2 * round + 1)
            }
        };
        (from, until.saturating_add(tolerance))
    }

    /// Searches under an assumption. Gives nothing if it was given up.
    fn ask(&self, attempt: Attempt<'_>, budget: &Budget<'_>) -> Result<Option<Verdict>, Halted> {
        let mut held = budget.hold(0)?;
        let (cast, history) = (self.cast, self.history);
        let words = Words { cast, history };
        let orders = (attempt.sessions, attempt.moments);
        let polygraph = Polygraph::new(self.shape, cast, self.segments, orders, &mut held)?;
        let graph = polygraph.rows(&mut held, budget)?;
        let priority = |node| self.rank(node, &polygraph);
        let priority = polygraph.is_open().then_some(&priority as &dyn Fn(u32) -> u64);
        let order = match graph::sort(&graph, priority, budget)? {
            Sorted::Order(order) => order,
            Sorted::Stuck(stuck) => {
                let links = circle::plainest(&graph, &stuck, &|emit| polygraph.each(emit), budget)?;
                let links: Vec<_> = links.into_iter().map(|(from, to, why)| (from, to, why, None)).collect();
                let steps = join(&polygraph, &links);
                let evidence = evidence(self.segments, &steps);
                let violation = words.circle(name(cast, &steps), &steps, &evidence);
                return Ok(Some(Verdict::Violated(Box::new(violation))));
            }
        };
        if priority.is_none() {
            let mut position = vec![0; order.len()];
            order.iter().enumerate().for_each(|(at, node)| position[*node as usize] = at as u32);
            return Ok(Some(holds(&polygraph, &position)));
        }
        let mut choices = Choices::new(&polygraph, &graph, &order, budget)?;
        match choices.run(attempt.effort) {
            Ok(Outcome::Found(position)) => Ok(Some(holds(&polygraph, &position))),
            Ok(Outcome::Refuted(circle)) => {
                let violation = refuted(&polygraph, &choices, &circle, &words);
                Ok(Some(Verdict::Violated(Box::new(violation))))
            }
            Ok(Outcome::GivenUp) => Ok(None),
            Err(why) => Err(halted(why, choices.progress())),
        }
    }

    /// When something probably happened: the closer the first order, the fewer clashes in it.
    fn rank(&self, node: u32, polygraph: &Polygraph<'_>) -> u64 {
        let Some(txn) = polygraph.txn(node) else { return 0 };
        // Whoever has its snapshot commits as soon as it may, so that few overlap.
        if node != self.shape.begin(txn) {
            return 0;
        }
        let (from, until) = self.span(txn, 0);
        let until = if until == Point::NEVER.0 { from } else { until };
        u64::from(from) + u64::from(until)
    }
}

fn holds(polygraph: &Polygraph<'_>, position: &[u32]) -> Verdict {
    let mut members: Vec<u32> = polygraph.cast.members().collect();
    members.sort_unstable_by_key(|txn| position[polygraph.shape.commit(*txn) as usize]);
    let ops = members.iter().map(|txn| polygraph.cast.txns.txns[*txn as usize].op).collect();
    let scope = match polygraph.shape {
        Shape::Serial => String::new(),
        Shape::Snapshot => "commit order".to_owned(),
    };
    Verdict::Holds(Witness::Orders(vec![Sequence { scope, ops }]))
}

/// Turns a circle of nodes into one of transactions: what leads over nodes that belong to none is one step.
fn join(polygraph: &Polygraph<'_>, links: &[(u32, u32, Why, Option<String>)]) -> Vec<Step> {
    let starts = |(from, _, why, _): &(u32, u32, Why, Option<String>)| {
        polygraph.txn(*from).is_some() && *why != Why::Inside
    };
    let first = links.iter().position(starts).expect("a circle leads over transactions");
    let mut steps: Vec<Step> = Vec::new();
    let mut open: Option<(u32, Why, Option<String>)> = None;
    for (from, to, why, derived) in links[first..].iter().chain(&links[..first]) {
        if *why == Why::Inside {
            continue;
        }
        if let Some(from) = polygraph.txn(*from) {
            open = Some((from, *why, derived.clone()));
        }
        if let Some(to) = polygraph.txn(*to)
            && let Some((from, why, derived)) = open.take()
        {
            steps.push(Step { from, to, why, derived });
        }
    }
    steps
}

/// Two that read the same version and overwrote it have a name of their own.
fn name(cast: &Cast<'_>, steps: &[Step]) -> &'static str {
    let is_lost_update = |key: u32| {
        let known = &cast.versions[key as usize];
        let source = |txn: u32| known.reads.iter().find(|read| read.0.0 == txn).map(|read| read.1);
        let writes = |txn: u32| known.chain.iter().chain(&known.loose).any(|writer| writer.0 == txn);
        let [one, other] = [&steps[0], &steps[1]].map(|step| step.from);
        writes(one) && writes(other) && source(one).is_some() && source(one) == source(other)
    };
    let missed = steps.iter().find_map(|step| match step.why {
        Why::ReadWrite { key, .. } => Some(key),
        _ => None,
    });
    match missed {
        Some(key) if steps.len() == 2 && is_lost_update(key) => "lost update",
        _ => anomaly(steps),
    }
}

/// Readers that show in which order versions stand.
fn evidence(segments: &Segments, steps: &[Step]) -> Vec<u32> {
    let shows = |key: u32, writer: u32| {
        let places = segments.places(segments.first(key));
        let mut later = places.skip_while(move |place| segments.writer(*place) != writer);
        later.find_map(|place| segments.readers(place).first().copied())
    };
    let needed = steps.iter().filter_map(|step| match step.why {
        Why::WriteWrite { key } | Why::ReadWrite { key, .. } => shows(key, step.to),
        _ => None,
    });
    needed.collect()
}

/// A violation that the search found.
fn refuted(
    polygraph: &Polygraph<'_>,
    choices: &Choices<'_, '_, '_, '_>,
    circle: &[Link],
    words: &Words<'_>,
) -> Violation {
    let mut certain: FxHashMap<(u32, u32), Why> =
        circle.iter().filter(|link| link.2.is_none()).map(|link| ((link.0, link.1), Why::Inside)).collect();
    polygraph.each(&mut |from, to, why| {
        if let Some(label) = certain.get_mut(&(from, to)) {
            *label = why;
        }
    });
    let links = circle.iter().map(|(from, to, choice)| match choice {
        None => (*from, *to, certain[&(*from, *to)], None),
        Some(literal) => {
            let (earlier, later) = choices.meaning(*literal);
            let mut why = Why::Inside;
            polygraph.each_of_choice(earlier, later, &mut |a, b, of| {
                if (a, b) == (*from, *to) {
                    why = of;
                }
            });
            let proof = choices.proof_of(*literal).filter(|proof| proof.clauses.is_empty());
            let contrary = proof.map(|proof| round(polygraph, &proof.circle, words));
            (*from, *to, why, Some(forced(polygraph, (earlier, later), contrary.as_deref(), words)))
        }
    });
    let steps = join(polygraph, &links.collect::<Vec<_>>());
    let all = choices.circles_of(circle);
    let nodes = all.iter().flat_map(|(from, to, _)| [*from, *to]);
    let participants: Vec<u32> = nodes.filter_map(|node| polygraph.txn(node)).collect();
    words.circle(name(polygraph.cast, &steps), &steps, &participants)
}

/// Why a run comes before another, although neither was seen to.
fn forced(
    polygraph: &Polygraph<'_>,
    (earlier, later): (u32, u32),
    contrary: Option<&str>,
    words: &Words<'_>,
) -> String {
    let segments = polygraph.segments;
    let key = words.key(segments.key_of(earlier));
    let earlier = words.name(segments.writer(segments.tail(earlier)));
    let later = words.name(segments.head(later));
    match contrary {
        Some(round) => format!(
            "the write of {earlier} at {key} comes before that of {later}, because the contrary leads round: {round}"
        ),
        None => format!(
            "the write of {earlier} at {key} comes before that of {later}, because every execution with the contrary was refuted"
        ),
    }
}

/// The transactions of a circle, in order.
fn round(polygraph: &Polygraph<'_>, circle: &[Link], words: &Words<'_>) -> String {
    let mut txns: Vec<u32> = circle.iter().filter_map(|(from, ..)| polygraph.txn(*from)).collect();
    txns.dedup();
    let names: Vec<String> = txns.iter().map(|txn| words.name(*txn)).collect();
    names.join(" → ")
}
