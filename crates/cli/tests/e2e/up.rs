//! `quorate up` and the commands around it, as somebody meets them who tries them for the first time.

use crate::process::{Process, free_address, run, take_turn};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

/// The last line that `up` prints before it serves for good.
const GREETED: &str = "Ctrl-C stops it";
/// etcd's port.
const USUAL_ENDPOINT: &str = "127.0.0.1:2379";

/// Runs `quorate` with arguments that are separated by blanks, until it has ended.
fn quorate(arguments: &str) -> Output {
    run(&arguments.split(' ').collect::<Vec<_>>())
}

fn printed(arguments: &str) -> String {
    let output = quorate(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments} fails: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The command must fail with one line that holds `reason`.
fn refused(arguments: &str, reason: &str) {
    let output = quorate(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
    assert!(said.contains(reason), "{arguments} says {said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Starts `quorate up` with more arguments; gives it with its greeting.
fn up(dir: &Path, arguments: &str) -> (Process, String) {
    let all: Vec<&str> = ["up"].into_iter().chain(arguments.split(' ')).collect();
    let process = Process::start(&all, &dir.join("up.log"));
    let greeting = process.wait_for(GREETED);
    (process, greeting)
}

fn port(address: &str) -> &str {
    address.split_once(':').unwrap().1
}

#[test]
fn up_resumes_its_data_and_guards_it() {
    let _turn = take_turn();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").to_str().unwrap().to_owned();
    let endpoint = free_address();
    let arguments = format!("--port {} --data {data}", port(&endpoint));
    let (process, greeting) = up(dir.path(), &arguments);
    assert!(greeting.starts_with("A cluster of 3 nodes is ready ("), "{greeting}");
    assert!(greeting.contains(&format!("http://{endpoint}")) && greeting.contains("  leader"), "{greeting}");
    assert!(greeting.contains(&format!("data in {data}")), "{greeting}");
    printed(&format!("kv put greeting hello --endpoints {endpoint}"));
    check_status(&endpoint);

    let other = free_address();
    refused(&format!("up --port {} --data {data}", port(&other)), "in use");
    refused(
        &format!("up --port {} --data {data} --nodes 5", port(&other)),
        "holds a cluster of 3 nodes, not 5",
    );
    refused(&format!("up {arguments}"), "is taken; name another one by --port");
    assert!(process.terminate().success());

    let (process, _) = up(dir.path(), &arguments);
    let found = printed(&format!("kv get greeting --endpoints {endpoint}"));
    assert!(found.contains("hello"), "the second run has the first one's data: {found}");
    assert!(process.terminate().success());
}

fn check_status(endpoint: &str) {
    let status: Value =
        serde_json::from_str(&printed(&format!("status --json --endpoints {endpoint}"))).unwrap();
    let nodes = status.as_array().unwrap();
    assert_eq!(nodes.len(), 3, "one endpoint leads to all nodes: {status:#}");
    let leads = |node: &&Value| node["status"]["keyspaces"][0]["role"] == "leader";
    assert_eq!(nodes.iter().filter(leads).count(), 1, "{status:#}");
    assert!(nodes.iter().all(|node| node["status"]["failure"].is_null()), "{status:#}");
}

#[test]
fn up_takes_another_port_than_a_taken_one_and_forgets_what_is_ephemeral() {
    let _turn = take_turn();
    // Somebody else may have it, which serves as well.
    let _taken = TcpListener::bind(USUAL_ENDPOINT);
    let dir = tempfile::tempdir().unwrap();
    let (process, greeting) = up(dir.path(), "--nodes 1 --ephemeral");
    assert!(greeting.contains("A cluster of 1 node is ready ("), "{greeting}");
    assert!(!greeting.contains(&format!("{USUAL_ENDPOINT}\n")), "{greeting}");
    assert!(greeting.contains("data in memory only"), "{greeting}");
    let endpoint = greeting.lines().find_map(|line| line.trim().strip_prefix("quorate status --endpoints "));
    printed(&format!("kv put greeting hello --endpoints {}", endpoint.expect("it prints how to go on")));
    assert!(process.terminate().success());
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["up.log"], "nothing but its log is left");
}

#[test]
fn levels_are_planned_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keyspaces.toml");
    let declare = |level: &str| {
        std::fs::write(&file, format!("[[keyspace]]\nname = \"carts\"\nlevel = \"{level}\"\n")).unwrap();
    };
    let name = file.to_str().unwrap();
    declare("sequential");
    let plan: Value = serde_json::from_str(&printed(&format!("plan {name} --json"))).unwrap();
    let text = plan.to_string();
    assert!(text.contains("\"carts\"") && text.contains("\"default\""), "{plan:#}");
    assert!(printed(&format!("plan {name}")).contains("carts"));
    declare("causal");
    let reason = "keyspace \"carts\": level causal is not supported yet";
    refused(&format!("plan {name}"), reason);
    refused(&format!("up --ephemeral --config {name}"), reason);
    refused(&format!("serve --config {name}"), reason);
}
