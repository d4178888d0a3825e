//! Circles by brute force: all edges of a tiny history written out, and every simple circle walked.
//!
//! It shares no code with the analysis: writers, order of versions and edges are taken from the notation itself.

use super::{Line, analysed, history, names};
use crate::history::{Order, Outcome, Value};
use crate::level::{Level, TXN_LEVELS};
use crate::txn::Kind;
use crate::verdict::{Refutation, Relation};
use quorate_types::Rng;
use std::collections::BTreeSet;

type Edges = BTreeSet<(usize, usize, Relation)>;

/// A random history in which nothing is wrong but the order: every read saw some prefix or some value.
fn random(rng: &mut Rng, kind: Kind) -> Vec<Line> {
    let count = 2 + rng.below(4) as usize;
    let mut next = 0;
    let mut lines: Vec<Line> = Vec::new();
    let mut written: Vec<Vec<i64>> = vec![Vec::new(); 2];
    let mut shapes = Vec::new();
    let mut ends = [0; 3];
    for _ in 0..count {
        let mut shape = Vec::new();
        for of_key in &mut written {
            let write = rng.chance(1, 2).then(|| {
                next += 1;
                of_key.push(next);
                next
            });
            shape.push((rng.chance(1, 2), write));
        }
        shapes.push(shape);
    }
    for key in &mut written {
        for at in (1..key.len()).rev() {
            key.swap(at, rng.below(at as u64 + 1) as usize);
        }
    }
    for shape in shapes {
        let process = rng.below(3) as usize;
        let from = ends[process] + 1 + rng.below(6) as i64;
        let until = from + 1 + rng.below(6) as i64;
        ends[process] = until;
        let mut mops = Vec::new();
        for (key, (reads, write)) in shape.into_iter().enumerate() {
            let others: Vec<i64> =
                written[key].iter().copied().take_while(|value| Some(*value) != write).collect();
            let name = ["x", "y"][key].to_owned();
            if reads {
                let seen = rng.below(others.len() as u64 + 1) as usize;
                let value = match kind {
                    Kind::ListAppend => Value::list(others[..seen].iter().copied().map(Value::Int)),
                    Kind::RwRegister => others[..seen].last().map_or(Value::Nil, |value| Value::Int(*value)),
                };
                mops.push(('r', name.clone(), value));
            }
            if let Some(value) = write {
                mops.push((if kind == Kind::ListAppend { 'a' } else { 'w' }, name, Value::Int(value)));
            }
        }
        lines.push(Line { process: process.to_string(), from, until, outcome: Outcome::Ok, mops });
    }
    lines
}

fn writer(lines: &[Line], key: &str, value: &Value) -> usize {
    let wrote = |line: &Line| line.mops.iter().any(|mop| mop.0 != 'r' && mop.1 == key && mop.2 == *value);
    lines.iter().position(wrote).unwrap()
}

fn writers<'a>(lines: &'a [Line], key: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..lines.len()).filter(move |at| lines[*at].mops.iter().any(|mop| mop.0 != 'r' && mop.1 == key))
}

/// Reads of a key: reader, and what was seen.
fn reads<'a>(lines: &'a [Line], key: &'a str) -> impl Iterator<Item = (usize, &'a Value)> + 'a {
    lines.iter().enumerate().flat_map(move |(at, line)| {
        line.mops.iter().filter(move |mop| mop.0 == 'r' && mop.1 == key).map(move |mop| (at, &mop.2))
    })
}

/// All edges that a history shows, each pair by itself.
pub fn edges(lines: &[Line], kind: Kind, order: Order) -> Edges {
    let mut edges = Edges::new();
    for key in ["x", "y"] {
        // Versions known to precede one another, directly or not; nothing stands for the initial version.
        let mut before: BTreeSet<(Option<usize>, usize)> = writers(lines, key).map(|to| (None, to)).collect();
        let mut sources: Vec<(usize, Option<usize>)> = Vec::new();
        if kind == Kind::ListAppend {
            let longest =
                reads(lines, key).map(|(_, seen)| seen.as_list().unwrap()).max_by_key(|seen| seen.len());
            let chain: Vec<usize> =
                longest.unwrap_or(&[]).iter().map(|value| writer(lines, key, value)).collect();
            for (at, first) in chain.iter().enumerate() {
                before.extend(chain[at + 1..].iter().map(|second| (Some(*first), *second)));
                before.extend(
                    writers(lines, key).filter(|to| !chain.contains(to)).map(|to| (Some(*first), to)),
                );
            }
            for (reader, seen) in reads(lines, key) {
                let last = seen.as_list().unwrap().last();
                sources.push((reader, last.map(|value| writer(lines, key, value))));
            }
        } else {
            for (reader, seen) in reads(lines, key) {
                let source = (!seen.is_nil()).then(|| writer(lines, key, seen));
                sources.push((reader, source));
                if writers(lines, key).any(|to| to == reader) {
                    before.extend(source.map(|source| (Some(source), reader)));
                }
            }
        }
        for (first, second) in &before {
            edges.extend(first.map(|first| (first, *second, Relation::WriteWrite)));
        }
        for (reader, source) in sources {
            edges.extend(source.map(|source| (source, reader, Relation::WriteRead)));
            let later = before.iter().filter(|(first, _)| *first == source);
            edges.extend(later.map(|(_, second)| (reader, *second, Relation::ReadWrite)));
        }
    }
    for (at, first) in lines.iter().enumerate() {
        for (to, second) in lines.iter().enumerate() {
            if first.until < second.from && first.process == second.process {
                edges.insert((at, to, Relation::Session));
            }
            if first.until < second.from && order == Order::RealTime {
                edges.insert((at, to, Relation::RealTime));
            }
        }
    }
    edges.retain(|(from, to, _)| from != to);
    edges
}

/// The level that a closed walk of these relations rules out.
pub fn level_of(walk: &[Relation]) -> Level {
    let has = |relation| walk.contains(&relation);
    let rw: Vec<bool> = walk.iter().map(|relation| *relation == Relation::ReadWrite).collect();
    let count = rw.iter().filter(|is_rw| **is_rw).count();
    let adjacent = count > 1 && (0..rw.len()).any(|at| rw[at] && rw[(at + 1) % rw.len()]);
    match (has(Relation::RealTime), has(Relation::Session)) {
        (true, _) if adjacent => Level::StrictSerializable,
        (true, _) => Level::StrongSnapshotIsolation,
        (_, true) if adjacent => Level::StrongSessionSerializable,
        (_, true) if count > 0 => Level::StrongSessionSnapshotIsolation,
        (_, true) => Level::TransactionalCausal,
        _ if adjacent => Level::Serializable,
        _ if count > 0 => Level::SnapshotIsolation,
        _ => Level::ReadCommitted,
    }
}

fn walk(
    edges: &Edges,
    path: &mut Vec<(usize, Relation)>,
    start: usize,
    at: usize,
    out: &mut BTreeSet<Level>,
) {
    for (_, to, relation) in edges.iter().filter(|(from, ..)| *from == at) {
        path.push((at, *relation));
        if *to == start {
            let relations: Vec<Relation> = path.iter().map(|(_, relation)| *relation).collect();
            out.insert(level_of(&relations));
        } else if *to > start && path.iter().all(|(node, _)| node != to) {
            walk(edges, path, start, *to, out);
        }
        path.pop();
    }
}

/// All levels that some circle, or some lost update, rules out.
fn ruled_out(found: impl IntoIterator<Item = Level>) -> BTreeSet<Level> {
    let found: Vec<Level> = found.into_iter().collect();
    TXN_LEVELS.into_iter().filter(|level| found.iter().any(|weaker| level.is_at_least(*weaker))).collect()
}

fn check(lines: &[Line], kind: Kind, order: Order, seed: u64) -> BTreeSet<&'static str> {
    let edges = edges(lines, kind, order);
    let history = history(lines, order);
    let (txns, analysis) = analysed(&history, kind);
    let line_of = |op: crate::history::OpId| {
        let op = history.op(op);
        let process = &history.processes[op.process.0 as usize];
        let mut same: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].process == **process).collect();
        same.sort_by_key(|at| lines[*at].from);
        let place =
            history.ops.iter().filter(|other| other.process == op.process && other.call < op.call).count();
        same[place]
    };
    let mut expect = BTreeSet::new();
    for start in 0..lines.len() {
        walk(&edges, &mut Vec::new(), start, start, &mut expect);
    }
    let mut found = Vec::new();
    for finding in &analysis.findings {
        found.extend(&finding.rules_out);
        match &finding.violation.refutation {
            Refutation::Cycle(circle) => {
                let relations: Vec<Relation> = circle.iter().map(|edge| edge.relation).collect();
                assert_eq!(finding.rules_out, [level_of(&relations)], "seed {seed}: {finding:#?}");
                for (at, edge) in circle.iter().enumerate() {
                    let named = (line_of(edge.from), line_of(edge.to), edge.relation);
                    assert!(edges.contains(&named), "seed {seed}: no edge {edge:?} in {lines:#?}");
                    assert_eq!(edge.to, circle[(at + 1) % circle.len()].from, "seed {seed}");
                }
            }
            _ => {
                assert_eq!(finding.violation.anomaly, "lost update", "seed {seed}: {finding:#?}");
                // Some order of the two contradicts snapshots, whichever it is.
                expect.insert(Level::SnapshotIsolation);
            }
        }
    }
    let [found, expect] = [ruled_out(found), ruled_out(expect)];
    assert_eq!(found, expect, "seed {seed}, {} transactions: {lines:#?}", txns.txns.len());
    names(&analysis)
}

#[test]
fn circles_are_those_of_brute_force() {
    let mut seen = BTreeSet::new();
    for seed in 0..4000 {
        let mut rng = Rng::new(seed);
        for kind in [Kind::ListAppend, Kind::RwRegister] {
            let lines = random(&mut rng, kind);
            seen.extend(check(&lines, kind, Order::RealTime, seed));
            seen.extend(check(&lines, kind, Order::Sessions, seed));
        }
    }
    // Nothing was proved of names that never came up.
    let all = [
        "G0",
        "G0-process",
        "G0-realtime",
        "G1c",
        "G1c-process",
        "G1c-realtime",
        "G-single",
        "G-single-process",
        "G-single-realtime",
        "G-nonadjacent-process",
        "G2-item",
        "G2-item-process",
        "G2-item-realtime",
        "write skew",
        "lost update",
    ];
    let missing: Vec<_> = all.into_iter().filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?} never came up");
}
