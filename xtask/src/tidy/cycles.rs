//! Modules of a crate form no circle.
//!
//! An edge is a `crate::…` or `super::…` path in the code outside of tests. It is lifted to the two siblings through which
//! it passes: a child may use its parent's items, and a parent its children's, but two neighbours, with all that is below
//! them, use each other in one direction only.

use super::Violation;
use super::ratchet::{self, Excess};
use crate::source::{blank, is_test_path, without_tests, words};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// A module's path within its crate; empty for the root.
type Module = Vec<String>;
/// Sibling → siblings that it uses.
type Edges = BTreeMap<Module, BTreeSet<Module>>;

/// Holds `"directory" = modules in circles` in the ratchet.
pub const SECTION: &str = "cycles";

pub fn check(tree: &Tree) -> Vec<Violation> {
    ratchet::check(tree, SECTION, circles(tree))
}

/// For each parent the children that stand in circles.
pub fn circles(tree: &Tree) -> Vec<Excess> {
    let roots = tree.crates().into_iter().map(|name| format!("crates/{name}/src"));
    roots.chain(["xtask/src".to_owned()]).flat_map(|root| circles_below(tree, &root)).collect()
}

fn circles_below(tree: &Tree, root: &str) -> Vec<Excess> {
    let sources = format!("{root}/");
    let files: Vec<_> = tree
        .ending(".rs")
        .filter(|file| file.path.starts_with(&sources) && !is_test_path(&file.path))
        .map(|file| (module_of(&file.path[sources.len()..]), without_tests(&blank(&file.text))))
        .collect();
    let prefixes = |module: &Module| (0..=module.len()).map(|len| module[..len].to_vec()).collect::<Vec<_>>();
    let known: BTreeSet<Module> = files.iter().flat_map(|(module, _)| prefixes(module)).collect();
    let mut edges = Edges::new();
    for (module, code) in &files {
        for target in uses(module, code) {
            add_edge(&known, module, &target, &mut edges);
        }
    }
    let mut by_parent: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (module, targets) in &edges {
        let Some((name, parent)) = module.split_last() else { continue };
        if targets.iter().any(|target| reaches(&edges, target, module)) {
            let parent = parent.iter().fold(root.to_owned(), |path, part| path + "/" + part);
            by_parent.entry(parent).or_default().push(name);
        }
    }
    by_parent.into_iter().map(|(parent, modules)| excess(parent, &modules)).collect()
}

fn excess(parent: String, modules: &[&str]) -> Excess {
    let what = format!("{} modules use one another in circles: {}", modules.len(), modules.join(", "));
    Excess { name: parent.clone(), path: parent, line: 0, measure: modules.len(), what }
}

fn module_of(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The absolute paths that the code of `module` names.
fn uses(module: &Module, code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate", "super"] {
        for at in words(code, start) {
            // The `super` within `super::super` was taken with its first word.
            if code[..at].ends_with("super::") {
                continue;
            }
            let mut base = if start == "crate" { Vec::new() } else { module.clone() };
            let mut rest = &code[at..];
            if start == "crate" {
                rest = &rest["crate".len()..];
            }
            while let Some(after) = rest.trim_start_matches("::").strip_prefix("super") {
                base.pop();
                rest = after;
            }
            if let Some(rest) = rest.strip_prefix("::") {
                expand(&base, rest, &mut paths);
            }
        }
    }
    paths
}

/// Follows a path, or a braced tree of paths, from `base`. Returns how much of `rest` it took.
fn expand(base: &[String], rest: &str, out: &mut Vec<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    let mut at = 0;
    loop {
        let here = &rest[at..];
        at += here.len() - here.trim_start().len();
        let here = &rest[at..];
        if here.starts_with('{') {
            at += 1;
            while at < rest.len() && !rest[at..].starts_with('}') {
                let is_separator = rest[at..].starts_with(|c: char| c == ',' || c.is_whitespace());
                at += if is_separator { 1 } else { expand(&path, &rest[at..], out).max(1) };
            }
            return (at + 1).min(rest.len());
        }
        let word: String = here.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        at += word.len();
        if !word.is_empty() {
            path.push(word);
        }
        if let Some(more) = rest[at..].strip_prefix("::") {
            at = rest.len() - more.len();
            continue;
        }
        out.push(path);
        return at;
    }
}

/// Records the use of `target` by `module` between the two siblings where their paths part.
fn add_edge(known: &BTreeSet<Module>, module: &Module, target: &[String], edges: &mut Edges) {
    let longest = (0..=target.len()).rev().find(|len| known.contains(&target[..*len]));
    let Some(target) = longest.map(|len| &target[..len]) else { return };
    let shared = module.iter().zip(target).take_while(|(a, b)| a == b).count();
    if shared < module.len() && shared < target.len() {
        edges.entry(module[..=shared].to_vec()).or_default().insert(target[..=shared].to_vec());
    }
}

fn reaches(edges: &Edges, from: &Module, to: &Module) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            next.extend(edges.get(module).into_iter().flatten());
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{check, uses};
    use crate::tree::Tree;

    fn objections(files: &[(&str, &str)]) -> usize {
        let mut all = vec![("crates/a/Cargo.toml", ""), ("crates/a/src/lib.rs", "pub use x::X;")];
        all.extend(files.iter().copied());
        check(&Tree::of(&all)).len()
    }

    #[test]
    fn paths_are_followed() {
        let module = vec!["raft".to_owned(), "log".to_owned()];
        let found =
            uses(&module, "use super::{progress::{A, B}, Raft}; use super::super::time::T; crate::x::f()");
        let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
        assert_eq!(found, ["x::f", "raft::progress::A", "raft::progress::B", "raft::Raft", "time::T"]);
    }

    #[test]
    fn trees_pass() {
        let files = [
            ("crates/a/src/x.rs", "use crate::y::Y; use crate::Root;"),
            ("crates/a/src/y.rs", "#[cfg(test)]\nmod tests { use crate::x::X; }"),
            ("crates/a/src/z/mod.rs", "use self::inner::I;"),
            ("crates/a/src/z/inner.rs", "use super::Z;"),
        ];
        assert_eq!(objections(&files), 0);
    }

    #[test]
    fn circles_fail() {
        let two =
            [("crates/a/src/x.rs", "use crate::y::Y;"), ("crates/a/src/y.rs", "fn f(x: &crate::x::X) {}")];
        assert_eq!(objections(&two), 1);
        let below = [("crates/a/src/x/in.rs", "use crate::y::Y;"), ("crates/a/src/y.rs", "use super::x::X;")];
        assert_eq!(objections(&below), 1);
        let three = [
            ("crates/a/src/x.rs", "use crate::y::Y;"),
            ("crates/a/src/y.rs", "use crate::z::Z;"),
            ("crates/a/src/z.rs", "use crate::x::X;"),
        ];
        assert_eq!(objections(&three), 1);
    }
}
