//! Snapshot isolation and serializability, each alone, with sessions, and with real time.
//!
//! **Idea.** Sort what is certain ([`super::polygraph`]). A circle refutes the level. If no order of runs is open, or none clashes
//! in the sorted order, that order is the proof. Otherwise the search ([`super::choices`]) goes on from it.
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
    let words = Words { cast, history };
    let segments = match Segments::new(cast, &mut held, budget)? {
        Ok(segments) => segments,
        Err(found) => return Ok(Verdict::Violated(Box::new(words.contradiction(found)))),
    };
    let moments = match respects {
        Respects::RealTime => Some(Moments::new(cast, &mut held, budget)?),
        Respects::Nothing | Respects::Sessions => None,
    };
    let orders = (respects != Respects::Nothing, moments.as_ref());
    let polygraph = Polygraph::new(shape, cast, &segments, orders, &mut held)?;
    let graph = polygraph.rows(&mut held, budget)?;
    let ranks = Ranks::new(&polygraph, history);
    let priority = |node| ranks.of(node);
    let priority = polygraph.is_open().then_some(&priority as &dyn Fn(u32) -> u64);
    let order = match graph::sort(&graph, priority, budget)? {
        Sorted::Order(order) => order,
        Sorted::Stuck(stuck) => {
            let links = circle::plainest(&graph, &stuck, &|emit| polygraph.each(emit), budget)?;
            let links: Vec<_> = links.into_iter().map(|(from, to, why)| (from, to, why, None)).collect();
            let steps = join(&polygraph, &links);
            let evidence = evidence(&segments, &steps);
            return Ok(Verdict::Violated(Box::new(words.circle(name(cast, &steps), &steps, &evidence))));
        }
    };
    if priority.is_none() {
        let mut position = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, node)| position[*node as usize] = at as u32);
        return Ok(holds(&polygraph, &position));
    }
    let mut choices = Choices::new(&polygraph, &graph, &order, budget)?;
    match choices.run() {
        Ok(Outcome::Found(position)) => Ok(holds(&polygraph, &position)),
        Ok(Outcome::Refuted(circle)) => {
            Ok(Verdict::Violated(Box::new(refuted(&polygraph, &choices, &circle, &words))))
        }
        Err(why) => Err(halted(why, choices.progress())),
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

/// When things probably happened: the closer the first order, the fewer clashes in it.
struct Ranks<'p> {
    polygraph: &'p Polygraph<'p>,
    /// By transaction: its number within its session, if the history knows no more.
    numbers: Option<Vec<u32>>,
}

impl<'p> Ranks<'p> {
    fn new(polygraph: &'p Polygraph<'p>, history: &History) -> Self {
        let cast = polygraph.cast;
        let numbers = (history.order == Order::Sessions).then(|| {
            let mut numbers = vec![0; cast.len()];
            for txn in cast.members() {
                numbers[txn as usize] = cast.before(txn).map_or(0, |before| numbers[before as usize] + 1);
            }
            numbers
        });
        Ranks { polygraph, numbers }
    }

    fn of(&self, node: u32) -> u64 {
        let Some(txn) = self.polygraph.txn(node) else { return 0 };
        // Whoever has its snapshot commits as soon as it may, so that few overlap.
        if node != self.polygraph.shape.begin(txn) {
            return 0;
        }
        if let Some(numbers) = &self.numbers {
            return u64::from(numbers[txn as usize]);
        }
        let span = &self.polygraph.cast.txns.txns[txn as usize];
        let until = if span.until == Point::NEVER { span.from } else { span.until };
        u64::from(span.from.0) + u64::from(until.0)
    }
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
