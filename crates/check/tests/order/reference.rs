//! The levels straight from their definitions, for tiny histories: everything is tried.

use quorate_check::level::Level;
use quorate_check::model::{Item, Model};

/// Sets of operations and relations are bits: `relation[b]` has `a` if `a` comes before `b`.
type Set = u32;

/// A tiny history.
pub struct Tiny<'a, M: Model> {
    model: &'a M,
    items: &'a [Item<M::Call>],
    slots: Vec<usize>,
    /// What each operation's session did before it.
    so: Vec<Set>,
    relations: &'a [Vec<Set>],
}

/// All transitive, irreflexive relations that contain the order of sessions. Operations are numbered session by session.
pub fn partial_orders(so: &[Set]) -> Vec<Vec<Set>> {
    let count = so.len();
    let pairs: Vec<(usize, usize)> = (0..count)
        .flat_map(|a| (0..count).map(move |b| (a, b)))
        .filter(|(a, b)| a != b && so[*a] >> b & 1 == 0 && so[*b] >> a & 1 == 0)
        .collect();
    let mut found = Vec::new();
    for choice in 0..1_u32 << pairs.len() {
        let mut relation = so.to_vec();
        for (at, (a, b)) in pairs.iter().enumerate() {
            relation[*b] |= (choice >> at & 1) << a;
        }
        let is_order = (0..count)
            .all(|b| relation[b] >> b & 1 == 0 && has(relation[b]).all(|a| relation[a] & !relation[b] == 0));
        if is_order {
            found.push(relation);
        }
    }
    found
}

fn has(set: Set) -> impl Iterator<Item = usize> {
    (0..32).filter(move |at| set >> at & 1 == 1)
}

/// Calls `each` with all orders of a set that extend a relation, until it says yes.
fn some_order(
    set: Set,
    before: &[Set],
    order: &mut Vec<usize>,
    each: &mut dyn FnMut(&[usize]) -> bool,
) -> bool {
    let left = order.iter().fold(set, |left, op| left & !(1 << op));
    if left == 0 {
        return each(order);
    }
    for op in has(left).filter(|op| before[*op] & left == 0) {
        order.push(op);
        let found = some_order(set, before, order, each);
        order.pop();
        if found {
            return true;
        }
    }
    false
}

impl<'a, M: Model> Tiny<'a, M> {
    pub fn new(model: &'a M, items: &'a [Item<M::Call>], so: Vec<Set>, relations: &'a [Vec<Set>]) -> Self {
        let mut known = Vec::new();
        let slots = items.iter().map(|item| {
            let object = model.object(&item.call);
            known.iter().position(|known| *known == object).unwrap_or_else(|| {
                known.push(object);
                known.len() - 1
            })
        });
        let slots = slots.collect();
        Tiny { model, items, slots, so, relations }
    }

    /// Whether the operations are legal in this order, where only results of `seen` are looked at.
    fn legal(&self, order: &[usize], seen: Set) -> bool {
        let mut states = vec![self.model.initial(); self.items.len()];
        order.iter().all(|op| {
            let item = &self.items[*op];
            let state = &mut states[self.slots[*op]];
            let next = self.model.step(state, &item.call, item.certain && seen >> op & 1 == 1);
            next.map(|next| *state = next).is_some()
        })
    }

    fn all(&self) -> Set {
        (1 << self.items.len()) - 1
    }

    fn session(&self, op: usize) -> Set {
        let same = |other: &usize| self.items[*other].session == self.items[op].session;
        (0..self.items.len()).filter(same).fold(0, |set, op| set | 1 << op)
    }

    pub fn holds(&self, level: Level) -> bool {
        let ops = 0..self.items.len();
        let all = self.all();
        match level {
            Level::Sequential => some_order(all, &self.so, &mut vec![], &mut |order| self.legal(order, all)),
            Level::Pram => ops.into_iter().all(|op| {
                let own = self.session(op);
                some_order(all, &self.so, &mut vec![], &mut |order| self.legal(order, own))
            }),
            Level::Causal | Level::CausalMemory => self.relations.iter().any(|causes| {
                (0..self.items.len()).all(|op| {
                    let own = if level == Level::CausalMemory { self.so[op] } else { 0 };
                    some_order(causes[op] | 1 << op, causes, &mut vec![], &mut |order| {
                        self.legal(order, own | 1 << op)
                    })
                })
            }),
            Level::CausalConvergence => self.relations.iter().any(|causes| {
                some_order(all, causes, &mut vec![], &mut |order| {
                    (0..self.items.len()).all(|op| self.explained(order, causes[op], op))
                })
            }),
            Level::WritesFollowReads => self.follows(&mut vec![]),
            _ => self.guaranteed(level, &vec![0; self.items.len()]),
        }
    }

    /// Whether `op` gives its result after the effects of `visible` in this order.
    fn explained(&self, order: &[usize], visible: Set, op: usize) -> bool {
        let mut shown: Vec<usize> = order.iter().copied().filter(|at| visible >> at & 1 == 1).collect();
        shown.push(op);
        self.legal(&shown, 1 << op)
    }

    fn follows(&self, read_from: &mut Vec<Set>) -> bool {
        let op = read_from.len();
        if op == self.items.len() {
            return self.guaranteed(Level::WritesFollowReads, read_from);
        }
        for set in (0..=self.all()).filter(|set| set & self.session(op) & !self.so[op] == 0) {
            let free = vec![0; self.items.len()];
            if some_order(set, &free, &mut vec![], &mut |order| self.explained(order, set, op)) {
                read_from.push(set);
                let found = self.follows(read_from);
                read_from.pop();
                if found {
                    return true;
                }
            }
            // A plain write needs no source; to give it one only adds conditions.
            if set == 0 && self.explained(&[], 0, op) {
                return false;
            }
        }
        false
    }

    fn guaranteed(&self, level: Level, read_from: &[Set]) -> bool {
        let count = self.items.len();
        let causes: Vec<Set> = (0..count)
            .map(|write| has(self.so[write] | 1 << write).fold(0, |set, read| set | read_from[read]))
            .collect();
        (0..count).all(|first| {
            let own = self.session(first);
            let before: Vec<Set> = match level {
                Level::ReadYourWrites => {
                    (0..count).map(|op| if own >> op & 1 == 1 { self.so[op] } else { 0 }).collect()
                }
                Level::MonotonicReads => vec![0; count],
                Level::MonotonicWrites => self.so.clone(),
                _ => causes.clone(),
            };
            if (0..count).any(|op| before[op] >> op & 1 == 1) {
                return false;
            }
            some_order(self.all(), &before, &mut vec![], &mut |order| {
                let mut lower: Vec<Set> = vec![0];
                has(own).all(|op| {
                    let may = (0..=self.all()).filter(|set| {
                        let closed = has(*set).all(|at| before[at] & !set == 0);
                        set & own & !self.so[op] == 0
                            && match level {
                                Level::ReadYourWrites => self.so[op] & !set == 0,
                                Level::MonotonicReads => lower.iter().any(|less| less & !set == 0),
                                Level::MonotonicWrites => closed,
                                _ => closed && read_from[op] & !set == 0,
                            }
                    });
                    let sets: Vec<Set> = may.filter(|set| self.explained(order, *set, op)).collect();
                    lower = sets;
                    !lower.is_empty()
                })
            })
        })
    }
}
