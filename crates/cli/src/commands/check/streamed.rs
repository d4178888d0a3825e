//! `quorate check --stream`: histories that do not fit into memory.

use super::Obstacle;
use super::meter::Meter;
use quorate_check::format::{self, BadInput, Event, Format, What};
use quorate_check::judge::{Allowance, Share};
use quorate_check::level::Level;
use quorate_check::model::Kind;
use quorate_check::stream::{self, CounterCheck, RegisterCheck, Sessions, SetCheck, Stop, Versions};
use quorate_check::subject::Subject;
use quorate_check::verdict::{Answer, Report, Verdict};
use serde_json::{Value, json};
use std::io::BufRead;

/// What was found out about one file without holding it.
pub(super) struct Streamed {
    name: String,
    demanded: Level,
    report: Report,
}

/// What can be judged so, for whoever asks for something else.
const KNOWN: &str = "--stream judges --model register (also at a session guarantee, such as --level monotonic-reads), counter and set";

/// Judges events as they are read.
pub(super) fn judge(
    name: &str,
    input: impl BufRead,
    format: Option<Format>,
    (model, level): (Option<Subject>, Option<Level>),
    meter: &Meter,
) -> Result<Streamed, Obstacle> {
    let budget = meter.budget("reading and judging", Share::Rest);
    let events = format::events(name, input, format)?;
    let mut has_tuples = false;
    let events = events.map(|event| {
        let event = event?;
        has_tuples |= names_key_in_tuple(&event);
        Ok::<Event, BadInput>(event)
    });
    let kind = match model {
        Some(Subject::Objects(kind)) => kind,
        _ => return Err(Obstacle::Input(KNOWN.to_owned())),
    };
    let gave_up = |stop: Stop| Obstacle::Limit(format!("{name}: {stop}"));
    let guarantees =
        [Level::ReadYourWrites, Level::MonotonicReads, Level::MonotonicWrites, Level::WritesFollowReads];
    let (demanded, report) = match (kind, level) {
        (Kind::Register, Some(level)) if guarantees.contains(&level) => {
            let check = Sessions::new(Versions::Unordered, &budget).map_err(gave_up)?;
            (level, stream::run(events, name, check, &budget)?)
        }
        (Kind::Register, None | Some(Level::Linearizable)) => {
            let check = RegisterCheck::new(&budget).map_err(gave_up)?;
            (Level::Linearizable, stream::run(events, name, check, &budget)?)
        }
        (Kind::Counter, None | Some(Level::Invariant)) => {
            let check = CounterCheck::new(&budget).map_err(gave_up)?;
            (Level::Invariant, stream::run(events, name, check, &budget)?)
        }
        (Kind::Set, None | Some(Level::Invariant)) => {
            let check = SetCheck::new(&budget).map_err(gave_up)?;
            (Level::Invariant, stream::run(events, name, check, &budget)?)
        }
        _ => return Err(Obstacle::Input(KNOWN.to_owned())),
    };
    if has_tuples {
        let advice =
            "values are pairs of key and value; judge the file without --stream, or name keys by :key";
        return Err(Obstacle::Input(format!("{name}: {advice}")));
    }
    Ok(Streamed { name: name.to_owned(), demanded, report })
}

/// A read that is called with `[k nil]`, as tests with independent keys write it: whole histories are split by key, events are not.
fn names_key_in_tuple(event: &Event) -> bool {
    let is_read = matches!(&*event.f, "read" | "r" | "get");
    let is_call = matches!(event.what, What::Invoke | What::Whole(_));
    is_read && is_call && event.value.as_pair().is_some_and(|(_, value)| value.is_nil())
}

impl Streamed {
    /// The answer for the level that was demanded.
    pub(super) fn answer(&self) -> Answer {
        self.report.verdict(self.demanded).map_or(Answer::Unknown, Verdict::answer)
    }

    /// Everything, for people.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![format!("{}: judged as {} while it was read", self.name, self.report.model)];
        for (level, verdict) in &self.report.levels {
            lines.push(format!("  {level:<36}{:<10}{}", verdict.answer(), remark(verdict)));
        }
        lines.extend(self.report.facts.iter().map(|(name, value)| format!("  {name:<36}{value}")));
        lines.join("\n") + "\n"
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Value {
        let levels = self.report.levels.iter().map(|(level, verdict)| {
            json!({ "level": level.name(), "answer": verdict.answer().to_string(), "why": remark(verdict) })
        });
        let facts: serde_json::Map<String, Value> =
            self.report.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json!({
            "file": self.name,
            "model": self.report.model,
            "demanded": self.demanded.name(),
            "answer": self.answer().to_string(),
            "levels": levels.collect::<Vec<_>>(),
            "facts": facts,
        })
    }
}

fn remark(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds(_) => String::new(),
        Verdict::Violated(violation) => format!("{}: {}", violation.anomaly, violation.reason),
        Verdict::Unknown(unknown) => unknown.to_string(),
    }
}
