//! Histories in a short notation, and what is found in them.
//!
//! One transaction a line: `NAME @FROM-UNTIL OUTCOME : MOPS`. Without a name each line is a session of its own, without times all
//! overlap, without outcome it committed. `a x 1` appends, `w x 1` writes, `r x 1`, `r x nil`, `r x [1 2]` read.

mod properties;
mod reference;
mod tables;

use super::{Analysis, Kind, Txns, analyse, parse};
use crate::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
use crate::limits::{Budget, InTurn};
use std::collections::BTreeSet;

/// One transaction of a test.
#[derive(Clone, Debug)]
pub struct Line {
    pub process: String,
    pub from: i64,
    pub until: i64,
    pub outcome: Outcome,
    pub mops: Vec<(char, String, Value)>,
}

fn value(word: &str) -> Value {
    let list = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    match (list, word) {
        (Some(list), _) => Value::list(list.split_whitespace().map(value)),
        (_, "nil") => Value::Nil,
        _ => word.parse().map_or_else(|_| Value::text(word), Value::Int),
    }
}

pub fn lines(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .enumerate()
        .map(|(at, line)| {
            let (head, mops) = line.split_once(':').unwrap();
            let at = at as i64;
            let (from, until, outcome) = (at, 1000 + at, Outcome::Ok);
            let mut line = Line { process: format!("#{at}"), from, until, outcome, mops: Vec::new() };
            for word in head.split_whitespace() {
                match (word, word.strip_prefix('@')) {
                    (_, Some(times)) => {
                        let (from, until) = times.split_once('-').unwrap();
                        (line.from, line.until) = (from.parse().unwrap(), until.parse().unwrap());
                    }
                    ("ok", _) => {}
                    ("fail", _) => line.outcome = Outcome::Fail,
                    ("info", _) => line.outcome = Outcome::Info,
                    _ => line.process = word.to_owned(),
                }
            }
            for mop in mops.split(',').map(str::trim).filter(|mop| !mop.is_empty()) {
                let mut words = mop.splitn(3, ' ');
                let [f, key, seen] = [(); 3].map(|()| words.next().unwrap());
                line.mops.push((f.chars().next().unwrap(), key.to_owned(), value(seen)));
            }
            line
        })
        .collect()
}

pub fn history(lines: &[Line], order: Order) -> History {
    let mut events: Vec<(i64, bool, usize)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        events.extend([(line.from, false, at), (line.until, true, at)]);
    }
    events.sort_unstable();
    let mut builder = Builder::new(order);
    for (number, (time, is_return, at)) in events.into_iter().enumerate() {
        let line = &lines[at];
        let mops = |seen: bool| {
            Value::list(line.mops.iter().map(|(f, key, value)| {
                let word = if *f == 'a' { "append".to_owned() } else { f.to_string() };
                let value = if *f == 'r' && !seen { Value::Nil } else { value.clone() };
                Value::list([Value::Keyword(word.into()), key.as_str().into(), value])
            }))
        };
        let (stamp, number) = (Stamp::At(time), number as u32 + 1);
        if is_return {
            let output = if line.outcome == Outcome::Ok { mops(true) } else { Value::Nil };
            let ret = Return { outcome: line.outcome, output, at: stamp, line: number, time: None };
            builder.ret(&line.process, ret).unwrap();
        } else {
            builder
                .call(Call {
                    process: &line.process,
                    session: None,
                    node: None,
                    f: "txn".into(),
                    key: Value::Nil,
                    input: mops(false),
                    at: stamp,
                    line: number,
                    time: None,
                })
                .unwrap();
        }
    }
    builder.finish().unwrap()
}

pub fn analysed(history: &History, kind: Kind) -> (Txns, Analysis) {
    let txns = parse(history, kind).unwrap();
    let analysis = analyse(&txns, history, &Budget::unlimited(), &InTurn).unwrap();
    (txns, analysis)
}

pub fn names(analysis: &Analysis) -> BTreeSet<&'static str> {
    analysis.findings.iter().map(|finding| finding.violation.anomaly).collect()
}
