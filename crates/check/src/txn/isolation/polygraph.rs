//! What is certain about the order of transactions, as a graph, and what is open, as pairs of runs.
//!
//! **Idea.** A transaction takes its snapshot at one moment and commits at another; serializable ones do both at once. `b` depends on
//! `a` if `a` commits before `b`'s snapshot, and `a` misses `b` if `a`'s snapshot comes before `b` commits. A history is
//! snapshot isolated exactly if these moments can be ordered (Adya 1999; the same condition as an acyclic `(ww ∪ wr);rw?`,
//! Cerone & Gotsman, J. ACM 2018), and serializable exactly if they can with both moments being one. So one graph serves
//! all six levels: [`Shape`] says which nodes a transaction has, and sessions and real time add edges.
//!
//! **Invariant:** an order of the nodes is an execution exactly if it respects all edges and no two neighbouring runs of a key clash
//! in it ([`Polygraph::clash`]).

use super::cast::{Cast, INITIAL, Moments, NONE};
use super::circle::Why;
use super::rows::Rows;
use super::segments::Segments;
use crate::limits::{Budget, Exhausted, Held};

/// Which nodes a transaction has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One: it happens at once.
    Serial,
    /// Two: its snapshot, and its commit.
    Snapshot,
}

impl Shape {
    /// The node at which a transaction reads.
    pub fn begin(self, txn: u32) -> u32 {
        match self {
            Shape::Serial => txn,
            Shape::Snapshot => 2 * txn,
        }
    }

    /// The node at which its writes appear.
    pub fn commit(self, txn: u32) -> u32 {
        match self {
            Shape::Serial => txn,
            Shape::Snapshot => 2 * txn + 1,
        }
    }

    fn width(self) -> u32 {
        match self {
            Shape::Serial => 1,
            Shape::Snapshot => 2,
        }
    }
}

/// The graph.
pub struct Polygraph<'a> {
    /// Which nodes a transaction has.
    pub shape: Shape,
    /// Who takes part.
    pub cast: &'a Cast<'a>,
    /// The versions.
    pub segments: &'a Segments,
    sessions: bool,
    moments: Option<&'a Moments>,
    /// By key: the node between the readers of the first run's last version and the heads of all other runs, if there are both.
    gates: Vec<u32>,
    count: u32,
}

impl<'a> Polygraph<'a> {
    /// The graph for a level with or without sessions and real time.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(
        shape: Shape,
        cast: &'a Cast<'a>,
        segments: &'a Segments,
        (sessions, moments): (bool, Option<&'a Moments>),
        held: &mut Held<'_, '_>,
    ) -> Result<Self, Exhausted> {
        held.grow(4 * u64::from(segments.key_count()))?;
        let mut count = cast.len() as u32 * shape.width() + moments.map_or(0, |moments| moments.count);
        let mut gates = vec![NONE; segments.key_count() as usize];
        for key in 0..segments.key_count() {
            let tail = segments.tail(segments.first(key));
            if !segments.others(key).is_empty() && !segments.readers(tail).is_empty() {
                gates[key as usize] = count;
                count += 1;
            }
        }
        Ok(Polygraph { shape, cast, segments, sessions, moments, gates, count })
    }

    /// The transaction of a node; none for those that only join others.
    pub fn txn(&self, node: u32) -> Option<u32> {
        let txn = node / self.shape.width();
        ((txn as usize) < self.cast.len()).then_some(txn)
    }

    /// All edges, as rows.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn rows(&self, held: &mut Held<'_, '_>, budget: &Budget<'_>) -> Result<Rows<u32>, Exhausted> {
        budget.step(u64::from(self.count))?;
        Rows::build(self.count as usize, held, |emit| self.each(&mut |from, to, _| emit(from, to)))
    }

    /// Names all edges, always in the same order.
    pub fn each(&self, emit: &mut dyn FnMut(u32, u32, Why)) {
        for txn in self.cast.members() {
            if self.shape == Shape::Snapshot {
                emit(self.shape.begin(txn), self.shape.commit(txn), Why::Inside);
            }
            if let Some(before) = self.cast.before(txn).filter(|_| self.sessions) {
                self.depends(before, txn, Why::Session, emit);
            }
        }
        if let Some(moments) = self.moments {
            self.each_in_time(moments, emit);
        }
        for key in 0..self.segments.key_count() {
            self.each_of_run(key, self.segments.first(key), emit);
            for run in self.segments.others(key) {
                self.each_of_run(key, run, emit);
            }
            self.each_after_first(key, emit);
        }
        for (earlier, later) in self.segments.ordered.iter().copied() {
            self.each_of_pair(earlier, later, emit);
        }
    }

    fn depends(&self, earlier: u32, later: u32, why: Why, emit: &mut dyn FnMut(u32, u32, Why)) {
        if earlier != INITIAL && earlier != later {
            emit(self.shape.commit(earlier), self.shape.begin(later), why);
        }
    }

    fn misses(&self, reader: u32, writer: u32, why: Why, emit: &mut dyn FnMut(u32, u32, Why)) {
        if reader != writer {
            emit(self.shape.begin(reader), self.shape.commit(writer), why);
        }
    }

    fn each_in_time(&self, moments: &Moments, emit: &mut dyn FnMut(u32, u32, Why)) {
        let base = self.cast.len() as u32 * self.shape.width();
        for moment in 1..moments.count {
            emit(base + moment - 1, base + moment, Why::Time);
        }
        for txn in self.cast.members() {
            if let Some(after) = moments.after(txn) {
                emit(self.shape.commit(txn), base + after, Why::Time);
            }
            if let Some(until) = moments.until(txn) {
                emit(base + until, self.shape.begin(txn), Why::Time);
            }
        }
    }

    /// The edges between the versions of a run, and to their readers.
    fn each_of_run(&self, key: u32, run: u32, emit: &mut dyn FnMut(u32, u32, Why)) {
        let places = self.segments.places(run);
        for place in places.clone() {
            let writer = self.segments.writer(place);
            for reader in self.segments.readers(place) {
                self.depends(writer, *reader, Why::WriteRead { key }, emit);
            }
            if place + 1 < places.end {
                self.each_of_neighbours(key, place, self.segments.writer(place + 1), emit);
            }
        }
    }

    /// The edges that follow from a version at `place` having its next one from `next`.
    fn each_of_neighbours(&self, key: u32, place: u32, next: u32, emit: &mut dyn FnMut(u32, u32, Why)) {
        let source = self.segments.writer(place);
        self.depends(source, next, Why::WriteWrite { key }, emit);
        for reader in self.segments.readers(place) {
            self.misses(*reader, next, Why::ReadWrite { key, source }, emit);
        }
    }

    /// The edges from a key's first run to all others.
    fn each_after_first(&self, key: u32, emit: &mut dyn FnMut(u32, u32, Why)) {
        let place = self.segments.tail(self.segments.first(key));
        let source = self.segments.writer(place);
        let gate = self.gates[key as usize];
        let why = Why::ReadWrite { key, source };
        for run in self.segments.others(key) {
            let head = self.segments.head(run);
            self.depends(source, head, Why::WriteWrite { key }, emit);
            if gate != NONE {
                emit(gate, self.shape.commit(head), why);
            }
        }
        if gate != NONE {
            for reader in self.segments.readers(place) {
                emit(self.shape.begin(*reader), gate, why);
            }
        }
    }

    /// The edges that follow from the version at `earlier` being older than that at `later`.
    fn each_of_pair(&self, earlier: u32, later: u32, emit: &mut dyn FnMut(u32, u32, Why)) {
        let runs = [earlier, later].map(|place| self.segments.run_of(place));
        let key = self.segments.key_of(runs[0]);
        let writers = [earlier, later].map(|place| self.segments.writer(place));
        self.depends(writers[0], writers[1], Why::WriteWrite { key }, emit);
        if runs[0] != runs[1] && runs[0] != self.segments.first(key) {
            self.each_of_choice(runs[0], runs[1], emit);
        }
    }

    /// The edges that follow from one run of a key being right before or anywhere before another.
    pub fn each_of_choice(&self, earlier: u32, later: u32, emit: &mut dyn FnMut(u32, u32, Why)) {
        let key = self.segments.key_of(earlier);
        self.each_of_neighbours(key, self.segments.tail(earlier), self.segments.head(later), emit);
    }

    /// Whether an order of the nodes contradicts `earlier` being right before `later`.
    pub fn clash(&self, earlier: u32, later: u32, position: &[u32]) -> bool {
        let at = |node: u32| position[node as usize];
        let (tail, head) = (self.segments.tail(earlier), self.segments.head(later));
        let follows = at(self.shape.commit(self.segments.writer(tail))) < at(self.shape.begin(head));
        let missed = at(self.shape.commit(head));
        let mut readers = self.segments.readers(tail).iter();
        !follows || readers.any(|reader| at(self.shape.begin(*reader)) > missed)
    }

    /// Whether the order of some runs is open.
    pub fn is_open(&self) -> bool {
        (0..self.segments.key_count()).any(|key| self.segments.others(key).len() > 1)
    }

    /// Takes the runs of each key in the order of their first commits, and gives the neighbours that clash.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn clashes(&self, position: &[u32], budget: &Budget<'_>) -> Result<Vec<(u32, u32)>, Exhausted> {
        let mut found = Vec::new();
        let mut runs: Vec<u32> = Vec::new();
        for key in 0..self.segments.key_count() {
            if self.segments.others(key).len() < 2 {
                continue;
            }
            runs.clear();
            runs.extend(self.segments.others(key));
            budget.step(runs.len() as u64)?;
            runs.sort_unstable_by_key(|run| position[self.shape.commit(self.segments.head(*run)) as usize]);
            let pairs = runs.windows(2).map(|pair| (pair[0], pair[1]));
            found.extend(pairs.filter(|(earlier, later)| self.clash(*earlier, *later, position)));
        }
        Ok(found)
    }
}
