//! Histories of transactions that say nothing of time, whatever their format.
//!
//! **Idea.** Sessions of transactions of reads and writes. They become operations `txn` on lists of `[:r k v]` and `[:w k v]`, ordered
//! within sessions only.
//!
//! Where a format writes the initial version as 0, a read of 0 is a read of nil, unless the file itself writes 0 to that key.

use crate::history::{Builder, Call, History, Misuse, Order, Outcome, Return, Stamp, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Whether it writes, the key, and the value.
pub type MicroOp = (bool, Value, Value);

/// One transaction.
#[derive(Debug)]
pub struct Transaction {
    /// Whose.
    pub session: Arc<str>,
    /// Committed or aborted.
    pub outcome: Outcome,
    /// What it did, in order.
    pub micro_ops: Vec<MicroOp>,
    /// Where it begins in the file; 0 if it has no lines.
    pub line: u32,
}

/// Makes a history of transactions in the order of the file.
///
/// # Errors
/// If there are too many.
pub fn history(mut transactions: Vec<Transaction>, zero_is_initial: bool) -> Result<History, Misuse> {
    const ZERO: Value = Value::Int(0);
    let mut writes_zero: FxHashMap<Value, ()> = FxHashMap::default();
    if zero_is_initial {
        let all = transactions.iter().flat_map(|transaction| &transaction.micro_ops);
        let zeros = all.filter(|(is_write, _, value)| *is_write && *value == ZERO);
        writes_zero.extend(zeros.map(|(_, key, _)| (key.clone(), ())));
    }
    let mut builder = Builder::new(Order::Sessions);
    let [txn, read, write]: [Arc<str>; 3] = ["txn", "r", "w"].map(Arc::from);
    for transaction in &mut transactions {
        let micro_ops = transaction.micro_ops.drain(..).map(|(is_write, key, value)| {
            let is_initial = zero_is_initial && !is_write && value == ZERO && !writes_zero.contains_key(&key);
            let word = Value::Keyword(Arc::clone(if is_write { &write } else { &read }));
            Value::list([word, key, if is_initial { Value::Nil } else { value }])
        });
        let micro_ops = Value::list(micro_ops);
        let (input, output) = match transaction.outcome {
            Outcome::Ok => (Value::Nil, micro_ops),
            Outcome::Fail | Outcome::Info => (micro_ops, Value::Nil),
        };
        let (process, line) = (&*transaction.session, transaction.line);
        let (f, at) = (Arc::clone(&txn), Stamp::Next);
        let key = Value::Nil;
        builder.call(Call { process, session: None, node: None, f, key, input, at, line, time: None })?;
        builder.ret(process, Return { outcome: transaction.outcome, output, at, line, time: None })?;
    }
    builder.finish()
}
