//! `quorate serve` on a directory that is not its own.

use crate::process::{Process, free_address, run, take_turn};

#[test]
fn serve_refuses_a_directory_of_another_cluster_or_node() {
    let _turn = take_turn();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let endpoint = free_address();
    let members = format!("n1={},n2={}", free_address(), free_address());
    let arguments = |name, token| {
        let own = ["serve", "--listen-client", &endpoint, "--data", data.to_str().unwrap(), "--name", name];
        let shared = ["--cluster", &members, "--cluster-token", token];
        [&own[..], &shared].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let process = Process::start(&arguments("n1", "a"), &dir.path().join("log"));
    process.wait_for("ready: node n1");
    assert!(process.terminate().success());
    for (name, token, reason) in [("n1", "b", "belongs to cluster"), ("n2", "a", "belongs to node")] {
        let output = run(&arguments(name, token));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{said}");
    }
    let process = Process::start(&arguments("n1", "a"), &dir.path().join("log"));
    process.wait_for("ready: node n1");
}
