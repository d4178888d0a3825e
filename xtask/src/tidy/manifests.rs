//! Every crate takes the workspace's lints and forbids unsafe code where it starts.

use super::Violation;
use crate::source::blank;
use crate::tree::Tree;

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.ending("/Cargo.toml") {
        let manifest: toml::Table = match file.text.parse() {
            Ok(manifest) => manifest,
            Err(_) => {
                found.push(Violation::new(&file.path, 0, "is not TOML"));
                continue;
            }
        };
        let flag = |table: &str, key: &str| manifest.get(table)?.get(key)?.as_bool();
        if flag("lints", "workspace") != Some(true) {
            found.push(Violation::new(&file.path, 0, "lacks `[lints] workspace = true`"));
        }
        let root = file.path.trim_end_matches("Cargo.toml");
        for entry in ["src/lib.rs", "src/main.rs"] {
            let Some(entry) = tree.file(&format!("{root}{entry}")) else { continue };
            if !blank(&entry.text).contains("#![forbid(unsafe_code)]") {
                found.push(Violation::new(&entry.path, 0, "lacks `#![forbid(unsafe_code)]`"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn a_crate_with_lints_and_no_unsafe_passes() {
        let files = [
            ("crates/a/Cargo.toml", "[lints]\nworkspace = true"),
            ("crates/a/src/lib.rs", "#![forbid(unsafe_code)]"),
        ];
        assert_eq!(check(&Tree::of(&files)), []);
    }

    #[test]
    fn missing_lints_and_unsafe_fail() {
        let bare =
            [("crates/a/Cargo.toml", "[package]"), ("crates/a/src/main.rs", "// #![forbid(unsafe_code)]")];
        assert_eq!(check(&Tree::of(&bare)).len(), 2);
        assert_eq!(check(&Tree::of(&[("crates/a/Cargo.toml", "[package")])).len(), 1);
    }
}
