//! Measures linearizability on made-up histories: `cargo run --release -p quorate-check --example linear_speed [NAME]`.

#![expect(clippy::disallowed_methods, reason = "measuring reads a clock")]

#[path = "../tests/linear_models/mod.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod linear_models;

use linear_models::{Counter, Plan, Play, Queue, random_run, register};
use quorate_check::limits::{Budget, InTurn, Limits};
use quorate_check::linear;
use quorate_check::model::{Item, Model};
use quorate_types::Rng;
use std::time::{Duration, Instant};

/// No measurement may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn measure<M: Model>(name: &str, model: &M, histories: &[Vec<Item<M::Call>>]) {
    let wanted = std::env::args().nth(1);
    if wanted.is_some_and(|wanted| !name.starts_with(&wanted)) {
        return;
    }
    let start = Instant::now();
    let late =
        move || if start.elapsed() > PATIENCE { Err(quorate_check::limits::Exhausted::Time) } else { Ok(()) };
    let budget = Budget::new(Limits { memory_bytes: 8 << 30, poll: &late, ..Limits::default() });
    let mut answers = Vec::new();
    for items in histories {
        answers.push(linear::decide(model, items, &budget, &InTurn).answer());
    }
    let took = start.elapsed();
    answers.dedup();
    let shown: Vec<String> = answers.iter().take(3).map(ToString::to_string).collect();
    println!(
        "{name:<40} {:>9.1} ms {:>11} steps {:>8.1} MB  {}",
        took.as_secs_f64() * 1000.0,
        budget.steps(),
        budget.bytes_peak() as f64 / 1e6,
        shown.join(" ")
    );
}

fn run<M: Play>(model: &mut M, seed: u64, plan: Plan) -> Vec<Item<M::Call>> {
    random_run(model, &mut Rng::new(seed), plan)
}

/// With one more operation near the end that cannot be.
fn spoiled(
    model: &mut linear_models::Few,
    seed: u64,
    plan: Plan,
    at: usize,
) -> Vec<Item<<linear_models::Few as Model>::Call>> {
    let mut items = run(model, seed, plan);
    let at = (at..items.len()).find(|at| items[*at].certain).expect("one is certain");
    items[at].call = model.cas(0, 1000, 1001, true);
    items
}

fn main() {
    let plan = |ops, processes, doubtful| Plan { ops, processes, keys: 1, doubtful, garbled: 0 };
    let mut model = register(5);
    let small: Vec<_> = (0..100).map(|seed| run(&mut model, seed, plan(80, 5, 0))).collect();
    measure("small: 100 of 80 ops", &model, &small);
    let small: Vec<_> = (0..100).map(|seed| run(&mut model, seed, plan(170, 5, 50))).collect();
    measure("etcd: 100 of 170 ops, some in doubt", &model, &small);
    for garbled in [5, 50] {
        let plan = Plan { garbled, ..plan(170, 5, 50) };
        let small: Vec<_> = (0..100).map(|seed| run(&mut model, seed, plan)).collect();
        measure(&format!("etcd-bad: 100 of 170 ops, {garbled}/1000 wrong"), &model, &small);
    }
    for processes in [5, 20, 50, 100] {
        for (ops, name) in [(10_000, "10k"), (100_000, "100k"), (1_000_000, "1M")] {
            let items = run(&mut model, 7, plan(ops, processes, 0));
            measure(&format!("register {name} at {processes}"), &model, &[items]);
        }
    }
    for processes in [5, 10, 20] {
        let items = spoiled(&mut model, 7, plan(1_000_000, processes, 0), 900_000);
        measure(&format!("violated register 1M at {processes}"), &model, &[items]);
    }
    for doubtful in [1, 10] {
        let items = run(&mut model, 7, plan(100_000, 5, doubtful));
        measure(&format!("doubt 100k at 5, {doubtful}/1000"), &model, &[items]);
    }
    let mut keyed = register(5);
    for processes in [5, 20, 50] {
        let items = run(&mut keyed, 7, Plan { keys: 1000, ..plan(1_000_000, processes, 1) });
        measure(&format!("keys: 1000, 1M at {processes}"), &keyed, &[items]);
    }
    for processes in [3, 5, 20] {
        let items = run(&mut Queue, 7, plan(400, processes, 0));
        measure(&format!("queue 400 at {processes}"), &Queue, &[items]);
        let items = run(&mut Counter, 7, plan(100_000, processes, 0));
        measure(&format!("counter 100k at {processes}"), &Counter, &[items]);
    }
}
