//! Replays an order of commits on plain maps.
//!
//! **Serializable:** each transaction runs alone on the state that the one before it left. **Snapshot isolation:** each reads the state that
//! some beginning of the order leaves, together with its own writes, and whoever wrote a key that it writes too stands within that beginning
//! (first committer wins). The strong and strong-session forms ask that the beginning holds whoever returned before it was called, or its
//! own session's earlier transactions.
//!
//! Source: Berenson et al. 1995 §4.2; Adya 1999 §4.3; Daudjee & Salem 2006 for the strong forms.

use super::Flaw;
use super::exhaust::Grow;
use crate::explain::mops::{Mop, Txn, values_seen};
use crate::history::{OpId, Point, SessionId, Value};
use crate::level::Level;
use crate::verdict::Relation;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Commits so far.
#[derive(Clone)]
pub struct Commits<'t> {
    level: Level,
    txns: &'t [Txn<'t>],
    is_list: bool,
    count: usize,
    keys: FxHashMap<&'t Value, Key<'t>>,
    /// By session, its last commit and the number of commits with it.
    sessions: FxHashMap<SessionId, (OpId, Point, usize)>,
    /// By return, the number of commits with the last that returned by then; only what grows.
    returned: BTreeMap<Point, usize>,
    latest_call: Option<(Point, OpId)>,
}

/// All versions of one key.
#[derive(Clone, Default)]
struct Key<'t> {
    /// All elements that were appended.
    list: Vec<&'t Value>,
    /// Each version: how many commits there were with it, and how many elements.
    versions: Vec<(usize, usize)>,
    /// By register value, the numbers of its versions.
    by_value: FxHashMap<&'t Value, Vec<usize>>,
    /// The register's value.
    current: Option<&'t Value>,
}

/// Numbers of commits, from and until, both included.
type Span = (usize, usize);

impl<'t> Commits<'t> {
    /// None yet.
    pub fn new(level: Level, txns: &'t [Txn<'t>]) -> Self {
        let (keys, sessions) = (FxHashMap::default(), FxHashMap::default());
        let mops = txns.iter().flat_map(|txn| &txn.mops);
        let is_list = mops.into_iter().any(|mop| matches!(mop, Mop::Append(..)));
        Commits {
            level,
            txns,
            is_list,
            count: 0,
            keys,
            sessions,
            returned: BTreeMap::new(),
            latest_call: None,
        }
    }

    /// The next commit.
    pub fn commit(&mut self, txn: &'t Txn<'t>) -> Result<(), Flaw> {
        let lowest = self.ordered(txn)?;
        let lowest = if is_serial(self.level) { self.count } else { lowest.max(self.conflicts(txn)) };
        self.read(txn, lowest)?;
        self.write(txn);
        self.count += 1;
        self.sessions.insert(txn.op.session, (txn.id, txn.op.call, self.count));
        // Whoever returned later and committed earlier tells nothing more.
        while let Some((later, _)) = self.returned.range(txn.op.ret..).next() {
            let later = *later;
            self.returned.remove(&later);
        }
        self.returned.insert(txn.op.ret, self.count);
        if self.latest_call.is_none_or(|(call, _)| call < txn.op.call) {
            self.latest_call = Some((txn.op.call, txn.id));
        }
        Ok(())
    }

    /// How many commits the level's order alone puts before it.
    fn ordered(&self, txn: &Txn<'_>) -> Result<usize, Flaw> {
        let mut lowest = 0;
        let before = self.sessions.get(&txn.op.session).filter(|_| is_by_session(self.level));
        if let Some((first, call, count)) = before {
            if txn.op.call < *call {
                let (first, second) = (*first, txn.id);
                return Err(Flaw::OutOfOrder { first, second, relation: Relation::Session });
            }
            lowest = *count;
        }
        if is_by_time(self.level) {
            if let Some((_, first)) = self.latest_call.filter(|(call, _)| txn.op.ret < *call) {
                return Err(Flaw::OutOfOrder { first, second: txn.id, relation: Relation::RealTime });
            }
            let before = self.returned.range(..txn.op.call).next_back();
            lowest = lowest.max(before.map_or(0, |(_, count)| *count));
        }
        Ok(lowest)
    }

    /// How many commits it must have seen as they wrote the same keys.
    fn conflicts(&self, txn: &Txn<'_>) -> usize {
        let keys = txn.mops.iter().filter_map(|mop| mop.written()).filter_map(|(key, _)| self.keys.get(key));
        keys.filter_map(|key| key.versions.last()).map(|(count, _)| *count).max().unwrap_or(0)
    }

    /// Whether some number of commits, `lowest` at least, explains all its reads.
    fn read(&self, txn: &Txn<'t>, lowest: usize) -> Result<(), Flaw> {
        let mut spans: Vec<Span> = vec![(lowest, self.count)];
        let mut own: FxHashMap<&Value, Vec<&Value>> = FxHashMap::default();
        for mop in &txn.mops {
            match *mop {
                Mop::Append(key, value) => own.entry(key).or_default().push(value),
                Mop::Write(key, value) => drop(own.insert(key, vec![value])),
                Mop::Read(key, seen) => {
                    let mine = own.get(key).map_or(&[][..], Vec::as_slice);
                    let Some(fits) = self.spans(key, seen, mine) else {
                        return Err(Flaw::Illegal(txn.id));
                    };
                    spans = both(&spans, &fits);
                }
            }
        }
        if spans.is_empty() { Err(Flaw::Illegal(txn.id)) } else { Ok(()) }
    }

    /// After how many commits `key` shows `seen` to one who has written `mine`; nothing if never.
    fn spans(&self, key: &Value, seen: &Value, mine: &[&Value]) -> Option<Vec<Span>> {
        let nothing = Key::default();
        let known = self.keys.get(key).unwrap_or(&nothing);
        if self.is_list {
            known.list_span(values_seen(seen), mine, self.count).map(|span| vec![span])
        } else if let Some(last) = mine.last() {
            (*last == seen).then(|| vec![(0, self.count)])
        } else {
            known.register_spans(seen, self.count)
        }
    }

    fn write(&mut self, txn: &'t Txn<'t>) {
        for mop in &txn.mops {
            match *mop {
                Mop::Append(key, value) => self.keys.entry(key).or_default().list.push(value),
                Mop::Write(key, value) => self.keys.entry(key).or_default().current = Some(value),
                Mop::Read(..) => {}
            }
        }
        for (name, _) in txn.last_writes() {
            let key = self.keys.entry(name).or_default();
            key.versions.push((self.count + 1, key.list.len()));
            if let Some(value) = key.current {
                key.by_value.entry(value).or_default().push(key.versions.len() - 1);
            }
        }
    }
}

impl Key<'_> {
    fn list_span(&self, seen: &[Value], mine: &[&Value], count: usize) -> Option<Span> {
        let base = seen.len().checked_sub(mine.len())?;
        let is_mine = seen[base..].iter().eq(mine.iter().copied());
        let is_prefix = base <= self.list.len() && seen[..base].iter().eq(self.list[..base].iter().copied());
        (is_mine && is_prefix).then_some(())?;
        let at = self.versions.partition_point(|(_, len)| *len < base);
        let (from, next) = match base {
            0 => (0, at),
            _ => (self.versions.get(at).filter(|(_, len)| *len == base)?.0, at + 1),
        };
        Some((from, self.versions.get(next).map_or(count, |(next, _)| next - 1)))
    }

    fn register_spans(&self, seen: &Value, count: usize) -> Option<Vec<Span>> {
        let until = |version: usize| self.versions.get(version).map_or(count, |(next, _)| next - 1);
        let initial = seen.is_nil().then(|| (0, until(0)));
        let later = self.by_value.get(seen).into_iter().flatten();
        let later = later.map(|version| (self.versions[*version].0, until(version + 1)));
        let spans: Vec<Span> = initial.into_iter().chain(later).collect();
        (!spans.is_empty()).then_some(spans)
    }
}

impl Grow for Commits<'_> {
    fn grow(&mut self, at: usize) -> bool {
        self.commit(&self.txns[at]).is_ok()
    }
}

/// What lies in both of two ascending lists.
fn both(first: &[Span], second: &[Span]) -> Vec<Span> {
    let (mut a, mut b, mut shared) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (first.get(a), second.get(b)) {
        let (from, until) = (x.0.max(y.0), x.1.min(y.1));
        if from <= until {
            shared.push((from, until));
        }
        if x.1 < y.1 { a += 1 } else { b += 1 }
    }
    shared
}

/// Whether transactions run one after the other.
pub fn is_serial(level: Level) -> bool {
    matches!(level, Level::Serializable | Level::StrongSessionSerializable | Level::StrictSerializable)
}

/// Whether each reads a snapshot.
pub fn is_snapshot(level: Level) -> bool {
    matches!(
        level,
        Level::SnapshotIsolation | Level::StrongSessionSnapshotIsolation | Level::StrongSnapshotIsolation
    )
}

/// Whether the order within sessions counts.
pub fn is_by_session(level: Level) -> bool {
    matches!(level, Level::StrongSessionSerializable | Level::StrongSessionSnapshotIsolation)
        || is_by_time(level)
}

/// Whether real time counts.
pub fn is_by_time(level: Level) -> bool {
    matches!(level, Level::StrictSerializable | Level::StrongSnapshotIsolation)
}
