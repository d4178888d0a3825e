//! Replays an order of commits for the levels that know no snapshots: read committed, read atomic, transactional causal consistency.
//!
//! **Idea.** Each read names the version that it saw. Of the versions that the commit order puts after that one, the reader must have
//! seen none: none that it had read from before (read committed), none that it read from at all (read atomic), none among its causes
//! (transactional causal consistency, whose commit order respects sessions too).
//!
//! Source: Biswas & Enea 2019, Fig. 2. A list shows the order of its appends, and the commit order must agree with it.

use super::exhaust::Grow;
use super::{Flaw, Objection, Why};
use crate::explain::mops::{Mop, Txn, values_seen};
use crate::history::{OpId, Point, SessionId, Value};
use crate::level::Level;
use crate::verdict::Relation;
use rustc_hash::FxHashMap;

/// Commits so far.
#[derive(Clone)]
pub struct Visible<'t> {
    level: Level,
    txns: &'t [Txn<'t>],
    is_list: bool,
    count: usize,
    keys: FxHashMap<&'t Value, Key<'t>>,
    /// By commit: its session, its place in it, and how many of each session are among its causes or are itself.
    causes: Vec<(SessionId, u32, FxHashMap<SessionId, u32>)>,
    /// By session, its last commit.
    last: FxHashMap<SessionId, (OpId, Point, usize)>,
}

/// The versions of one key.
#[derive(Clone, Default)]
struct Key<'t> {
    /// Who made them, by commit, and how many list elements there were then.
    versions: Vec<(usize, usize)>,
    list: Vec<&'t Value>,
    /// By register value, its version.
    by_value: FxHashMap<&'t Value, usize>,
}

/// A read of another's version: the key, and the number of the version; nothing for the initial one.
type Source<'t> = (&'t Value, Option<usize>);

/// Whether this is one of the three levels.
pub fn is_weak(level: Level) -> bool {
    matches!(level, Level::ReadCommitted | Level::ReadAtomic | Level::TransactionalCausal)
}

impl<'t> Visible<'t> {
    /// None yet.
    ///
    /// # Errors
    /// If two transactions wrote the same value to a register, so that a read does not tell whose it saw.
    pub fn new(level: Level, txns: &'t [Txn<'t>]) -> Result<Self, Objection> {
        let is_list = txns.iter().flat_map(|txn| &txn.mops).any(|mop| matches!(mop, Mop::Append(..)));
        let mut writers: FxHashMap<(&Value, &Value), OpId> = FxHashMap::default();
        for txn in txns.iter().filter(|_| !is_list) {
            for written in txn.last_writes() {
                if writers.insert(written, txn.id).is_some() {
                    return Err(Why::NoMethod(level).into());
                }
            }
        }
        let (keys, causes, last) = (FxHashMap::default(), Vec::new(), FxHashMap::default());
        Ok(Visible { level, txns, is_list, count: 0, keys, causes, last })
    }

    /// The next commit.
    pub fn commit(&mut self, txn: &'t Txn<'t>) -> Result<(), Flaw> {
        let session = txn.op.session;
        let before = self.last.get(&session).copied();
        let is_causal = self.level == Level::TransactionalCausal;
        if let Some((first, ..)) = before.filter(|(_, call, _)| is_causal && txn.op.call < *call) {
            return Err(Flaw::OutOfOrder { first, second: txn.id, relation: Relation::Session });
        }
        let sources = self.sources(txn)?;
        let mut known: FxHashMap<SessionId, u32> = FxHashMap::default();
        let from = sources.iter().filter_map(|source| self.maker(source));
        for cause in from.chain(before.map(|(_, _, commit)| commit)).filter(|_| is_causal) {
            for (of, count) in &self.causes[cause].2 {
                let known = known.entry(*of).or_default();
                *known = (*known).max(*count);
            }
        }
        for (at, source) in sources.iter().enumerate() {
            let read_before = if self.level == Level::ReadCommitted { &sources[..at] } else { &sources[..] };
            if self.later_makers(source).any(|maker| match self.level {
                Level::TransactionalCausal => {
                    let (of, place, _) = &self.causes[maker];
                    known.get(of).is_some_and(|count| place < count)
                }
                _ => read_before.iter().any(|other| self.maker(other) == Some(maker)),
            }) {
                return Err(Flaw::Illegal(txn.id));
            }
        }
        let place = before.map_or(0, |(_, _, commit)| self.causes[commit].1 + 1);
        known.insert(session, place + 1);
        self.causes.push((session, place, known));
        self.last.insert(session, (txn.id, txn.op.call, self.count));
        self.write(txn);
        self.count += 1;
        Ok(())
    }

    /// Whose versions it read, in the order of its reads.
    fn sources(&self, txn: &'t Txn<'t>) -> Result<Vec<Source<'t>>, Flaw> {
        let nothing = Key::default();
        let mut own: FxHashMap<&Value, Vec<&Value>> = FxHashMap::default();
        let mut sources = Vec::new();
        for mop in &txn.mops {
            match *mop {
                Mop::Append(key, value) => own.entry(key).or_default().push(value),
                Mop::Write(key, value) => drop(own.insert(key, vec![value])),
                Mop::Read(key, seen) => {
                    let mine = own.get(key).map_or(&[][..], Vec::as_slice);
                    let known = self.keys.get(key).unwrap_or(&nothing);
                    match (self.is_list, mine.last()) {
                        (false, Some(last)) if *last == seen => {}
                        (false, Some(_)) => return Err(Flaw::Illegal(txn.id)),
                        (false, None) if seen.is_nil() => sources.push((key, None)),
                        (false, None) => {
                            let version = known.by_value.get(seen).ok_or(Flaw::Illegal(txn.id))?;
                            sources.push((key, Some(*version)));
                        }
                        (true, _) => {
                            let version = known.list_version(values_seen(seen), mine);
                            sources.push((key, version.ok_or(Flaw::Illegal(txn.id))?));
                        }
                    }
                }
            }
        }
        Ok(sources)
    }

    fn maker(&self, (key, version): &Source<'t>) -> Option<usize> {
        version.map(|version| self.keys[key].versions[version].0)
    }

    /// Who made the versions after this one.
    fn later_makers(&self, (key, version): &Source<'t>) -> impl Iterator<Item = usize> {
        let versions = self.keys.get(key).map_or(&[][..], |key| &key.versions);
        versions[version.map_or(0, |version| version + 1)..].iter().map(|(maker, _)| *maker)
    }

    fn write(&mut self, txn: &'t Txn<'t>) {
        for mop in &txn.mops {
            if let Mop::Append(key, value) = *mop {
                self.keys.entry(key).or_default().list.push(value);
            }
        }
        for (name, value) in txn.last_writes() {
            let key = self.keys.entry(name).or_default();
            key.by_value.insert(value, key.versions.len());
            key.versions.push((self.count, key.list.len()));
        }
    }
}

impl Key<'_> {
    /// The version that a list without one's own elements is; nothing if it is none.
    fn list_version(&self, seen: &[Value], mine: &[&Value]) -> Option<Option<usize>> {
        let base = seen.len().checked_sub(mine.len())?;
        let is_mine = seen[base..].iter().eq(mine.iter().copied());
        let is_prefix = base <= self.list.len() && seen[..base].iter().eq(self.list[..base].iter().copied());
        if !is_mine || !is_prefix {
            return None;
        }
        let at = self.versions.partition_point(|(_, len)| *len < base);
        match base {
            0 => Some(None),
            _ => self.versions.get(at).filter(|(_, len)| *len == base).map(|_| Some(at)),
        }
    }
}

impl Grow for Visible<'_> {
    fn grow(&mut self, at: usize) -> bool {
        self.commit(&self.txns[at]).is_ok()
    }
}
