//! `quorate check` as scripts use it: exit codes, formats of output, limits.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const STALE: &str = "\
{:type :invoke, :process 0, :f :write, :value 1}
{:type :ok, :process 0, :f :write, :value 1}
{:type :invoke, :process 1, :f :read, :value nil}
{:type :ok, :process 1, :f :read, :value nil}
";
const GOOD: &str = "\
{:type :invoke, :process 0, :f :write, :value 1}
{:type :ok, :process 0, :f :write, :value 1}
{:type :invoke, :process 1, :f :read, :value nil}
{:type :ok, :process 1, :f :read, :value 1}
";

fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn check(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.arg("check").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // What is refused for its arguments never reads its input.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn code_and_text(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn exit_codes_tell_how_it_ended() {
    let ends = |arguments: &[&str], input: &str, code: i32, words: &str| {
        let (found, text) = code_and_text(&check(arguments, input));
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    };
    ends(&["-"], GOOD, 0, "linearizable");
    ends(&["-"], STALE, 1, "stale read");
    ends(&["-", "--level", "sequential"], STALE, 0, "holds");
    ends(&["-", "--time", "0"], STALE, 2, "time limit");
    ends(&["-", "--memory", "1K"], STALE, 2, "memory limit");
    ends(&["-"], "{:type :ok", 3, "standard input:1:");
    ends(&["-"], "no history at all", 3, "format");
    ends(&["-", "--model", "queue"], GOOD, 3, "standard input:1: a queue has no operation \"write\"");
    ends(&["-", "--level", "serializable"], GOOD, 3, "no level of a register");
    ends(&["-", "--level", "linear"], GOOD, 3, "no level is called");
    ends(&["-", "--model", "abacus"], GOOD, 3, "no model is called");
    ends(&["no-such-file.edn"], "", 3, "no-such-file.edn");
    ends(&[], "", 3, "FILE");
}

#[test]
fn the_worst_of_several_files_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (good, stale) = (file(&dir, "good.edn", GOOD), file(&dir, "stale.edn", STALE));
    let (code, text) = code_and_text(&check(&[good.to_str().unwrap(), stale.to_str().unwrap()], ""));
    assert_eq!((code, text.lines().count()), (1, 2), "{text}");
}

#[test]
fn json_says_what_the_text_says() {
    let output = check(&["--json", "-"], STALE);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["answer"], "violated");
    assert_eq!(said["strongest"], serde_json::json!(["sequential"]));
    let linearizable = &said["levels"][0];
    assert_eq!(linearizable["level"], "linearizable");
    assert_eq!(linearizable["proof"], "confirmed");
    assert_eq!(linearizable["violation"]["anomaly"], "stale read");
    assert_eq!(linearizable["violation"]["operations"][1]["lines"], serde_json::json!([3, 4]));
}

#[test]
fn streams_are_judged_while_they_are_read() {
    let ends = |arguments: &[&str], input: &str, code: i32, words: &str| {
        let (found, text) = code_and_text(&check(&[&["-", "--stream"], arguments].concat(), input));
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    };
    ends(&["--model", "register"], GOOD, 0, "linearizable");
    ends(&["--model", "register"], STALE, 1, "violated");
    ends(&["--model", "register", "--json"], STALE, 1, "\"answer\":\"violated\"");
    ends(&["--model", "queue"], GOOD, 3, "--stream judges");
    ends(&["--model", "register"], &GOOD.replace(":read, :value nil", ":read, :value [7 nil]"), 3, "pairs");
    ends(&[], GOOD, 3, "--model");
}

#[test]
fn the_page_needs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("why.html");
    check(&["-", "--html", page.to_str().unwrap()], STALE);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("stale read"));
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
}
