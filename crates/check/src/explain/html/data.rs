//! What the page draws, as the data that its program reads.

use crate::explain::words::{self, in_words};
use crate::history::{Fault, History, Op, OpId, Order, Outcome, Point, Value};
use crate::level::Level;
use crate::verdict::{
    Refutation, Relation, Report, Sequence, Verdict, View as SessionView, Violation, Witness,
};
use serde::Serialize;

/// The most operations that a page holds.
pub const MAX_DRAWN: usize = 100_000;
/// Characters of a value; the rest is cut off.
const MAX_VALUE_CHARS: usize = 400;
/// Views of sessions that are drawn as orders.
const MAX_ORDERS: usize = 400;
/// Whole numbers that the page's program holds exactly.
const MAX_EXACT: u64 = 1 << 53;

/// Everything.
#[derive(Serialize)]
pub struct Page {
    rows: Vec<String>,
    /// Those that are drawn.
    pub ops: Vec<Bar>,
    faults: Vec<Band>,
    /// What can be explained.
    pub views: Vec<Explained>,
    /// Which of `views` is shown at first.
    first: usize,
    /// By level of the report, which of `views` explains it.
    #[serde(skip)]
    pub level_views: Vec<Option<usize>>,
}

/// One operation: id, row, call, return (-1 for never), outcome, function, key, input, output, node, session, lines, times.
#[derive(Serialize)]
pub struct Bar(
    u32,
    usize,
    u32,
    i64,
    u8,
    String,
    String,
    String,
    String,
    String,
    String,
    (u32, u32),
    Option<(Clock, Option<Clock>)>,
);

/// Nanoseconds, as text if the page's program cannot hold them exactly.
#[derive(Serialize)]
#[serde(untagged)]
enum Clock {
    Exact(i64),
    Text(String),
}

#[derive(Serialize)]
struct Band {
    f: String,
    value: String,
    from: u32,
    until: i64,
    lines: (u32, u32),
}

/// A verdict's proof, drawn.
#[derive(Serialize)]
pub struct Explained {
    /// For the list of all.
    pub name: String,
    /// In several lines.
    pub text: String,
    ops: Vec<u32>,
    names: Vec<(u32, String)>,
    orders: Vec<Drawn>,
    edges: Vec<Arrow>,
    blocked: Vec<(u32, String)>,
}

#[derive(Serialize)]
struct Drawn {
    scope: String,
    ops: Vec<u32>,
    /// Whether each operation can take effect between its call and its return.
    timed: bool,
}

#[derive(Serialize)]
struct Arrow {
    from: u32,
    to: u32,
    rel: String,
    kind: &'static str,
    why: String,
}

impl Page {
    /// Collects it.
    pub fn of(history: &History, report: &Report) -> Page {
        let (views, level_views, first) = views(history, report);
        let drawn = drawn(history, &views);
        let (rows, row_of) = rows(history, &drawn);
        let ops = drawn.iter().map(|id| Bar::of(history, *id, &row_of)).collect();
        let faults = history.faults.iter().map(Band::of).collect();
        Page { rows, ops, faults, views, first, level_views }
    }
}

/// All explanations, by level which one, and the one to begin with.
fn views(history: &History, report: &Report) -> (Vec<Explained>, Vec<Option<usize>>, usize) {
    let mut views: Vec<Explained> = Vec::new();
    let mut known: Vec<(&Violation, usize)> = Vec::new();
    let mut level_views = Vec::new();
    let mut first = None;
    for (level, verdict) in &report.levels {
        let view = match verdict {
            Verdict::Violated(violation) if matches!(violation.refutation, Refutation::Implied(_)) => None,
            Verdict::Violated(violation) => {
                let at = of_violation(history, violation, Some(*level), &mut known, &mut views);
                // The last one is that of the weakest level: what it forbids, nearly all do.
                first = Some(at);
                Some(at)
            }
            Verdict::Holds(Witness::Orders(sequences)) => {
                views.push(Explained::orders(history, *level, sequences));
                Some(views.len() - 1)
            }
            Verdict::Holds(Witness::Views(sessions)) => {
                views.push(Explained::sessions(history, *level, sessions));
                Some(views.len() - 1)
            }
            Verdict::Holds(_) | Verdict::Unknown(_) => None,
        };
        level_views.push(view);
    }
    for finding in &report.findings {
        let at = of_violation(history, &finding.violation, None, &mut known, &mut views);
        first = first.or(Some(at));
    }
    for at in 0..level_views.len() {
        level_views[at] = level_views[at].or_else(|| implied_view(report, at, &level_views));
    }
    (views, level_views, first.unwrap_or(0))
}

fn of_violation<'r>(
    history: &History,
    violation: &'r Violation,
    level: Option<Level>,
    known: &mut Vec<(&'r Violation, usize)>,
    views: &mut Vec<Explained>,
) -> usize {
    if let Some((_, at)) = known.iter().find(|(other, _)| *other == violation) {
        return *at;
    }
    views.push(Explained::violation(history, violation, level));
    known.push((violation, views.len() - 1));
    views.len() - 1
}

/// The explanation of the verdict that another one rests on.
fn implied_view(report: &Report, at: usize, level_views: &[Option<usize>]) -> Option<usize> {
    let by = match &report.levels[at].1 {
        Verdict::Holds(Witness::Implied(by)) => *by,
        Verdict::Violated(violation) => match violation.refutation {
            Refutation::Implied(by) => by,
            _ => return None,
        },
        _ => return None,
    };
    let other = report.levels.iter().position(|(level, _)| *level == by)?;
    level_views[other]
}

impl Explained {
    fn violation(history: &History, violation: &Violation, level: Option<Level>) -> Explained {
        let name = level.map_or_else(String::new, |level| format!("{level} violated: ")) + violation.anomaly;
        let names = words::names(violation).into_iter().map(|(id, name)| (id.0, name)).collect();
        let mut view = Explained {
            name,
            text: words::text(history, violation),
            ops: violation.ops.iter().map(|id| id.0).collect(),
            names,
            orders: Vec::new(),
            edges: Vec::new(),
            blocked: Vec::new(),
        };
        match &violation.refutation {
            Refutation::Cycle(edges) => {
                view.edges = edges.iter().map(Arrow::of).collect();
            }
            Refutation::Stuck(stuck) => {
                view.orders = vec![Drawn::of(history, stuck.scope.clone(), &stuck.order)];
                view.blocked = stuck.blocked.iter().map(|(id, why)| (id.0, why.clone())).collect();
            }
            Refutation::Fact | Refutation::Implied(_) => {}
        }
        view
    }

    fn orders(history: &History, level: Level, sequences: &[Sequence]) -> Explained {
        let kept = sequences.iter().filter(|sequence| !sequence.ops.is_empty()).take(MAX_ORDERS);
        let orders = kept.map(|sequence| Drawn::of(history, sequence.scope.clone(), &sequence.ops)).collect();
        let text = "The numbers give an order of all operations in which each result is what it must be.";
        Explained::order(format!("{level} holds"), text, orders)
    }

    fn sessions(history: &History, level: Level, sessions: &[SessionView]) -> Explained {
        let orders = sessions.iter().take(MAX_ORDERS).map(|view| {
            let session = &history.sessions[view.session.0 as usize];
            let op = view.op.map_or_else(String::new, |op| format!(", operation #{}", op.0));
            Drawn::of(history, format!("session {session}{op}"), &view.order)
        });
        let text = "The numbers give, for each session, an order of what it saw.";
        Explained::order(format!("{level} holds"), text, orders.collect())
    }

    fn order(name: String, text: &str, orders: Vec<Drawn>) -> Explained {
        let (text, ops, names) = (text.to_owned(), Vec::new(), Vec::new());
        Explained { name, text, ops, names, orders, edges: Vec::new(), blocked: Vec::new() }
    }
}

impl Drawn {
    fn of(history: &History, scope: String, order: &[OpId]) -> Drawn {
        let mut latest = Point(0);
        let mut timed = history.order == Order::RealTime;
        for op in order.iter().map(|id| history.op(*id)) {
            latest = latest.max(op.call);
            timed &= latest < op.ret;
        }
        Drawn { scope, ops: order.iter().map(|id| id.0).collect(), timed }
    }
}

impl Arrow {
    fn of(edge: &crate::verdict::Edge) -> Arrow {
        let kind = match edge.relation {
            Relation::Derived => "derived",
            Relation::Session => "so",
            Relation::RealTime => "rt",
            Relation::WriteRead => "wr",
            Relation::WriteWrite => "ww",
            Relation::ReadWrite => "rw",
        };
        let why = if edge.why.is_empty() { in_words(edge.relation).to_owned() } else { edge.why.clone() };
        Arrow { from: edge.from.0, to: edge.to.0, rel: edge.relation.to_string(), kind, why }
    }
}

/// The operations that are drawn: all, or those that are explained with their neighbours, as many as there is room for.
fn drawn(history: &History, views: &[Explained]) -> Vec<OpId> {
    let count = history.ops.len();
    if count <= MAX_DRAWN {
        return history.iter().map(|(id, _)| id).collect();
    }
    let mut is_drawn = vec![false; count];
    let mut left = MAX_DRAWN;
    let named: Vec<usize> = views.iter().flat_map(|view| &view.ops).map(|id| *id as usize).collect();
    // Rings about what is named; about the beginning if nothing is.
    let centres = if named.is_empty() { vec![0] } else { named };
    for away in 0..count {
        for centre in &centres {
            for at in [centre.checked_sub(away), centre.checked_add(away)].into_iter().flatten() {
                if at < count && left > 0 && !std::mem::replace(&mut is_drawn[at], true) {
                    left -= 1;
                }
            }
        }
        if left == 0 {
            break;
        }
    }
    (0..count).filter(|at| is_drawn[*at]).map(|at| OpId(at as u32)).collect()
}

/// One row per process that has a bar, numbers before names; and by process its row.
fn rows(history: &History, drawn: &[OpId]) -> (Vec<String>, Vec<usize>) {
    let mut used: Vec<u32> = drawn.iter().map(|id| history.op(*id).process.0).collect();
    used.sort_unstable();
    used.dedup();
    let name = |process: &u32| &*history.processes[*process as usize];
    used.sort_by_key(|process| (name(process).parse::<i64>().unwrap_or(i64::MAX), *process));
    let mut row_of = vec![0; history.processes.len()];
    used.iter().enumerate().for_each(|(row, process)| row_of[*process as usize] = row);
    (used.iter().map(|process| name(process).to_owned()).collect(), row_of)
}

impl Bar {
    fn of(history: &History, id: OpId, row_of: &[usize]) -> Bar {
        let op: &Op = history.op(id);
        let outcome = match op.outcome {
            Outcome::Ok => 0,
            Outcome::Fail => 1,
            Outcome::Info => 2,
        };
        let is_told = op.outcome == Outcome::Ok;
        let is_read = op.input.is_nil() && is_told;
        Bar(
            id.0,
            row_of[op.process.0 as usize],
            op.call.0,
            rank(op.ret),
            outcome,
            cut(op.f.to_string()),
            shown(&op.key),
            shown(&op.input),
            if is_read { cut(op.output.to_string()) } else { shown(&op.output) },
            op.node.as_ref().map_or_else(String::new, |node| cut(node.to_string())),
            history.sessions[op.session.0 as usize].to_string(),
            (op.lines.call, op.lines.ret),
            op.time.map(|(from, until)| (Clock::of(from), until.map(Clock::of))),
        )
    }
}

impl Band {
    fn of(fault: &Fault) -> Band {
        let lines = (fault.lines.call, fault.lines.ret);
        let (from, until) = (fault.from.0, rank(fault.until));
        Band { f: cut(fault.f.to_string()), value: shown(&fault.value), from, until, lines }
    }
}

impl Clock {
    fn of(nanos: i64) -> Clock {
        if nanos.unsigned_abs() < MAX_EXACT {
            Clock::Exact(nanos)
        } else {
            Clock::Text(format!("{nanos} ns"))
        }
    }
}

fn rank(point: Point) -> i64 {
    if point == Point::NEVER { -1 } else { i64::from(point.0) }
}

/// As EDN; empty if nil.
fn shown(value: &Value) -> String {
    if value.is_nil() { String::new() } else { cut(value.to_string()) }
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_VALUE_CHARS) {
        text.truncate(at);
        text.push('…');
    }
    text
}
