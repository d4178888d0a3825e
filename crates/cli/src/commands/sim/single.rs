//! One run: of a seed or of a saved scenario.

use super::drawn::command;
use super::failing::{Failing, Origin, write};
use super::summary::{Work, table};
use super::{Args, Ending};
use crate::failure::Failure;
use crate::output::{counted, print_json};
use quorate_sim::trace::Story;
use quorate_sim::{Outcome, Scenario, explain};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Runs it, and shows what it did. `arguments` run it again.
pub(super) fn run(args: &Args, scenario: &Scenario, arguments: &str) -> Result<Ending, Failure> {
    let started = Instant::now();
    let outcome = quorate_sim::run(scenario, args.trace || args.html.is_some());
    let took = started.elapsed();
    if args.trace {
        io::stdout().lock().write_all(outcome.trace.text().as_bytes())?;
    }
    let Some(violation) = outcome.violation.clone() else {
        return held(args, scenario, arguments, &outcome, took);
    };
    let again = quorate_sim::run(scenario, false);
    if again.trace.digest() != outcome.trace.digest() {
        return not_deterministic(args, [&outcome, &again]);
    }
    let save = args.seed.map(|seed| PathBuf::from(format!("quorate-sim-{seed}.toml")));
    let origin = Origin { arguments, is_to_shrink: args.seed.is_some() || args.save.is_some(), save };
    let failing = Failing::pursue(args, scenario.clone(), violation, &origin)?;
    if args.json {
        let work = work(&outcome, took).json();
        print_json(&json!({ "answer": Failing::ending().name(), "run": work, "failure": failing.json() }))?;
    } else {
        io::stdout().lock().write_all(failing.text().as_bytes())?;
    }
    Ok(Failing::ending())
}

fn held(
    args: &Args,
    scenario: &Scenario,
    arguments: &str,
    outcome: &Outcome,
    took: Duration,
) -> Result<Ending, Failure> {
    if let Some(path) = &args.save {
        write(path, &scenario.to_toml())?;
    }
    if let Some(path) = &args.html {
        let (events, command) = (outcome.trace.events(), command(arguments, scenario));
        let (marks, violation) = (&outcome.marks, None);
        let story = Story { scenario, violation, events, command: &command, marks };
        write(path, &explain::html(&story))?;
    }
    let ending = if outcome.inconclusive.is_some() { Ending::Inconclusive } else { Ending::Held };
    let work = work(outcome, took);
    let digest = format!("{:016x}", outcome.trace.digest());
    if args.json {
        print_json(&json!({
            "answer": ending.name(), "run": work.json(), "digest": digest, "events": outcome.trace.count(),
            "marks": outcome.marks, "inconclusive": outcome.inconclusive,
        }))?;
        return Ok(ending);
    }
    let mut out = io::stdout().lock();
    let note = if scenario.note.is_empty() { String::new() } else { format!(" ({})", scenario.note) };
    writeln!(
        out,
        "{}, {}, {}, {} ms of faults{note}",
        counted(scenario.nodes as usize, "node", "nodes"),
        counted(scenario.faults.len(), "fault", "faults"),
        counted(scenario.operations.len(), "call", "calls"),
        scenario.faulty_ms
    )?;
    let mut rows = work.rows();
    rows.push(("events", format!("{}, digest {digest}", outcome.trace.count())));
    out.write_all(table(&rows).as_bytes())?;
    if !outcome.marks.is_empty() {
        writeln!(out, "rare situations that were met:")?;
        outcome.marks.iter().try_for_each(|(name, count)| writeln!(out, "  {count:>6} × {name}"))?;
    }
    match &outcome.inconclusive {
        None => writeln!(out, "held: every promise was kept")?,
        Some(why) => writeln!(out, "inconclusive: no promise was found broken, but {why}")?,
    }
    Ok(ending)
}

fn work(outcome: &Outcome, took: Duration) -> Work<'_> {
    Work { seeds: 1, counts: &outcome.counts, took, threads: 1 }
}

fn not_deterministic(args: &Args, runs: [&Outcome; 2]) -> Result<Ending, Failure> {
    let digests = runs.map(|run| format!("{:016x}", run.trace.digest()));
    if args.json {
        print_json(&json!({ "answer": "not deterministic", "digests": digests }))?;
    } else {
        println!("not deterministic: two runs of it gave {} and {}", digests[0], digests[1]);
    }
    Ok(Ending::Violated)
}
