//! A few transactions of a history, as if the others had never been.
//!
//! **Problem.** Three transactions contradict one another, but the lists that they read hold the appends of a hundred others. Left as
//! they are, those would be values that nobody wrote; with their writers, the three become a hundred.
//!
//! **Idea.** Take out a transaction together with every trace of it: the elements that it appended to lists that others read, and the
//! reads that saw its value of a register.
//!
//! **Invariant:** what explains the whole explains the projection: drop the same transactions from the order. So if the projection violates a
//! level, the whole does.

use crate::history::{History, Op, OpId, Value};
use rustc_hash::FxHashSet;

/// The history of these transactions alone, ids ascending; operation `n` of it is `ids[n]` of the whole.
pub(super) fn project(history: &History, ids: &[OpId]) -> History {
    let mut part = history.restrict(ids);
    let written = |op: &Op| -> Vec<(Value, Value)> {
        let writes = mops(&op.input).chain(mops(&op.output)).filter(|(f, ..)| !is_read(f));
        writes.map(|(_, key, value)| (key.clone(), value.clone())).collect()
    };
    let kept: FxHashSet<(Value, Value)> = part.ops.iter().flat_map(written).collect();
    let keys: FxHashSet<&Value> = part
        .ops
        .iter()
        .flat_map(|op| mops(&op.output).filter(|(f, ..)| is_read(f)).map(|(_, key, _)| key))
        .collect();
    let touches = |op: &&Op| mops(&op.input).chain(mops(&op.output)).any(|(_, key, _)| keys.contains(key));
    let gone: FxHashSet<(Value, Value)> =
        history.ops.iter().filter(touches).flat_map(written).filter(|write| !kept.contains(write)).collect();
    for op in &mut part.ops {
        op.output = without(&op.output, &gone);
    }
    part
}

/// A transaction's result without what was read of the writes that are gone.
fn without(result: &Value, gone: &FxHashSet<(Value, Value)>) -> Value {
    let Some(list) = result.as_list() else { return result.clone() };
    Value::list(list.iter().filter_map(|mop| match mop.as_list() {
        Some([f, key, seen]) if is_read(f) => {
            let is_gone = |value: &Value| gone.contains(&(key.clone(), value.clone()));
            let left = match seen.as_list() {
                Some(elements) => Value::list(elements.iter().filter(|value| !is_gone(value)).cloned()),
                None if is_gone(seen) => return None,
                None => seen.clone(),
            };
            Some(Value::list([f.clone(), key.clone(), left]))
        }
        _ => Some(mop.clone()),
    }))
}

fn is_read(f: &Value) -> bool {
    matches!(f.as_word(), Some("r" | "read"))
}

fn mops(txn: &Value) -> impl Iterator<Item = (&Value, &Value, &Value)> {
    txn.as_list().unwrap_or_default().iter().filter_map(|mop| match mop.as_list()? {
        [f, key, value] => Some((f, key, value)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::project;
    use crate::format;
    use crate::history::OpId;

    #[test]
    fn the_others_leave_no_trace() {
        let text = "{:type :invoke, :process 0, :f :txn, :value [[:append :x 1]]}
            {:type :ok, :process 0, :f :txn, :value [[:append :x 1]]}
            {:type :invoke, :process 1, :f :txn, :value [[:append :x 2] [:w :y 3]]}
            {:type :ok, :process 1, :f :txn, :value [[:append :x 2] [:w :y 3]]}
            {:type :invoke, :process 2, :f :txn, :value [[:r :x nil] [:r :y nil]]}
            {:type :ok, :process 2, :f :txn, :value [[:r :x [1 2 9]] [:r :y 3]]}";
        let history = format::read("test", text.as_bytes()).unwrap().history;
        let outputs = |ids: &[u32]| {
            let ids: Vec<OpId> = ids.iter().copied().map(OpId).collect();
            project(&history, &ids).ops.iter().map(|op| op.output.to_string()).collect::<Vec<_>>()
        };
        // What nobody wrote stays.
        assert_eq!(outputs(&[0, 2]), ["[[:append :x 1]]", "[[:r :x [1 9]]]"]);
        assert_eq!(outputs(&[1, 2])[1], "[[:r :x [2 9]] [:r :y 3]]");
    }
}
