//! Keys that Jepsen keeps within values.
//!
//! **Problem.** `jepsen.independent` runs one test on many keys and makes each value a tuple `[key value]`, which in EDN looks like any
//! other list of two. **Idea.** The arguments of some operations are never a list of two: those of `read`, `write`, `add` and the like
//! are single values. If each of them in the whole history carries a list of two, these are tuples; a compare-and-set then
//! carries `[key [old new]]`, and decides nothing by itself.
//!
//! The history is left alone if an operation is a transaction, if one has a key of its own, if any value is not a list of two, or if no
//! operation decides. A register that holds nothing but pairs of its own, in a file whose reads are not invoked with nil, is mistaken for
//! one with keys; name the keys in the file then.

use crate::history::{History, Op, Outcome, Value};

/// Operations whose argument or result is one value; of a tuple if it is a list of two.
const SINGLE: [&str; 16] = [
    "read",
    "write",
    "r",
    "w",
    "get",
    "put",
    "add",
    "inc",
    "increment",
    "dec",
    "delete",
    "dequeue",
    "pop",
    "acquire",
    "release",
    "set",
];

/// Moves the first part of each value to [`Op::key`], in input and output, if all values are tuples. Says whether it did.
pub fn split_keys(history: &mut History) -> bool {
    let mut decided = false;
    for op in &history.ops {
        if &*op.f == "txn" || !op.key.is_nil() || !is_tuples(op) {
            return false;
        }
        decided |= SINGLE.contains(&&*op.f);
    }
    if decided {
        history.ops.iter_mut().for_each(split);
    }
    decided
}

/// Whether an operation's input and, if it has one, its output are tuples with the same key.
fn is_tuples(op: &Op) -> bool {
    let Some((key, argument)) = op.input.as_pair() else { return false };
    let is_cas = matches!(&*op.f, "cas" | "compare-and-set");
    if is_cas && argument.as_pair().is_none() {
        return false;
    }
    match op.output.as_pair() {
        Some((again, _)) => again == key,
        // Only what has no result, or a truth value for one, may do without the key.
        None => op.outcome != Outcome::Ok || matches!(op.output, Value::Nil | Value::Bool(_)),
    }
}

fn split(op: &mut Op) {
    let Value::List(parts) = std::mem::take(&mut op.input) else { return };
    let mut parts = parts.into_vec().into_iter();
    op.key = parts.next().unwrap_or_default();
    op.input = parts.next().unwrap_or_default();
    if let Some((_, value)) = op.output.as_pair() {
        op.output = value.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::split_keys;
    use crate::format::read;
    use crate::history::OpId;

    fn check(text: &str, expect: Option<&[&str]>) {
        let mut history = read("x.edn", text.as_bytes()).unwrap().history;
        let before = history.clone();
        assert_eq!(split_keys(&mut history), expect.is_some(), "{text}");
        match expect {
            None => assert_eq!(history, before),
            Some(expect) => {
                let ops: Vec<String> =
                    (0..history.ops.len()).map(|at| history.describe(OpId(at as u32))).collect();
                assert_eq!(ops, expect);
            }
        }
    }

    #[test]
    fn tuples_are_split() {
        check(
            "{:type :invoke, :process 0, :f :read, :value [1 nil]}
             {:type :ok, :process 0, :f :read, :value [1 5]}
             {:type :invoke, :process 0, :f :cas, :value [2 [5 6]]}
             {:type :fail, :process 0, :f :cas, :value [2 [5 6]]}
             {:type :invoke, :process 0, :f :write, :value [2 7]}
             {:type :info, :process 0, :f :write, :value [2 7]}",
            Some(&[
                "process 0: read 1 → 5 (lines 1, 2)",
                "process 0: cas 2 [5 6] failed (lines 3, 4)",
                "process 0: write 2 7 unknown (lines 5, 6)",
            ]),
        );
    }

    #[test]
    fn other_lists_are_left_alone() {
        for text in [
            "{:type :ok, :process 0, :f :cas, :value [1 2]}",
            "{:type :ok, :process 0, :f :cas, :value [1 [2 3]]}",
            "{:type :ok, :process 0, :f :write, :value [1 2]} {:type :ok, :process 0, :f :cas, :value [1 2]}",
            "{:type :ok, :process 0, :f :write, :value [1 2]} {:type :ok, :process 0, :f :read, :value 3}",
            "{:type :ok, :process 0, :f :write, :value [1 2], :key 0}",
            "{:type :ok, :process 0, :f :txn, :value [[:r 1] [:w 1]]}",
        ] {
            check(text, None);
        }
    }
}
