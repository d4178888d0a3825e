//! The deciders of the order levels against the definitions, on seeded random histories.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod corpus;
mod reference;

use quorate_check::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
use quorate_check::level::Level;
use quorate_check::limits::Budget;
use quorate_check::model::{self, Access, Item, Misfit, Model, Register};
use quorate_check::order::{ORDER_LEVELS, decide};
use quorate_check::verdict::{Answer, Refutation, Verdict, Witness};
use quorate_types::Rng;
use reference::Tiny;
use std::collections::BTreeMap;

/// Session, function, key, input, output, outcome.
type Line = (usize, &'static str, i64, Value, Value, Outcome);

fn history(lines: &[Line]) -> History {
    let mut builder = Builder::new(Order::RealTime);
    for (at, (session, f, key, input, output, outcome)) in lines.iter().enumerate() {
        let process = format!("p{session}");
        let (f, key, input, line) = ((*f).into(), Value::Int(*key), input.clone(), at as u32 + 1);
        let (session, node, time, stamp) = (None, None, None, Stamp::Next);
        builder
            .call(Call { process: &process, session, node, f, key, input, at: stamp, line, time })
            .unwrap();
        let (outcome, output) = (*outcome, output.clone());
        builder.ret(&process, Return { outcome, output, at: stamp, line, time }).unwrap();
    }
    builder.finish().unwrap()
}

/// Shapes by sessions' lengths; operations are drawn session by session, so lines are in session order.
const SHAPES: [&[usize]; 7] = [&[2, 2], &[3, 1], &[3, 2], &[2, 2, 1], &[4, 1], &[1, 1, 2], &[3, 1, 1]];

fn session_order(shape: &[usize]) -> Vec<u32> {
    let mut so = Vec::new();
    for length in shape {
        let first = so.len();
        so.extend((0..*length).map(|at| ((1_u32 << at) - 1) << first));
    }
    so
}

/// Writes of values 1, 2, … and reads of any of them, in doubt now and then.
fn registers(rng: &mut Rng, shape: &[usize]) -> Vec<Line> {
    let count: usize = shape.iter().sum();
    let keys = rng.between(1, 2);
    let mut lines = Vec::new();
    let mut written = Vec::new();
    for (session, length) in shape.iter().enumerate() {
        for at in 0..*length {
            let is_write = rng.chance(1, 2);
            let key = rng.below(keys) as i64;
            let outcome = if at + 1 == *length && rng.chance(1, 8) { Outcome::Info } else { Outcome::Ok };
            if is_write {
                let value = Value::Int(written.len() as i64 + 1);
                written.push((key, value.clone()));
                lines.push((session, "write", key, value, Value::Nil, outcome));
            } else {
                lines.push((session, "read", key, Value::Nil, Value::Nil, outcome));
            }
        }
    }
    for line in &mut lines {
        let of_key: Vec<&Value> =
            written.iter().filter(|(key, _)| *key == line.2).map(|(_, value)| value).collect();
        if line.1 == "read" && line.5 == Outcome::Ok && !of_key.is_empty() && !rng.chance(1, 4) {
            line.4 = of_key[rng.below(of_key.len() as u64) as usize].clone();
        }
    }
    assert_eq!(lines.len(), count);
    lines
}

/// A counter whose adds may give the total, and whose reads do.
#[derive(Clone)]
struct Totals;

impl Model for Totals {
    type State = i64;
    type Call = (i64, Option<i64>);

    const NAME: &'static str = "totals";

    fn parse(&mut self, op: &quorate_check::history::Op) -> Result<Self::Call, Misfit> {
        Ok((op.input.as_int().unwrap_or(0), op.output.as_int()))
    }

    fn object(&self, _: &Self::Call) -> Option<u32> {
        None
    }

    fn object_name(&self, _: u32) -> String {
        String::new()
    }

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, call: &Self::Call, seen: bool) -> Option<i64> {
        let next = state + call.0;
        (!seen || call.1.is_none_or(|total| total == next)).then_some(next)
    }
}

fn totals(rng: &mut Rng, shape: &[usize]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (session, length) in shape.iter().enumerate() {
        for _ in 0..*length {
            let input = Value::Int(rng.below(3) as i64);
            let output = if rng.chance(1, 2) { Value::Int(rng.below(4) as i64) } else { Value::Nil };
            lines.push((session, "add", 0, input, output, Outcome::Ok));
        }
    }
    lines
}

/// Decides all levels, compares with the definitions, and counts answers.
fn compare<M: Model>(
    mut model: M,
    lines: &[Line],
    shape: &[usize],
    relations: &[Vec<u32>],
    tally: &mut BTreeMap<(Level, Answer), u32>,
) -> BTreeMap<Level, Answer> {
    let history = history(lines);
    let items = model::parse(&mut model, &history).unwrap();
    let tiny = Tiny::new(&model, &items, session_order(shape), relations);
    let mut answers = BTreeMap::new();
    for level in ORDER_LEVELS {
        let verdict = decide(level, &model, &items, &history, &Budget::unlimited());
        let expect = if tiny.holds(level) { Answer::Holds } else { Answer::Violated };
        assert_eq!(verdict.answer(), expect, "{level}: {verdict:?}\n{}", shown(&history));
        witness(&model, &items, level, &verdict, &history);
        core(&model, &history, level, &verdict);
        *tally.entry((level, expect)).or_default() += 1;
        answers.insert(level, expect);
    }
    for (stronger, _) in answers.iter().filter(|(_, answer)| **answer == Answer::Holds) {
        for weaker in stronger.implies() {
            assert_eq!(answers[weaker], Answer::Holds, "{stronger} implies {weaker}\n{}", shown(&history));
        }
    }
    answers
}

fn shown(history: &History) -> String {
    history.iter().map(|(id, _)| history.describe(id) + "\n").collect()
}

/// Replays orders and views.
fn witness<M: Model>(model: &M, items: &[Item<M::Call>], level: Level, verdict: &Verdict, history: &History) {
    let replay = |order: &[quorate_check::history::OpId], own: Option<_>| {
        let mut states = BTreeMap::new();
        let mut last = BTreeMap::new();
        for id in order {
            let item = items.iter().find(|item| item.id == *id).unwrap();
            let state = states.entry(model.object(&item.call)).or_insert_with(|| model.initial());
            let seen = item.certain && own.is_none_or(|own| own == item.session);
            let next = model.step(state, &item.call, seen);
            *state = next.unwrap_or_else(|| panic!("{level}: {verdict:?} is not legal\n{}", shown(history)));
            let before = last.insert(item.session, item.from);
            assert!(before.is_none_or(|before| before < item.from), "{level}: {verdict:?}");
        }
    };
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) if level == Level::Sequential => {
            orders.iter().for_each(|order| replay(&order.ops, None));
        }
        Verdict::Holds(Witness::Views(views)) if matches!(level, Level::Pram | Level::CausalMemory) => {
            views.iter().for_each(|view| replay(&view.order, Some(view.session)));
        }
        _ => {}
    }
}

/// The operations that a violation names violate the level on their own.
fn core<M: Model>(model: &M, history: &History, level: Level, verdict: &Verdict) {
    let Verdict::Violated(violation) = verdict else { return };
    assert!(!violation.reason.is_empty());
    if let Refutation::Cycle(edges) = &violation.refutation {
        for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
            assert_eq!(edge.to, next.from, "{violation:?}");
            assert!(violation.ops.contains(&edge.from));
        }
    }
    if violation.anomaly == "read of a value that nobody wrote" {
        return;
    }
    let part = history.restrict(&violation.ops);
    let mut model = model.clone();
    let items = model::parse(&mut model, &part).unwrap();
    let again = decide(level, &model, &items, &part, &Budget::unlimited());
    assert_eq!(again.answer(), Answer::Violated, "{level}: {violation:?}\n{}", shown(history));
}

fn many<M: Model>(
    model: &M,
    count: u64,
    shapes: &[&[usize]],
    draw: impl Fn(&mut Rng, &[usize]) -> Vec<Line>,
) -> BTreeMap<(Level, Answer), u32> {
    let relations: Vec<_> =
        shapes.iter().map(|shape| reference::partial_orders(&session_order(shape))).collect();
    let mut tally = BTreeMap::new();
    for seed in 0..count {
        let mut rng = Rng::new(seed);
        let at = rng.below(shapes.len() as u64) as usize;
        let lines = draw(&mut rng, shapes[at]);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            compare(model.clone(), &lines, shapes[at], &relations[at], &mut tally);
        }));
        assert!(result.is_ok(), "seed {seed}");
    }
    tally
}

#[test]
fn unique_registers_agree_with_the_definitions() {
    let tally = many(&Register::default(), 2000, &SHAPES, registers);
    for level in ORDER_LEVELS {
        assert!(tally[&(level, Answer::Holds)] > 50, "{tally:?}");
        // Single reads say little of the order of writes: see the tests with sets.
        if level != Level::MonotonicWrites {
            assert!(tally[&(level, Answer::Violated)] > 20, "{tally:?}");
        }
    }
}

#[test]
fn counters_agree_with_the_definitions() {
    let tally = many(&Totals, 300, &SHAPES[..2], totals);
    for level in ORDER_LEVELS {
        assert!(tally[&(level, Answer::Holds)] > 20, "{tally:?}");
        assert!(tally[&(level, Answer::Violated)] > 20, "{tally:?}");
    }
}

/// A set to which each element is added once; reads see all of it.
#[derive(Clone)]
struct Elements;

impl Model for Elements {
    type State = u32;
    type Call = (Option<u32>, u32);

    const NAME: &'static str = "elements";

    fn parse(&mut self, op: &quorate_check::history::Op) -> Result<Self::Call, Misfit> {
        let added = op.input.as_int().map(|element| element as u32);
        let seen = op.output.elements().unwrap_or_default();
        Ok((added, seen.iter().fold(0, |set, element| set | 1 << element.as_int().unwrap())))
    }

    fn object(&self, _: &Self::Call) -> Option<u32> {
        Some(0)
    }

    fn object_name(&self, _: u32) -> String {
        String::new()
    }

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, state: &u32, (added, content): &Self::Call, seen: bool) -> Option<u32> {
        match added {
            Some(element) => Some(state | 1 << element),
            None => (!seen || content == state).then_some(*state),
        }
    }

    fn accesses(&self, (added, content): &Self::Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let values = (0..32).filter(|element| content >> element & 1 == 1).collect();
        match added {
            Some(element) => out.push(Access::Add { object: 0, value: *element }),
            None if seen => out.push(Access::Saw { object: 0, values, ordered: false }),
            None => {}
        }
        true
    }
}

fn elements(rng: &mut Rng, shape: &[usize]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut added = 0;
    for (session, length) in shape.iter().enumerate() {
        for _ in 0..*length {
            let (mut f, mut input) = ("read", Value::Nil);
            if rng.chance(1, 2) {
                (f, input) = ("add", Value::Int(added));
                added += 1;
            }
            lines.push((session, f, 0, input, Value::Nil, Outcome::Ok));
        }
    }
    for line in lines.iter_mut().filter(|line| line.1 == "read") {
        line.4 = Value::set((0..added).filter(|_| rng.chance(1, 2)).map(Value::Int));
    }
    lines
}

#[test]
fn sets_agree_with_the_definitions() {
    let tally = many(&Elements, 800, &SHAPES, elements);
    for level in ORDER_LEVELS {
        assert!(tally[&(level, Answer::Holds)] > 20, "{tally:?}");
        assert!(tally[&(level, Answer::Violated)] > 20, "{tally:?}");
    }
}

fn answers(lines: &[Line]) -> Vec<Answer> {
    let mut model = Register::default();
    let history = history(lines);
    let items = model::parse(&mut model, &history).unwrap();
    let decide = |level| decide(level, &model, &items, &history, &Budget::unlimited()).answer();
    ORDER_LEVELS.into_iter().map(decide).collect()
}

#[test]
fn names_and_the_order_of_sessions_do_not_matter() {
    for seed in 0..1000 {
        let mut rng = Rng::new(seed);
        let shape = SHAPES[rng.below(SHAPES.len() as u64) as usize];
        let lines = registers(&mut rng, shape);
        let expect = answers(&lines);
        let mut renamed = lines.clone();
        for line in &mut renamed {
            line.0 = 7 - line.0;
            line.2 += 100;
            for value in [&mut line.3, &mut line.4] {
                *value =
                    value.as_int().map_or(Value::Nil, |number| Value::text(&format!("v{}", 50 - number)));
            }
        }
        assert_eq!(answers(&renamed), expect, "seed {seed}");
        // Any merge of the sessions is the same history to these levels.
        let mut merged = Vec::new();
        let mut left: Vec<Vec<Line>> = (0..8)
            .map(|session| lines.iter().filter(|line| line.0 == session).rev().cloned().collect())
            .collect();
        while left.iter().any(|lines| !lines.is_empty()) {
            let at = rng.below(8) as usize;
            merged.extend(left[at].pop());
        }
        assert_eq!(answers(&merged), expect, "seed {seed}");
    }
}

#[test]
fn a_small_budget_gives_no_verdict() {
    let mut model = Register::default();
    let history = history(&registers(&mut Rng::new(1), SHAPES[2]));
    let items = model::parse(&mut model, &history).unwrap();
    for level in ORDER_LEVELS {
        let verdict = decide(level, &model, &items, &history, &Budget::of_steps(2));
        assert_eq!(verdict.answer(), Answer::Unknown, "{level}");
    }
}

/// Registers that do not tell what was read from where.
#[derive(Clone, Default)]
struct Silent(Register);

impl Model for Silent {
    type State = <Register as Model>::State;
    type Call = <Register as Model>::Call;

    const NAME: &'static str = "silent";

    fn parse(&mut self, op: &quorate_check::history::Op) -> Result<Self::Call, Misfit> {
        self.0.parse(op)
    }

    fn object(&self, call: &Self::Call) -> Option<u32> {
        self.0.object(call)
    }

    fn object_name(&self, object: u32) -> String {
        self.0.object_name(object)
    }

    fn initial(&self) -> Self::State {
        self.0.initial()
    }

    fn step(&self, state: &Self::State, call: &Self::Call, seen: bool) -> Option<Self::State> {
        self.0.step(state, call, seen)
    }
}

/// Sessions with copies of their own, to which writes come late, and sometimes out of order.
fn replicas(rng: &mut Rng, count: usize) -> Vec<Line> {
    let sessions = rng.between(2, 4) as usize;
    let (keys, lag) = (rng.between(1, 2), rng.between(2, 8));
    let mut copies = vec![vec![Value::Nil; keys as usize]; sessions];
    let mut waiting: Vec<Vec<(usize, Value)>> = vec![Vec::new(); sessions];
    let mut lines = Vec::new();
    for at in 0..count {
        let session = rng.below(sessions as u64) as usize;
        while !waiting[session].is_empty() && !rng.chance(1, lag) {
            let first = if rng.chance(1, 4) { waiting[session].len() - 1 } else { 0 };
            let (key, value) = waiting[session].remove(first);
            copies[session][key] = value;
        }
        let key = rng.below(keys) as usize;
        if rng.chance(1, 2) {
            let value = Value::Int(at as i64);
            for (other, waiting) in waiting.iter_mut().enumerate() {
                if other == session {
                    copies[session][key] = value.clone();
                } else {
                    waiting.push((key, value.clone()));
                }
            }
            lines.push((session, "write", key as i64, value, Value::Nil, Outcome::Ok));
        } else {
            let value = copies[session][key].clone();
            lines.push((session, "read", key as i64, Value::Nil, value, Outcome::Ok));
        }
    }
    // One read in some histories sees another value of its key.
    let at = rng.below(lines.len() as u64) as usize;
    if rng.chance(1, 2) && lines[at].1 == "read" {
        let writes = lines.iter().filter(|line| line.1 == "write" && line.2 == lines[at].2);
        let values: Vec<Value> = writes.map(|line| line.3.clone()).collect();
        if !values.is_empty() {
            lines[at].4 = values[rng.below(values.len() as u64) as usize].clone();
        }
    }
    lines
}

#[test]
fn graphs_agree_with_searches_on_longer_histories() {
    let mut tally: BTreeMap<(Level, Answer), u32> = BTreeMap::new();
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let history = history(&replicas(&mut rng, 20));
        let (mut told, mut silent) = (Register::default(), Silent::default());
        let items = model::parse(&mut told, &history).unwrap();
        let same = model::parse(&mut silent, &history).unwrap();
        let mut held = Vec::new();
        for level in ORDER_LEVELS {
            let verdict = decide(level, &told, &items, &history, &Budget::unlimited());
            *tally.entry((level, verdict.answer())).or_default() += 1;
            witness(&told, &items, level, &verdict, &history);
            core(&told, &history, level, &verdict);
            if matches!(level, Level::Sequential | Level::Pram) {
                let searched = decide(level, &silent, &same, &history, &Budget::unlimited());
                assert_eq!(searched.answer(), verdict.answer(), "seed {seed}, {level}\n{}", shown(&history));
                witness(&silent, &same, level, &searched, &history);
            }
            held.extend((verdict.answer() == Answer::Holds).then_some(level));
        }
        for weaker in held.iter().flat_map(|stronger| stronger.implies()) {
            assert!(held.contains(weaker), "seed {seed}, {weaker}\n{}", shown(&history));
        }
    }
    for level in [Level::Sequential, Level::CausalMemory, Level::CausalConvergence, Level::Pram] {
        for answer in [Answer::Holds, Answer::Violated] {
            assert!(tally.get(&(level, answer)).is_some_and(|count| *count > 20), "{tally:?}");
        }
    }
}

/// As [`registers`], with some writes turned into compare-and-set, whose effect is in doubt to others.
fn compare_and_set(rng: &mut Rng, shape: &[usize]) -> Vec<Line> {
    let mut lines = registers(rng, shape);
    let values: Vec<(i64, Value)> =
        lines.iter().filter(|line| line.1 == "write").map(|line| (line.2, line.3.clone())).collect();
    for line in lines.iter_mut().filter(|line| line.1 == "write") {
        if rng.chance(1, 2) {
            line.1 = "cas";
            let (key, old) = values[rng.below(values.len() as u64) as usize].clone();
            let old = if key == line.2 && rng.chance(2, 3) { old } else { Value::Nil };
            line.3 = Value::list([old, line.3.clone()]);
            line.4 = Value::Bool(!rng.chance(1, 6));
        }
    }
    lines
}

#[test]
fn compare_and_set_agrees_with_the_definitions() {
    let tally = many(&Register::default(), 300, &SHAPES, compare_and_set);
    for level in ORDER_LEVELS {
        assert!(tally[&(level, Answer::Holds)] > 20, "{tally:?}");
        assert!(tally[&(level, Answer::Violated)] > 5, "{tally:?}");
    }
}
