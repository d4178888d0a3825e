//! More of the order of a register's versions, if the user vouches for it.
//!
//! **Idea.** A register tells little of its versions' order. Whoever knows that each key by itself is linearizable, or sequential, may say
//! so: then of two transactions that touch a key one after the other, in real time or in a session, the second neither
//! saw nor made an older version than the first.
//!
//! **Invariant:** a key whose versions would then form a circle is reported, and keeps only what its values say.
//!
//! Source: Elle's `linearizable-keys?` and `sequential-keys?`.

use super::by_key::ByKey;
use super::infer::{Inference, KeyOrder};
use super::{Kind, TxnId, Txns, Versions};
use crate::history::Outcome;
use rustc_hash::FxHashMap;

/// What the user vouches for. Nothing by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Assumptions {
    /// Each register by itself is linearizable. Takes a history that knows real time.
    pub linearizable_keys: bool,
    /// Each register by itself is sequentially consistent.
    pub sequential_keys: bool,
}

/// A transaction that touches a key: the version it first met, and the one it left. Nothing is the initial one.
#[derive(Clone, Copy)]
struct Touch {
    txn: u32,
    first: Option<u32>,
    last: Option<u32>,
}

impl Assumptions {
    /// Whether there is any, and the kind is one that needs it.
    pub fn apply_to(self, kind: Kind) -> bool {
        kind == Kind::RwRegister && (self.linearizable_keys || self.sequential_keys)
    }

    /// Pairs of writers whose versions follow one another if the assumptions are true.
    pub fn pairs(self, txns: &Txns, inference: &Inference, key: u32) -> Vec<(TxnId, TxnId)> {
        let touches = touches(txns, &inference.by_key, &inference.orders[key as usize], key);
        let mut pairs = Vec::new();
        let mut follow = |before: &Touch, after: &Touch| {
            if let (Some(first), Some(second)) = (before.last, after.first)
                && first != second
                && [first, second].iter().all(|txn| inference.is_live[*txn as usize])
            {
                pairs.push((TxnId(first), TxnId(second)));
            }
        };
        if self.sequential_keys {
            let mut sessions: FxHashMap<u32, Touch> = FxHashMap::default();
            for touch in &touches {
                if let Some(before) = sessions.insert(txns.txns[touch.txn as usize].session.0, *touch) {
                    follow(&before, touch);
                }
            }
        }
        if self.linearizable_keys {
            in_real_time(txns, &touches, follow);
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}

/// Tells of each touch those that returned last before its call: no other touch lies between them.
fn in_real_time(txns: &Txns, touches: &[Touch], mut follow: impl FnMut(&Touch, &Touch)) {
    let from = |touch: &Touch| txns.txns[touch.txn as usize].from;
    let until = |touch: &Touch| txns.txns[touch.txn as usize].until;
    let mut returns: Vec<Touch> = touches.to_vec();
    returns.sort_unstable_by_key(until);
    let mut next = 0;
    let mut frontier: Vec<Touch> = Vec::new();
    for touch in touches {
        while next < returns.len() && until(&returns[next]) < from(touch) {
            let new = returns[next];
            frontier.retain(|old| until(old) >= from(&new));
            frontier.push(new);
            next += 1;
        }
        frontier.iter().for_each(|before| follow(before, touch));
    }
}

/// The committed transactions that touch a key, by their calls.
fn touches(txns: &Txns, by_key: &ByKey, order: &KeyOrder, key: u32) -> Vec<Touch> {
    let mut touches: FxHashMap<u32, Touch> = FxHashMap::default();
    for (read, source) in by_key.reads(key).iter().zip(&order.sources) {
        let version = source.and_then(|source| source.txn());
        if by_key.is_external(read.mop) && (version.is_some() || source.is_none()) {
            let touch =
                touches.entry(read.txn).or_insert(Touch { txn: read.txn, first: version, last: version });
            touch.last = version;
        }
    }
    for write in
        by_key.writes(key).iter().filter(|write| txns.txns[write.txn as usize].outcome == Outcome::Ok)
    {
        let own = Some(write.txn);
        touches.entry(write.txn).or_insert(Touch { txn: write.txn, first: own, last: own }).last = own;
    }
    let mut touches: Vec<Touch> = touches.into_values().collect();
    touches.sort_unstable_by_key(|touch| touch.txn);
    touches
}

/// Writers whose versions follow one another in a circle, if there are any.
pub fn circle(versions: &Versions) -> Option<Vec<TxnId>> {
    let mut after: FxHashMap<TxnId, (u32, Vec<TxnId>)> = FxHashMap::default();
    for (first, second) in &versions.known {
        after.entry(*first).or_default().1.push(*second);
        after.entry(*second).or_default().0 += 1;
    }
    let mut ready: Vec<TxnId> =
        after.iter().filter(|(_, (count, _))| *count == 0).map(|(txn, _)| *txn).collect();
    while let Some(txn) = ready.pop() {
        let (_, next) = after.remove(&txn).expect("each is ready once");
        for second in next {
            let entry = after.get_mut(&second).expect("it waits for this one");
            entry.0 -= 1;
            if entry.0 == 0 {
                ready.push(second);
            }
        }
    }
    // Whoever is left follows a circle: going back from any of them leads into one.
    let mut before: FxHashMap<TxnId, TxnId> = FxHashMap::default();
    let left = |txn: &TxnId| after.contains_key(txn);
    for (first, second) in versions.known.iter().filter(|(first, second)| left(first) && left(second)) {
        before.insert(*second, *first);
    }
    let mut at = *before.keys().min()?;
    let mut path = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        at = before[&at];
    }
    let start = path.iter().position(|txn| *txn == at).expect("it was met before");
    let mut circle = path.split_off(start);
    circle.reverse();
    Some(circle)
}
