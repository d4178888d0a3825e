//! `quorate up`: a whole cluster in one process, for a first look and for development.

use crate::children::{Children, ChildrenConfig};
use crate::failure::Failure;
use crate::output::counted;
use crate::ports;
use crate::serving::{self, Served, StopSignals, declarations};
use crate::upkeep::UpkeepArgs;
use quorate_driver::{Handle, Member, NodeConfig, Running, Timing, node_id, start};
use quorate_node::declaration::{DEFAULT_KEYSPACE, Declarations};
use quorate_server::ServerOptions;
use serde::{Deserialize, Serialize};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CLUSTER_FILE: &str = "cluster.toml";
const DEFAULT_PORT: u16 = 2379;
const DEFAULT_NODES: usize = 3;
const MAX_NODES: usize = 9;
const LEADER_TIMEOUT: Duration = Duration::from_secs(20);

/// Start a durable cluster in this process, or resume it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  quorate up                        three nodes, data under ./quorate-data
  quorate up --nodes 1 --port 5000  one node, clients on port 5000
  quorate up --ephemeral            three nodes that forget everything at the end
  quorate up --processes            each node in a process of its own: kill -9 one and watch
  quorate up --config FILE          with the [[keyspace]] declarations of FILE

Ctrl-C stops the cluster; the next `quorate up` goes on with its data.")]
pub(crate) struct Args {
    /// How many nodes; a directory that has data knows its number [default: 3]
    #[arg(long)]
    nodes: Option<usize>,
    /// The first node's client port; the others take the next free ones [default: 2379, or the next free one]
    #[arg(long)]
    port: Option<u16>,
    /// Where the data lies
    #[arg(long, default_value = "quorate-data")]
    data: PathBuf,
    /// Keep everything in memory
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,
    /// Run each node in a process of its own, so that one can be killed; it is started again after a moment
    #[arg(long, conflicts_with = "ephemeral")]
    processes: bool,
    /// A TOML file with `[[keyspace]]` declarations; see `quorate plan --help`
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    upkeep: UpkeepArgs,
}

/// What a directory knows of the cluster in it.
#[derive(Serialize, Deserialize)]
struct ClusterFile {
    token: String,
    nodes: usize,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        serving::run("warn", self.go())
    }

    /// Runs until it is told to stop. Fails if the cluster could not start or had to stop.
    async fn go(self) -> Result<(), Failure> {
        let stop = StopSignals::listen()?;
        let declarations = declarations(self.config.as_deref())?;
        let cluster = self.cluster()?;
        let first_port = self.port.unwrap_or(DEFAULT_PORT);
        let mut next_port = first_port;
        let mut clients = Vec::new();
        for _ in 0..cluster.nodes {
            let listener = ports::listen_from(next_port).map_err(|error| {
                Failure::new(format!("no free port from {next_port} on: {error}; name another one by --port"))
            })?;
            next_port = port_of(&listener).saturating_add(1);
            clients.push(listener);
        }
        if self.port.is_some_and(|port| port != port_of(&clients[0])) {
            return Err(Failure::new(format!("port {first_port} is taken; name another one by --port")));
        }
        let members = members(&cluster, &clients)?;
        if self.processes {
            drop(clients);
            return self.run_processes(cluster, members, stop).await;
        }
        let nodes = self.start_nodes(&cluster, &members, &declarations)?;
        let handles: Vec<Handle> = nodes.iter().map(|node| node.handle().clone()).collect();
        let served = Served::start(handles.iter().cloned().zip(clients), &ServerOptions::default())?;
        let started = Instant::now();
        let leader = wait_for_leader(&handles).await?;
        self.greet(&members, &leader, started.elapsed());
        let outcome = stop.wait(&handles).await;
        eprintln!("stopping: handing leadership over and making the tables durable …");
        served.stop().await;
        for node in nodes {
            node.shut_down().await;
        }
        outcome
    }

    /// The same with a process for each node.
    async fn run_processes(
        &self,
        cluster: ClusterFile,
        members: Vec<Member>,
        stop: StopSignals,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let config = ChildrenConfig {
            token: cluster.token,
            members,
            data: self.data.clone(),
            declarations: self.config.clone(),
            upkeep: self.upkeep.clone(),
        };
        let children = Children::start(&config).await?;
        self.greet(&config.members, "", started.elapsed());
        for (member, pid) in config.members.iter().zip(&children.pids) {
            println!("  {} is process {pid}: kill -9 {pid}", member.name);
        }
        let outcome = stop.wait(&[]).await;
        eprintln!("stopping …");
        children.stop().await;
        outcome
    }

    fn start_nodes(
        &self,
        cluster: &ClusterFile,
        members: &[Member],
        declarations: &Declarations,
    ) -> Result<Vec<Running>, Failure> {
        let upkeep = self.upkeep.options()?;
        let config = |member: &Member| NodeConfig {
            name: member.name.clone(),
            cluster_token: cluster.token.clone(),
            members: members.to_vec(),
            data_dir: (!self.ephemeral).then(|| self.data.join(&member.name)),
            listen_peer: Some(member.peer_address.clone()),
            peer_tls: None,
            declarations: declarations.clone(),
            timing: Timing::default(),
            upkeep: upkeep.clone(),
        };
        members
            .iter()
            .map(|member| {
                start(&config(member)).map_err(|error| Failure::new(format!("{}: {error}", member.name)))
            })
            .collect()
    }

    /// The cluster that the directory holds, or a new one.
    fn cluster(&self) -> Result<ClusterFile, Failure> {
        let wished = self.nodes;
        if wished.is_some_and(|nodes| nodes == 0 || nodes > MAX_NODES) {
            return Err(Failure::new(format!("--nodes takes a number from 1 to {MAX_NODES}")));
        }
        let new = || {
            let token =
                format!("up-{:016x}", getrandom::u64().map_err(|error| Failure::new(error.to_string()))?);
            Ok(ClusterFile { token, nodes: wished.unwrap_or(DEFAULT_NODES) })
        };
        if self.ephemeral {
            return new();
        }
        let path = self.data.join(CLUSTER_FILE);
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(format!("cannot {what} {}: {error}", path.display()))
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let file: ClusterFile =
                    toml::from_str(&text).map_err(|error| failed("understand", &error))?;
                match wished {
                    Some(nodes) if nodes != file.nodes => Err(Failure::new(format!(
                        "{} holds a cluster of {} nodes, not {nodes}: leave --nodes out, or name another directory by --data",
                        self.data.display(),
                        file.nodes
                    ))),
                    _ => Ok(file),
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let file = new()?;
                write_new(&self.data, &path, &file).map_err(|error| failed("write", &error))?;
                Ok(file)
            }
            Err(error) => Err(failed("read", &error)),
        }
    }

    fn greet(&self, members: &[Member], leader: &str, took: Duration) {
        let endpoints: Vec<&str> = members
            .iter()
            .flat_map(|member| &member.client_urls)
            .map(|url| url.trim_start_matches("http://"))
            .collect();
        println!(
            "A cluster of {} is ready ({} ms).",
            counted(members.len(), "node", "nodes"),
            took.as_millis()
        );
        println!();
        for member in members {
            let role = if member.name == leader { "  leader" } else { "" };
            println!(
                "  {}  clients {}  peers {}{role}",
                member.name,
                member.client_urls.join(","),
                member.peer_address
            );
        }
        match self.ephemeral {
            true => println!("\n  data in memory only: all is forgotten at the end"),
            false => println!("\n  data in {}", self.data.display()),
        }
        println!("\nTry, in another terminal:\n");
        let flag = match endpoints.first() {
            Some(&"127.0.0.1:2379") => String::new(),
            _ => format!("--endpoints {} ", endpoints.join(",")),
        };
        println!("  etcdctl {flag}put greeting hello");
        println!("  etcdctl {flag}get greeting");
        println!("  quorate status --endpoints {}", endpoints.join(","));
        println!("\nCtrl-C stops it; the same command resumes it.");
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
}

fn write_new(dir: &Path, path: &Path, file: &ClusterFile) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let text = toml::to_string(file).map_err(std::io::Error::other)?;
    let temporary = path.with_extension("toml.new");
    std::fs::write(&temporary, text)?;
    std::fs::File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(dir)?.sync_all()
}

fn members(cluster: &ClusterFile, clients: &[TcpListener]) -> Result<Vec<Member>, Failure> {
    let member = |(position, client): (usize, &TcpListener)| {
        let name = format!("n{}", position + 1);
        let port =
            ports::any_free().map_err(|error| Failure::new(format!("no free port for peers: {error}")))?;
        Ok(Member {
            id: node_id(&cluster.token, &name),
            name,
            peer_address: format!("127.0.0.1:{port}"),
            client_urls: vec![format!("http://127.0.0.1:{}", port_of(client))],
        })
    };
    clients.iter().enumerate().map(member).collect()
}

/// Waits until all nodes agree on a leader of the default keyspace; returns its name.
async fn wait_for_leader(nodes: &[Handle]) -> Result<String, Failure> {
    let deadline = tokio::time::Instant::now() + LEADER_TIMEOUT;
    let mut leader = None;
    for node in nodes {
        let keyspace = node.keyspace(DEFAULT_KEYSPACE).expect("the default keyspace always exists");
        let mut status = keyspace.status();
        let known = status.wait_for(|status| status.leader.is_some());
        match tokio::time::timeout_at(deadline, known).await {
            Ok(Ok(status)) => leader = status.leader,
            _ => return Err(Failure::new(format!("no leader was elected within {LEADER_TIMEOUT:?}"))),
        }
    }
    let name =
        |id| nodes[0].members().iter().find(|member| member.id == id).map(|member| member.name.clone());
    Ok(leader.and_then(name).unwrap_or_default())
}
