//! What may be removed from a history without making up a violation.
//!
//! **Problem.** Removing the write of a value that somebody read leaves a read of a value that nobody wrote. The rest then violates
//! every level, and says nothing about the whole.
//!
//! **Idea.** From what the operations say about values ([`Model::accesses`]) follows who leans on whom: a read on the writes of its
//! value, a dequeue on the enqueue and the enqueue on the dequeue. A part of a history is *closed* if whoever it holds finds in it all
//! that it leans on. An operation that does not tell its values leans on all, and all that observe lean on it.
//!
//! **Invariant:** take a legal execution of the whole, drop what is not in a closed part, and what is left is legal. So if a closed
//! part violates a level, the whole does. Reads lean on nobody's reads; a register's write overwrites whatever was there; what a queue,
//! stack, priority queue or set does with one value does not depend on the others that it holds, beyond their order.

use super::mops::{Mop, txns, values_seen};
use crate::history::{History, OpId, Value};
use crate::model::{Access, Item, Model};
use rustc_hash::{FxHashMap, FxHashSet};

/// Who must go if another goes.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    op_count: usize,
    /// By node: who must go with it. The first `op_count` nodes are operations, the others stand for all that touch one value.
    dependents: Vec<Vec<u32>>,
    /// By operation: the nodes on which it leans.
    leans_on: Vec<Vec<u32>>,
    /// By node: the operations that it stands for.
    stands_for: Vec<Vec<u32>>,
}

/// What one operation does to its object.
struct Told {
    op: u32,
    object: u32,
    accesses: Vec<Access>,
    /// Its result tells nothing about values, or its effects are not known.
    is_opaque: bool,
    /// Without its result it changes nothing.
    is_read: bool,
}

impl Keep {
    /// No rule: everything may be removed.
    pub fn anything(history: &History) -> Keep {
        Keep::of_size(history.ops.len())
    }

    /// For operations on objects.
    pub fn objects<M: Model>(model: &M, history: &History, items: &[Item<M::Call>]) -> Keep {
        let is_whole = items.iter().any(|item| model.object(&item.call).is_none());
        let told: Vec<Told> = items.iter().map(|item| Told::of(model, item, is_whole)).collect();
        let mut kinds: FxHashMap<u32, (bool, bool)> = FxHashMap::default();
        for one in &told {
            let kinds = kinds.entry(one.object).or_default();
            for access in &one.accesses {
                kinds.0 |= matches!(access, Access::Write { .. });
                kinds.1 |=
                    matches!(access, Access::Insert { .. } | Access::Remove { .. } | Access::Add { .. });
            }
        }
        let mut keep = Keep::of_size(history.ops.len());
        let mut hubs: FxHashMap<(u32, Hub), u32> = FxHashMap::default();
        for mut one in told {
            // Whole-state writes and changes of elements on one object: values do not tell who made the state.
            one.is_opaque |= kinds[&one.object] == (true, true) && !one.is_read;
            keep.link(&one, &mut hubs);
        }
        keep
    }

    /// For transactions of list appends and register writes.
    pub fn txns(history: &History) -> Keep {
        let mut keep = Keep::of_size(history.ops.len());
        let mut hubs: FxHashMap<(&Value, &Value), u32> = FxHashMap::default();
        let txns = txns(history);
        for txn in &txns {
            for written in txn.mops.iter().filter_map(|mop| mop.written()) {
                let hub = *hubs.entry(written).or_insert_with(|| keep.new_hub());
                keep.stand_for(hub, txn.id.0);
            }
        }
        for txn in &txns {
            for mop in &txn.mops {
                let Mop::Read(key, seen) = *mop else { continue };
                for hub in values_seen(seen).iter().filter_map(|value| hubs.get(&(key, value))) {
                    keep.lean(txn.id.0, *hub);
                }
            }
        }
        keep
    }

    /// The greatest closed part of `ops`, ascending.
    pub fn closed_part(&self, ops: &[OpId]) -> Vec<OpId> {
        let mut is_in = vec![false; self.op_count];
        ops.iter().for_each(|op| is_in[op.at()] = true);
        let mut is_gone = vec![false; self.dependents.len()];
        let mut next: Vec<u32> = (0..self.op_count as u32).filter(|op| !is_in[*op as usize]).collect();
        while let Some(node) = next.pop() {
            if !std::mem::replace(&mut is_gone[node as usize], true) {
                next.extend(&self.dependents[node as usize]);
            }
        }
        (0..self.op_count).filter(|op| !is_gone[*op]).map(|op| OpId(op as u32)).collect()
    }

    /// Whether nobody of `ops` leans on an operation that is missing.
    pub fn is_closed(&self, ops: &[OpId]) -> bool {
        self.closed_part(ops).len() == ops.iter().collect::<FxHashSet<_>>().len()
    }

    /// The smallest closed part that holds `ops`, ascending.
    pub fn with_support(&self, ops: &[OpId]) -> Vec<OpId> {
        let mut is_in = vec![false; self.op_count];
        let mut is_hub_in = vec![false; self.dependents.len()];
        let mut next: Vec<u32> = ops.iter().map(|op| op.0).collect();
        while let Some(op) = next.pop() {
            if std::mem::replace(&mut is_in[op as usize], true) {
                continue;
            }
            for hub in &self.leans_on[op as usize] {
                if !std::mem::replace(&mut is_hub_in[*hub as usize], true) {
                    next.extend(&self.stands_for[*hub as usize - self.op_count]);
                }
            }
        }
        (0..self.op_count).filter(|op| is_in[*op]).map(|op| OpId(op as u32)).collect()
    }

    fn of_size(op_count: usize) -> Keep {
        let empty = vec![Vec::new(); op_count];
        Keep { op_count, dependents: empty.clone(), leans_on: empty, stands_for: Vec::new() }
    }

    fn new_hub(&mut self) -> u32 {
        self.dependents.push(Vec::new());
        self.stands_for.push(Vec::new());
        self.dependents.len() as u32 - 1
    }

    fn stand_for(&mut self, hub: u32, op: u32) {
        self.dependents[op as usize].push(hub);
        self.stands_for[hub as usize - self.op_count].push(op);
    }

    fn lean(&mut self, op: u32, hub: u32) {
        self.dependents[hub as usize].push(op);
        self.leans_on[op as usize].push(hub);
    }

    fn link(&mut self, one: &Told, hubs: &mut FxHashMap<(u32, Hub), u32>) {
        let mut stands = Vec::new();
        let mut leans = Vec::new();
        if !one.is_read {
            stands.push(Hub::Changed);
        }
        if one.is_opaque {
            leans.push(Hub::Changed);
            if !one.is_read {
                stands.push(Hub::Opaque);
            }
        }
        let mut observes = one.is_opaque;
        for access in &one.accesses {
            match access {
                Access::Write { object, value } => stands.push(Hub::Value(*object, *value)),
                Access::Read { object, value } => {
                    observes = true;
                    leans.extend(value.map(|value| Hub::Value(*object, value)));
                }
                Access::Insert { object, value, .. } | Access::Add { object, value } => {
                    stands.push(Hub::Value(*object, *value));
                    leans.push(Hub::Value(*object, *value));
                }
                Access::Remove { object, value } => {
                    observes = true;
                    stands.push(Hub::Value(*object, *value));
                    leans.push(Hub::Value(*object, *value));
                }
                Access::Empty { .. } => observes = true,
                Access::Saw { object, values, .. } => {
                    observes = true;
                    leans.extend(values.iter().map(|value| Hub::Value(*object, *value)));
                }
            }
        }
        if observes {
            leans.push(Hub::Opaque);
        }
        for hub in stands {
            let hub = *hubs.entry((one.object, hub)).or_insert_with(|| self.new_hub());
            self.stand_for(hub, one.op);
        }
        for hub in leans {
            let hub = *hubs.entry((one.object, hub)).or_insert_with(|| self.new_hub());
            self.lean(one.op, hub);
        }
    }
}

/// What operations of one object have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Hub {
    /// Those that write, add or take this value of this object.
    Value(u32, u32),
    /// Those that change anything.
    Changed,
    /// Those that may change anything in any way.
    Opaque,
}

impl Told {
    fn of<M: Model>(model: &M, item: &Item<M::Call>, is_whole: bool) -> Told {
        let (mut accesses, mut masked) = (Vec::new(), Vec::new());
        let is_told = model.accesses(&item.call, item.certain, &mut accesses);
        let is_read = model.reads_only(&item.call, item.certain)
            || model.accesses(&item.call, false, &mut masked)
                && masked.is_empty()
                && !accesses.iter().any(changes);
        if !is_told {
            accesses.clear();
        }
        let object = model.object(&item.call).filter(|_| !is_whole).unwrap_or(0);
        Told { op: item.id.0, object, accesses, is_opaque: !is_told, is_read }
    }
}

fn changes(access: &Access) -> bool {
    !matches!(access, Access::Read { .. } | Access::Empty { .. } | Access::Saw { .. })
}
