//! One object's operations, laid out in time.
//!
//! **Idea.** Operations return one after the other. An operation that returns holds a slot from its call to its return, so a few bits,
//! one for each slot, say which of the operations that are open at some return were placed already. Calls that act alike share
//! a class.
//!
//! **Invariant:** no two operations that are open at the same time share a slot.

use crate::limits::{Budget, Exhausted, Held};
use crate::model::{Item, Model};
use rustc_hash::FxHashMap;
use std::fmt::Write;

/// A rank of what never returns.
pub const NEVER: u32 = u32::MAX;

/// What a call does to states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Leaves every state as it is.
    Read,
    /// Is legal in every state, and always leads to the same.
    Overwrite,
    /// Neither is known.
    Other,
}

/// The operations of one object that may matter, numbered by call. Pure reads whose result nobody saw are left out.
pub struct Timeline<'a> {
    /// Each one's place in the items.
    pub items: Vec<u32>,
    /// Those that surely happened, by return.
    pub returns: Vec<u32>,
    /// How many had been called when the operation in `returns` at the same place returned.
    pub called: Vec<u32>,
    /// Each one's place in `returns`, or [`NEVER`].
    pub rank: Vec<u32>,
    /// The slot of one that returns; the place in `maybe` of one that may have happened.
    pub slot: Vec<u32>,
    /// Operations that may have happened, by class, then by call.
    pub maybe: Vec<Vec<u32>>,
    /// Each one's class.
    pub class: Vec<u32>,
    /// What the calls of each class do to states.
    pub kinds: Vec<Kind>,
    /// How many words of 64 slots there are; at least one.
    pub words: usize,
    _held: Held<'a, 'a>,
}

impl<'a> Timeline<'a> {
    /// Lays out the items of one object.
    pub fn new<M: Model>(
        model: &M,
        items: &[Item<M::Call>],
        budget: &'a Budget<'a>,
    ) -> Result<Self, Exhausted> {
        let held = budget.hold(items.len() as u64 * 24)?;
        let mut by_call: Vec<u32> = (0..items.len() as u32).collect();
        by_call.sort_by_key(|at| items[*at as usize].from);
        let mut timeline = Timeline {
            items: Vec::with_capacity(items.len()),
            returns: Vec::with_capacity(items.len()),
            called: Vec::new(),
            rank: Vec::new(),
            slot: Vec::new(),
            maybe: Vec::new(),
            class: Vec::with_capacity(items.len()),
            kinds: Vec::new(),
            words: 1,
            _held: held,
        };
        timeline.classify(model, items, &by_call);
        timeline.order(items);
        Ok(timeline)
    }

    /// Gives classes to all, and leaves out what makes no difference.
    fn classify<M: Model>(&mut self, model: &M, items: &[Item<M::Call>], by_call: &[u32]) {
        let mut classes: FxHashMap<(bool, Box<str>), u32> = FxHashMap::default();
        let mut key = (false, String::new().into_boxed_str());
        for at in by_call {
            let item = &items[*at as usize];
            let mut text = key.1.into_string();
            text.clear();
            write!(text, "{:?}", item.call).expect("a string takes everything");
            key = (item.certain, text.into_boxed_str());
            let class = match classes.get(&key) {
                Some(class) => *class,
                None => {
                    let class = self.kinds.len() as u32;
                    self.kinds.push(kind(model, item));
                    classes.insert(key.clone(), class);
                    class
                }
            };
            // Whether a read happened whose result nobody saw makes no difference.
            if item.certain || self.kinds[class as usize] != Kind::Read {
                self.items.push(*at);
                self.class.push(class);
            }
        }
    }

    fn order<C>(&mut self, items: &[Item<C>]) {
        let item = |op: u32| &items[self.items[op as usize] as usize];
        let count = self.items.len() as u32;
        let mut returns: Vec<u32> = (0..count).filter(|op| item(*op).certain).collect();
        returns.sort_by_key(|op| item(*op).until);
        let mut rank = vec![NEVER; count as usize];
        let mut slot = vec![0; count as usize];
        let mut free = Slots::default();
        let mut groups: FxHashMap<u32, u32> = FxHashMap::default();
        let (mut maybe, mut called) = (Vec::<Vec<u32>>::new(), Vec::with_capacity(returns.len()));
        let mut next = 0;
        for (at, ret) in returns.iter().enumerate() {
            while next < count && item(next).from <= item(*ret).until {
                slot[next as usize] = if item(next).certain {
                    free.take()
                } else {
                    let group = *groups.entry(self.class[next as usize]).or_insert(maybe.len() as u32);
                    maybe.resize(maybe.len().max(group as usize + 1), Vec::new());
                    maybe[group as usize].push(next);
                    group
                };
                next += 1;
            }
            called.push(next);
            rank[*ret as usize] = at as u32;
            free.give(slot[*ret as usize]);
        }
        self.words = free.taken.len().max(1);
        (self.returns, self.called, self.rank) = (returns, called, rank);
        (self.slot, self.maybe) = (slot, maybe);
    }

    /// How many operations may matter.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether an operation surely happened.
    pub fn is_certain(&self, op: u32) -> bool {
        self.rank[op as usize] != NEVER
    }

    /// An operation's class.
    pub fn class(&self, op: u32) -> u32 {
        self.class[op as usize]
    }

    /// What an operation does to states.
    pub fn kind(&self, op: u32) -> Kind {
        self.kinds[self.class(op) as usize]
    }
}

fn kind<M: Model>(model: &M, item: &Item<M::Call>) -> Kind {
    if model.reads_only(&item.call, item.certain) {
        Kind::Read
    } else if model.overwrites(&item.call, item.certain) {
        Kind::Overwrite
    } else {
        Kind::Other
    }
}

/// Which slots are taken.
#[derive(Default)]
struct Slots {
    taken: Vec<u64>,
}

impl Slots {
    fn take(&mut self) -> u32 {
        let word = self.taken.iter().position(|word| *word != u64::MAX);
        let word = word.unwrap_or_else(|| {
            self.taken.push(0);
            self.taken.len() - 1
        });
        let bit = self.taken[word].trailing_ones();
        self.taken[word] |= 1 << bit;
        word as u32 * 64 + bit
    }

    fn give(&mut self, slot: u32) {
        self.taken[slot as usize / 64] &= !(1 << (slot % 64));
    }
}
