//! Three nodes, each a process with its data in a directory.

use crate::process::{Process, Turn, free_address, run, take_turn};
use quorate_client::{Client, Config, Routing};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

/// How many nodes a cluster has.
pub const NODES: usize = 3;
/// How long a cluster may take to reach a state that is waited for.
const TIMEOUT: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a node may take to say how it is.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// A cluster; its processes end and its data goes when it is dropped.
pub struct Cluster {
    nodes: Vec<Node>,
    _dir: TempDir,
    _turn: Turn,
}

struct Node {
    endpoint: String,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Process>,
}

impl Cluster {
    /// Starts all nodes on empty directories, and waits until they have a leader.
    pub async fn start() -> Self {
        Cluster::with(&[]).await
    }

    /// The same, with more arguments for `quorate serve`.
    pub async fn with(arguments: &[&str]) -> Self {
        let turn = take_turn();
        let dir = tempfile::tempdir().unwrap();
        let peers: Vec<String> = (0..NODES).map(|_| free_address()).collect();
        let named = peers.iter().enumerate().map(|(at, peer)| format!("{}={peer}", name(at)));
        let members = named.collect::<Vec<_>>().join(",");
        let node = |at| {
            let endpoint = free_address();
            let data = dir.path().join(name(at));
            let own = ["--name", &name(at), "--data", data.to_str().unwrap(), "--listen-client", &endpoint];
            let all = ["serve", "--cluster", &members, "--cluster-token", "e2e"];
            let arguments = [&all[..], &own, arguments].concat().into_iter().map(str::to_owned).collect();
            Node { endpoint, arguments, log: dir.path().join(name(at) + ".log"), process: None }
        };
        let nodes = (0..NODES).map(node).collect();
        let mut cluster = Cluster { nodes, _dir: dir, _turn: turn };
        cluster.start_all();
        cluster.leader().await;
        cluster
    }

    /// Starts every node that does not run, and waits until they serve.
    pub fn start_all(&mut self) {
        let mut started = Vec::new();
        for node in self.nodes.iter_mut().filter(|node| node.process.is_none()) {
            node.process = Some(Process::start(&node.arguments, &node.log));
            started.push(node);
        }
        for node in started {
            node.running().wait_for("ready: ");
        }
    }

    /// Ends a process at once, without a word of warning.
    pub fn kill(&mut self, at: usize) {
        self.nodes[at].process = None;
    }

    /// Ends all processes at once.
    pub fn kill_all(&mut self) {
        self.nodes.iter().for_each(|node| node.running().signal("KILL"));
        self.nodes.iter_mut().for_each(|node| node.process = None);
    }

    /// Stops a process where it is.
    pub fn pause(&self, at: usize) {
        self.nodes[at].running().signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self, at: usize) {
        self.nodes[at].running().signal("CONT");
    }

    /// Where one node serves clients.
    pub fn endpoint(&self, at: usize) -> &str {
        &self.nodes[at].endpoint
    }

    /// All of them, as command lines take them.
    pub fn endpoints(&self) -> String {
        self.nodes.iter().map(|node| node.endpoint.as_str()).collect::<Vec<_>>().join(",")
    }

    /// What a node has written to its log.
    pub fn log(&self, at: usize) -> String {
        std::fs::read_to_string(&self.nodes[at].log).unwrap()
    }

    /// A client that takes turns among some nodes.
    pub fn client(&self, nodes: &[usize], timeout: Duration) -> Client {
        let mut config = Config::new(nodes.iter().map(|at| self.endpoint(*at)));
        config.routing = Routing::RoundRobin;
        config.timeout = timeout;
        Client::connect(config).unwrap()
    }

    /// The leader's position, once all that run agree on it.
    pub async fn leader(&self) -> usize {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(leader) = self.agreed_leader().await {
                return leader;
            }
            assert!(Instant::now() < deadline, "the nodes do not agree on a leader");
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn agreed_leader(&self) -> Option<usize> {
        let mut leader = None;
        let mut own = None;
        for at in (0..NODES).filter(|at| self.nodes[*at].process.is_some()) {
            let status = self.client(&[at], STATUS_TIMEOUT).status().await.ok()?;
            let member = status.header.as_ref()?.member_id;
            if status.leader == 0 || leader.is_some_and(|leader| leader != status.leader) {
                return None;
            }
            leader = Some(status.leader);
            if member == status.leader {
                own = Some(at);
            }
        }
        own
    }

    /// Waits until all nodes have applied the same, and gives each one's account of the default keyspace.
    pub async fn settled(&self) -> Vec<Value> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let accounts = self.accounts();
            if accounts.len() == NODES
                && accounts.iter().all(|account| account["applied_index"] == accounts[0]["commit_index"])
            {
                return accounts;
            }
            assert!(Instant::now() < deadline, "the nodes do not catch up: {accounts:#?}");
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// What `quorate status` says of the default keyspace on each node that answers.
    fn accounts(&self) -> Vec<Value> {
        let output = run(&["status", "--json", "--endpoints", &self.endpoints()]);
        let nodes: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of_node = |node: &Value| {
            let keyspaces = node["status"]["keyspaces"].as_array()?;
            keyspaces.iter().find(|keyspace| keyspace["name"] == "default").cloned()
        };
        nodes.as_array().unwrap().iter().filter_map(of_node).collect()
    }
}

impl Node {
    fn running(&self) -> &Process {
        self.process.as_ref().expect("the test has started this node")
    }
}

/// All positions but one.
pub fn others(at: usize) -> Vec<usize> {
    (0..NODES).filter(|other| *other != at).collect()
}

fn name(at: usize) -> String {
    format!("n{}", at + 1)
}
