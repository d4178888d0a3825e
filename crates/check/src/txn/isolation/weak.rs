//! Read committed and read atomic.
//!
//! **Idea.** Both say: if `reader` read key `x` from `later` and something from `earlier`, which wrote `x` too, then `earlier` comes
//! before `later` in the commit order; read committed says it only if the read from `earlier` came first (Biswas & Enea 2019,
//! Fig. 2). Each use of the rule is an edge, and the level holds exactly if all edges and what reads and lists reveal form no
//! circle. For each pair of a reader and one that it read from, the shorter of the lists of what the one read and the other
//! wrote is gone through: O(n^1.5) in all, which is the best that can be (AWDIT, PLDI 2025).
//!
//! **Invariant:** every edge is in every commit order of the level; edges that others imply are left out.

use super::cast::{Cast, INITIAL, NONE};
use super::circle::{self, Why};
use super::graph::{self, Sorted};
use super::reads::{Reads, Writers};
use super::rows::Rows;
use super::words::{Step, Words, anomaly};
use crate::history::History;
use crate::limits::{Budget, Exhausted, Held};
use crate::verdict::{Sequence, Verdict, Violation, Witness};

/// One use of a level's rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forced {
    /// Who comes before.
    pub earlier: u32,
    /// Whom; [`INITIAL`] if it cannot be.
    pub later: u32,
    /// Because this one saw `earlier` and read the key from `later`.
    pub reader: u32,
    /// Which key, written by both.
    pub key: u32,
}

/// What a weak level forces, and how it is told.
pub struct Rule<'a> {
    /// The level's anomaly.
    pub anomaly: &'static str,
    /// Whether commit orders respect sessions.
    pub sessions: bool,
    /// All that is forced.
    pub forced: Vec<Forced>,
    /// How the reader came to see `earlier`: steps from that one to the reader.
    pub path: &'a dyn Fn(&Forced) -> Vec<Step>,
}

/// Decides read atomic.
///
/// # Errors
/// If the budget is exhausted.
pub fn read_atomic(cast: &Cast<'_>, history: &History, budget: &Budget<'_>) -> Result<Verdict, Exhausted> {
    let mut held = budget.hold(12 * cast.versions.len() as u64)?;
    let reads = Reads::new(cast, &mut held, budget)?;
    let mut spans = Spans::new(cast.versions.len());
    let mut forced = Vec::new();
    let mut seen: Vec<u32> = Vec::new();
    for reader in cast.members() {
        let before = forced.len();
        let sources = reads.sources.row(reader);
        spans.set(reader, sources.iter().map(|source| source.key));
        seen.clear();
        seen.extend(sources.iter().map(|source| source.writer).filter(|writer| *writer != INITIAL));
        seen.sort_unstable();
        seen.dedup();
        for earlier in seen.iter().copied() {
            spans.each_written(reader, earlier, &reads, budget, |key, start, end| {
                let mut later: Vec<u32> = sources[start..end].iter().map(|source| source.writer).collect();
                later.dedup();
                // Two versions of one key contradict the level already; the edges between them suffice.
                let later = later.into_iter().filter(|later| *later != earlier).take(2);
                forced.extend(later.map(|later| Forced { earlier, later, reader, key }));
            })?;
        }
        count(&mut held, before, &forced)?;
    }
    let path = |forced: &Forced| vec![read_step(&reads, forced)];
    let rule = Rule { anomaly: "fractured read", sessions: false, forced, path: &path };
    conclude(cast, history, &rule, budget)
}

/// Decides read committed.
///
/// # Errors
/// If the budget is exhausted.
pub fn read_committed(cast: &Cast<'_>, history: &History, budget: &Budget<'_>) -> Result<Verdict, Exhausted> {
    let mut held = budget.hold(12 * cast.versions.len() as u64)?;
    let reads = Reads::new(cast, &mut held, budget)?;
    let writers = Writers::new(cast, &mut held, budget)?;
    let mut spans = Spans::new(cast.versions.len());
    let mut forced = Vec::new();
    let mut in_order: Vec<(u32, u32)> = Vec::new();
    for reader in cast.members() {
        let before = forced.len();
        writers.reads(cast, reader, &mut in_order);
        // A value that several transactions wrote tells no version; only reads that do count.
        let known = reads.sources.row(reader);
        in_order.retain(|read| known.iter().any(|source| (source.key, source.writer) == *read));
        // By key, then in order: key, place among the reads, writer.
        let mut sources: Vec<(u32, u32, u32)> =
            in_order.iter().enumerate().map(|(at, (key, writer))| (*key, at as u32, *writer)).collect();
        sources.sort_unstable();
        spans.set(reader, sources.iter().map(|source| source.0));
        for pair in sources.windows(2) {
            let ((key, _, earlier), (next_key, _, later)) = (pair[0], pair[1]);
            if key == next_key && earlier != later && earlier != INITIAL {
                forced.push(Forced { earlier, later, reader, key });
            }
        }
        let mut seen: Vec<(u32, u32)> =
            in_order.iter().enumerate().map(|(at, (_, writer))| (*writer, at as u32)).collect();
        seen.sort_unstable();
        seen.dedup_by_key(|seen| seen.0);
        for (earlier, first) in seen.into_iter().filter(|seen| seen.0 != INITIAL) {
            spans.each_written(reader, earlier, &reads, budget, |key, start, end| {
                // Of later reads of the key, the next one suffices: each comes before the one after it.
                let span = &sources[start..end];
                let next = span.get(span.partition_point(|source| source.1 <= first));
                let next = next.map(|source| source.2).filter(|later| *later != earlier);
                forced.extend(next.map(|later| Forced { earlier, later, reader, key }));
            })?;
        }
        count(&mut held, before, &forced)?;
    }
    let path = |forced: &Forced| vec![read_step(&reads, forced)];
    let rule = Rule { anomaly: "non-monotonic read", sessions: false, forced, path: &path };
    conclude(cast, history, &rule, budget)
}

/// Counts what was forced since there were `before`.
///
/// # Errors
/// If there would be more bytes than allowed.
pub fn count(held: &mut Held<'_, '_>, before: usize, forced: &[Forced]) -> Result<(), Exhausted> {
    if forced.len() == before { Ok(()) } else { held.grow(size_of_val(&forced[before..]) as u64) }
}

/// Where each key lies in what the reader at hand read.
struct Spans {
    reader: Vec<u32>,
    span: Vec<(u32, u32)>,
    keys: Vec<u32>,
}

impl Spans {
    fn new(keys: usize) -> Self {
        Spans { reader: vec![NONE; keys], span: vec![(0, 0); keys], keys: Vec::new() }
    }

    fn set(&mut self, reader: u32, keys: impl Iterator<Item = u32>) {
        self.keys.clear();
        for (at, key) in keys.enumerate() {
            if self.reader[key as usize] != reader {
                self.reader[key as usize] = reader;
                self.span[key as usize].0 = at as u32;
                self.keys.push(key);
            }
            self.span[key as usize].1 = at as u32 + 1;
        }
    }

    /// The keys that `reader` read and `writer` wrote.
    fn each_written(
        &self,
        reader: u32,
        writer: u32,
        reads: &Reads,
        budget: &Budget<'_>,
        mut emit: impl FnMut(u32, usize, usize),
    ) -> Result<(), Exhausted> {
        let written = reads.writes.row(writer);
        budget.step(1 + written.len().min(self.keys.len()) as u64)?;
        let mut emit = |key: u32| {
            let (start, end) = self.span[key as usize];
            emit(key, start as usize, end as usize);
        };
        if written.len() <= self.keys.len() {
            let written = written.iter().copied().filter(|key| self.reader[*key as usize] == reader);
            written.for_each(&mut emit);
        } else {
            let read = self.keys.iter().copied().filter(|key| reads.has_written(writer, *key));
            read.for_each(&mut emit);
        }
        Ok(())
    }
}

fn read_step(reads: &Reads, forced: &Forced) -> Step {
    let sources = reads.sources.row(forced.reader).iter();
    let from = sources.filter(|source| source.writer == forced.earlier);
    // Rather another key than the one in question: that is what makes the anomaly plain.
    let from = from.max_by_key(|source| source.key != forced.key).expect("the reader read from it");
    let why = Why::WriteRead { key: from.key };
    Step { from: forced.earlier, to: forced.reader, why, derived: None }
}

/// Edges that every commit order has: reads, lists and, if the level says so, sessions.
fn each_known(cast: &Cast<'_>, sessions: bool, emit: &mut dyn FnMut(u32, u32, Why)) {
    let mut emit = |from: u32, to: u32, why: Why| {
        if from != to && cast.has(from) && cast.has(to) {
            emit(from, to, why);
        }
    };
    if sessions {
        for txn in cast.members() {
            if let Some(before) = cast.before(txn) {
                emit(before, txn, Why::Session);
            }
        }
    }
    for (key, known) in cast.versions.iter().enumerate() {
        let key = key as u32;
        for (reader, writer) in &known.reads {
            if let Some(writer) = writer {
                emit(writer.0, reader.0, Why::WriteRead { key });
            }
        }
        let pairs = known.chain.windows(2).map(|pair| (pair[0], pair[1]));
        for (earlier, later) in pairs.chain(known.known.iter().copied()) {
            emit(earlier.0, later.0, Why::WriteWrite { key });
        }
        if let Some(last) = known.chain.last().filter(|_| known.loose_after_chain) {
            known.loose.iter().for_each(|loose| emit(last.0, loose.0, Why::WriteWrite { key }));
        }
    }
}

/// Sorts what is known and forced: the order is the proof, or the circle.
///
/// # Errors
/// If the budget is exhausted.
pub fn conclude(
    cast: &Cast<'_>,
    history: &History,
    rule: &Rule<'_>,
    budget: &Budget<'_>,
) -> Result<Verdict, Exhausted> {
    let words = Words { cast, history };
    if let Some(forced) = rule.forced.iter().find(|forced| forced.later == INITIAL) {
        return Ok(Verdict::Violated(Box::new(missed_start(&words, rule, forced))));
    }
    let mut held = budget.hold(0)?;
    let each = |emit: &mut dyn FnMut(u32, u32, Why)| {
        each_known(cast, rule.sessions, emit);
        for (number, forced) in rule.forced.iter().enumerate() {
            emit(forced.earlier, forced.later, Why::Forced { number: number as u32 });
        }
    };
    let graph = Rows::build(cast.len(), &mut held, |emit| each(&mut |from, to, _| emit(from, to)))?;
    match graph::sort(&graph, None, budget)? {
        Sorted::Order(order) => {
            let members = order.into_iter().filter(|txn| cast.has(*txn));
            let ops = members.map(|txn| words.op(txn)).collect();
            let sequence = Sequence { scope: "commit order".to_owned(), ops };
            Ok(Verdict::Holds(Witness::Orders(vec![sequence])))
        }
        Sorted::Stuck(stuck) => {
            let links = circle::plainest(&graph, &stuck, &each, budget)?;
            Ok(Verdict::Violated(Box::new(round(&words, rule, &links))))
        }
    }
}

/// Somebody saw a writer of a key, and then the key as it was at the beginning.
fn missed_start(words: &Words<'_>, rule: &Rule<'_>, forced: &Forced) -> Violation {
    let mut steps = (rule.path)(forced);
    let why = Why::ReadWrite { key: forced.key, source: INITIAL };
    steps.push(Step { from: forced.reader, to: forced.earlier, why, derived: None });
    words.circle(rule.anomaly, &steps, &[])
}

fn round(words: &Words<'_>, rule: &Rule<'_>, links: &[(u32, u32, Why)]) -> Violation {
    let mut evidence: Vec<u32> = Vec::new();
    let steps = links.iter().map(|(from, to, why)| {
        let derived = match why {
            Why::Forced { number } => {
                let forced = &rule.forced[*number as usize];
                let path = (rule.path)(forced);
                evidence.extend(path.iter().map(|step| step.to));
                evidence.extend(path.iter().map(|step| step.from));
                let path: Vec<String> = path.iter().map(|step| words.why(step)).collect();
                let [earlier, later, reader] =
                    [forced.earlier, forced.later, forced.reader].map(|txn| words.name(txn));
                let key = words.key(forced.key);
                Some(format!(
                    "{}, and {reader} read {key} from {later}, although {earlier} wrote {key} too: so {earlier} committed \
                     before {later}",
                    path.join(", ")
                ))
            }
            _ => None,
        };
        Step { from: *from, to: *to, why: *why, derived }
    });
    let steps: Vec<Step> = steps.collect();
    let is_forced = steps.iter().any(|step| step.derived.is_some());
    let name = if is_forced { rule.anomaly } else { anomaly(&steps) };
    words.circle(name, &steps, &evidence)
}
