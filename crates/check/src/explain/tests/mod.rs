//! Histories in a few letters, for the tests of this module.

mod html;
mod random;
mod shrink;
mod verify;
mod words;

use crate::history::{Builder, Call, History, OpId, Order, Outcome, Return, Stamp, Value};
use crate::limits::Budget;
use crate::model::Register;
use crate::verdict::{Edge, Refutation, Relation, Sequence, Stuck, Verdict, Violation, Witness};

/// Operations with `;` between, each `process from-until mop…`. `until` is `?` if the outcome is unknown, and ends in `!` if the
/// operation failed. A mop is `w1`, `r1`, `r` (nil), `c12` (compare 1 and set 2), `x:w1` on a key; for transactions `ax1`, `wx1`,
/// `rx=1.2`, `rx=`. An operation with such mops, or with several, is a transaction. Times are those of both calls and returns; lines are
/// the same numbers.
pub fn history(text: &str) -> History {
    let mut builder = Builder::new(Order::RealTime);
    let ops: Vec<&str> = text.split(';').map(str::trim).filter(|op| !op.is_empty()).collect();
    // (time, is a return, words)
    let mut moments: Vec<(i64, bool, Vec<&str>)> = Vec::new();
    for op in ops {
        let words: Vec<&str> = op.split_whitespace().collect();
        let (from, until) = words[1].split_once('-').unwrap();
        moments.push((from.parse().unwrap(), false, words.clone()));
        if until != "?" {
            moments.push((until.trim_end_matches('!').parse().unwrap(), true, words));
        }
    }
    moments.sort_by_key(|(time, is_return, _)| (*time, *is_return));
    for (time, is_return, words) in moments {
        let op = parsed(&words[2..]);
        let (at, line) = (Stamp::At(time), time as u32);
        let time = Some(time * 1_000_000);
        if is_return {
            let is_failed = words[1].ends_with('!');
            let outcome = if is_failed { Outcome::Fail } else { Outcome::Ok };
            let output = if is_failed { Value::Nil } else { op.output };
            builder.ret(words[0], Return { outcome, output, at, line, time }).unwrap();
        } else {
            let (f, key, input) = (op.f.into(), op.key, op.input);
            let call = Call { process: words[0], session: None, node: None, f, key, input, at, line, time };
            builder.call(call).unwrap();
        }
    }
    builder.finish().unwrap()
}

struct Parsed {
    f: &'static str,
    key: Value,
    input: Value,
    output: Value,
}

fn number(text: &str) -> Value {
    text.parse().map_or(Value::Nil, Value::Int)
}

fn parsed(words: &[&str]) -> Parsed {
    let second = |word: &str| word.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase);
    if words.len() > 1 || second(words[0]) {
        let mops = |is_seen: bool| Value::list(words.iter().map(|word| mop(word, is_seen)));
        return Parsed { f: "txn", key: Value::Nil, input: mops(false), output: mops(true) };
    }
    let (key, word) =
        words[0].split_once(':').map_or((Value::Nil, words[0]), |(key, word)| (key.into(), word));
    let (f, rest) = word.split_at(1);
    match f {
        "r" => Parsed { f: "read", key, input: Value::Nil, output: number(rest) },
        "w" => Parsed { f: "write", key, input: number(rest), output: number(rest) },
        _ => {
            let input = Value::list([number(&rest[..1]), number(&rest[1..])]);
            Parsed { f: "cas", key, input, output: Value::Nil }
        }
    }
}

fn mop(word: &str, is_seen: bool) -> Value {
    let (f, key) = (&word[..1], Value::Keyword(word[1..2].into()));
    let (f, value) = match f {
        "a" => ("append", number(&word[2..])),
        "w" => ("w", number(&word[2..])),
        _ if !is_seen => ("r", Value::Nil),
        _ => {
            let seen = &word[3..];
            // `rx=1.` is a list of one, `rx=1` a register's value.
            let list = || Value::list(seen.split('.').filter(|part| !part.is_empty()).map(number));
            ("r", if seen.contains('.') { list() } else { number(seen) })
        }
    };
    Value::list([Value::Keyword(f.into()), key, value])
}

pub fn ids(numbers: &[u32]) -> Vec<OpId> {
    numbers.iter().copied().map(OpId).collect()
}

pub fn order(numbers: &[u32]) -> Verdict {
    Verdict::Holds(Witness::Orders(vec![Sequence { scope: String::new(), ops: ids(numbers) }]))
}

pub fn fact(numbers: &[u32]) -> Verdict {
    violated(numbers, Refutation::Fact)
}

pub fn violated(numbers: &[u32], refutation: Refutation) -> Verdict {
    Verdict::Violated(Box::new(violation(numbers, refutation)))
}

pub fn violation(numbers: &[u32], refutation: Refutation) -> Violation {
    Violation { anomaly: "stale read", ops: ids(numbers), reason: "it cannot be".to_owned(), refutation }
}

pub fn stuck(order: &[u32], state: &str, blocked: &[u32]) -> Refutation {
    let blocked = blocked.iter().map(|id| (OpId(*id), "its result is another".to_owned())).collect();
    Refutation::Stuck(Stuck { scope: String::new(), order: ids(order), state: state.to_owned(), blocked })
}

pub fn edges(edges: &[(u32, u32, Relation)]) -> Refutation {
    let edge = |(from, to, relation): &(u32, u32, Relation)| {
        let why = format!("{} because of {relation:?}", relation);
        Edge { from: OpId(*from), to: OpId(*to), relation: *relation, why }
    };
    Refutation::Cycle(edges.iter().map(edge).collect())
}

pub fn register(history: &History) -> super::verify::Objects<'_, Register> {
    super::verify::Objects::new(Register::default(), history).unwrap()
}

pub fn free() -> Budget<'static> {
    Budget::unlimited()
}
