//! Nothing is left open in the tree, and nothing in it points at anything but the public package registries.

use super::Violation;
use crate::tree::Tree;

/// This file spells out what it looks for.
const SELF: &str = "xtask/src/tidy/words.rs";
/// Marks of unfinished work.
const OPEN: [&str; 8] = ["TODO", "FIXME", "XXX", "HACK", "todo!(", "unimplemented!(", "dbg!(", "#[ignore"];
/// Ways to name another registry than the public one.
const MIRRORS: [&str; 8] = [
    "[source.",
    "replace-with",
    "[registries",
    "sparse+http",
    "--index-url",
    "--extra-index-url",
    "PIP_INDEX_URL",
    "CARGO_REGISTRIES_",
];
const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != SELF) {
        let is_lock = file.path.ends_with(".lock");
        for (at, line) in file.text.lines().enumerate() {
            let mut report = |what: String| found.push(Violation::new(&file.path, at + 1, what));
            for word in OPEN.iter().filter(|word| !is_lock && stands_in(line, word)) {
                report(format!("`{word}`: finish it, or write down the gap where users read it"));
            }
            for mirror in MIRRORS.iter().filter(|mirror| line.contains(**mirror)) {
                report(format!("`{mirror}`: the tree names no registry; that belongs to the machine"));
            }
            if is_lock && line.starts_with("source = ") && !line.contains(PUBLIC_REGISTRY) {
                report("a package from elsewhere than the public registry".to_owned());
            }
        }
    }
    found
}

/// Whether `word` stands in the line, not as a part of a longer word.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let goes_on = word.ends_with(char::is_alphanumeric) && joins(after);
        !joins(before) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    fn objections(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn finished_work_passes() {
        assert_eq!(objections("a.rs", "// XXXL is a size; mktemp -d XXXXXX\nlet shacks = HACKS;"), 0);
        assert_eq!(
            objections("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\""),
            0
        );
    }

    #[test]
    fn open_work_and_mirrors_fail() {
        assert_eq!(objections("a.rs", "// TODO: more"), 1);
        assert_eq!(objections("a.rs", "todo!()"), 1);
        assert_eq!(objections("a.md", "FIXME"), 1);
        assert_eq!(objections("a.rs", "#[ignore = \"slow\"]"), 1);
        assert_eq!(objections(".cargo/config.toml", "[source.crates-io]\nreplace-with = \"x\""), 2);
        assert_eq!(objections("Cargo.lock", "source = \"registry+https://example.org/index\""), 1);
    }
}
