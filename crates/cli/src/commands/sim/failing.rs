//! A run that broke a promise: made smaller, saved, explained, drawn.

use super::drawn::command;
use super::progress::Line;
use super::{Args, Ending};
use crate::failure::Failure;
use crate::output::counted;
use quorate_sim::shrink::{self, Options, Shrunk, Size, shrink};
use quorate_sim::trace::Story;
use quorate_sim::{Scenario, Violation, explain};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What became of it.
pub(super) struct Failing {
    scenario: Scenario,
    violation: Violation,
    shrunk: Option<Shrunk>,
    saved: Option<PathBuf>,
    /// The command that runs it again.
    again: String,
    /// The same for what it was before it was made smaller.
    before: String,
    html: Option<PathBuf>,
    text: String,
}

/// Where a run comes from.
pub(super) struct Origin<'a> {
    /// The arguments that run it again.
    pub(super) arguments: &'a str,
    /// Where to save it unless the command line says where; absent: not at all.
    pub(super) save: Option<PathBuf>,
    /// Whether it is to be made smaller, if the command line does not forbid it.
    pub(super) is_to_shrink: bool,
}

impl Failing {
    /// Does all that is asked for with a scenario that breaks a promise.
    pub(super) fn pursue(
        args: &Args,
        scenario: Scenario,
        violation: Violation,
        origin: &Origin<'_>,
    ) -> Result<Self, Failure> {
        let before = command(origin.arguments, &scenario);
        let wants_shrink = origin.is_to_shrink && !args.no_shrink;
        let (shrunk, mut scenario, violation) = match wants_shrink {
            true => smaller(args, scenario, &violation)?,
            false => (None, scenario, violation),
        };
        if let Some(shrunk) = &shrunk {
            let separator = if scenario.note.is_empty() { "" } else { "; " };
            scenario.note += &format!("{separator}{}", shrunk_words(shrunk));
        }
        let saved = args.save.clone().or_else(|| origin.save.clone());
        if let Some(path) = &saved {
            write(path, &scenario.to_toml())?;
        }
        let again = saved.as_ref().map(|path| command(&format!("--scenario {}", path.display()), &scenario));
        let again = again.unwrap_or_else(|| before.clone());
        let outcome = quorate_sim::run(&scenario, true);
        let story = Story {
            scenario: &scenario,
            violation: outcome.violation.as_ref(),
            events: outcome.trace.events(),
            command: &again,
            marks: &outcome.marks,
        };
        if let Some(path) = &args.html {
            write(path, &explain::html(&story))?;
        }
        let text = explain::text(&story);
        let html = args.html.clone();
        Ok(Failing { scenario, violation, shrunk, saved, again, before, html, text })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = self.text.clone();
        if let Some(shrunk) = &self.shrunk {
            text += &format!("\n{}; before: {}\n", shrunk_words(shrunk), self.before);
        }
        for (what, path) in [("saved as", &self.saved), ("drawn in", &self.html)] {
            if let Some(path) = path {
                text += &format!("{what} {}\n", path.display());
            }
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let size = |size: &Size| {
            json!({
                "nodes": size.nodes, "faults": size.faults, "clients": size.clients,
                "operations": size.operations, "faulty_ms": size.faulty_ms,
            })
        };
        let shrunk = self.shrunk.as_ref().map(|shrunk| {
            json!({
                "runs": shrunk.runs, "before": size(&shrunk.before), "after": size(&shrunk.after),
                "unfinished": shrunk.is_unfinished,
            })
        });
        json!({
            "invariant": self.violation.invariant,
            "promise": self.violation.invariant.promise(),
            "words": self.violation.words,
            "at_ns": self.violation.at.0,
            "size": size(&Size::of(&self.scenario)),
            "shrunk": shrunk,
            "scenario": self.saved,
            "html": self.html,
            "again": self.again,
            "before": self.before,
        })
    }

    /// How a command ends that found this.
    pub(super) fn ending() -> Ending {
        Ending::Violated
    }
}

fn smaller(
    args: &Args,
    scenario: Scenario,
    violation: &Violation,
) -> Result<(Option<Shrunk>, Scenario, Violation), Failure> {
    let line = Line::new();
    let mut run = |scenario: &Scenario| quorate_sim::run(scenario, false).violation;
    let mut on_run = |progress: &shrink::Progress| line.shrinking(progress);
    let options = Options { max_runs: args.shrink_runs };
    // It was run twice with the same end before this, so it is broken a third time.
    let shrunk = shrink(scenario, violation.invariant, &mut run, &options, &mut on_run)
        .map_err(|error| Failure::new(error.to_string()))?;
    let (scenario, violation) = (shrunk.scenario.clone(), shrunk.violation.clone());
    Ok((Some(shrunk), scenario, violation))
}

fn shrunk_words(shrunk: &Shrunk) -> String {
    let size = |size: &Size| {
        [
            counted(size.nodes as usize, "node", "nodes"),
            counted(size.faults, "fault", "faults"),
            counted(size.operations, "call", "calls"),
        ]
        .join(", ")
    };
    let unfinished = if shrunk.is_unfinished { "; more runs may make it smaller still" } else { "" };
    format!(
        "made smaller in {}, from {} to {}{unfinished}",
        counted(shrunk.runs as usize, "run", "runs"),
        size(&shrunk.before),
        size(&shrunk.after)
    )
}

/// Writes a file.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| Failure::File { path: path.to_owned(), source })
}
