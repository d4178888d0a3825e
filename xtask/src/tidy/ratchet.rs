//! The ratchet: what breaks a limit today is recorded with its measure, and may only shrink.
//!
//! `xtask/ratchet.toml` has one section per rule and one line per excess. An excess without a line, or above it, fails; one below
//! it fails until `cargo xtask fix` has lowered the line. Nothing but a person's hand takes a new line in.

use super::Violation;
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where it lies.
pub const PATH: &str = "xtask/ratchet.toml";
const HEADING: &str =
    "# What breaks a limit, with its measure. It may only shrink; `cargo xtask fix` lowers it.\n";

/// Something beyond a limit.
pub struct Excess {
    /// Its name in the ratchet.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// How much.
    pub measure: usize,
    /// What is wrong and what to do.
    pub what: String,
}

/// What of `over` is not recorded in `section`, or recorded wrongly.
pub fn check(tree: &Tree, section: &str, over: Vec<Excess>) -> Vec<Violation> {
    let mut recorded = recorded(tree, section);
    let mut found = Vec::new();
    for excess in over {
        let Excess { name, path, line, measure, what } = excess;
        match recorded.remove(&name) {
            None => found.push(Violation::new(&path, line, what)),
            Some(was) if measure > was => {
                found.push(Violation::new(&path, line, format!("{what} (it grew from {was})")));
            }
            Some(was) if measure < was => {
                found.push(Violation::new(
                    PATH,
                    0,
                    format!("{name} shrank to {measure}: run `cargo xtask fix`"),
                ));
            }
            Some(_) => {}
        }
    }
    found.extend(
        recorded
            .keys()
            .map(|name| Violation::new(PATH, 0, format!("{name} fits now: run `cargo xtask fix`"))),
    );
    found
}

/// The text of the ratchet, lowered to `over`: what is beyond the limits of each section.
pub fn lowered(tree: &Tree, over: &[(&str, Vec<Excess>)]) -> String {
    let mut text = HEADING.to_owned();
    for (section, over) in over {
        let recorded = recorded(tree, section);
        let still = over
            .iter()
            .filter_map(|excess| Some((&excess.name, excess.measure.min(*recorded.get(&excess.name)?))));
        let lines: BTreeMap<_, _> = still.collect();
        if !lines.is_empty() {
            let _ = writeln!(text, "\n[{section}]");
        }
        for (name, measure) in lines {
            let _ = writeln!(text, "{name:?} = {measure}");
        }
    }
    text
}

fn recorded(tree: &Tree, section: &str) -> BTreeMap<String, usize> {
    let all: toml::Table = tree.file(PATH).and_then(|file| file.text.parse().ok()).unwrap_or_default();
    let lines = all.get(section).and_then(toml::Value::as_table).into_iter().flatten();
    lines
        .filter_map(|(name, measure)| Some((name.clone(), usize::try_from(measure.as_integer()?).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{HEADING, PATH, lowered};
    use crate::tidy::size::{self, SECTION, over_limit};
    use crate::tree::Tree;

    fn tree(lines: usize, ratchet: &str) -> Tree {
        let long = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
        Tree::of(&[("a/src/a.rs", &long), (PATH, ratchet)])
    }

    const EIGHTY: &str = "[size]\n\"a/src/a.rs::long\" = 80";

    #[test]
    fn a_recorded_excess_passes_and_never_grows() {
        for (lines, objections) in [(80, 0), (81, 1), (79, 1), (70, 1)] {
            assert_eq!(size::check(&tree(lines, EIGHTY)).len(), objections, "{lines} lines");
        }
    }

    #[test]
    fn lowering_follows_down_and_takes_nothing_in() {
        let lowered = |tree: Tree| lowered(&tree, &[(SECTION, over_limit(&tree))]);
        assert_eq!(lowered(tree(75, EIGHTY)), format!("{HEADING}\n[size]\n\"a/src/a.rs::long\" = 75\n"));
        assert_eq!(lowered(tree(90, EIGHTY)), format!("{HEADING}\n[size]\n\"a/src/a.rs::long\" = 80\n"));
        assert_eq!(lowered(tree(70, EIGHTY)), HEADING);
        assert_eq!(lowered(tree(90, "")), HEADING);
    }
}
