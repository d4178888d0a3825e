//! How long the analysis of many transactions takes: `measure_transactions COUNT list-append|rw-register [stale]`.
//!
//! Twenty clients of a serial database; with `stale`, one read in a thousand misses the newest version.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use quorate_check::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
use quorate_check::limits::{Budget, InTurn};
use quorate_check::txn::{Kind, analyse, parse};
use quorate_types::Rng;
use std::time::Instant;

const PROCESSES: usize = 20;
const KEYS: usize = 50;
const WRITES_PER_KEY: usize = 64;

fn main() {
    let mut args = std::env::args().skip(1);
    let count = args.next().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let kind =
        if args.next().as_deref() == Some("rw-register") { Kind::RwRegister } else { Kind::ListAppend };
    let is_stale = args.next().is_some();
    let began = Instant::now();
    let history = generate(count, kind, is_stale);
    println!("made {count} transactions in {:?}", began.elapsed());
    let began = Instant::now();
    let txns = parse(&history, kind).expect("the generator makes transactions");
    println!(
        "parsed in {:?}: {} micro-operations, {} elements",
        began.elapsed(),
        txns.mops.len(),
        txns.elements.len()
    );
    let budget = Budget::unlimited();
    let began = Instant::now();
    let analysis = analyse(&txns, &history, &budget, &InTurn).expect("there is no limit");
    println!("analysed in {:?}, {} MiB held", began.elapsed(), budget.bytes_peak() >> 20);
    for (name, value) in &analysis.facts {
        println!("  {name}: {value}");
    }
}

fn generate(count: usize, kind: Kind, is_stale: bool) -> History {
    let mut rng = Rng::new(7);
    let mut builder = Builder::new(Order::RealTime);
    let mut keys: Vec<(i64, Vec<Value>)> = (0..KEYS as i64).map(|key| (key, Vec::new())).collect();
    let mut open = [false; PROCESSES];
    let names: Vec<String> = (0..PROCESSES).map(|process| process.to_string()).collect();
    let mut called = 0;
    while called < count || open.contains(&true) {
        let process = rng.below(PROCESSES as u64) as usize;
        if open[process] {
            let output = run(&mut rng, kind, &mut keys, is_stale);
            let ret = Return { outcome: Outcome::Ok, output, at: Stamp::Next, line: 0, time: None };
            builder.ret(&names[process], ret).expect("it is open");
            open[process] = false;
        } else if called < count {
            let call = Call {
                process: &names[process],
                session: None,
                node: None,
                f: "txn".into(),
                key: Value::Nil,
                input: Value::Nil,
                at: Stamp::Next,
                line: 0,
                time: None,
            };
            builder.call(call).expect("it is not open");
            open[process] = true;
            called += 1;
        }
    }
    builder.finish().expect("nothing overlaps")
}

/// Between one and four reads and writes, all at the moment of the return.
fn run(rng: &mut Rng, kind: Kind, keys: &mut [(i64, Vec<Value>)], is_stale: bool) -> Value {
    let count = 1 + rng.below(4);
    let mops = (0..count).map(|_| {
        let at = rng.below(KEYS as u64) as usize;
        if keys[at].1.len() >= WRITES_PER_KEY {
            keys[at] = (keys[at].0 + KEYS as i64, Vec::new());
        }
        let (key, versions) = &mut keys[at];
        let (word, value) = if rng.below(2) == 0 {
            let value = Value::Int(versions.len() as i64 + 1);
            versions.push(value.clone());
            (if kind == Kind::ListAppend { "append" } else { "w" }, value)
        } else {
            let missing = usize::from(is_stale && rng.below(1000) == 0);
            let seen = &versions[..versions.len().saturating_sub(missing)];
            let value = match kind {
                Kind::ListAppend => Value::list(seen.iter().cloned()),
                Kind::RwRegister => seen.last().cloned().unwrap_or_default(),
            };
            ("r", value)
        };
        Value::list([Value::Keyword(word.into()), Value::Int(*key), value])
    });
    Value::list(mops)
}
