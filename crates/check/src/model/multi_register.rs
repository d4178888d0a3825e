//! Registers that are read and written several at a time.

use super::ordered::Ordered;
use super::{Access, Interner, Misfit, Model};
use crate::history::{Op, Outcome, Value};

/// Registers by key, each nil at first, and transactions over them that take effect at once.
///
/// | operation | input | output |
/// |---|---|---|
/// | `txn` | `[[:r k nil] [:w k v] …]`, or `:read` and `:write`, in their order | the same with the values that were read |
/// | `read` (`r`) | as `txn`; with the key apart, nothing | as `txn`; a map of keys to values; with the key apart, the value |
/// | `write` (`w`) | as `txn`; a map of keys to values; with the key apart, the value | |
///
/// Registers that no chain of transactions connects are objects of their own.
#[derive(Clone, Debug, Default)]
pub struct MultiRegister {
    keys: Interner,
    values: Interner,
    /// For each key another one that it is connected with, nearer to its group's root; a root has itself.
    toward_root: Vec<u32>,
    /// For each root how many keys are in its group.
    group_size: Vec<u32>,
}

/// A call: reads and writes in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    mops: Box<[Mop]>,
}

/// A read or a write of one register; `None` is nil.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mop {
    key: u32,
    value: Option<u32>,
    is_read: bool,
}

const TRANSACTION: &str = "reads [:r k v] and writes [:w k v]";

impl MultiRegister {
    fn mop(&mut self, key: &Value, value: &Value, is_read: bool) -> Mop {
        let key = self.keys.id(key);
        if key as usize == self.toward_root.len() {
            self.toward_root.push(key);
            self.group_size.push(1);
        }
        let value = if value.is_nil() { None } else { Some(self.values.id(value)) };
        Mop { key, value, is_read }
    }

    fn mops(&mut self, op: &Op, list: &Value) -> Result<Box<[Mop]>, Misfit> {
        let wrong = || Misfit::value::<Self>(op, TRANSACTION, list);
        let list = list.as_list().ok_or_else(wrong)?;
        let mops = list.iter().map(|mop| {
            let (f, key, value) = match mop.as_list().ok_or_else(wrong)? {
                [f, key, value] => (f, key, value),
                [f, key] => (f, key, &Value::Nil),
                _ => return Err(wrong()),
            };
            match f.as_word().ok_or_else(wrong)? {
                "r" | "read" => Ok(self.mop(key, value, true)),
                "w" | "write" => Ok(self.mop(key, value, false)),
                _ => Err(wrong()),
            }
        });
        mops.collect()
    }

    fn root(&self, mut key: u32) -> u32 {
        while self.toward_root[key as usize] != key {
            key = self.toward_root[key as usize];
        }
        key
    }

    fn connect(&mut self, mops: &[Mop]) {
        let Some((first, rest)) = mops.split_first() else { return };
        for mop in rest {
            let (a, b) = (self.root(first.key), self.root(mop.key));
            if a == b {
                continue;
            }
            // The smaller group goes below the larger, so that paths stay logarithmic.
            let is_smaller = self.group_size[a as usize] < self.group_size[b as usize];
            let (low, high) = if is_smaller { (a, b) } else { (b, a) };
            self.toward_root[low as usize] = high;
            self.group_size[high as usize] += self.group_size[low as usize];
        }
    }
}

impl Model for MultiRegister {
    type State = Ordered<u32, u32>;
    type Call = Call;

    const NAME: &'static str = "multi-register";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let is_read = match &*op.f {
            "txn" | "transaction" => None,
            "read" | "r" => Some(true),
            "write" | "w" => Some(false),
            _ => return Err(Misfit::function::<Self>(op, "txn, read and write")),
        };
        let told = if op.outcome == Outcome::Ok && !op.output.is_nil() { &op.output } else { &op.input };
        let mops = match (is_read, told) {
            (Some(true), _) if !op.key.is_nil() => [self.mop(&op.key, &op.output, true)].into(),
            (Some(false), _) if !op.key.is_nil() => [self.mop(&op.key, &op.input, false)].into(),
            (Some(true), Value::Map(pairs)) => pairs.iter().map(|(k, v)| self.mop(k, v, true)).collect(),
            (Some(false), _) if matches!(op.input, Value::Map(_)) => match &op.input {
                Value::Map(pairs) => pairs.iter().map(|(k, v)| self.mop(k, v, false)).collect(),
                _ => Box::default(),
            },
            // A read that may not have happened, and names no keys.
            (Some(true), Value::Nil) => Box::default(),
            (Some(false), _) => self.mops(op, &op.input)?,
            (_, told) => self.mops(op, told)?,
        };
        self.connect(&mops);
        Ok(Call { mops })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        // A transaction of nothing is legal anywhere: it goes with the first key.
        Some(call.mops.first().map_or(0, |mop| self.root(mop.key)))
    }

    fn object_name(&self, object: u32) -> String {
        match self.group_size.get(object as usize) {
            Some(1) => self.keys.name(object),
            Some(size) => format!("{} and {} more", self.keys.value(object), size - 1),
            None => String::new(),
        }
    }

    fn initial(&self) -> Ordered<u32, u32> {
        Ordered::default()
    }

    fn step(&self, state: &Ordered<u32, u32>, call: &Call, seen: bool) -> Option<Ordered<u32, u32>> {
        let mut state = state.clone();
        for mop in &call.mops {
            if mop.is_read {
                if seen && state.get(&mop.key).copied() != mop.value {
                    return None;
                }
                continue;
            }
            state = match mop.value {
                Some(value) => state.with(mop.key, value),
                None => state.without(&mop.key),
            };
        }
        Some(state)
    }

    fn reads_only(&self, call: &Call, _: bool) -> bool {
        call.mops.iter().all(|mop| mop.is_read)
    }

    fn show_state(&self, state: &Ordered<u32, u32>) -> String {
        let pairs = state.iter();
        let pairs =
            pairs.map(|(key, value)| (self.keys.value(*key).clone(), self.values.value(*value).clone()));
        Value::map(pairs).to_string()
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        // Several at a time are more than accesses of one object can say.
        match &*call.mops {
            [] => true,
            [Mop { is_read: true, .. }] if !seen => true,
            [Mop { key, value, is_read: true }] => {
                out.push(Access::Read { object: *key, value: *value });
                true
            }
            [Mop { key, value: Some(value), .. }] => {
                out.push(Access::Write { object: *key, value: *value });
                true
            }
            _ => false,
        }
    }
}
