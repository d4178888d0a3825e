//! The versions of each key, in runs whose inner order is certain.
//!
//! **Idea.** At snapshot isolation and above, whoever read a version and overwrote it made the very next one: a version in between would
//! be overwritten unseen. So versions form runs, and only the order of runs is open. The first run of a key starts with its
//! initial version, and every other run follows it. Cobra (OSDI 2020, §4) combines writes in this way; for lists the chain that
//! was read is the first run, and each writer that nobody read is a run of its own.
//!
//! **Invariant:** each version stands in one run; next to each other stand only versions that are so in every execution of
//! the level. A reader has one source for each key.

use super::super::{TxnId, Versions};
use super::cast::{Cast, INITIAL, NONE};
use super::rows::Rows;
use crate::limits::{Budget, Exhausted, Held};

/// All runs of all keys.
pub struct Segments {
    /// Writers, run after run.
    versions: Vec<u32>,
    /// Where each run starts in `versions`, and the end of the last.
    starts: Vec<u32>,
    /// Each key's first run, and the end of the last key's.
    keys: Vec<u32>,
    /// By place in `versions`: who read it, each once.
    readers: Rows<u32>,
    /// More pairs of versions (places) whose order is certain.
    pub ordered: Vec<(u32, u32)>,
}

/// What no order of versions explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contradiction {
    /// One transaction read two versions of a key.
    TwoVersions {
        /// Which key.
        key: u32,
        /// Who read.
        reader: u32,
        /// The one version's writer, or [`INITIAL`].
        first: u32,
        /// The other version's writer; never [`INITIAL`].
        second: u32,
    },
    /// Two transactions read the same version and overwrote it.
    LostUpdate {
        /// Which key.
        key: u32,
        /// The version's writer, or [`INITIAL`].
        source: u32,
        /// The one.
        first: u32,
        /// The other.
        second: u32,
    },
}

/// What is known of one key while its runs are laid out; the first version is the initial one.
#[derive(Default)]
struct Key {
    writers: Vec<u32>,
    /// The version right after each.
    next: Vec<u32>,
    has_previous: Vec<bool>,
    /// Readers with the version that they read.
    reads: Vec<(u32, u32)>,
    /// Where each went in `Segments::versions`.
    placed: Vec<u32>,
}

/// Numbers by transaction that are valid for one key only.
struct Notes {
    key: Vec<u32>,
    number: Vec<u32>,
}

impl Notes {
    fn new(count: usize) -> Self {
        Notes { key: vec![NONE; count], number: vec![0; count] }
    }

    fn get(&self, key: u32, txn: u32) -> Option<u32> {
        (self.key[txn as usize] == key).then(|| self.number[txn as usize])
    }

    fn set(&mut self, key: u32, txn: u32, number: u32) {
        self.key[txn as usize] = key;
        self.number[txn as usize] = number;
    }
}

impl Segments {
    /// Lays out all keys.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(
        cast: &Cast<'_>,
        held: &mut Held<'_, '_>,
        budget: &Budget<'_>,
    ) -> Result<Result<Self, Contradiction>, Exhausted> {
        let reads: usize = cast.versions.iter().map(|key| key.reads.len()).sum();
        let writes: usize = cast.versions.iter().map(|key| key.chain.len() + key.loose.len() + 1).sum();
        let _held = budget.hold(16 * cast.len() as u64 + 8 * reads as u64)?;
        held.grow(8 * writes as u64 + 8 * cast.versions.len() as u64)?;
        let mut versions = Vec::with_capacity(writes);
        let mut starts = vec![0];
        let mut keys = vec![0];
        let mut readings: Vec<(u32, u32)> = Vec::with_capacity(reads);
        let mut ordered = Vec::new();
        let (mut slots, mut sources) = (Notes::new(cast.len()), Notes::new(cast.len()));
        for (number, known) in cast.versions.iter().enumerate() {
            budget.step(1 + (known.reads.len() + known.chain.len() + known.loose.len()) as u64)?;
            let number = number as u32;
            let mut key = Key::new(cast, known, number, &mut slots);
            if let Err(contradiction) = key.link(number, &slots, &mut sources) {
                return Ok(Err(contradiction));
            }
            key.lay_out(&mut versions, &mut starts);
            keys.push(starts.len() as u32 - 1);
            readings.extend(key.reads.iter().map(|(reader, slot)| (key.placed[*slot as usize], *reader)));
            let slot = |writer: TxnId| slots.get(number, writer.0);
            let pairs = known_pairs(known).filter_map(|(earlier, later)| slot(earlier).zip(slot(later)));
            let pairs = pairs.filter(|(earlier, later)| key.next[*earlier as usize] != *later);
            ordered.extend(pairs.map(|(a, b)| (key.placed[a as usize], key.placed[b as usize])));
        }
        readings.sort_unstable();
        readings.dedup();
        let readers = Rows::build(versions.len(), held, |emit| {
            readings.iter().for_each(|(place, reader)| emit(*place, *reader));
        })?;
        held.grow(8 * ordered.len() as u64)?;
        Ok(Ok(Segments { versions, starts, keys, readers, ordered }))
    }

    /// How many keys there are.
    pub fn key_count(&self) -> u32 {
        self.keys.len() as u32 - 1
    }

    /// The run that starts with a key's initial version.
    pub fn first(&self, key: u32) -> u32 {
        self.keys[key as usize]
    }

    /// A key's other runs, all after the first.
    pub fn others(&self, key: u32) -> std::ops::Range<u32> {
        self.keys[key as usize] + 1..self.keys[key as usize + 1]
    }

    /// A run's places.
    pub fn places(&self, run: u32) -> std::ops::Range<u32> {
        self.starts[run as usize]..self.starts[run as usize + 1]
    }

    /// Who wrote the version at a place, or [`INITIAL`].
    pub fn writer(&self, place: u32) -> u32 {
        self.versions[place as usize]
    }

    /// Who read the version at a place.
    pub fn readers(&self, place: u32) -> &[u32] {
        self.readers.row(place)
    }

    /// The first writer of a run.
    pub fn head(&self, run: u32) -> u32 {
        self.writer(self.starts[run as usize])
    }

    /// The last place of a run.
    pub fn tail(&self, run: u32) -> u32 {
        self.starts[run as usize + 1] - 1
    }

    /// The run in which a place lies.
    pub fn run_of(&self, place: u32) -> u32 {
        self.starts.partition_point(|start| *start <= place) as u32 - 1
    }

    /// The key of a run.
    pub fn key_of(&self, run: u32) -> u32 {
        self.keys.partition_point(|first| *first <= run) as u32 - 1
    }
}

/// Whether versions that follow one another in the chain have none between them.
fn is_gapless(known: &Versions) -> bool {
    known.loose.is_empty() || known.loose_after_chain
}

fn known_pairs(known: &Versions) -> impl Iterator<Item = (TxnId, TxnId)> + '_ {
    let chain = known.chain.windows(2).map(|pair| (pair[0], pair[1]));
    let chain = chain.filter(|_| !is_gapless(known));
    known.known.iter().copied().chain(chain)
}

impl Key {
    fn new(cast: &Cast<'_>, known: &Versions, number: u32, slots: &mut Notes) -> Self {
        let mut key = Key { writers: vec![INITIAL], ..Key::default() };
        for writer in known.chain.iter().chain(&known.loose).map(|writer| writer.0) {
            if cast.has(writer) && slots.get(number, writer).is_none() {
                slots.set(number, writer, key.writers.len() as u32);
                key.writers.push(writer);
            }
        }
        key.next = vec![NONE; key.writers.len()];
        key.has_previous = vec![false; key.writers.len()];
        if is_gapless(known) {
            let chain = known.chain.iter().filter_map(|writer| slots.get(number, writer.0));
            let mut last = 0;
            for slot in chain {
                key.join(last, slot);
                last = slot;
            }
        }
        let reads = known.reads.iter().filter(|(reader, _)| cast.has(reader.0));
        key.reads.extend(reads.filter_map(|(reader, source)| {
            let slot = source.map_or(Some(0), |source| slots.get(number, source.0))?;
            (*source != Some(*reader)).then_some((reader.0, slot))
        }));
        key
    }

    fn join(&mut self, earlier: u32, later: u32) {
        if self.next[earlier as usize] == NONE && !self.has_previous[later as usize] {
            self.next[earlier as usize] = later;
            self.has_previous[later as usize] = true;
        }
    }

    /// Joins those that read and overwrote to what they read.
    fn link(&mut self, number: u32, slots: &Notes, sources: &mut Notes) -> Result<(), Contradiction> {
        for (reader, slot) in &self.reads {
            match sources.get(number, *reader) {
                Some(other) if other != *slot => {
                    let (first, second) = (other.min(*slot), other.max(*slot));
                    let [first, second] = [first, second].map(|slot| self.writers[slot as usize]);
                    return Err(Contradiction::TwoVersions { key: number, reader: *reader, first, second });
                }
                _ => sources.set(number, *reader, *slot),
            }
        }
        for at in 0..self.reads.len() {
            let (reader, source) = self.reads[at];
            let Some(slot) = slots.get(number, reader) else { continue };
            let next = self.next[source as usize];
            if next == NONE || next == slot {
                self.join(source, slot);
                continue;
            }
            let first = self.writers[next as usize];
            if sources.get(number, first) == Some(source) {
                let source = self.writers[source as usize];
                return Err(Contradiction::LostUpdate { key: number, source, first, second: reader });
            }
        }
        Ok(())
    }

    /// Writes the runs down, the one with the initial version first. Writers that read from one another in a circle are in no
    /// run: each becomes one of its own, and the circle is found among the edges.
    fn lay_out(&mut self, versions: &mut Vec<u32>, starts: &mut Vec<u32>) {
        self.placed = vec![NONE; self.writers.len()];
        let heads = (0..self.writers.len()).filter(|slot| !self.has_previous[*slot]);
        for head in heads.chain(0..self.writers.len()) {
            if self.placed[head] != NONE {
                continue;
            }
            let in_circle = self.has_previous[head];
            let mut slot = head as u32;
            while slot != NONE {
                self.placed[slot as usize] = versions.len() as u32;
                versions.push(self.writers[slot as usize]);
                slot = if in_circle { NONE } else { self.next[slot as usize] };
            }
            starts.push(versions.len() as u32);
        }
    }
}
