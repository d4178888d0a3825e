//! Tidy: the habits of the repository, checked by reading its text.
//!
//! What the compiler, clippy and rustfmt cannot see is stated here as rules: which floor may know which, what pure crates
//! never touch, how long a file may be, that a link leads somewhere. Each rule is one function from the repository's
//! text to what is wrong with it, and is tested with an example that passes and one that fails.

mod cycles;
mod docs;
mod layers;
mod manifests;
mod names;
mod purity;
mod ratchet;
mod size;
mod words;

use crate::tree::Tree;
use std::fmt;
use std::path::Path;
use std::{fs, io};

/// One thing that is wrong.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Violation {
    /// The file.
    pub path: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

type Rule = fn(&Tree) -> Vec<Violation>;

const RULES: [(&str, Rule); 8] = [
    ("layers: arrows point down", layers::check),
    ("purity: cores touch no outside world", purity::check),
    ("cycles: modules form no circle", cycles::check),
    ("size: short files and functions", size::check),
    ("names: every module says what it is", names::check),
    ("manifests: one set of lints", manifests::check),
    ("words: nothing left open, no mirrors", words::check),
    ("docs: links, paths and commands exist", docs::check),
];

/// Checks every rule on the repository at `root` and prints what is wrong.
///
/// # Errors
/// A sentence, if a rule is broken or the files cannot be read.
pub fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root).map_err(|source| format!("cannot read {}: {source}", root.display()))?;
    let mut count = 0;
    for (name, rule) in RULES {
        let mut found = rule(&tree);
        found.sort();
        println!("  {} {name}", if found.is_empty() { "ok  " } else { "FAIL" });
        found.iter().for_each(|violation| println!("       {violation}"));
        count += found.len();
    }
    if count == 0 {
        Ok(())
    } else {
        Err(format!("{count} tidy violations; the rules are listed in docs/testing.md"))
    }
}

/// Lowers the ratchet to what is there.
///
/// # Errors
/// What the file system says.
pub fn shrink_ratchet(root: &Path) -> io::Result<()> {
    let tree = Tree::read(root)?;
    let over = [(cycles::SECTION, cycles::circles(&tree)), (size::SECTION, size::over_limit(&tree))];
    fs::write(root.join(ratchet::PATH), ratchet::lowered(&tree, &over))
}

/// Lines of a comment `tidy: allow(WORD) reason` that excuse `word` on their own or the next line.
fn is_allowed(text: &str, line: usize, word: &str) -> bool {
    let marker = format!("tidy: allow({word}) ");
    let excuses =
        |number: usize| number > 0 && text.lines().nth(number - 1).is_some_and(|l| l.contains(&marker));
    excuses(line) || excuses(line - 1)
}
