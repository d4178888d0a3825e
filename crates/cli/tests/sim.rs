//! `quorate sim` as scripts use it: exit codes, formats of output, files.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A cluster whose messages take longer than anybody's patience: it cannot elect a leader, which is a broken promise.
const SLOW: &str = "\
format = 1
nodes = 3
noise = 0
faulty_ms = 300
healing_ms = 3000
core = [1, 2, 3]
operations = [
  { at_us = 1000, client = 1, node = 1, call = \"put\", key = 1, value = 1 },
]

[settings.network]
base_us = 5000000
";
/// Little work, and nothing fails.
const CALM: [&str; 6] = ["--nodes", "1", "--faults", "none", "--workload", "register"];

fn sim(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorate")).current_dir(dir).arg("sim").args(arguments).output().unwrap()
}

fn code_and_text(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    serde_json::from_slice(&sim(dir, &[arguments, &["--json"]].concat()).stdout).unwrap()
}

#[test]
fn exit_codes_tell_how_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("slow.toml"), SLOW).unwrap();
    std::fs::write(dir.path().join("bad.toml"), SLOW.replace("node = 1", "node = 4")).unwrap();
    let ends = |arguments: &[&str], code: i32, words: &str| {
        let (found, text) = code_and_text(&sim(dir.path(), arguments));
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    };
    ends(&[&CALM[..], &["--seed", "1"]].concat(), 0, "held: every promise was kept");
    ends(&[&CALM[..], &["--seeds", "3..5"]].concat(), 0, "2 seeds, 3..5");
    ends(&[&CALM[..], &["--minutes", "0"]].concat(), 0, "0 seeds");
    ends(&["--list"], 0, "vote-twice");
    ends(&["--scenario", "slow.toml"], 1, "a healed cluster serves");
    ends(&[&CALM[..], &["--seeds", "0..1", "--require-marks=all"]].concat(), 2, "inconclusive");
    ends(&["--scenario", "bad.toml"], 3, "bad.toml: line 8: operation 0: there is no node 4");
    ends(&["--scenario", "no-such-file.toml"], 3, "no-such-file.toml");
    ends(&["--seeds", "3..3"], 3, "must be larger");
    ends(&["--seed", "1", "--seeds", "1..2"], 3, "cannot be used with");
    ends(&["--faults", "fire"], 3, "no fault is called \"fire\"");
    ends(&["--workload", "nap"], 3, "no workload is called \"nap\"");
    ends(&["--nodes", "0"], 3, "--nodes");
    ends(&["--trace"], 3, "give --seed or --scenario");
    ends(&["--plant", "nothing"], 3, "no mistake is called \"nothing\"");
}

#[cfg(not(feature = "mistakes"))]
#[test]
fn a_build_without_mistakes_says_which_one_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let planted = SLOW.replace("nodes", "mistake = \"vote-twice\"\nnodes");
    std::fs::write(dir.path().join("planted.toml"), planted).unwrap();
    for arguments in [["--plant", "vote-twice"], ["--scenario", "planted.toml"]] {
        let (code, text) = code_and_text(&sim(dir.path(), &arguments));
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("cargo xtask sim --plant vote-twice"), "{text}");
    }
}

#[test]
fn a_seed_does_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = [0, 1].map(|_| json(dir.path(), &["--seed", "3"]));
    for field in ["answer", "digest", "events", "marks"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    assert_eq!(first["digest"].as_str().unwrap().len(), 16);
}

#[test]
fn a_saved_scenario_replays_its_seed() {
    let dir = tempfile::tempdir().unwrap();
    let drawn = json(dir.path(), &["--seed", "3", "--save", "three.toml"]);
    let replayed = json(dir.path(), &["--scenario", "three.toml"]);
    assert_eq!(drawn["digest"], replayed["digest"]);
}

#[test]
fn a_campaign_does_not_depend_on_threads() {
    let dir = tempfile::tempdir().unwrap();
    let [one, three] = ["1", "3"].map(|threads| json(dir.path(), &["--seeds", "0..4", "--threads", threads]));
    for field in ["answer", "marks", "never_met", "failures"] {
        assert_eq!(one[field], three[field], "{field}");
    }
    for field in ["seeds", "simulated_s", "calls", "messages", "steps", "faults"] {
        assert_eq!(one["run"][field], three["run"][field], "{field}");
    }
}

#[test]
fn what_breaks_a_promise_is_made_smaller_saved_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("slow.toml"), SLOW).unwrap();
    let files = ["--save", "small.toml", "--html", "why.html"];
    let said = json(dir.path(), &[&["--scenario", "slow.toml"], &files[..]].concat());
    assert_eq!(said["answer"], "violated");
    let failure = &said["failure"];
    assert_eq!(failure["invariant"], "liveness");
    assert_eq!(failure["again"], "quorate sim --scenario small.toml");
    assert_eq!(failure["shrunk"]["before"]["operations"], 1);
    assert_eq!(failure["size"]["operations"], 0);
    assert_eq!(failure["size"]["nodes"], 2);
    let again = json(dir.path(), &["--scenario", "small.toml"]);
    for field in ["invariant", "words", "at_ns", "size"] {
        assert_eq!(again["failure"][field], failure[field], "{field}");
    }
    let page = std::fs::read_to_string(dir.path().join("why.html")).unwrap();
    assert!(page.contains("a healed cluster serves"));
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
}

#[test]
fn a_replay_writes_nothing_that_was_not_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("slow.toml"), SLOW).unwrap();
    let (_, text) = code_and_text(&sim(dir.path(), &["--scenario", "slow.toml"]));
    assert!(text.contains("quorate sim --scenario slow.toml"), "{text}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_trace_shows_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let run = [&CALM[..], &["--seed", "1"]].concat();
    let events = json(dir.path(), &run)["events"].as_u64().unwrap();
    let summary = code_and_text(&sim(dir.path(), &run)).1.lines().count();
    let (_, text) = code_and_text(&sim(dir.path(), &[&run[..], &["--trace"]].concat()));
    assert_eq!(text.lines().count() as u64, events + summary as u64);
    assert!(text.contains("client 1"), "{text}");
}
