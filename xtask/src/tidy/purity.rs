//! Pure crates touch no file, socket, thread, clock, environment or random device, and decide nothing by the order of a hash map
//! or by a float.
//!
//! Clippy's `disallowed-types` and `disallowed-methods` say the same where types are resolved; this rule also sees what is
//! imported and never called, and that every pure crate carries clippy's list.

use super::layers::PURE;
use super::{Violation, is_allowed};
use crate::source::{blank, is_test_path, line_of, without_tests, words};
use crate::tree::{File, Tree};

/// Names that must not appear, with the reason.
const BANNED: [(&str, &str); 13] = [
    ("tokio", "no runtime"),
    ("fjall", "no storage engine"),
    ("Instant", "time is passed in as `Time`"),
    ("SystemTime", "time is passed in as `Time`"),
    ("thread_rng", "randomness is the seeded `Rng`"),
    ("RandomState", "randomness is the seeded `Rng`"),
    ("HashMap", "its order is random: use `BTreeMap`"),
    ("HashSet", "its order is random: use `BTreeSet`"),
    ("f32", "no floats in decisions"),
    ("f64", "no floats in decisions"),
    ("println", "a core prints nothing"),
    ("eprintln", "a core prints nothing"),
    ("async", "a core is called, it does not wait"),
];
/// Modules of the standard library that must not be named.
const BANNED_STD: [&str; 6] = ["fs", "net", "thread", "env", "process", "os"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for name in PURE {
        let root = format!("crates/{name}/");
        let sources = format!("{root}src/");
        for file in
            tree.ending(".rs").filter(|file| file.path.starts_with(&sources) && !is_test_path(&file.path))
        {
            check_file(file, &mut found);
        }
        if tree.paths.contains(&format!("{root}Cargo.toml")) {
            found.extend(check_list(tree, &root));
        }
    }
    found
}

fn check_file(file: &File, found: &mut Vec<Violation>) {
    let code = without_tests(&blank(&file.text));
    let mut report = |at: usize, word: &str, why: &str| {
        let line = line_of(&code, at);
        if !is_allowed(&file.text, line, word) {
            found.push(Violation::new(&file.path, line, format!("`{word}` in a pure crate: {why}")));
        }
    };
    for (word, why) in BANNED {
        words(&code, word).for_each(|at| report(at, word, why));
    }
    for at in words(&code, "std").filter(|at| code[*at..].starts_with("std::")) {
        let rest = &code[at + "std::".len()..];
        for module in BANNED_STD.iter().filter(|module| names_module(rest, module)) {
            report(at, &format!("std::{module}"), "no input or output");
        }
    }
}

/// Whether what follows `std::` names `module`, alone or as a member of a braced list.
fn names_module(rest: &str, module: &str) -> bool {
    let Some(list) = rest.strip_prefix('{') else {
        return words(rest, module).next() == Some(0);
    };
    let mut depth = 0;
    for part in list.split_inclusive([',', '{', '}']) {
        if depth == 0 && words(part.trim_start(), module).next() == Some(0) {
            return true;
        }
        depth += match part.as_bytes().last() {
            Some(b'{') => 1,
            Some(b'}') => -1,
            _ => 0,
        };
        if depth < 0 {
            break;
        }
    }
    false
}

/// Every pure crate has the same clippy bans as `types`.
fn check_list(tree: &Tree, root: &str) -> Option<Violation> {
    const MODEL: &str = "crates/types/clippy.toml";
    let path = format!("{root}clippy.toml");
    let model = tree.file(MODEL).map(|file| &file.text);
    let own = tree.file(&path).map(|file| &file.text);
    (own.is_none() || own != model).then(|| Violation::new(&path, 0, format!("must be a copy of {MODEL}")))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    fn objections(text: &str) -> usize {
        check(&Tree::of(&[("crates/kv/src/a.rs", text)])).len()
    }

    #[test]
    fn pure_code_passes() {
        assert_eq!(objections("use std::{fmt, sync::Arc};\n// HashMap, Instant\nlet s = \"std::fs\";"), 0);
        assert_eq!(objections("use std::collections::BTreeMap;\nuse std::sync::{Arc, thread_safe};"), 0);
        assert_eq!(objections("#[cfg(test)]\nmod tests { use std::collections::HashMap; }"), 0);
        assert_eq!(
            objections(
                "// tidy: allow(HashMap) looked up by key only, never walked\nuse std::collections::HashMap;"
            ),
            0
        );
    }

    #[test]
    fn the_outside_world_fails() {
        for text in [
            "use std::fs::File;",
            "use std::{fmt, thread};",
            "use std::{io::{Read, Write}, net};",
            "std::env::var(x)",
            "use std::time::Instant;",
            "HashSet::new()",
            "let x: f64 = y;",
            "tokio::spawn(x)",
            "// tidy: allow(HashMap)\nHashMap::new()",
        ] {
            assert_eq!(objections(text), 1, "{text}");
        }
    }

    #[test]
    fn clippy_lists_are_equal() {
        let manifest = ("crates/kv/Cargo.toml", "");
        let model = ("crates/types/clippy.toml", "a");
        assert_eq!(check(&Tree::of(&[manifest, model, ("crates/kv/clippy.toml", "a")])).len(), 0);
        assert_eq!(check(&Tree::of(&[manifest, model, ("crates/kv/clippy.toml", "b")])).len(), 1);
        assert_eq!(check(&Tree::of(&[manifest, model])).len(), 1);
    }
}
