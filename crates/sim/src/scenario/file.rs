//! The scenario's file: small enough to be read, complete enough to run again.
//!
//! It is TOML. Faults and operations stand one on a line, settings that are plain are left out:
//!
//! ```toml
//! format = 1
//! nodes = 3
//! noise = 7
//! faulty_ms = 800
//! healing_ms = 5000
//! core = [1, 2, 3]
//! faults = [
//!   { at_us = 250000, for_us = 100000, fault = "isolate", target = "leader", direction = "both" },
//! ]
//! operations = [
//!   { at_us = 240000, client = 1, node = 2, call = "put", key = 1, value = 1 },
//! ]
//!
//! [settings]
//! heartbeat_ms = 20
//! ```
//!
//! **Invariant:** what is written is read as the same scenario. What is read has passed [`Scenario::validate`], and holds nothing that was
//! ignored: a misspelt field is an error.

use super::plain::true_clocks;
use super::{FORMAT, Flaw, MAX_NODES, Place, Scenario, Settings, Wrong};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use toml::Spanned;
use toml::ser::ValueSerializer;

/// Fields that a fault may have although they are left out when they are 0.
const LEFT_OUT: [&str; 2] = ["for_us", "after_effects"];

/// Why a text is not a scenario that can be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadScenario {
    /// It is not TOML, or a field is missing, unknown or of the wrong kind.
    #[error("this is no scenario: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// A fault or operation has a field that means nothing.
    #[error("line {line}: the {place} has no field `{name}`; mend its name or leave it out")]
    UnknownField {
        /// Where in the text, from 1.
        line: usize,
        /// Where in the scenario.
        place: Place,
        /// The field.
        name: String,
    },
    /// It can be read, but not run.
    #[error("{}{flaw}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Flawed {
        /// Where in the text, from 1, if it stands there.
        line: Option<usize>,
        /// What is wrong.
        flaw: Flaw,
    },
}

/// Where the elements of lists stand in the text, and what was written there.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    faults: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    operations: Vec<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
struct Head {
    format: u64,
}

impl Scenario {
    /// Its file.
    ///
    /// # Panics
    /// Never for a scenario that passes [`Scenario::validate`].
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, value: String| {
            writeln!(text, "{name} = {value}").expect("a string takes everything");
        };
        put("format", inline(&self.format));
        if !self.note.is_empty() {
            put("note", inline(&self.note));
        }
        if let Some(mistake) = &self.mistake {
            put("mistake", inline(mistake));
        }
        for (name, number) in [
            ("nodes", self.nodes),
            ("noise", self.noise),
            ("faulty_ms", self.faulty_ms),
            ("healing_ms", self.healing_ms),
        ] {
            put(name, inline(&number));
        }
        put("core", inline(&self.core));
        put("faults", list(&self.faults));
        put("operations", list(&self.operations));
        text + &self.settings_text()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn from_toml(text: &str) -> Result<Scenario, BadScenario> {
        let found = toml::from_str::<Head>(text)?.format;
        if found != u64::from(FORMAT) {
            let place = Place::Field("format");
            let flaw = Flaw { place, what: Wrong::Format(found) };
            return Err(BadScenario::Flawed { line: line_of_field(text, "format"), flaw });
        }
        let mut scenario: Scenario = toml::from_str(text)?;
        let written: Written = toml::from_str(text)?;
        let faults = written.faults.iter().zip(&scenario.faults).enumerate();
        for (position, (written, fault)) in faults {
            refuse_unknown(text, Place::Fault(position), written, fault)?;
        }
        let operations = written.operations.iter().zip(&scenario.operations).enumerate();
        for (position, (written, operation)) in operations {
            refuse_unknown(text, Place::Operation(position), written, operation)?;
        }
        if scenario.settings.clocks.is_empty() {
            scenario.settings.clocks = true_clocks(scenario.nodes.min(MAX_NODES));
        }
        match scenario.validate() {
            Ok(()) => Ok(scenario),
            Err(flaw) => Err(BadScenario::Flawed { line: written.line(text, flaw.place), flaw }),
        }
    }

    /// Settings, without those that are plain.
    fn settings_text(&self) -> String {
        let clocks = &self.settings.clocks;
        let (own, plain) =
            (Settings { clocks: Vec::new(), ..self.settings.clone() }.lines(), Settings::default().lines());
        let plain: BTreeSet<(String, String)> = plain.into_iter().collect();
        let mut differing: Vec<(String, String)> =
            own.into_iter().filter(|line| !plain.contains(line)).collect();
        if *clocks != true_clocks(self.nodes) {
            // Lines of a table must stand before those of the tables inside it.
            differing.insert(0, ("settings".to_owned(), format!("clocks = {}", list(clocks))));
        }
        let mut text = String::new();
        let mut current = None;
        for (table, line) in &differing {
            if current != Some(table) {
                writeln!(text, "\n[{table}]").expect("a string takes everything");
                current = Some(table);
            }
            writeln!(text, "{line}").expect("a string takes everything");
        }
        text
    }
}

impl Settings {
    /// Each setting as a line of TOML, with the table that it stands in.
    fn lines(&self) -> Vec<(String, String)> {
        let text = toml::to_string(self).expect("settings are numbers, lists of numbers, and tables of them");
        let mut table = "settings".to_owned();
        let mut lines = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) => table = format!("settings.{name}"),
                None => lines.push((table.clone(), line.to_owned())),
            }
        }
        lines
    }
}

impl Written {
    fn line(&self, text: &str, place: Place) -> Option<usize> {
        let line = |elements: &[Spanned<toml::Table>], position: usize| {
            elements.get(position).map(|element| line_at(text, element.span()))
        };
        match place {
            Place::Fault(position) => line(&self.faults, position),
            Place::Operation(position) => line(&self.operations, position),
            Place::Field(name) => line_of_field(text, name),
        }
    }
}

/// A value on one line.
fn inline<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = String::new();
    value.serialize(ValueSerializer::new(&mut text)).expect("scenarios hold nothing that TOML does not");
    text
}

/// A list with one element on a line.
fn list<T: Serialize>(elements: &[T]) -> String {
    if elements.is_empty() {
        return "[]".to_owned();
    }
    let lines: String = elements.iter().map(|element| format!("  {},\n", inline(element))).collect();
    format!("[\n{lines}]")
}

/// Serde cannot refuse unknown fields where an enum is flattened into its struct. So what was understood is compared with what was written.
fn refuse_unknown<T: Serialize>(
    text: &str,
    place: Place,
    written: &Spanned<toml::Table>,
    understood: &T,
) -> Result<(), BadScenario> {
    let understood = toml::Table::try_from(understood).expect("it was read from a table");
    let is_unknown = |name: &&String| !understood.contains_key(*name) && !LEFT_OUT.contains(&name.as_str());
    match written.get_ref().keys().find(is_unknown) {
        None => Ok(()),
        Some(name) => {
            let line = line_at(text, written.span());
            Err(BadScenario::UnknownField { line, place, name: name.clone() })
        }
    }
}

fn line_at(text: &str, span: Range<usize>) -> usize {
    text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
}

fn line_of_field(text: &str, name: &str) -> Option<usize> {
    let sets = |line: &str| {
        line.match_indices(name).any(|(at, _)| line[at + name.len()..].trim_start().starts_with('='))
    };
    text.lines().position(sets).map(|position| position + 1)
}

#[cfg(test)]
mod tests;
