//! Arrows between crates point down only, read from the manifests.

use super::Violation;
use crate::tree::Tree;

/// The crates by floor, from the ground up. A crate may use those on lower floors, never its neighbours.
pub const FLOORS: [&[&str]; 8] = [
    &["types", "proto", "check", "tls", "bolt"],
    &["table", "consensus"],
    &["kv", "storage", "client"],
    &["node", "snapshot"],
    &["boot"],
    &["driver", "sim"],
    &["server"],
    &["cli"],
];

/// The crates that stand aside know none of the floors but these.
const NARROWER: [(&str, &[&str]); 5] =
    [("proto", &[]), ("check", &[]), ("tls", &[]), ("bolt", &[]), ("client", &["types", "proto", "tls"])];

/// Sans-io crates. They may use one another (downward) and the listed libraries, all of them free of input and output.
pub const PURE: [&str; 7] = ["types", "check", "bolt", "table", "consensus", "kv", "node"];
/// See [`PURE`].
const PURE_LIBRARIES: [&str; 9] =
    ["bytes", "xxhash-rust", "crc32c", "imbl", "rustc-hash", "serde", "serde_json", "toml", "thiserror"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for name in tree.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(floor) = floor_of(name) else {
            found.push(Violation::new(
                &path,
                0,
                format!("`{name}` stands on no floor: add it to xtask/src/tidy/layers.rs"),
            ));
            continue;
        };
        // Development dependencies are free: a test may look at its crate from above.
        for dependency in dependencies(tree, &path) {
            if let Some(what) = objection(name, floor, &dependency) {
                found.push(Violation::new(&path, 0, what));
            }
        }
    }
    found
}

fn objection(name: &str, floor: usize, dependency: &str) -> Option<String> {
    let Some(below) = dependency.strip_prefix("quorate-") else {
        let barred = PURE.contains(&name) && !PURE_LIBRARIES.contains(&dependency);
        return barred.then(|| format!("pure crate `{name}` must not depend on `{dependency}`"));
    };
    let narrow = NARROWER.iter().find(|(aside, _)| *aside == name);
    match floor_of(below) {
        None => Some(format!("`{below}` stands on no floor")),
        Some(other) if other >= floor => {
            Some(format!("`{name}` must not depend on `{below}`: arrows point down"))
        }
        Some(_) if narrow.is_some_and(|(_, may)| !may.contains(&below)) => {
            Some(format!("`{name}` stands aside and must not depend on `{below}`"))
        }
        Some(_) if PURE.contains(&name) && !PURE.contains(&below) => {
            Some(format!("pure crate `{name}` must not depend on `{below}`, which is not pure"))
        }
        Some(_) => None,
    }
}

fn floor_of(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

fn dependencies(tree: &Tree, path: &str) -> Vec<String> {
    let text = tree.file(path).map_or("", |file| file.text.as_str());
    let manifest: toml::Table = text.parse().unwrap_or_default();
    let named = |table: &toml::Table| -> Vec<String> {
        let sections = ["dependencies", "build-dependencies"];
        let tables = sections.iter().filter_map(|section| table.get(*section)?.as_table());
        tables.flat_map(|table| table.keys().cloned()).collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let by_target = targets.into_iter().flat_map(|all| all.values().filter_map(toml::Value::as_table));
    std::iter::once(&manifest).chain(by_target).flat_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    fn objections(name: &str, dependencies: &str) -> usize {
        let path = format!("crates/{name}/Cargo.toml");
        check(&Tree::of(&[(&path, &format!("[dependencies]\n{dependencies}"))])).len()
    }

    #[test]
    fn downward_edges_pass() {
        assert_eq!(objections("node", "quorate-kv.workspace = true\nquorate-types.workspace = true"), 0);
        assert_eq!(objections("server", "quorate-driver.workspace = true\ntokio.workspace = true"), 0);
        assert_eq!(objections("driver", "quorate-boot.workspace = true\nquorate-node.workspace = true"), 0);
        assert_eq!(objections("boot", "quorate-node.workspace = true\nquorate-storage.workspace = true"), 0);
        assert_eq!(objections("client", "quorate-proto.workspace = true\ntonic.workspace = true"), 0);
        assert_eq!(objections("client", "quorate-tls.workspace = true"), 0);
    }

    #[test]
    fn upward_sideward_and_unknown_edges_fail() {
        assert_eq!(objections("kv", "quorate-node.workspace = true"), 1);
        assert_eq!(objections("node", "quorate-boot.workspace = true"), 1);
        assert_eq!(objections("table", "quorate-consensus.workspace = true"), 1);
        assert_eq!(objections("driver", "quorate-extra.workspace = true"), 1);
        assert_eq!(objections("extra", ""), 1);
        assert_eq!(objections("client", "quorate-table.workspace = true"), 1);
    }

    #[test]
    fn pure_crates_take_no_input_and_output() {
        assert_eq!(objections("node", "quorate-storage.workspace = true"), 1);
        assert_eq!(objections("consensus", "tokio.workspace = true"), 1);
        assert_eq!(objections("consensus", "[target.'cfg(unix)'.dependencies]\nrustix = \"1\""), 1);
        assert_eq!(objections("consensus", "[dev-dependencies]\nproptest.workspace = true"), 0);
    }
}
