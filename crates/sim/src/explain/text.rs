//! A run for a terminal: what broke, how to run it again, and the events that matter.

use crate::explain::pick;
use crate::explain::words::timed_words;
use crate::scenario::Scenario;
use crate::trace::{CallOutcome, Event, Story, What};
use quorate_types::Time;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Faults that are named; the rest is counted.
const MAX_FAULTS: usize = 12;
/// Characters of a line's words.
const MAX_CHARS: usize = 150;

/// The run in at most about seventy lines: the promise that broke, the command that runs it again, its size, its faults, and the events
/// that matter, each with how many were left out before it. Holds no control characters but line ends, whatever a story's words hold.
#[must_use]
pub fn text(story: &Story<'_>) -> String {
    let mut out = String::new();
    broken(&mut out, story);
    field(&mut out, "run again", &one_line(story.command, usize::MAX));
    field(&mut out, "size", &size(story.scenario));
    if let Some(mistake) = &story.scenario.mistake {
        field(&mut out, "planted", &one_line(mistake, MAX_CHARS));
    }
    faults(&mut out, story.scenario);
    events(&mut out, story);
    out
}

fn broken(out: &mut String, story: &Story<'_>) {
    let Some(violation) = story.violation else {
        return field(out, "held", "no promise was found broken");
    };
    field(out, "broken", violation.invariant.promise());
    // Words are said in full: they are why anybody reads this.
    field(out, "", &one_line(&violation.words, 1000));
    field(out, "when", &format!("at {}, {}", violation.at, phase(story.scenario, violation.at)));
}

fn phase(scenario: &Scenario, at: Time) -> &'static str {
    if at < Time::from_millis(scenario.faulty_ms) {
        "while faults may strike"
    } else {
        "after the core was healed"
    }
}

/// How large a scenario is, in words.
pub(super) fn size(scenario: &Scenario) -> String {
    format!(
        "{}, {}, {}; {} ms under faults, then {} ms healed",
        counted(scenario.nodes, "node"),
        counted(scenario.faults.len() as u64, "fault"),
        counted(scenario.operations.len() as u64, "operation"),
        scenario.faulty_ms,
        scenario.healing_ms,
    )
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn faults(out: &mut String, scenario: &Scenario) {
    let all = &scenario.faults;
    let lines: Vec<(String, String)> = all.iter().take(MAX_FAULTS).map(timed_words).collect();
    let width = lines.iter().map(|(when, _)| when.chars().count()).max().unwrap_or(0);
    for (at, (when, what)) in lines.iter().enumerate() {
        let name = if at == 0 { "faults" } else { "" };
        field(out, name, &format!("{when:<width$}  {}", one_line(what, MAX_CHARS)));
    }
    if all.len() > MAX_FAULTS {
        field(out, "", &format!("and {} more", all.len() - MAX_FAULTS));
    }
}

fn events(out: &mut String, story: &Story<'_>) {
    let end = match story.violation {
        Some(violation) => story.events.partition_point(|event| event.at <= violation.at),
        None => story.events.len(),
    };
    let before = &story.events[..end];
    let sent = pick::sent_at(before);
    let picked = pick::picked(before, &sent);
    if picked.is_empty() {
        return field(out, "events", "none were kept");
    }
    let shown = picked.len();
    field(
        out,
        "events",
        &format!("{shown} that matter, of {}; +n: so many left out before", story.events.len()),
    );
    let width = picked.iter().map(|at| before[*at].actor.to_string().len()).max().unwrap_or(0);
    let mut next = 0;
    for at in picked {
        let event = &before[at];
        let skipped = if at > next { format!("+{}", at - next) } else { String::new() };
        next = at + 1;
        let words = one_line(&words(event, before, &sent), MAX_CHARS);
        let (time, actor) = (event.at.to_string(), event.actor.to_string());
        line(out, &format!("{skipped:>8} {time:>13}  {actor:<width$}  {words}"));
    }
    if let Some(violation) = story.violation {
        let skipped = if end > next { format!("+{}", end - next) } else { String::new() };
        let time = violation.at.to_string();
        line(out, &format!("{skipped:>8} {time:>13}  {:<width$}  the promise is found broken", "here"));
    }
}

/// What an event says; arrivals and losses say of what.
fn words(event: &Event, events: &[Event], sent: &BTreeMap<u64, usize>) -> String {
    let contents = |message: &u64| match sent.get(message).map(|at| &events[*at]) {
        Some(Event { actor, what: What::Sent { to, kind, term, words, .. }, .. }) => {
            (format!(": {kind} in term {term} {words}"), format!(" from {actor} to node {to}"))
        }
        _ => (String::new(), String::new()),
    };
    match &event.what {
        What::Sent { message, to, kind, term, words } => {
            format!("sends #{message} to node {to}: {kind} in term {term} {words}")
        }
        What::Delivered { message, from } => {
            format!("gets #{message} from node {from}{}", contents(message).0)
        }
        What::Lost { message, why } => {
            let (contents, way) = contents(message);
            format!("#{message}{way} is lost ({why}){contents}")
        }
        What::Became { role, term, leader } => {
            let leader =
                leader.map_or_else(|| "no known leader".to_owned(), |id| format!("leader node {id}"));
            format!("is {role:?} in term {term}, {leader}")
        }
        What::Persisted { last } => format!("has its log on disk up to {last}"),
        What::Applied { index, term } => format!("applied up to {index} of term {term}"),
        What::Installed { index } => format!("installed a snapshot at {index}"),
        What::Started { words } => format!("starts: {words}"),
        What::Crashed { how } => format!("crashes: {how}"),
        What::Refused { words } => format!("refuses to start: {words}"),
        What::FaultBegan { fault, words } => format!("fault {fault} begins: {words}"),
        What::FaultEnded { fault } => format!("fault {fault} ends"),
        What::Invoked { operation, words } => format!("calls {operation}: {words}"),
        What::Returned { operation, outcome, words } => {
            let how = match outcome {
                CallOutcome::Done => "is done",
                CallOutcome::Failed => "failed",
                CallOutcome::Unknown => "may have been done",
            };
            format!("call {operation} {how}: {words}")
        }
        What::Note { words } => words.clone(),
    }
}

fn field(out: &mut String, name: &str, words: &str) {
    line(out, &format!("{name:<10} {words}"));
}

fn line(out: &mut String, words: &str) {
    writeln!(out, "{}", words.trim_end()).expect("a string takes everything");
}

/// Without line ends and other characters that steer a terminal, and not too long.
fn one_line(text: &str, most: usize) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut line: String = text.chars().take(most).map(|c| if steers(c) { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}
