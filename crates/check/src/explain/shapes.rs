//! The sentence that a person would say about a few operations, where they have a shape that people know.
//!
//! **Idea.** Reads, writes and compare-and-sets are told by their names and values, whatever the model. The sentence only claims what
//! the history shows, so that it stays true even if the verdict were not.

use crate::explain::mops;
use crate::history::{History, Op, OpId, Outcome, Value};
use crate::verdict::Violation;

/// Pairs of operations that are looked at; a violation with more is told by its proof alone.
const MAX_OPS: usize = 200;

/// What is wrong with the operations that a violation names.
pub fn sentence(history: &History, violation: &Violation) -> Option<String> {
    if violation.ops.len() > MAX_OPS {
        return None;
    }
    let reads = violation.ops.iter().filter(|id| read_value(history.op(**id)).is_some());
    let register = reads
        .copied()
        .find_map(|read| written_by_nobody(history, read).or_else(|| stale(history, violation, read)));
    register.or_else(|| lost_update(history, violation))
}

/// `process 3's read of 1 (lines 40, 41)`.
pub fn operation(history: &History, id: OpId) -> String {
    let op = history.op(id);
    let process = &history.processes[op.process.0 as usize];
    let key = if op.key.is_nil() { String::new() } else { format!(" on {}", op.key) };
    let value = match (&op.input, &op.output) {
        (Value::Nil, Value::Nil) if op.outcome == Outcome::Ok && read_value(op).is_some() => {
            " of nil".to_owned()
        }
        (Value::Nil, Value::Nil) => String::new(),
        (Value::Nil, output) => format!(" of {output}"),
        (Value::List(_), output @ Value::List(_)) if mops::txn(id, op).is_some() => format!(" {output}"),
        (input, _) => format!(" of {input}"),
    };
    format!("process {process}'s {}{value}{key}{}", op.f, op.lines)
}

/// What a read gave.
fn read_value(op: &Op) -> Option<&Value> {
    let is_read = matches!(&*op.f, "read" | "r" | "get") && op.outcome == Outcome::Ok;
    is_read.then_some(&op.output)
}

/// What a write or a compare-and-set put there.
fn written_value(op: &Op) -> Option<&Value> {
    match &*op.f {
        "write" | "w" | "put" | "set" => Some(&op.input),
        "cas" | "compare-and-set" if op.output != Value::Bool(false) => {
            op.input.as_pair().map(|(_, new)| new)
        }
        _ => None,
    }
}

fn writers<'h>(history: &'h History, key: &'h Value, value: &'h Value) -> impl Iterator<Item = OpId> + 'h {
    let of_key = history.iter().filter(move |(_, op)| op.key == *key);
    of_key.filter(move |(_, op)| written_value(op) == Some(value)).map(|(id, _)| id)
}

/// "process 3 read 1 (lines 40, 41)".
fn reading(history: &History, read: OpId) -> String {
    let op = history.op(read);
    let process = &history.processes[op.process.0 as usize];
    let key = if op.key.is_nil() { String::new() } else { format!(" from {}", op.key) };
    format!("process {process} read {}{key}{}", op.output, op.lines)
}

fn written_by_nobody(history: &History, read: OpId) -> Option<String> {
    let op = history.op(read);
    let value = read_value(op).filter(|value| !value.is_nil() && value.elements().is_none())?;
    // Without a single write of its key the history is of a model whose operations have other names.
    history.iter().find(|(_, other)| other.key == op.key && written_value(other).is_some())?;
    let reading = reading(history, read);
    let all: Vec<OpId> = writers(history, &op.key, value).collect();
    let Some(first) = all.first() else {
        return Some(format!("{reading}, a value that nobody wrote."));
    };
    if all.iter().all(|id| history.op(*id).outcome == Outcome::Fail) {
        return Some(format!("{reading}, although {} had failed.", operation(history, *first)));
    }
    if all.iter().all(|id| history.precedes(read, *id)) {
        let write = operation(history, *first);
        return Some(format!("{reading} and had returned before {write}, the first of that value, began."));
    }
    None
}

/// A value that had been overwritten when the read began.
fn stale(history: &History, violation: &Violation, read: OpId) -> Option<String> {
    let op = history.op(read);
    let value = read_value(op)?;
    let old: Vec<OpId> = writers(history, &op.key, value).collect();
    let is_other = |id: &OpId| {
        let other = history.op(*id);
        other.key == op.key && *id != read
    };
    for later in violation.ops.iter().copied().filter(is_other) {
        let seen = written_value(history.op(later)).or_else(|| read_value(history.op(later)));
        let is_newer = seen.is_some_and(|seen| seen != value && !seen.is_nil())
            && history.op(later).outcome == Outcome::Ok
            && history.precedes(later, read)
            && old.iter().all(|old| *old != later && history.precedes(*old, later));
        if !is_newer {
            continue;
        }
        let (reading, newer) = (reading(history, read), operation(history, later));
        return Some(match &old[..] {
            [] if value.is_nil() => {
                format!("{reading} although {newer} had finished before that read began.")
            }
            [] => continue,
            [only] => {
                let older = operation(history, *only);
                format!(
                    "{reading} although {newer} had finished before that read began, and {older} had finished \
                     before that one began."
                )
            }
            _ => format!(
                "{reading} although {newer} had finished before that read began, and all {} writes of {value} had \
                 finished before that one began.",
                old.len()
            ),
        });
    }
    None
}

/// Two that each replaced the same version.
fn lost_update(history: &History, violation: &Violation) -> Option<String> {
    for (at, first) in violation.ops.iter().enumerate() {
        for second in &violation.ops[at + 1..] {
            if let Some((key, version)) = both_replaced(history.op(*first), history.op(*second)) {
                let key = if key.is_nil() { String::new() } else { format!(" of {key}") };
                let (first, second) = (operation(history, *first), operation(history, *second));
                return Some(format!(
                    "{first} and {second} both replaced the version {version}{key}, each as if the other had not \
                     been."
                ));
            }
        }
    }
    None
}

/// The key and the version that two transactions both read and then wrote.
fn both_replaced<'h>(first: &'h Op, second: &'h Op) -> Option<(&'h Value, &'h Value)> {
    let id = OpId(0);
    if first.outcome != Outcome::Ok || second.outcome != Outcome::Ok {
        return None;
    }
    let (first, second) = (mops::txn(id, first)?, mops::txn(id, second)?);
    let replaced: Vec<_> = second.external_reads().filter(|(key, _)| second.writes_key(key)).collect();
    first.external_reads().find(|read| first.writes_key(read.0) && replaced.contains(read))
}
