//! A violation in words, for a terminal.
//!
//! **Idea.** First the sentence that a person would say, if the operations have a shape that people know ([`shapes`]); then what the checker
//! said; then the operations in the order of time with names, and the proof in terms of those names.

use super::shapes::{self, operation};
use crate::history::{History, OpId};
use crate::verdict::{Edge, Refutation, Relation, Stuck, Violation};
use std::fmt::Write;

/// Columns of a line.
const WIDTH: usize = 100;
/// Operations that are listed before the rest is counted.
const MAX_LISTED: usize = 40;
/// Characters of one operation before it is cut off.
const MAX_OP_CHARS: usize = 400;

/// The violation in several lines of at most 100 columns, without colours. Words that are longer than a line stand whole.
pub fn text(history: &History, violation: &Violation) -> String {
    let mut text = String::new();
    paragraph(&mut text, "", violation.anomaly);
    if let Some(sentence) = shapes::sentence(history, violation) {
        paragraph(&mut text, "  ", &sentence);
    }
    if !violation.reason.is_empty() {
        paragraph(&mut text, "  ", &violation.reason);
    }
    let names = Names::of(violation);
    if !names.listed.is_empty() {
        let _ = writeln!(text, "\n  The operations, by their calls:");
    }
    for (id, name) in names.listed.iter().take(MAX_LISTED) {
        let op = cut(&history.describe(*id));
        paragraph(&mut text, "  ", &format!("{name:>4}  {op}"));
    }
    if let Some(more) = names.listed.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        let _ = writeln!(text, "        and {more} more");
    }
    match &violation.refutation {
        Refutation::Cycle(edges) => circle(&mut text, &names, edges),
        Refutation::Stuck(stuck) => dead_end(&mut text, history, &names, stuck),
        Refutation::Fact => {}
        Refutation::Implied(level) => {
            let _ = writeln!(text, "\n  {level}, which is weaker, is violated already.");
        }
    }
    text
}

/// Short names for the operations of a violation, by call: `T1`, `T2`, … around a circle, letters otherwise.
pub fn names(violation: &Violation) -> Vec<(OpId, String)> {
    Names::of(violation).listed
}

/// Short names for the operations of a violation.
struct Names {
    /// By call.
    listed: Vec<(OpId, String)>,
}

impl Names {
    /// `T1`, `T2`, … around a circle; letters otherwise.
    fn of(violation: &Violation) -> Names {
        let mut listed: Vec<(OpId, String)> = Vec::new();
        if let Refutation::Cycle(edges) = &violation.refutation {
            for edge in edges {
                if listed.iter().all(|(known, _)| *known != edge.from) {
                    listed.push((edge.from, format!("T{}", listed.len() + 1)));
                }
            }
        }
        let letters = listed.is_empty();
        for id in &violation.ops {
            if listed.iter().all(|(known, _)| known != id) {
                let at = listed.len();
                listed.push((*id, if letters { letter(at) } else { format!("T{}", at + 1) }));
            }
            // Beyond this nobody reads names, and to look each one up takes ever longer.
            if listed.len() > 20 * MAX_LISTED {
                break;
            }
        }
        listed.sort_by_key(|(id, _)| *id);
        Names { listed }
    }

    fn name(&self, id: OpId) -> String {
        let at = self.listed.binary_search_by_key(&id, |(known, _)| *known);
        at.map_or_else(|_| format!("#{}", id.0), |at| self.listed[at].1.clone())
    }
}

/// `A`, `B`, …, `Z`, `A1`, `B1`, …
fn letter(at: usize) -> String {
    let letter = char::from(b'A' + (at % 26) as u8);
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26) }
}

fn circle(text: &mut String, names: &Names, edges: &[Edge]) {
    let _ = writeln!(text, "\n  Each must come before the next:");
    for edge in edges {
        let why = if edge.why.is_empty() { in_words(edge.relation) } else { &edge.why };
        let (from, to) = (names.name(edge.from), names.name(edge.to));
        paragraph(text, "    ", &format!("{from} < {to} because {why} ({})", edge.relation));
    }
    paragraph(text, "  ", "That is a circle, and no order has one.");
}

/// What an edge says, in words.
pub fn in_words(relation: Relation) -> &'static str {
    match relation {
        Relation::Session => "the same session did the one before the other",
        Relation::RealTime => "the one had returned before the other was called",
        Relation::WriteRead => "the other read what the one wrote",
        Relation::WriteWrite => "the other overwrote what the one wrote",
        Relation::ReadWrite => "the other overwrote what the one read",
        Relation::Derived => "the contrary leads to a circle",
    }
}

fn dead_end(text: &mut String, history: &History, names: &Names, stuck: &Stuck) {
    let scope = if stuck.scope.is_empty() { String::new() } else { format!(" of {}", stuck.scope) };
    text.push('\n');
    let order: Vec<String> = stuck.order.iter().map(|id| names.name(*id)).collect();
    let shown = order.len().saturating_sub(MAX_LISTED);
    let order = format!("{}{}", if shown > 0 { "…, " } else { "" }, order[shown..].join(", "));
    let state = if stuck.state.is_empty() { "?" } else { &stuck.state };
    let start = match stuck.order.len() {
        0 => format!("At the beginning the state{scope} is {state}."),
        1 => format!("After {order} the state{scope} is {state}."),
        _ => format!("The longest order that can be is {order}: then the state{scope} is {state}."),
    };
    paragraph(text, "  ", &start);
    for (id, why) in stuck.blocked.iter().take(MAX_LISTED) {
        let op = operation(history, *id);
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        let line = format!("{}, {op}, must come next and cannot{why}.", names.name(*id));
        paragraph(text, "  ", &line);
    }
}

fn cut(long: &str) -> String {
    match long.char_indices().nth(MAX_OP_CHARS) {
        Some((at, _)) => format!("{}…", &long[..at]),
        None => long.to_owned(),
    }
}

/// Adds a paragraph, broken between words; lines after the first stand a bit further in.
fn paragraph(text: &mut String, indent: &str, words: &str) {
    // What leads the first line, such as a name set flush right, stands as it is.
    let lead = words.len() - words.trim_start_matches(' ').len();
    let mut line = format!("{indent}{}", &words[..lead]);
    let mut width = line.chars().count();
    let mut is_first = true;
    for word in words[lead..].split([' ', '\n']) {
        let len = word.chars().count();
        if !is_first && width + 1 + len > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = format!("{indent}    ");
            width = line.chars().count();
            is_first = true;
        }
        if !is_first {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += len;
        is_first = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}
