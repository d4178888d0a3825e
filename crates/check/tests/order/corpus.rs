//! The histories of `corpus/order` against the definitions: their expectations are what the reference says.

use super::reference::{self, Tiny};
use super::{Elements, Line, history};
use quorate_check::history::{Outcome, Value};
use quorate_check::level::Level;
use quorate_check::limits::Budget;
use quorate_check::model::{self, Model, Register};
use quorate_check::order::{ORDER_LEVELS, decide};
use quorate_check::verdict::Verdict;

/// What stands after `:name` in one of the corpus' lines.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = &line[line.find(&format!(":{name} "))? + name.len() + 2..];
    let end = if rest.starts_with("#{") { rest.find('}')? + 1 } else { rest.find([',', '}'])? };
    Some(&rest[..end])
}

fn value(text: &str) -> Value {
    match text.strip_prefix("#{") {
        Some(elements) => {
            let elements = elements.trim_end_matches('}').split_whitespace();
            Value::set(elements.map(|element| Value::Int(element.parse().unwrap())))
        }
        None => text.parse().map_or(Value::Nil, Value::Int),
    }
}

/// Operations, session by session.
fn lines(text: &str) -> Vec<Line> {
    let ends = text.lines().filter(|line| field(line, "type").is_some_and(|end| end != ":invoke"));
    let mut lines: Vec<Line> = ends
        .map(|line| {
            let f = field(line, "f").unwrap();
            let value = value(field(line, "value").unwrap());
            let key = field(line, "key").map_or(0, |key| i64::from(key.as_bytes()[1]));
            let outcome = if line.contains(":info") { Outcome::Info } else { Outcome::Ok };
            let session = field(line, "process").unwrap().parse().unwrap();
            match f {
                ":read" => (session, "read", key, Value::Nil, value, outcome),
                ":write" => (session, "write", key, value, Value::Nil, outcome),
                _ => (session, "add", key, value, Value::Nil, outcome),
            }
        })
        .collect();
    lines.sort_by_key(|line| line.0);
    lines
}

fn check<M: Model>(mut model: M, name: &str, text: &str) {
    let lines = lines(text);
    let history = history(&lines);
    let items = model::parse(&mut model, &history).unwrap();
    let mut so = vec![0_u32; lines.len()];
    for at in 1..lines.len() {
        so[at] = if lines[at].0 == lines[at - 1].0 { so[at - 1] | 1 << (at - 1) } else { 0 };
    }
    // Too many pairs of operations to try all relations: then the small levels are compared only.
    let crossing: u32 = (0..so.len() as u32).map(|at| at - so[at as usize].count_ones()).sum();
    let relations = if crossing <= 8 { reference::partial_orders(&so) } else { Vec::new() };
    let tiny = Tiny::new(&model, &items, so, &relations);
    for expected in text.lines().filter_map(|line| line.strip_prefix(";; ")) {
        let Some((level, words)) = expected.split_once(": ") else { continue };
        let Ok(level) = level.parse::<Level>() else { continue };
        if !ORDER_LEVELS.contains(&level) {
            continue;
        }
        let (answer, anomaly) = words.split_once(" (").unwrap_or((words, ""));
        let verdict = decide(level, &model, &items, &history, &Budget::unlimited());
        assert_eq!(verdict.answer().to_string(), answer, "{name}, {level}: {verdict:?}");
        if let Verdict::Violated(violation) = &verdict
            && !anomaly.is_empty()
        {
            assert_eq!(violation.anomaly, anomaly.trim_end_matches(')'), "{name}, {level}: {verdict:?}");
        }
        let is_causal = matches!(level, Level::Causal | Level::CausalMemory | Level::CausalConvergence);
        if crossing <= 8 || (!is_causal && lines.len() < 7 && level != Level::WritesFollowReads) {
            assert_eq!(tiny.holds(level), answer == "holds", "{name}, {level}: the definition disagrees");
        }
    }
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/order");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        match text.lines().next() {
            Some(";; model: register") => check(Register::default(), &name, &text),
            Some(";; model: set") => check(Elements, &name, &text),
            first => panic!("{name}: {first:?}"),
        }
        count += 1;
    }
    assert!(count >= 20);
}
