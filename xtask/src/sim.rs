//! Campaigns of the simulator that people and CI run.

use crate::steps::{SMOKE_SEEDS, cargo, planted, smoke};
use std::path::Path;

/// What a night can run on a small machine.
const NIGHTLY_SEEDS: &str = "0..50000";

/// A campaign with these arguments, which go to `quorate sim`.
///
/// # Errors
/// A promise was broken, a listed mark was not reached, or an argument is wrong.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--smoke") {
        return smoke(root);
    }
    if has("--planted") {
        return planted(root);
    }
    let mut all: Vec<&str> = vec!["run", "--locked", "--package", "quorate-cli"];
    // Only such a build has mistakes that can be planted, and it stands in a directory of its own.
    if has("--plant") || has("--list") {
        all.extend(["--profile", "mistakes", "--features", "mistakes"]);
    } else {
        all.push("--release");
    }
    all.extend(["--", "sim"]);
    let chosen = ["--seed", "--seeds", "--minutes", "--scenario", "--list", "--help"];
    if has("--plant") && !chosen.iter().any(|flag| has(flag)) {
        all.extend(["--seeds", SMOKE_SEEDS]);
    } else if !chosen.iter().any(|flag| has(flag)) {
        all.extend(["--seeds", NIGHTLY_SEEDS, "--require-marks=all"]);
    }
    all.extend(arguments.iter().map(String::as_str));
    cargo(root, &all, &[])
}
