//! The reads and writes of transactions, straight from the values of a history.
//!
//! **Idea.** The checkers of transactions work on numbers and indices. Whoever explains or confirms what they found reads the values
//! again, so that a mistake in the numbering cannot hide itself.

use crate::history::{History, Op, OpId, Outcome, Value};

/// One read or write of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mop<'a> {
    /// Saw this; nil is the initial version.
    Read(&'a Value, &'a Value),
    /// Replaced the value of a key.
    Write(&'a Value, &'a Value),
    /// Added to the end of the list of a key.
    Append(&'a Value, &'a Value),
}

impl<'a> Mop<'a> {
    /// The key.
    pub fn key(self) -> &'a Value {
        match self {
            Mop::Read(key, _) | Mop::Write(key, _) | Mop::Append(key, _) => key,
        }
    }

    /// Key and value of a write or append.
    pub fn written(self) -> Option<(&'a Value, &'a Value)> {
        match self {
            Mop::Read(..) => None,
            Mop::Write(key, value) | Mop::Append(key, value) => Some((key, value)),
        }
    }
}

/// A transaction with what it read and wrote.
#[derive(Clone, Debug)]
pub struct Txn<'a> {
    /// In the history.
    pub id: OpId,
    /// Whole.
    pub op: &'a Op,
    /// In its order. Reads whose results are not known are left out.
    pub mops: Vec<Mop<'a>>,
}

impl<'a> Txn<'a> {
    /// Whether it surely happened.
    pub fn is_certain(&self) -> bool {
        self.op.outcome == Outcome::Ok
    }

    /// What it read before writing the same key, by key: what its snapshot held.
    pub fn external_reads(&self) -> impl Iterator<Item = (&'a Value, &'a Value)> {
        let reads = self.mops.iter().enumerate();
        reads.filter_map(|(at, mop)| match *mop {
            Mop::Read(key, seen) => {
                let own = self.mops[..at].iter().any(|mop| mop.written().is_some_and(|(k, _)| k == key));
                (!own).then_some((key, seen))
            }
            _ => None,
        })
    }

    /// The last value that it wrote to each key, in the order of the first writes.
    pub fn last_writes(&self) -> Vec<(&'a Value, &'a Value)> {
        let mut last: Vec<(&Value, &Value)> = Vec::new();
        for (key, value) in self.mops.iter().filter_map(|mop| mop.written()) {
            match last.iter_mut().find(|(known, _)| *known == key) {
                Some(entry) => entry.1 = value,
                None => last.push((key, value)),
            }
        }
        last
    }

    /// Whether it wrote this value to this key.
    pub fn wrote(&self, key: &Value, value: &Value) -> bool {
        self.mops.iter().any(|mop| mop.written() == Some((key, value)))
    }

    /// Whether a read after an own write shows something else, whatever was there before.
    pub fn contradicts_itself(&self) -> bool {
        self.mops.iter().enumerate().any(|(at, mop)| {
            let Mop::Read(key, seen) = *mop else { return false };
            let own = self.mops[..at].iter().filter(|mop| mop.key() == key);
            let mut appended: Vec<&Value> = Vec::new();
            let mut replaced = None;
            for mop in own {
                match *mop {
                    Mop::Append(_, value) => appended.push(value),
                    Mop::Write(_, value) => replaced = Some(value),
                    Mop::Read(..) => {}
                }
            }
            let seen_values = values_seen(seen);
            let base = seen_values.len().checked_sub(appended.len());
            let ends = base.is_some_and(|base| seen_values[base..].iter().eq(appended));
            !ends || replaced.is_some_and(|last| last != seen)
        })
    }

    /// Whether it wrote the key at all.
    pub fn writes_key(&self, key: &Value) -> bool {
        self.mops.iter().any(|mop| mop.written().is_some_and(|(k, _)| k == key))
    }
}

/// Reads one operation as a transaction: a list of `[f key value]`, or a single read, write or append of a key. Nothing if it is none.
pub fn txn(id: OpId, op: &Op) -> Option<Txn<'_>> {
    let is_done = op.outcome == Outcome::Ok;
    let result = if is_done { op.output.as_list() } else { None };
    if let Some(mops) = result.and_then(|listed| listed_mops(listed, true)) {
        return Some(Txn { id, op, mops });
    }
    if let Some(mops) = op.input.as_list().and_then(|listed| listed_mops(listed, false)) {
        return Some(Txn { id, op, mops });
    }
    let is_read = matches!(&*op.f, "r" | "read");
    let value = if is_read { &op.output } else { &op.input };
    let (key, value) = if op.key.is_nil() { value.as_pair()? } else { (&op.key, value) };
    let mops = mop(&op.f, key, value, is_done)?.into_iter().collect();
    Some(Txn { id, op, mops })
}

/// All of a list; nothing if one of them is no read or write.
fn listed_mops(listed: &[Value], is_seen: bool) -> Option<Vec<Mop<'_>>> {
    let mut mops = Vec::with_capacity(listed.len());
    for entry in listed {
        let [f, key, value] = entry.as_list()? else { return None };
        mops.extend(mop(f.as_word()?, key, value, is_seen)?);
    }
    Some(mops)
}

/// One read or write; nothing within if it is a read without a result.
fn mop<'a>(f: &str, key: &'a Value, value: &'a Value, is_seen: bool) -> Option<Option<Mop<'a>>> {
    match f {
        "r" | "read" => Some(is_seen.then_some(Mop::Read(key, value))),
        "w" | "write" => Some(Some(Mop::Write(key, value))),
        "append" => Some(Some(Mop::Append(key, value))),
        _ => None,
    }
}

/// All transactions of a history, aborted ones too.
pub fn txns(history: &History) -> Vec<Txn<'_>> {
    history.iter().filter_map(|(id, op)| txn(id, op)).collect()
}

/// The values that a read of a list or register tells of: a list's elements, a register's value, nothing if it is nil.
pub fn values_seen(seen: &Value) -> &[Value] {
    match seen {
        Value::Nil => &[],
        Value::List(elements) => elements,
        other => std::slice::from_ref(other),
    }
}
