//! What a history is to be judged as, and how to tell from the history.
//!
//! **Problem.** People have a history and seldom say of what. **Idea.** The names of functions and the shapes of values tell most kinds
//! apart; where several fit, the table in [`Subject::infer`] says which is taken, and the choice comes with its reason in words.
//!
//! **Invariant:** what is inferred is a choice of question, never of answer: a caller may always name another subject.

use crate::history::{History, Op, Value};
use crate::model::{Kind, NoSuchKind};
use crate::txn;
use crate::workload::Workload;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A sequential model, a kind of transactions, or a workload with an invariant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Operations on objects.
    Objects(Kind),
    /// Transactions.
    Txns(txn::Kind),
    /// A workload.
    Workload(Workload),
}

/// What was inferred, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inferred {
    /// The choice.
    pub subject: Subject,
    /// In words, such as `reads and writes of single values`.
    pub because: &'static str,
}

/// `register: reads and writes of single values`.
impl fmt::Display for Inferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject.name(), self.because)
    }
}

/// No subject has all functions of a history.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no model is known that has the operations {}; name one of {}", .functions.join(", "), names())]
pub struct NotInferred {
    /// The functions, sorted.
    pub functions: Vec<String>,
}

/// A word that names no subject.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no model is called {given:?}; the models are {}", names())]
pub struct NoSuchSubject {
    /// The word.
    pub given: String,
}

fn names() -> String {
    Subject::all().map(Subject::name).collect::<Vec<_>>().join(", ")
}

impl Subject {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Subject> {
        let txns = [txn::Kind::ListAppend, txn::Kind::RwRegister].map(Subject::Txns);
        let objects = Kind::ALL.into_iter().map(Subject::Objects);
        objects.chain(txns).chain(Workload::ALL.into_iter().map(Subject::Workload))
    }

    /// As people write it, and the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Objects(kind) => kind.name(),
            Subject::Txns(txn::Kind::ListAppend) => "list-append",
            Subject::Txns(txn::Kind::RwRegister) => "rw-register",
            Subject::Workload(workload) => workload.name(),
        }
    }

    /// Tells from functions and values what a history is of. The first line that fits is taken:
    ///
    /// | functions | values | subject |
    /// |---|---|---|
    /// | `txn`, `read`, `write` | lists of reads and `append`s | list-append |
    /// | the same | lists of reads and writes | rw-register; multi-register and long-fork must be named |
    /// | `transfer`, `read` | | bank |
    /// | `generate` | | unique-ids |
    /// | `allow` | | rate-limiter |
    /// | `guarded`, `write-with-token`, `expire`, or `acquire` with tokens | | fenced-lock |
    /// | `acquire`, `release` | | mutex |
    /// | `drain`, `enqueue`, `dequeue` | | total-queue |
    /// | `enqueue`, `dequeue` | `[priority value]` comes out | priority-queue |
    /// | `enqueue`, `dequeue` | | queue |
    /// | `insert`, `delete-min` | | priority-queue |
    /// | `push`, `pop` | | stack |
    /// | `rank`, `top`, `score`, `zadd`, … | | leaderboard |
    /// | `inc`, `dec`, `add-and-get`, `fetch-and-add`, `read` | | counter |
    /// | `add`, `read`, and perhaps `remove` and `contains` | lists or sets are read | set; set-full must be named |
    /// | `add`, `read` | numbers are read | counter; counter-bounds must be named |
    /// | `get`, `put`, `append`, `delete` | | kv |
    /// | `read`, `write`, `cas` | | register |
    ///
    /// # Errors
    /// If no line fits.
    pub fn infer(history: &History) -> Result<Inferred, NotInferred> {
        let functions: BTreeSet<&str> = history.ops.iter().map(|op| &*op.f).collect();
        let transactions = infer_transactions(history, &functions);
        let inferred = transactions.or_else(|| infer_by_function(history, &functions));
        inferred.ok_or_else(|| NotInferred { functions: functions.into_iter().map(str::to_owned).collect() })
    }
}

fn only(functions: &BTreeSet<&str>, allowed: &[&str]) -> bool {
    !functions.is_empty() && functions.iter().all(|f| allowed.contains(f))
}

fn micro_operations(op: &Op) -> Option<impl Iterator<Item = &str>> {
    let list = [&op.output, &op.input].into_iter().find_map(|value| value.as_list())?;
    let is_micro = |mop: &Value| {
        mop.as_list().is_some_and(|mop| matches!(mop, [f, _, _] | [f, _] if f.as_word().is_some()))
    };
    list.iter().all(is_micro).then(|| list.iter().filter_map(|mop| mop.as_list()?.first()?.as_word()))
}

fn infer_transactions(history: &History, functions: &BTreeSet<&str>) -> Option<Inferred> {
    let is_named = functions.iter().any(|f| matches!(*f, "txn" | "transaction"));
    if !only(functions, &["txn", "transaction", "read", "write", "r", "w"]) {
        return None;
    }
    // With functions that registers have too, values must be transactions.
    let mut words = BTreeSet::new();
    for op in &history.ops {
        match micro_operations(op) {
            Some(found) => words.extend(found),
            None if is_named => {}
            None => return None,
        }
    }
    if words.iter().any(|word| !matches!(*word, "r" | "read" | "w" | "write" | "append")) {
        return None;
    }
    let (kind, because) = if words.contains("append") {
        (txn::Kind::ListAppend, "transactions that append to lists")
    } else if is_named || !words.is_empty() {
        (txn::Kind::RwRegister, "transactions of reads and writes")
    } else {
        return None;
    };
    Some(Inferred { subject: Subject::Txns(kind), because })
}

fn infer_by_function(history: &History, functions: &BTreeSet<&str>) -> Option<Inferred> {
    let is = |allowed: &[&str]| only(functions, allowed);
    let has = |any: &[&str]| any.iter().any(|f| functions.contains(f));
    let outputs = |of: &'static [&'static str]| {
        history.ops.iter().filter(move |op| of.contains(&&*op.f)).map(|op| &op.output).filter(|v| !v.is_nil())
    };
    let objects = |kind, because| Some(Inferred { subject: Subject::Objects(kind), because });
    let workload = |kind, because| Some(Inferred { subject: Subject::Workload(kind), because });
    let gives_tokens = || outputs(&["acquire", "lock"]).any(|v| matches!(v, Value::Int(_) | Value::Map(_)));
    if is(&["transfer", "read"]) && has(&["transfer"]) {
        workload(Workload::Bank, "transfers, and reads of all accounts")
    } else if is(&["generate", "generate-id", "next-id"]) {
        workload(Workload::UniqueIds, "ids are generated")
    } else if is(&["allow"]) {
        objects(Kind::RateLimiter, "requests are allowed or not")
    } else if is(&[
        "acquire",
        "lock",
        "release",
        "unlock",
        "expire",
        "guarded",
        "write-with-token",
        "guarded-write",
    ]) {
        let is_fenced = has(&["expire", "guarded", "write-with-token", "guarded-write"]) || gives_tokens();
        if is_fenced {
            objects(Kind::FencedLock, "a lock that gives tokens")
        } else {
            objects(Kind::Mutex, "a lock is acquired and released")
        }
    } else if is(&["enqueue", "enq", "dequeue", "deq", "drain"]) {
        infer_queue(
            has(&["drain"]),
            outputs(&["dequeue", "deq"]).all(is_entry) && history_enqueues_entries(history),
        )
    } else if is(&["insert", "delete-min", "pop-min", "extract-min", "remove-min"])
        && has(&["delete-min", "pop-min", "extract-min", "remove-min"])
    {
        objects(Kind::PriorityQueue, "insertions, and removals of the least")
    } else if is(&["push", "pop"]) {
        objects(Kind::Stack, "pushes and pops")
    } else {
        infer_data(functions, outputs(&["read", "read-all", "members", "r", "get"]))
    }
}

fn is_entry(value: &Value) -> bool {
    matches!(value.as_pair(), Some((Value::Int(_), _)))
}

fn history_enqueues_entries(history: &History) -> bool {
    let mut enqueued = history.ops.iter().filter(|op| matches!(&*op.f, "enqueue" | "enq")).peekable();
    enqueued.peek().is_some() && enqueued.all(|op| is_entry(&op.input))
}

fn infer_queue(is_drained: bool, has_priorities: bool) -> Option<Inferred> {
    let (subject, because) = match (is_drained, has_priorities) {
        (true, _) => (Subject::Workload(Workload::TotalQueue), "a queue that is drained"),
        (false, true) => (Subject::Objects(Kind::PriorityQueue), "a queue of pairs [priority value]"),
        (false, false) => (Subject::Objects(Kind::Queue), "enqueues and dequeues"),
    };
    Some(Inferred { subject, because })
}

fn infer_data<'a>(functions: &BTreeSet<&str>, read: impl Iterator<Item = &'a Value>) -> Option<Inferred> {
    let is = |allowed: &[&str]| only(functions, allowed);
    let has = |any: &[&str]| any.iter().any(|f| functions.contains(f));
    let mut read = read.peekable();
    let (kind, because) =
        if has(&["rank", "top", "score", "zadd", "zscore", "zrevrank", "zrevrange", "top-n"]) {
            (Kind::Leaderboard, "scores, ranks and tops")
        } else if is(&[
            "read",
            "r",
            "get",
            "add",
            "inc",
            "increment",
            "incr",
            "dec",
            "decrement",
            "decr",
            "sub",
            "add-and-get",
            "increment-and-get",
            "fetch-and-add",
            "get-and-add",
        ]) && has(&[
            "inc",
            "increment",
            "incr",
            "dec",
            "decrement",
            "decr",
            "sub",
            "add-and-get",
            "increment-and-get",
            "fetch-and-add",
            "get-and-add",
        ]) {
            (Kind::Counter, "increments and reads")
        } else if is(&["read", "read-all", "members", "add", "remove", "contains"])
            && has(&["add", "remove", "contains"])
        {
            match read.peek() {
                Some(Value::Int(_)) => (Kind::Counter, "additions, and reads of a number"),
                _ => (Kind::Set, "additions, and reads of all elements"),
            }
        } else if is(&["get", "put", "append", "delete", "del", "cas", "read", "write", "set"])
            && has(&["append", "put"])
        {
            (Kind::Kv, "gets and puts of texts by key")
        } else if is(&["read", "r", "get", "write", "w", "set", "put", "cas", "compare-and-set", "delete"]) {
            (
                Kind::Register,
                if has(&["cas", "compare-and-set"]) {
                    "reads, writes and compare-and-set of single values"
                } else {
                    "reads and writes of single values"
                },
            )
        } else {
            return None;
        };
    Some(Inferred { subject: Subject::Objects(kind), because })
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Subject {
    type Err = NoSuchSubject;

    fn from_str(given: &str) -> Result<Self, NoSuchSubject> {
        let named = Subject::all().find(|subject| subject.name() == given);
        let known_by_alias = || given.parse().map(Subject::Objects);
        named.map_or_else(known_by_alias, Ok).map_err(|NoSuchKind { given }| NoSuchSubject { given })
    }
}

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::generate::{Objects, Transactions, objects, transactions};
    use crate::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
    use crate::model::Kind;
    use crate::txn;

    fn history(ops: &[(&str, Value, Value)]) -> History {
        let mut builder = Builder::new(Order::RealTime);
        for (f, input, output) in ops {
            let (key, input, f) = (Value::Nil, input.clone(), (*f).into());
            let (process, session, node, at, line, time) = ("0", None, None, Stamp::Next, 0, None);
            builder.call(Call { process, session, node, f, key, input, at, line, time }).unwrap();
            let (outcome, output) = (Outcome::Ok, output.clone());
            builder.ret("0", Return { outcome, output, at, line, time }).unwrap();
        }
        builder.finish().unwrap()
    }

    fn check(ops: &[(&str, Value, Value)], expect: &str) {
        let inferred = Subject::infer(&history(ops));
        assert_eq!(inferred.as_ref().map_or("", |inferred| inferred.subject.name()), expect, "{ops:?}");
    }

    #[test]
    fn each_name_is_read_back() {
        for subject in Subject::all() {
            assert_eq!(subject.name().parse(), Ok(subject));
        }
        assert_eq!("cas-register".parse(), Ok(Subject::Objects(Kind::Register)));
        assert!("kafka".parse::<Subject>().unwrap_err().to_string().contains("list-append"));
    }

    #[test]
    fn what_was_generated_is_recognised() {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::MultiRegister) {
            let inferred = Subject::infer(&objects(&Objects::new(kind, 1))).unwrap();
            assert_eq!(inferred.subject, Subject::Objects(kind), "{inferred}");
        }
        for kind in [txn::Kind::ListAppend, txn::Kind::RwRegister] {
            let inferred = Subject::infer(&transactions(&Transactions::new(kind, 1))).unwrap();
            assert_eq!(inferred.subject, Subject::Txns(kind));
        }
    }

    #[test]
    fn values_tell_where_functions_do_not() {
        let (nil, one) = (Value::Nil, Value::Int(1));
        let list = Value::list([one.clone()]);
        let pair = Value::list([one.clone(), one.clone()]);
        let ops = |f, input: &Value, output: &Value| (f, input.clone(), output.clone());
        check(&[ops("add", &one, &nil), ops("read", &nil, &list)], "set");
        check(&[ops("add", &one, &nil), ops("read", &nil, &one)], "counter");
        check(&[ops("enqueue", &one, &nil), ops("dequeue", &nil, &one)], "queue");
        check(&[ops("enqueue", &pair, &nil), ops("dequeue", &nil, &pair)], "priority-queue");
        check(&[ops("enqueue", &one, &nil), ops("drain", &nil, &list)], "total-queue");
        check(&[ops("acquire", &nil, &nil), ops("release", &nil, &nil)], "mutex");
        check(&[ops("acquire", &nil, &one), ops("release", &nil, &nil)], "fenced-lock");
        check(&[ops("read", &nil, &one)], "register");
        check(&[ops("transfer", &nil, &nil)], "bank");
        check(&[ops("generate", &nil, &one)], "unique-ids");
        let mop = Value::list([Value::list([Value::Keyword("w".into()), one.clone(), one])]);
        check(&[ops("write", &mop, &mop)], "rw-register");
        check(&[ops("dance", &nil, &nil)], "");
        check(&[], "");
    }
}
