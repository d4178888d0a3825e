//! What the documents name exists: files they link to, paths they mention, commands they tell the reader to type.

use super::Violation;
use crate::tree::Tree;

/// Documents that a reader expects.
const EXPECTED: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/glossary.md", "docs/testing.md", ".ci/run"];
/// What a path in backticks starts with if it is one of ours.
const ROOTS: [&str; 4] = ["crates/", "docs/", "xtask/", ".ci/"];
/// Lines of `ARCHITECTURE.md`.
const MAX_ARCHITECTURE_LINES: usize = 300;

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let missing = EXPECTED.iter().filter(|path| !tree.paths.contains(**path));
    found.extend(missing.map(|path| Violation::new(path, 0, "is missing")));
    for file in tree.ending(".md") {
        let dir = file.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let mut in_code = false;
        for (at, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
                continue;
            }
            let what = if in_code { bad_command(tree, line) } else { bad_path(tree, dir, line) };
            found.extend(what.map(|what| Violation::new(&file.path, at + 1, what)));
        }
    }
    if let Some(file) =
        tree.file("ARCHITECTURE.md").filter(|f| f.text.lines().count() > MAX_ARCHITECTURE_LINES)
    {
        found.push(Violation::new(&file.path, 0, format!("is over {MAX_ARCHITECTURE_LINES} lines")));
    }
    if let Some(changes) = tree.file("CHANGELOG.md") {
        found.extend(unnamed_version(tree, &changes.text));
    }
    found
}

/// The changelog speaks of the version that the workspace has.
fn unnamed_version(tree: &Tree, changes: &str) -> Option<Violation> {
    let manifest: toml::Table = tree.file("Cargo.toml")?.text.parse().ok()?;
    let version = manifest.get("workspace")?.get("package")?.get("version")?.as_str()?.to_owned();
    let heading = format!("## {version}");
    let missing = !changes.lines().any(|line| line.starts_with(&heading));
    missing.then(|| Violation::new("CHANGELOG.md", 0, format!("has no section `{heading}`")))
}

/// The first link or path on the line that leads nowhere.
fn bad_path(tree: &Tree, dir: &str, line: &str) -> Option<String> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let local = links.filter(|link| {
        !link.contains("://") && !link.starts_with(['#', '<']) && !link.starts_with("mailto:")
    });
    for link in local {
        let path = resolve(dir, link.split('#').next().unwrap_or(link));
        if !path.is_empty() && !tree.paths.contains(&path) {
            return Some(format!("link to `{link}` leads nowhere"));
        }
    }
    let quoted = line.split('`').skip(1).step_by(2);
    let ours = quoted.filter(|text| {
        ROOTS.iter().any(|root| text.starts_with(root)) && !text.contains(['*', '<', '{', '…', ' ', 'N'])
    });
    for path in ours {
        if !tree.paths.contains(path.split(':').next().unwrap_or(path).trim_end_matches('/')) {
            return Some(format!("`{path}` does not exist"));
        }
    }
    None
}

/// `link` as seen from `dir`, as a path from the root.
fn resolve(dir: &str, link: &str) -> String {
    let mut parts: Vec<&str> = if link.starts_with('/') { Vec::new() } else { dir.split('/').collect() };
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// The command on the line if it is one of ours and does not exist.
fn bad_command(tree: &Tree, line: &str) -> Option<String> {
    let line = line.trim_start().trim_start_matches("$ ");
    let (sort, rest) = ["cargo xtask ", "cargo run --release -- ", "quorate ", "target/release/quorate "]
        .iter()
        .find_map(|start| Some((*start, line.strip_prefix(start)?)))?;
    let name = rest
        .split_whitespace()
        .next()
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-'))?;
    let exists = if sort == "cargo xtask " {
        crate::COMMANDS.iter().any(|command| command.name == name)
    } else {
        let stem = name.replace('-', "_");
        let names = [format!("/{stem}.rs"), format!("/{stem}")];
        let mut sources = tree.paths.iter().filter(|path| path.starts_with("crates/cli/src/"));
        name.starts_with('-') || sources.any(|path| names.iter().any(|end| path.ends_with(end)))
    };
    (!exists).then(|| format!("there is no command `{}{name}`", sort))
}

#[cfg(test)]
mod tests {
    use super::{EXPECTED, check};
    use crate::tree::Tree;

    fn objections(path: &str, text: &str) -> usize {
        let mut files: Vec<_> =
            EXPECTED.iter().map(|path| (*path, "")).filter(|file| file.0 != path).collect();
        files.extend([("crates/cli/src/up.rs", ""), ("crates/kv/src/lib.rs", ""), (path, text)]);
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn what_exists_passes() {
        assert_eq!(
            objections(
                "docs/a.md",
                "[a](../README.md#top) [b](glossary.md) [c](https://x.y/z) `crates/kv/src/lib.rs:3`"
            ),
            0
        );
        assert_eq!(
            objections(
                "README.md",
                "```sh\ncargo xtask ci\nquorate up --nodes 3\ncargo run --release -- up\nls\n```"
            ),
            0
        );
        assert_eq!(objections("docs/a.md", "`crates/<name>` `crates/*/Cargo.toml`"), 0);
    }

    #[test]
    fn what_does_not_exist_fails() {
        assert_eq!(objections("docs/a.md", "[a](README.md)"), 1);
        assert_eq!(objections("docs/a.md", "see `crates/kv/src/gone.rs`"), 1);
        assert_eq!(objections("README.md", "```sh\ncargo xtask dance\n```"), 1);
        assert_eq!(objections("README.md", "```sh\nquorate dance\n```"), 1);
        assert_eq!(objections("ARCHITECTURE.md", &"line\n".repeat(301)), 1);
        assert_eq!(check(&Tree::of(&[])).len(), EXPECTED.len());
    }

    #[test]
    fn the_changelog_names_the_version() {
        let manifest = ("Cargo.toml", "[workspace.package]\nversion = \"0.3.0\"");
        let mut files: Vec<_> = EXPECTED.iter().map(|path| (*path, "## 0.3.0 (unreleased)")).collect();
        files.push(manifest);
        assert_eq!(check(&Tree::of(&files)), []);
        files[2].1 = "## 0.2.0";
        assert_eq!(check(&Tree::of(&files)).len(), 1);
    }
}
