//! Short files and short functions.

use super::Violation;
use super::ratchet::{self, Excess};
use crate::source::{blank, functions, is_test_path, line_count_without_tests, without_tests};
use crate::tree::{File, Tree};

/// Lines of a file without its tests.
const MAX_FILE_LINES: usize = 500;
/// Lines of a function, from `fn` to the closing brace.
const MAX_FUNCTION_LINES: usize = 70;
/// Holds `"path" = lines` and `"path::function" = lines` in the ratchet.
pub const SECTION: &str = "size";

pub fn check(tree: &Tree) -> Vec<Violation> {
    ratchet::check(tree, SECTION, over_limit(tree))
}

/// Files and functions that are too long.
pub fn over_limit(tree: &Tree) -> Vec<Excess> {
    let mut over = Vec::new();
    for file in tree.ending(".rs").filter(|file| !is_test_path(&file.path)) {
        let File { path, text } = file;
        let count = line_count_without_tests(text);
        if count > MAX_FILE_LINES {
            over.push(excess(path.clone(), path, 0, count, MAX_FILE_LINES));
        }
        for function in functions(&without_tests(&blank(text))) {
            if function.line_count > MAX_FUNCTION_LINES {
                let name = format!("{path}::{}", function.name);
                over.push(excess(name, path, function.line, function.line_count, MAX_FUNCTION_LINES));
            }
        }
    }
    over
}

fn excess(name: String, path: &str, line: usize, measure: usize, limit: usize) -> Excess {
    let what = format!("{name} has {measure} lines, over {limit}: split it");
    Excess { name, path: path.to_owned(), line, measure, what }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn within_the_limits_passes() {
        let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    x();\n".repeat(600));
        let tree = Tree::of(&[("crates/a/src/a.rs", &function(70)), ("crates/a/src/b.rs", &tests)]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn over_the_limits_fails() {
        let tree = Tree::of(&[("a/src/a.rs", &function(71)), ("a/src/b.rs", &"x;\n".repeat(501))]);
        assert_eq!(check(&tree).len(), 2);
    }
}
