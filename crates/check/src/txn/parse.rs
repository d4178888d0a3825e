//! Reads a history of transactions.
//!
//! **Problem.** A million transactions may have read forty million list elements, nearly all of them again and again.
//!
//! **Idea.** The longest list read at each key is stored once; a read that is a prefix of it, as every read of a sound history is,
//! becomes a range of the same elements. Only a read that contradicts the longest one is stored by itself.
//!
//! **Invariant:** two reads of a key whose ranges start at the same place are prefixes of one another.
//!
//! Source: the micro-operations of Jepsen's transactional workloads, as Elle takes them.

use super::{Kind, Mop, Seen, Txn, Txns};
use crate::history::{History, Op, OpId, Outcome, Value};
use crate::model::Interner;

/// An operation that is no transaction of the kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{flaw}")]
pub struct BadTxn {
    /// Which one.
    pub op: OpId,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with an operation.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// Neither a list of micro-operations nor one operation on a key.
    #[error("a transaction is a list of micro-operations such as [:r k v], not {0}")]
    NoList(String),
    /// Not three things, the first a word.
    #[error("a micro-operation is [function key value], not {0}")]
    NoMicroOperation(String),
    /// A function that the kind does not have.
    #[error("{kind} has no micro-operation {given:?}; it has {known}")]
    UnknownFunction {
        /// The kind.
        kind: &'static str,
        /// What was called.
        given: String,
        /// What can be called.
        known: &'static str,
    },
    /// A read of a list gave something else.
    #[error("a read of a list gives a list, not {0}")]
    NotAList(String),
    /// A register was set to nil, which is its initial value.
    #[error("nil cannot be written: it is every register's initial value")]
    WritesNil,
    /// More micro-operations than numbers.
    #[error("a history has at most {MAX_MOPS} micro-operations")]
    TooMany,
}

/// The most micro-operations of one history, and the most list elements that it may have read, those in a prefix of its key's
/// longest list aside: both are numbered, and a few numbers are kept for other use.
pub const MAX_MOPS: usize = 1 << 29;

impl Kind {
    /// For the command line and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ListAppend => "list-append",
            Kind::RwRegister => "rw-register",
        }
    }
}

/// Reads all operations as transactions: lists of `[:r k v]`, `[:append k v]` and `[:w k v]`, also with `read` and `write` in full and
/// with text for keywords; or one read, write or append of a key.
///
/// What a transaction did is its output if it committed, else its input, and then without reads. A list never written reads as
/// nil or as empty.
///
/// # Errors
/// At the first operation that is no such thing.
pub fn parse(history: &History, kind: Kind) -> Result<Txns, BadTxn> {
    let mut reader = Reader::new(history, kind);
    for (id, op) in history.iter() {
        reader.txn(id, op).map_err(|flaw| BadTxn { op: id, flaw })?;
    }
    reader.finish()
}

/// A list that was read, to be numbered when the longest of its key is known.
struct ListRead<'h> {
    mop: u32,
    op: OpId,
    elements: &'h [Value],
}

struct Reader<'h> {
    txns: Txns,
    lists: Vec<ListRead<'h>>,
    /// By key.
    longest: Vec<&'h [Value]>,
}

/// One micro-operation as it stands in the history.
struct Written<'h> {
    word: &'h str,
    key: &'h Value,
    value: &'h Value,
    /// Whether a read's value is its result, rather than a place for it.
    seen: bool,
}

impl<'h> Reader<'h> {
    fn new(history: &History, kind: Kind) -> Self {
        let txns = Txns {
            kind,
            txns: Vec::with_capacity(history.ops.len()),
            mops: Vec::with_capacity(2 * history.ops.len()),
            elements: Vec::new(),
            keys: Interner::default(),
            values: Interner::default(),
            session_count: history.sessions.len() as u32,
        };
        Reader { txns, lists: Vec::new(), longest: Vec::new() }
    }

    fn txn(&mut self, id: OpId, op: &'h Op) -> Result<(), Flaw> {
        let start = self.txns.mops.len() as u32;
        let done = op.outcome == Outcome::Ok;
        if is_single(op) {
            let value = if is_read(&op.f) { &op.output } else { &op.input };
            let (key, value) = match (&op.key, value.as_pair()) {
                (Value::Nil, Some(pair)) => pair,
                (Value::Nil, None) => return Err(Flaw::NoList(value.to_string())),
                (key, _) => (key, value),
            };
            self.mop(id, &Written { word: &op.f, key, value, seen: done })?;
        } else {
            let seen = done && !op.output.is_nil();
            let value = if seen { &op.output } else { &op.input };
            let mops = value.as_list().ok_or_else(|| Flaw::NoList(value.to_string()))?;
            for mop in mops {
                let Some([word, key, value]) = mop.as_list() else {
                    return Err(Flaw::NoMicroOperation(mop.to_string()));
                };
                let word = word.as_word().ok_or_else(|| Flaw::NoMicroOperation(mop.to_string()))?;
                self.mop(id, &Written { word, key, value, seen })?;
            }
        }
        self.txns.txns.push(Txn {
            op: id,
            session: op.session,
            from: op.call,
            until: op.ret,
            outcome: op.outcome,
            mops: start..self.txns.mops.len() as u32,
        });
        Ok(())
    }

    fn mop(&mut self, op: OpId, written: &Written<'h>) -> Result<(), Flaw> {
        let kind = self.txns.kind;
        let at = self.txns.mops.len();
        if at >= MAX_MOPS {
            return Err(Flaw::TooMany);
        }
        let key = self.txns.keys.id(written.key);
        self.longest.resize(self.txns.keys.len(), &[]);
        let mop = match (kind, written.word) {
            (_, word) if is_read(word) => {
                if !written.seen {
                    return Ok(());
                }
                Mop::Read { key, seen: self.seen(op, key, written.value)? }
            }
            (Kind::RwRegister, "w" | "write") if written.value.is_nil() => return Err(Flaw::WritesNil),
            (Kind::RwRegister, "w" | "write") | (Kind::ListAppend, "append") => {
                Mop::Write { key, value: self.txns.values.id(written.value) }
            }
            _ => return Err(unknown_function(kind, written.word)),
        };
        self.txns.mops.push(mop);
        Ok(())
    }

    fn seen(&mut self, op: OpId, key: u32, value: &'h Value) -> Result<Seen, Flaw> {
        if self.txns.kind == Kind::RwRegister {
            return Ok(if value.is_nil() { Seen::Nil } else { Seen::Value(self.txns.values.id(value)) });
        }
        let elements = match value {
            Value::Nil => &[],
            _ => value.as_list().ok_or_else(|| Flaw::NotAList(value.to_string()))?,
        };
        let longest = &mut self.longest[key as usize];
        if elements.len() > longest.len() {
            *longest = elements;
        }
        self.lists.push(ListRead { mop: self.txns.mops.len() as u32, op, elements });
        Ok(Seen::List { start: 0, end: 0 })
    }

    fn finish(mut self) -> Result<Txns, BadTxn> {
        let txns = &mut self.txns;
        let mut starts = Vec::with_capacity(self.longest.len());
        for longest in &self.longest {
            starts.push(txns.elements.len() as u32);
            txns.elements.extend(longest.iter().map(|value| txns.values.id(value)));
        }
        for read in &self.lists {
            let Mop::Read { key, seen } = &mut txns.mops[read.mop as usize] else {
                unreachable!("only reads are noted");
            };
            let (longest, count) = (self.longest[*key as usize], read.elements.len());
            let start = if longest[..count] == *read.elements {
                starts[*key as usize]
            } else {
                let start = txns.elements.len() as u32;
                txns.elements.extend(read.elements.iter().map(|value| txns.values.id(value)));
                start
            };
            if txns.elements.len() > MAX_MOPS {
                return Err(BadTxn { op: read.op, flaw: Flaw::TooMany });
            }
            *seen = Seen::List { start, end: start + count as u32 };
        }
        Ok(self.txns)
    }
}

fn is_read(word: &str) -> bool {
    matches!(word, "r" | "read")
}

/// Whether the operation is one read or write of one key. A function of such a name may also carry a whole transaction.
fn is_single(op: &Op) -> bool {
    if !matches!(&*op.f, "r" | "read" | "w" | "write" | "append") {
        return false;
    }
    let is_mop = |mop: &Value| match mop.as_list() {
        Some([word, _, _]) => {
            matches!(word.as_word(), Some("r" | "read" | "w" | "write" | "append"))
        }
        _ => false,
    };
    let is_txn =
        |value: &Value| value.as_list().is_some_and(|mops| !mops.is_empty() && mops.iter().all(is_mop));
    !op.key.is_nil() || !(is_txn(&op.input) || is_txn(&op.output))
}

fn unknown_function(kind: Kind, given: &str) -> Flaw {
    let known = match kind {
        Kind::ListAppend => "r, append",
        Kind::RwRegister => "r, w",
    };
    Flaw::UnknownFunction { kind: kind.name(), given: given.to_owned(), known }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, parse};
    use crate::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
    use crate::txn::{Kind, Mop, Seen, Txns};

    fn word(word: &str) -> Value {
        Value::Keyword(word.into())
    }

    fn list(values: &[i64]) -> Value {
        Value::list(values.iter().copied().map(Value::Int))
    }

    fn mop(f: &str, key: &str, value: Value) -> Value {
        Value::list([word(f), word(key), value])
    }

    /// Operations one after the other: function, key, input, output, outcome.
    fn history(ops: &[(&str, Value, Value, Value, Outcome)]) -> History {
        let mut builder = Builder::new(Order::RealTime);
        for (f, key, input, output, outcome) in ops {
            let call = Call {
                process: "0",
                session: None,
                node: None,
                f: (*f).into(),
                key: key.clone(),
                input: input.clone(),
                at: Stamp::Next,
                line: 0,
                time: None,
            };
            builder.call(call).unwrap();
            let output = output.clone();
            builder
                .ret("0", Return { outcome: *outcome, output, at: Stamp::Next, line: 0, time: None })
                .unwrap();
        }
        builder.finish().unwrap()
    }

    fn shown(txns: &Txns) -> Vec<String> {
        let show = |mop: &Mop| match mop {
            Mop::Write { key, value } => {
                format!("w {} {}", txns.keys.value(*key), txns.values.value(*value))
            }
            Mop::Read { key, seen } => {
                let seen = match seen {
                    Seen::Nil => "nil".to_owned(),
                    Seen::Value(value) => txns.values.value(*value).to_string(),
                    Seen::List { start, end } => {
                        let ids = &txns.elements[*start as usize..*end as usize];
                        Value::list(ids.iter().map(|id| txns.values.value(*id).clone())).to_string()
                    }
                };
                format!("r {} {seen}", txns.keys.value(*key))
            }
        };
        let of_txn = |range: std::ops::Range<u32>| {
            let mops = &txns.mops[range.start as usize..range.end as usize];
            mops.iter().map(show).collect::<Vec<_>>().join(", ")
        };
        txns.txns.iter().map(|txn| of_txn(txn.mops.clone())).collect()
    }

    #[test]
    fn what_is_known_of_each_outcome_is_kept() {
        let input = Value::list([mop("r", "x", Value::Nil), mop("append", "x", 1.into())]);
        let output = Value::list([mop("r", "x", Value::Nil), mop("append", "x", 1.into())]);
        let txn = |output: &Value, outcome| ("txn", Value::Nil, input.clone(), output.clone(), outcome);
        let history = history(&[
            txn(&output, Outcome::Ok),
            txn(&Value::Nil, Outcome::Fail),
            txn(&Value::Nil, Outcome::Info),
            txn(&Value::Nil, Outcome::Ok),
        ]);
        let txns = parse(&history, Kind::ListAppend).unwrap();
        assert_eq!(shown(&txns), ["r :x [], w :x 1", "w :x 1", "w :x 1", "w :x 1"]);
    }

    #[test]
    fn words_may_be_long_or_text_and_operations_single() {
        let input = Value::list([Value::list(["read".into(), "x".into(), 4.into()])]);
        let history = history(&[
            ("txn", Value::Nil, Value::Nil, input, Outcome::Ok),
            ("write", "x".into(), 5.into(), 5.into(), Outcome::Ok),
            ("read", "x".into(), Value::Nil, Value::Nil, Outcome::Ok),
            ("read", "x".into(), Value::Nil, Value::Nil, Outcome::Info),
            ("read", Value::Nil, Value::Nil, Value::list([word("y"), 7.into()]), Outcome::Ok),
            ("write", Value::Nil, Value::list([mop("w", "z", 8.into())]), Value::Nil, Outcome::Info),
        ]);
        let txns = parse(&history, Kind::RwRegister).unwrap();
        assert_eq!(shown(&txns), ["r \"x\" 4", "w \"x\" 5", "r \"x\" nil", "", "r :y 7", "w :z 8"]);
    }

    #[test]
    fn prefixes_are_stored_once() {
        let read = |values: &[i64]| {
            let mops = Value::list([mop("r", "x", list(values))]);
            ("txn", Value::Nil, Value::Nil, mops, Outcome::Ok)
        };
        let history = history(&[read(&[1]), read(&[1, 2, 3]), read(&[]), read(&[1, 3]), read(&[1, 2])]);
        let txns = parse(&history, Kind::ListAppend).unwrap();
        assert_eq!(shown(&txns), ["r :x [1]", "r :x [1 2 3]", "r :x []", "r :x [1 3]", "r :x [1 2]"]);
        assert_eq!(txns.elements.len(), 5);
    }

    #[test]
    fn what_is_no_transaction_is_refused() {
        let check = |kind, value: Value, expect: &str| {
            let history = history(&[("txn", Value::Nil, Value::Nil, value, Outcome::Ok)]);
            assert_eq!(parse(&history, kind).unwrap_err().to_string(), expect);
        };
        let one = |mop: Value| Value::list([mop]);
        check(
            Kind::ListAppend,
            5.into(),
            "a transaction is a list of micro-operations such as [:r k v], not 5",
        );
        check(
            Kind::ListAppend,
            one(Value::list([word("r"), 1.into()])),
            "a micro-operation is [function key value], not [:r 1]",
        );
        check(
            Kind::ListAppend,
            one(mop("w", "x", 1.into())),
            "list-append has no micro-operation \"w\"; it has r, append",
        );
        check(Kind::ListAppend, one(mop("r", "x", 1.into())), "a read of a list gives a list, not 1");
        check(Kind::RwRegister, one(mop("w", "x", Value::Nil)), &Flaw::WritesNil.to_string());
    }
}
