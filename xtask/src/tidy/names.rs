//! A module's name says what it is about: no drawers for odds and ends, no numbered twins.

use super::Violation;
use crate::tree::Tree;

const DRAWERS: [&str; 8] = ["utils", "util", "common", "helpers", "helper", "misc", "manager", "stuff"];
const TWIN_ENDINGS: [&str; 6] = ["_v1", "_v2", "_v3", "_old", "_new", "_legacy"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for path in tree.paths.iter().filter(|path| path.starts_with("crates/") || path.starts_with("xtask/")) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_module = name.ends_with(".rs") || !name.contains('.');
        let stem = name.trim_end_matches(".rs");
        if is_module && DRAWERS.contains(&stem) {
            found.push(Violation::new(path, 0, format!("`{stem}` is a drawer: name it for its subject")));
        }
        if is_module && TWIN_ENDINGS.iter().any(|end| stem.ends_with(end)) {
            found.push(Violation::new(
                path,
                0,
                format!("`{stem}` has a twin: keep one, named for what it does"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn subjects_pass() {
        assert_eq!(
            check(&Tree::of(&[("crates/kv/src/lease.rs", ""), ("crates/kv/fixtures/put_v1.bin", "")])),
            []
        );
    }

    #[test]
    fn drawers_and_twins_fail() {
        for path in ["crates/kv/src/utils.rs", "crates/common/src/lib.rs", "crates/kv/src/lease_v2.rs"] {
            assert_eq!(check(&Tree::of(&[(path, "")])).len(), 1, "{path}");
        }
    }
}
