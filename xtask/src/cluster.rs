//! A cluster of real `quorate` processes on this machine, for suites that talk to it from outside.

use crate::steps;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

/// How long a node may take until it says that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// What a node prints once it serves.
const READY: &str = "ready";

/// Running nodes; they are stopped when this is dropped.
pub struct Cluster {
    nodes: Vec<Child>,
}

impl Cluster {
    /// Starts one node per client address, with empty data below `dir`, and waits until all serve.
    ///
    /// # Errors
    /// A sentence; then no node is left running.
    pub fn start(binary: &Path, dir: &Path, client_addresses: &[String]) -> Result<Cluster, String> {
        let peers = free_addresses(client_addresses.len())?;
        let named = peers.iter().enumerate().map(|(at, peer)| format!("n{}={peer}", at + 1));
        let members = named.collect::<Vec<_>>().join(",");
        let mut cluster = Cluster { nodes: Vec::new() };
        let mut outputs = Vec::new();
        for (at, client) in client_addresses.iter().enumerate() {
            let name = format!("n{}", at + 1);
            let mut command = Command::new(binary);
            command.args(["serve", "--name", &name, "--listen-client", client, "--listen-peer", &peers[at]]);
            command.args(["--cluster", &members, "--cluster-token", "xtask", "--data"]).arg(dir.join(&name));
            let mut node = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|source| format!("cannot start {}: {source}", binary.display()))?;
            outputs.extend(node.stdout.take());
            cluster.nodes.push(node);
        }
        outputs.into_iter().try_for_each(wait_until_ready)?;
        Ok(cluster)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // Killing fails only for a node that has ended by itself.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// Builds the binary in the development profile.
///
/// # Errors
/// That it does not build.
pub fn build(root: &Path) -> Result<PathBuf, String> {
    steps::cargo(root, &["build", "--locked", "--package", "quorate-cli", "--bin", "quorate"], &[])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("debug/quorate"))
}

/// An empty directory at `dir`.
///
/// # Errors
/// What the file system says.
pub fn empty_dir(dir: &Path) -> Result<(), String> {
    let emptied = if dir.exists() { fs::remove_dir_all(dir) } else { Ok(()) };
    emptied
        .and_then(|()| fs::create_dir_all(dir))
        .map_err(|source| format!("cannot empty {}: {source}", dir.display()))
}

/// Addresses that were free a moment ago. All are held until the last is drawn, so that they differ.
///
/// # Errors
/// That this machine has no port left.
pub fn free_addresses(count: usize) -> Result<Vec<String>, String> {
    let listeners: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let addresses =
        listeners.and_then(|all| all.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>());
    addresses
        .map(|all| all.iter().map(ToString::to_string).collect())
        .map_err(|source| format!("no free port: {source}"))
}

fn wait_until_ready(output: impl std::io::Read + Send + 'static) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    // Reads on to the end, so that the node never waits for a full pipe.
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(READY) {
                let _ = sender.send(());
            }
        }
    });
    receiver.recv_timeout(READY_TIMEOUT).map_err(|_| "a node ended or was not ready in time".to_owned())
}
