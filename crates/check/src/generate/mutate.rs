//! Spoils a history.

use super::rng::Rng;
use crate::history::{History, Op, OpId, Outcome, Value};

/// Alters one result, or exchanges two, so that the history may be wrong now. Gives the operations that differ: none if
/// there is nothing to alter.
pub fn mutate(history: &mut History, rng: &mut Rng) -> Vec<OpId> {
    let certain = history.iter().filter(|(_, op)| op.outcome == Outcome::Ok && !op.output.is_nil());
    let candidates: Vec<OpId> = certain.map(|(id, _)| id).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let id = candidates[rng.index(candidates.len())];
    let others = candidates.iter().copied().filter(|other| {
        let (a, b) = (history.op(id), history.op(*other));
        a.f == b.f && a.key == b.key && a.output != b.output && fits(a, b)
    });
    let others: Vec<OpId> = others.collect();
    if others.is_empty() || rng.percent(50) {
        // Where a call gives a truth value only at times, the contrary of one time is what it gave another time.
        let is_truth = |op: &Op| matches!(op.output, Value::Bool(_));
        let (op, mut alike) = (history.op(id), candidates.iter().map(|other| history.op(*other)));
        let told = alike.find(|other| is_truth(op) && other.f == op.f && !is_truth(other));
        let spoiled = told.map_or_else(|| spoil(&op.output, rng), |told| told.output.clone());
        let op = &mut history.ops[id.at()];
        let differs = spoiled != op.output;
        op.output = spoiled;
        return if differs { vec![id] } else { Vec::new() };
    }
    let other = others[rng.index(others.len())];
    if rng.percent(50) {
        // A result from another time.
        history.ops[id.at()].output = history.op(other).output.clone();
        return vec![id];
    }
    let output = std::mem::take(&mut history.ops[id.at()].output);
    history.ops[id.at()].output = std::mem::replace(&mut history.ops[other.at()].output, output);
    vec![id.min(other), id.max(other)]
}

/// Whether one's result could be the other's: a transaction's repeats what it wrote.
fn fits(a: &Op, b: &Op) -> bool {
    matches!((&a.input, &b.input), (Value::Nil, Value::Nil)) || a.input == b.input
}

/// Another value of the same kind.
fn spoil(value: &Value, rng: &mut Rng) -> Value {
    match value {
        Value::Bool(truth) => Value::Bool(!truth),
        Value::Int(number) => Value::Int(number.wrapping_add(if rng.percent(50) { 1 } else { -1 })),
        Value::Text(text) => {
            let kept: String = text.chars().take(text.chars().count() / 2).collect();
            if text.is_empty() { Value::text("x") } else { Value::text(&kept) }
        }
        Value::Set(values) => {
            let dropped = rng.index(values.len().max(1));
            Value::set(values.iter().enumerate().filter(|(at, _)| *at != dropped).map(|(_, v)| v.clone()))
        }
        Value::List(values) if values.is_empty() => Value::list([Value::Int(-1)]),
        // Of a transaction, what one of its reads saw.
        Value::List(values) => {
            let spoiled = rng.index(values.len());
            let change = |(at, value): (usize, &Value)| match value.as_list() {
                _ if at != spoiled => value.clone(),
                Some([f, key, seen]) if matches!(f.as_word(), Some("r" | "read")) => {
                    Value::list([f.clone(), key.clone(), spoil(seen, rng)])
                }
                Some([Value::Keyword(_), ..]) => value.clone(),
                _ => spoil(value, rng),
            };
            Value::list(values.iter().enumerate().map(change))
        }
        Value::Nil => Value::Int(-1),
        other => other.clone(),
    }
}
