//! Transactional causal consistency.
//!
//! **Idea.** The rule is that of read atomic ([`super::weak`]), with everything that a reader could know in the place of what it read:
//! `(so ∪ wr)+`. A vector clock for each transaction says how many of each session it knows, and of the writers of a key that it
//! knows in a session only the last one matters, because the others come before it. That takes O(n·k) for `k` sessions
//! (AWDIT, PLDI 2025). Clocks are kept only until the last one that reads from them is done.
//!
//! Source: Biswas & Enea 2019, Fig. 2 (causal consistency).

use super::cast::{Cast, INITIAL, NONE};
use super::circle::Why;
use super::graph::{self, Sorted};
use super::reads::Reads;
use super::rows::Rows;
use super::weak::{Forced, Rule, conclude, count};
use super::words::Step;
use crate::history::History;
use crate::limits::{Budget, Exhausted, Held};
use crate::verdict::Verdict;

/// Decides the level.
///
/// # Errors
/// If the budget is exhausted.
pub fn decide(cast: &Cast<'_>, history: &History, budget: &Budget<'_>) -> Result<Verdict, Exhausted> {
    let mut held = budget.hold(0)?;
    let reads = Reads::new(cast, &mut held, budget)?;
    let causes = Rows::build(cast.len(), &mut held, |emit| {
        for txn in cast.members() {
            if let Some(before) = cast.before(txn) {
                emit(before, txn);
            }
            let sources = reads.sources.row(txn).iter().filter(|source| source.writer != INITIAL);
            sources.for_each(|source| emit(source.writer, txn));
        }
    })?;
    let forced = match graph::sort(&causes, None, budget)? {
        Sorted::Order(order) => {
            let mut past = Past::new(cast, &causes, budget)?;
            past.forced(&order, &reads, budget)?
        }
        // The circle of causes is found again among the edges of every commit order.
        Sorted::Stuck(_) => Vec::new(),
    };
    let path = |forced: &Forced| way(cast, &reads, forced.earlier, forced.reader);
    let rule = Rule { anomaly: "causality violation", sessions: true, forced, path: &path };
    conclude(cast, history, &rule, budget)
}

/// One of a key's writers.
#[derive(Clone, Copy, Default)]
struct Writer {
    session: u32,
    /// Its number within its session, from 1.
    number: u32,
    txn: u32,
    /// As in [`super::reads::Source`].
    place: u32,
}

/// What each transaction knows.
struct Past<'c, 'b, 'a> {
    cast: &'c Cast<'c>,
    /// By key, then session, then number.
    writers: Rows<Writer>,
    /// By transaction: which clock is its own, while somebody may ask.
    clock: Vec<u32>,
    /// How many may still ask.
    asked: Vec<u32>,
    /// Clocks of one number for each session: how many of its transactions are known.
    clocks: Vec<u32>,
    free: Vec<u32>,
    width: usize,
    held: Held<'b, 'a>,
}

impl<'c, 'b, 'a> Past<'c, 'b, 'a> {
    fn new(cast: &'c Cast<'c>, causes: &Rows<u32>, budget: &'b Budget<'a>) -> Result<Self, Exhausted> {
        let mut held = budget.hold(8 * cast.len() as u64)?;
        let mut all: Vec<(u32, Writer)> = Vec::new();
        for (key, known) in cast.versions.iter().enumerate() {
            let chain = known.chain.iter().enumerate().map(|(at, writer)| (*writer, at as u32 + 1));
            let loose = known.loose.iter().map(|writer| (*writer, NONE));
            for (writer, place) in chain.chain(loose).filter(|writer| cast.has(writer.0.0)) {
                let txn = writer.0;
                let session = cast.txns.txns[txn as usize].session.0;
                all.push((key as u32, Writer { session, number: cast.number(txn) + 1, txn, place }));
            }
        }
        let bytes = 24 * all.len() as u64;
        held.grow(bytes)?;
        all.sort_unstable_by_key(|(key, writer)| (*key, writer.session, writer.number));
        let writers = Rows::build(cast.versions.len(), &mut held, |emit| {
            all.iter().for_each(|(key, writer)| emit(*key, *writer));
        })?;
        held.shrink(bytes);
        Ok(Past {
            cast,
            writers,
            clock: vec![NONE; cast.len()],
            asked: (0..cast.len() as u32).map(|txn| causes.row(txn).len() as u32).collect(),
            clocks: Vec::new(),
            free: Vec::new(),
            width: cast.txns.session_count as usize,
            held,
        })
    }

    /// Goes through transactions, causes first, and uses the rule on each read.
    fn forced(
        &mut self,
        order: &[u32],
        reads: &Reads,
        budget: &Budget<'_>,
    ) -> Result<Vec<Forced>, Exhausted> {
        let mut forced = Vec::new();
        let mut known = vec![0; self.width];
        for reader in order.iter().copied().filter(|txn| self.cast.has(*txn)) {
            let sources = reads.sources.row(reader);
            known.fill(0);
            let before = self.cast.before(reader);
            let writers = sources.iter().map(|source| source.writer).filter(|writer| *writer != INITIAL);
            for cause in before.into_iter().chain(writers.clone()) {
                budget.step(1 + self.width as u64 / 8)?;
                self.learn(cause, &mut known);
            }
            for (at, source) in sources.iter().enumerate() {
                let is_repeated = sources[..at].iter().rev().take_while(|other| other.key == source.key);
                if !is_repeated.into_iter().any(|other| other == source) {
                    budget.step(1 + self.writers.row(source.key).len() as u64 / 8)?;
                    let before_rule = forced.len();
                    self.use_rule(reader, (source.key, source.writer, source.place), &known, &mut forced);
                    count(&mut self.held, before_rule, &forced)?;
                }
            }
            for cause in before.into_iter().chain(writers) {
                self.release(cause);
            }
            self.keep(reader, &known)?;
        }
        Ok(forced)
    }

    fn clock_of(&self, txn: u32) -> &[u32] {
        let start = self.clock[txn as usize] as usize * self.width;
        &self.clocks[start..start + self.width]
    }

    fn learn(&self, cause: u32, known: &mut [u32]) {
        for (known, more) in known.iter_mut().zip(self.clock_of(cause)) {
            *known = (*known).max(*more);
        }
        let known = &mut known[self.cast.txns.txns[cause as usize].session.0 as usize];
        *known = (*known).max(self.cast.number(cause) + 1);
    }

    /// For each session the last writer of the key that the reader knows: it comes before the one that was read from.
    fn use_rule(
        &self,
        reader: u32,
        (key, later, place): (u32, u32, u32),
        known: &[u32],
        forced: &mut Vec<Forced>,
    ) {
        let mut writers = self.writers.row(key);
        let source_knows = (later != INITIAL).then(|| self.clock_of(later));
        while let Some(first) = writers.first().copied() {
            let session = first.session as usize;
            let (of_session, rest) =
                writers.split_at(writers.partition_point(|writer| writer.session == first.session));
            writers = rest;
            let count = of_session.partition_point(|writer| writer.number <= known[session]);
            let Some(last) = count.checked_sub(1).map(|at| of_session[at]) else { continue };
            let is_known = source_knows.is_some_and(|knows| last.number <= knows[session]);
            let is_in_chain = last.place != NONE && place != NONE && last.place < place;
            if last.txn != later && !is_known && !is_in_chain {
                forced.push(Forced { earlier: last.txn, later, reader, key });
            }
        }
    }

    fn release(&mut self, cause: u32) {
        let asked = &mut self.asked[cause as usize];
        *asked -= 1;
        if *asked == 0 {
            self.free.push(self.clock[cause as usize]);
        }
    }

    fn keep(&mut self, txn: u32, known: &[u32]) -> Result<(), Exhausted> {
        if self.asked[txn as usize] == 0 {
            return Ok(());
        }
        let clock = match self.free.pop() {
            Some(clock) => clock,
            None => {
                self.held.grow(4 * self.width as u64)?;
                self.clocks.resize(self.clocks.len() + self.width, 0);
                (self.clocks.len() / self.width) as u32 - 1
            }
        };
        let start = clock as usize * self.width;
        self.clocks[start..start + self.width].copy_from_slice(known);
        self.clock[txn as usize] = clock;
        Ok(())
    }
}

/// A shortest way from a cause to its effect.
fn way(cast: &Cast<'_>, reads: &Reads, from: u32, to: u32) -> Vec<Step> {
    let mut reached_by: Vec<Option<Step>> = vec![None; cast.len()];
    let mut queue = vec![to];
    let mut next = 0;
    while let Some(node) = queue.get(next).copied() {
        next += 1;
        if node == from {
            break;
        }
        let sources = reads.sources.row(node).iter().filter(|source| source.writer != INITIAL);
        let sources = sources.map(|source| (source.writer, Why::WriteRead { key: source.key }));
        for (cause, why) in sources.chain(cast.before(node).map(|before| (before, Why::Session))) {
            if cause != to && reached_by[cause as usize].is_none() {
                reached_by[cause as usize] = Some(Step { from: cause, to: node, why, derived: None });
                queue.push(cause);
            }
        }
    }
    let mut steps = Vec::new();
    let mut at = from;
    while let Some(step) = reached_by[at as usize].take() {
        at = step.to;
        steps.push(step);
    }
    steps
}
