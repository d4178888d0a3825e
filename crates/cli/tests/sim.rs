//! `quorate sim` as people and scripts call it.

use std::path::Path;
use std::process::{Command, Output};

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/scenarios/stale-time.toml");

fn sim(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.current_dir(dir).arg("sim").args(arguments).output().expect("the command starts")
}

/// Runs it, and compares its exit code; what it printed on both outputs.
fn check(arguments: &[&str], code: i32) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let output = sim(dir.path(), arguments);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

#[test]
fn a_campaign_that_holds_says_what_it_met() {
    let text = check(&["--seeds", "0..6", "--threads", "2"], 0);
    assert!(text.contains("6 seeds, 0..6") && text.ends_with("held\n"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&check(&["--seeds", "3..6", "--faults", "none", "--json"], 0)).expect("JSON");
    assert_eq!((&json["answer"], &json["run"]["seeds"]), (&"held".into(), &3.into()));
    assert_eq!(json["run"]["faults"], serde_json::json!({}));
}

#[test]
fn one_seed_gives_the_same_events_whoever_asks() {
    let trace = || check(&["--seed", "7", "--trace"], 0);
    let text = trace();
    assert!(text.lines().count() > 100 && text.contains("is Leader in term"), "{text}");
    let events =
        |text: &str| text.lines().filter(|line| line.contains("ms ")).map(str::to_owned).collect::<Vec<_>>();
    let again = trace();
    let (first, second) = (events(&text), events(&again));
    assert_eq!(first[..first.len() - 5], second[..second.len() - 5], "all but the time that it took");
}

#[test]
fn a_saved_scenario_replays_and_is_drawn() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = sim(dir.path(), &["--scenario", SCENARIO, "--html", "run.html", "--save", "again.toml"]);
    assert_eq!(output.status.code(), Some(0));
    let page = std::fs::read_to_string(dir.path().join("run.html")).expect("the page");
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"), "{}", &page[..40]);
    let saved = std::fs::read_to_string(dir.path().join("again.toml")).expect("the scenario");
    assert!(saved.contains("format = 1"));
    assert_eq!(sim(dir.path(), &["--scenario", "again.toml"]).status.code(), Some(0));
}

#[test]
fn bad_input_ends_with_3_and_says_what_to_do() {
    check(&["--seeds", "5"], 3);
    check(&["--seed", "1", "--seeds", "0..2"], 3);
    assert!(check(&["--faults", "fire"], 3).contains("quorate sim --list"));
    assert!(check(&["--scenario", "missing.toml"], 3).contains("missing.toml"));
    assert!(
        check(&["--scenario", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], 3).contains("Cargo.toml")
    );
    assert!(check(&["--plant", "no-such-mistake"], 3).contains("--list"));
    if !cfg!(feature = "mistakes") {
        assert!(check(&["--plant", "vote-twice"], 3).contains("cargo xtask sim --plant vote-twice"));
    }
}

#[test]
fn what_can_be_named_is_listed() {
    let text = check(&["--list"], 0);
    for name in ["partition", "compare-and-set", "vote-twice", "a term has at most one leader"] {
        assert!(text.contains(name), "{name}");
    }
}
