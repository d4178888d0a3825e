//! Which write each read got its value from.
//!
//! **Idea.** Where each value that was read has one writer, the reads-from relation of the literature is known before any search. A set
//! to which each element is added once is one register per element: unset at first, set by its add; who sees the set reads
//! them all. So sets need no method of their own.
//!
//! **Invariant:** with [`Facts::complete`], an order of operations is legal exactly if each read of `x` comes after its source and no
//! other write of `x` lies between the two. Otherwise that is necessary for those writes that are `sure`: an
//! operation such as compare-and-set, of another session and with its result unseen, may have left its object as it was.

use super::case::Case;
use crate::limits::{Exhausted, Held};
use crate::model::{Access, Model};
use rustc_hash::FxHashMap;

/// In place of a writer: the initial value.
pub(super) const INITIAL: u32 = u32::MAX;

/// An operation saw an object's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Read {
    pub object: u32,
    /// The operation that wrote the value, or [`INITIAL`].
    pub source: u32,
}

/// What is known.
pub(super) struct Facts {
    /// By operation.
    pub reads: Vec<Vec<Read>>,
    /// By operation, the objects that it writes in any state.
    pub writes: Vec<Vec<u32>>,
    /// By object and session, who writes it in any state, in the session's order.
    pub writers: Vec<Vec<(u32, Vec<u32>)>>,
    /// Whether all writes are `sure`.
    pub complete: bool,
}

/// The outcome of looking for facts.
pub(super) enum Found<'a> {
    /// They are here, and take so much.
    Facts(Facts, Held<'a, 'a>),
    /// This operation read a value that nobody wrote.
    Unwritten(u32),
    /// The values do not tell.
    Nothing,
}

/// Whose results count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Results {
    /// All that are certain: one order explains everybody.
    All,
    /// An operation's own; to others it is an effect.
    Own,
}

/// Reads of elements that are not in a set take space; beyond so many the facts are given up.
const MAX_READS: usize = 1 << 25;

/// Who writes which value of which object; an element of a set is an object.
type Writers = FxHashMap<(u32, u32), Writer>;

#[derive(Clone, Copy)]
enum Writer {
    One(u32),
    Several,
}

struct Collector {
    writers: Writers,
    /// Numbers for objects, and for elements of sets.
    objects: FxHashMap<(u32, Option<u32>), u32>,
    /// By set, its elements that are added.
    elements: FxHashMap<u32, Vec<u32>>,
    facts: Facts,
}

impl Facts {
    /// Looks at every operation.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn find<'a, M: Model>(case: &Case<'a, M>, results: Results) -> Result<Found<'a>, Exhausted> {
        let blank = || vec![Vec::new(); case.len()];
        let facts = Facts {
            reads: vec![Vec::new(); case.len()],
            writes: blank(),
            writers: Vec::new(),
            complete: true,
        };
        let mut collector = Collector {
            writers: Writers::default(),
            objects: FxHashMap::default(),
            elements: FxHashMap::default(),
            facts,
        };
        let mut seen: Vec<Vec<Access>> = Vec::with_capacity(case.len());
        for (at, item) in case.items.iter().enumerate() {
            case.budget.step(1)?;
            let (mut own, mut others) = (Vec::new(), Vec::new());
            if !case.model.accesses(&item.call, item.certain, &mut own) {
                return Ok(Found::Nothing);
            }
            let sure = !item.certain
                || results == Results::All
                || case.model.accesses(&item.call, false, &mut others);
            collector.facts.complete &= sure;
            if !collector.writes(at as u32, &own, sure) {
                return Ok(Found::Nothing);
            }
            seen.push(own);
        }
        collector.group(case);
        let mut held = case.budget.hold(0)?;
        let mut total = 0;
        for (at, accesses) in seen.iter().enumerate() {
            case.budget.step(1)?;
            if let Some(end) = collector.reads(at as u32, accesses) {
                return Ok(end);
            }
            let count = collector.facts.reads[at].len();
            held.grow((count * size_of::<Read>()) as u64)?;
            total += count;
            if total > MAX_READS {
                return Ok(Found::Nothing);
            }
        }
        Ok(Found::Facts(collector.facts, held))
    }
}

impl Collector {
    fn object(&mut self, object: u32, element: Option<u32>) -> u32 {
        let next = self.objects.len() as u32;
        *self.objects.entry((object, element)).or_insert(next)
    }

    /// Notes what an operation writes; false if it is not a write of a register or an add.
    fn writes(&mut self, op: u32, accesses: &[Access], sure: bool) -> bool {
        for access in accesses {
            let (object, value) = match access {
                Access::Write { object, value } => (self.object(*object, None), *value),
                Access::Add { object, value } => {
                    self.elements.entry(*object).or_default().push(*value);
                    (self.object(*object, Some(*value)), *value)
                }
                Access::Read { .. } | Access::Saw { ordered: false, .. } => continue,
                _ => return false,
            };
            let writer = self.writers.entry((object, value)).or_insert(Writer::One(op));
            if !matches!(writer, Writer::One(first) if *first == op) {
                *writer = Writer::Several;
            }
            let writes = &mut self.facts.writes[op as usize];
            if writes.contains(&object) {
                return false;
            }
            if sure {
                writes.push(object);
            }
        }
        true
    }

    fn group<M: Model>(&mut self, case: &Case<'_, M>) {
        for elements in self.elements.values_mut() {
            elements.sort_unstable();
            elements.dedup();
        }
        self.facts.writers = vec![Vec::new(); self.objects.len()];
        for (session, ops) in case.sessions.ops.iter().enumerate() {
            for op in ops {
                for object in &self.facts.writes[*op as usize] {
                    let writers = &mut self.facts.writers[*object as usize];
                    match writers.last_mut() {
                        Some((last, ops)) if *last == session as u32 => ops.push(*op),
                        _ => writers.push((session as u32, vec![*op])),
                    }
                }
            }
        }
    }

    /// Notes what an operation reads; gives the end of the search for facts, if that ends it.
    fn reads(&mut self, op: u32, accesses: &[Access]) -> Option<Found<'static>> {
        for access in accesses {
            match access {
                Access::Read { object, value } => {
                    let object = self.object(*object, None);
                    let source = match value.map(|value| self.writers.get(&(object, value))) {
                        None => INITIAL,
                        Some(Some(Writer::One(writer))) => *writer,
                        Some(Some(Writer::Several)) => return Some(Found::Nothing),
                        Some(None) => return Some(Found::Unwritten(op)),
                    };
                    let reads = &self.facts.reads[op as usize];
                    if reads.iter().any(|read| read.object == object && read.source != source) {
                        return Some(Found::Nothing);
                    }
                    self.note(op, object, source);
                }
                Access::Saw { .. } if accesses.len() > 1 => return Some(Found::Nothing),
                Access::Saw { object: set, values, .. } => {
                    let elements = self.elements.get(set).cloned().unwrap_or_default();
                    if values.iter().any(|value| elements.binary_search(value).is_err()) {
                        return Some(Found::Unwritten(op));
                    }
                    for value in elements {
                        let object = self.object(*set, Some(value));
                        let source = match self.writers[&(object, value)] {
                            _ if values.binary_search(&value).is_err() => INITIAL,
                            Writer::One(writer) => writer,
                            Writer::Several => return Some(Found::Nothing),
                        };
                        self.note(op, object, source);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn note(&mut self, op: u32, object: u32, source: u32) {
        if object as usize >= self.facts.writers.len() {
            self.facts.writers.resize(object as usize + 1, Vec::new());
        }
        let read = Read { object, source };
        let reads = &mut self.facts.reads[op as usize];
        if reads.last() != Some(&read) {
            reads.push(read);
        }
    }
}
