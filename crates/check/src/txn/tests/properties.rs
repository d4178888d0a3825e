//! A serial database with clients has no anomalies; with a bug it has that bug's; and names of things do not matter.

use super::{Line, analysed, history, names};
use crate::history::{Order, Outcome, Value};
use crate::txn::Kind;
use quorate_types::Rng;
use std::collections::{BTreeMap, BTreeSet};

const PROCESSES: u64 = 4;

/// A database in which each transaction happens at one moment between its call and its return.
struct Database {
    kind: Kind,
    versions: BTreeMap<String, Vec<i64>>,
    next: i64,
}

impl Database {
    fn seen(&self, key: &str, missing: usize) -> Value {
        let versions = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let versions = &versions[..versions.len().saturating_sub(missing)];
        match self.kind {
            Kind::ListAppend => Value::list(versions.iter().copied().map(Value::Int)),
            Kind::RwRegister => versions.last().map_or(Value::Nil, |value| Value::Int(*value)),
        }
    }

    fn write(&mut self, key: &str, outcome: Outcome) -> Value {
        self.next += 1;
        if outcome == Outcome::Ok {
            self.versions.entry(key.to_owned()).or_default().push(self.next);
        }
        Value::Int(self.next)
    }
}

fn serial(rng: &mut Rng, kind: Kind, count: usize) -> Vec<Line> {
    let mut database = Database { kind, versions: BTreeMap::new(), next: 0 };
    let mut lines = Vec::new();
    let mut ends = [0; PROCESSES as usize];
    for at in 0..count as i64 {
        let moment = 100 * (at + 1);
        let process = rng.below(PROCESSES) as usize;
        let from = (moment - 1 - rng.below(300) as i64).max(ends[process] + 1);
        let mut until = moment + 1 + rng.below(300) as i64;
        if from >= moment {
            continue;
        }
        let outcome = match rng.below(10) {
            0 => Outcome::Fail,
            1 => Outcome::Info,
            _ => Outcome::Ok,
        };
        // Of two fates of the unknown, both are played; what it read is not told.
        let happens = if outcome == Outcome::Info && rng.chance(1, 2) { Outcome::Ok } else { outcome };
        let mut mops = Vec::new();
        let own = lines.len();
        for _ in 0..1 + rng.below(4) {
            let key = format!("k{}", rng.below(3) + 3 * (at as u64 / 12));
            if rng.chance(1, 2) {
                mops.push(('r', key.clone(), database.seen(&key, 0)));
            } else {
                let value = database.write(&key, happens);
                mops.push((if kind == Kind::ListAppend { 'a' } else { 'w' }, key, value));
            }
        }
        until = until.max(from + 1);
        ends[process] = until;
        lines.push(Line { process: process.to_string(), from, until, outcome, mops });
        debug_assert_eq!(own + 1, lines.len());
    }
    lines
}

#[test]
fn a_serial_database_has_no_anomalies() {
    for seed in 0..100 {
        for kind in [Kind::ListAppend, Kind::RwRegister] {
            let mut rng = Rng::new(seed);
            let lines = serial(&mut rng, kind, 60);
            let (_, analysis) = analysed(&history(&lines, Order::RealTime), kind);
            assert_eq!(analysis.findings, [], "seed {seed}");
            assert_eq!(analysis.ambiguous, None, "seed {seed}");
        }
    }
}

/// Adds transactions that a faulty database would give, on keys of their own in the middle of all others.
fn with_bug(lines: &mut Vec<Line>, bug: &str) {
    let moment = lines[lines.len() / 2].from;
    for (at, mut line) in super::lines(bug).into_iter().enumerate() {
        line.process = format!("bug {at}");
        (line.from, line.until) = (moment, moment + 50);
        lines.push(line);
    }
}

#[test]
fn a_planted_bug_is_found_by_name() {
    let bugs = [
        (": r b [], a b 1\n : r b [], a b 2\n", "lost update"),
        (": r b [], a c 1\n : r c [], a b 1\n", "write skew"),
        (": a b 1, a c 1\n : r c [], r b [1]\n", "G-single"),
        (": a b 1\n : a c 1\n : r b [1], r c []\n : r b [], r c [1]\n", "long fork"),
        ("fail : a b 1\n : r b [1]\n", "G1a"),
        (": a b 1, r c [2]\n : a c 2, r b [1]\n", "G1c"),
    ];
    for seed in 0..10 {
        for (bug, name) in bugs {
            let mut lines = serial(&mut Rng::new(seed), Kind::ListAppend, 40);
            with_bug(&mut lines, bug);
            let (_, analysis) = analysed(&history(&lines, Order::RealTime), Kind::ListAppend);
            assert_eq!(names(&analysis), BTreeSet::from([name]), "seed {seed}");
        }
    }
}

#[test]
fn a_stale_read_is_found() {
    let mut found = 0;
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut lines = serial(&mut rng, Kind::ListAppend, 60);
        // A read loses its last element.
        let stale = lines.iter_mut().filter(|line| line.outcome == Outcome::Ok).find_map(|line| {
            let [(_, _, seen)] = &mut line.mops[..] else { return None };
            let list = seen.as_list().filter(|list| !list.is_empty())?;
            *seen = Value::list(list[..list.len() - 1].iter().cloned());
            Some(())
        });
        let (_, analysis) = analysed(&history(&lines, Order::RealTime), Kind::ListAppend);
        let allowed = |name: &&str| {
            name.starts_with("G-")
                || name.starts_with("G2")
                || ["G1b", "long fork", "write skew"].contains(name)
        };
        let others: Vec<_> = names(&analysis).into_iter().filter(|name| !allowed(name)).collect();
        assert!(stale.is_some() || analysis.findings.is_empty(), "seed {seed}");
        assert!(others.is_empty(), "seed {seed}: {others:?}");
        found += usize::from(!analysis.findings.is_empty());
    }
    assert!(found >= 15, "of 40 stale reads only {found} were found");
}

#[test]
fn names_do_not_matter() {
    for seed in 0..30 {
        let mut lines = serial(&mut Rng::new(seed), Kind::ListAppend, 30);
        with_bug(&mut lines, ": a b 1\n : a c 1\n : r b [1], r c []\n : r b [], r c [1]\n");
        with_bug(&mut lines, ": r d [], a e 1\n : r e [], a d 1\n");
        for (at, line) in lines.iter_mut().enumerate().filter(|(_, line)| line.process.starts_with("bug")) {
            line.process = format!("bug {at}");
        }
        let renamed: Vec<Line> = lines.iter().map(renamed).collect();
        let [one, other] = [lines, renamed].map(|lines| {
            let (_, analysis) = analysed(&history(&lines, Order::RealTime), Kind::ListAppend);
            let mut found: Vec<_> = analysis
                .findings
                .into_iter()
                .map(|finding| (finding.violation.anomaly, finding.violation.ops, finding.rules_out))
                .collect();
            found.sort();
            found
        });
        assert_eq!(one, other, "seed {seed}");
        assert_eq!(one.len(), 2, "seed {seed}");
    }
}

/// Other names for processes, keys and values, in another order.
fn renamed(line: &Line) -> Line {
    fn value(of: &Value) -> Value {
        match of {
            Value::Int(number) => Value::text(&format!("v{}", 5000 - number)),
            Value::List(values) => Value::list(values.iter().map(value)),
            other => other.clone(),
        }
    }
    let mops = line.mops.iter().map(|(f, key, seen)| (*f, format!("z{key}"), value(seen))).collect();
    Line { process: format!("p{}", line.process), mops, ..line.clone() }
}
