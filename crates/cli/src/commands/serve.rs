//! `quorate serve`: one real node of a cluster.

use crate::failure::Failure;
use crate::server_tls::ServerTlsArgs;
use crate::serving::{self, Served, StopSignals};
use crate::upkeep::UpkeepArgs;
use quorate_driver::{Member, NodeConfig, Timing, node_id, start};
use quorate_node::declaration::Declarations;
use quorate_server::ServerOptions;
use quorate_tls::{Acceptor, HTTP, TlsOptions};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Run one node of a cluster.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  quorate serve --name n1 --data /var/lib/quorate --listen-client 10.0.0.1:2379 --listen-peer 10.0.0.1:2380 \\
      --cluster n1=10.0.0.1:2380,n2=10.0.0.2:2380,n3=10.0.0.3:2380 --cluster-token prod
  quorate serve --config node.toml

The same in a file (flags win over it):
  name = \"n1\"
  data = \"/var/lib/quorate\"
  listen-client = \"10.0.0.1:2379\"
  listen-peer = \"10.0.0.1:2380\"
  cluster-token = \"prod\"
  [cluster]
  n1 = \"10.0.0.1:2380\"
  n2 = \"10.0.0.2:2380\"
  n3 = \"10.0.0.3:2380\"
  [[keyspace]]
  name = \"catalogue\"
  level = \"sequential\"

All nodes of a cluster are given the same cluster, token and keyspaces.")]
pub(crate) struct Args {
    /// A TOML file with any of these settings, and `[[keyspace]]` declarations
    #[arg(long)]
    config: Option<PathBuf>,
    /// This node's name in the cluster [default: n1]
    #[arg(long)]
    name: Option<String>,
    /// Where its data lies [default: quorate-data/NAME]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where it listens for clients; several addresses are parted by commas [default: 127.0.0.1:2379]
    #[arg(long, value_name = "HOST:PORT,…")]
    listen_client: Option<String>,
    /// What clients are told to connect to [default: http:// or https:// and the listening address]
    #[arg(long, value_name = "URL")]
    advertise_client: Option<String>,
    /// Where it listens for peers [default: its own address in the cluster]
    #[arg(long, value_name = "HOST:PORT")]
    listen_peer: Option<String>,
    /// All members with the addresses at which their peers reach them [default: this node alone]
    #[arg(long, value_name = "NAME=HOST:PORT,…")]
    cluster: Option<String>,
    /// Tells clusters apart whose members have the same names [default: quorate]
    #[arg(long)]
    cluster_token: Option<String>,
    /// Whether this node's data must be there already [default: new, which takes both]
    #[arg(long, value_name = "new|existing", value_parser = ["new", "existing"])]
    cluster_state: Option<String>,
    /// The longest write that is taken, as its client encoded it [default: 1572864]
    #[arg(long, value_name = "BYTES")]
    max_request_bytes: Option<usize>,
    /// How often a leader says that it leads [default: 50]
    #[arg(long, value_name = "MS")]
    heartbeat_ms: Option<u64>,
    /// Followers wait for it this long, up to twice as long at random [default: 150]
    #[arg(long, value_name = "MS")]
    election_ms: Option<u64>,
    /// Answer linearizable reads without asking a quorum, trusting that clocks drift by less than so many millionths
    #[arg(long, value_name = "PPM")]
    lease_read_drift_ppm: Option<u32>,
    #[command(flatten)]
    upkeep: UpkeepArgs,
    #[command(flatten)]
    tls: ServerTlsArgs,
    /// Stop in order when standard input closes
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// The same in a file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: Option<String>,
    data: Option<PathBuf>,
    listen_client: Option<String>,
    advertise_client: Option<String>,
    listen_peer: Option<String>,
    cluster: Option<BTreeMap<String, String>>,
    cluster_token: Option<String>,
    cluster_state: Option<String>,
    max_request_bytes: Option<usize>,
    heartbeat_ms: Option<u64>,
    election_ms: Option<u64>,
    lease_read_drift_ppm: Option<u32>,
    quota_backend_bytes: Option<i64>,
    auto_compaction_mode: Option<String>,
    auto_compaction_retention: Option<String>,
    #[serde(flatten)]
    tls: ServerTlsArgs,
    /// Understood by [`Declarations::parse`].
    #[serde(default)]
    keyspace: Vec<toml::Table>,
}

struct Settings {
    listen_client: String,
    client_tls: Option<TlsOptions>,
    max_request_len_bytes: Option<usize>,
    node: NodeConfig,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        serving::run("info", self.go())
    }

    /// Runs until it is told to stop. Fails if the node could not start or had to stop.
    async fn go(self) -> Result<(), Failure> {
        let until_stdin_closes = self.until_stdin_closes;
        let stop = StopSignals::listen()?;
        let Settings { listen_client, client_tls, max_request_len_bytes, node: mut config } =
            self.settings()?;
        let tls = client_tls.map(|options| Acceptor::new(&options, HTTP)).transpose();
        let tls = tls.map_err(|error| Failure::new(format!("TLS with clients: {error}")))?;
        let listeners = listen(&listen_client)?;
        if let Some(me) = config.members.iter_mut().find(|member| member.name == config.name)
            && me.client_urls.is_empty()
        {
            let scheme = if tls.is_some() { "https" } else { "http" };
            let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
            me.client_urls = addresses.map(|address| format!("{scheme}://{address}")).collect();
        }
        let running = start(&config).map_err(|error| Failure::new(error.to_string()))?;
        let handle = running.handle().clone();
        let usual = ServerOptions::default();
        let max_request_len_bytes = max_request_len_bytes.unwrap_or(usual.max_request_len_bytes);
        let options = ServerOptions { tls, max_request_len_bytes, ..usual };
        let served =
            Served::start(listeners.into_iter().map(|listener| (handle.clone(), listener)), &options)?;
        tracing::info!("ready to serve client requests");
        println!(
            "ready: node {} ({}) of cluster {} serves clients on {listen_client}",
            handle.name(),
            handle.node_id(),
            handle.cluster_id()
        );
        let nodes = [handle];
        let outcome = tokio::select! {
            outcome = stop.wait(&nodes) => outcome,
            () = stdin_closed(), if until_stdin_closes => Ok(()),
        };
        tracing::info!("stopping");
        served.stop().await;
        running.shut_down().await;
        outcome
    }

    fn settings(self) -> Result<Settings, Failure> {
        let (file, declarations) = self.file()?;
        let name = self.name.or(file.name).unwrap_or_else(|| "n1".to_owned());
        let cluster_token = self.cluster_token.or(file.cluster_token).unwrap_or_else(|| "quorate".to_owned());
        let cluster = match self.cluster {
            Some(text) => parse_cluster(&text)?,
            None => file.cluster.unwrap_or_else(|| BTreeMap::from([(name.clone(), String::new())])),
        };
        let tls = self.tls.or(file.tls);
        let client_urls: Vec<String> = self.advertise_client.or(file.advertise_client).into_iter().collect();
        let member = |(member, address): (&String, &String)| Member {
            id: node_id(&cluster_token, member),
            name: member.clone(),
            peer_address: address.clone(),
            client_urls: if *member == name { client_urls.clone() } else { Vec::new() },
        };
        let members: Vec<Member> = cluster.iter().map(member).collect();
        let own_address = cluster.get(&name).filter(|address| !address.is_empty()).cloned();
        let mut timing = Timing {
            lease_read_drift_ppm: self.lease_read_drift_ppm.or(file.lease_read_drift_ppm),
            ..Timing::default()
        };
        if let Some(ms) = self.heartbeat_ms.or(file.heartbeat_ms) {
            timing.heartbeat = Duration::from_millis(ms);
        }
        if let Some(ms) = self.election_ms.or(file.election_ms) {
            timing.election_min = Duration::from_millis(ms);
            timing.election_max = Duration::from_millis(ms.saturating_mul(2));
        }
        let upkeep = UpkeepArgs {
            quota_backend_bytes: file.quota_backend_bytes,
            auto_compaction_mode: file.auto_compaction_mode,
            auto_compaction_retention: file.auto_compaction_retention,
        };
        let upkeep = self.upkeep.or(upkeep).options()?;
        let data = self.data.or(file.data).unwrap_or_else(|| PathBuf::from("quorate-data").join(&name));
        let listen_client =
            self.listen_client.or(file.listen_client).unwrap_or_else(|| "127.0.0.1:2379".to_owned());
        let addresses: Vec<&str> =
            std::iter::once(&listen_client).chain(&client_urls).map(String::as_str).collect();
        check_state(self.cluster_state.or(file.cluster_state).as_deref(), &data)?;
        let client_tls = tls.for_clients(&data, &addresses)?;
        let listen_peer = self.listen_peer.or(file.listen_peer).or_else(|| own_address.clone());
        let addresses: Vec<&str> = listen_peer.iter().chain(&own_address).map(String::as_str).collect();
        let peer_tls = tls.for_peers(&data, &addresses)?;
        let node = NodeConfig {
            data_dir: Some(data),
            listen_peer,
            peer_tls,
            name,
            cluster_token,
            members,
            declarations,
            timing,
            upkeep,
        };
        let max_request_len_bytes = self.max_request_bytes.or(file.max_request_bytes);
        Ok(Settings { listen_client, client_tls, max_request_len_bytes, node })
    }

    fn file(&self) -> Result<(File, Declarations), Failure> {
        let Some(path) = &self.config else { return Ok((File::default(), Declarations::default())) };
        let in_file = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
        let file: File = toml::from_str(&text).map_err(|error| in_file(&error))?;
        let keyspaces = toml::to_string(&BTreeMap::from([("keyspace", &file.keyspace)]))
            .map_err(|error| in_file(&error))?;
        let declarations = Declarations::parse(&keyspaces).map_err(|error| in_file(&error))?;
        Ok((file, declarations))
    }
}

/// Listens on each of some addresses, parted by commas.
fn listen(addresses: &str) -> Result<Vec<TcpListener>, Failure> {
    let bind = |address: &str| {
        TcpListener::bind(address)
            .map_err(|error| Failure::new(format!("cannot listen for clients on {address}: {error}")))
    };
    addresses.split(',').map(bind).collect()
}

/// Refuses to begin anew where data should be: a member that has lost its data has lost what it promised.
fn check_state(wanted: Option<&str>, data: &Path) -> Result<(), Failure> {
    let is_there = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if wanted == Some("existing") && !is_there {
        return Err(Failure::new(format!(
            "--cluster-state existing: there is no data in {}; a cluster takes no new members yet, so restore its directory, \
             or leave the flag out to begin a new cluster",
            data.display()
        )));
    }
    Ok(())
}

/// Returns when standard input has ended.
async fn stdin_closed() {
    let (closed, waiting) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: nothing else waits for it, also when the process ends for another reason.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(closed);
    });
    let _ = waiting.await;
}

pub(super) fn parse_cluster(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut cluster = BTreeMap::new();
    for member in text.split(',') {
        let parts =
            member.split_once('=').filter(|(name, address)| !name.is_empty() && address.contains(':'));
        let Some((name, address)) = parts else {
            return Err(Failure::new(format!("--cluster: {member:?} is not of the form NAME=HOST:PORT")));
        };
        if cluster.insert(name.to_owned(), address.to_owned()).is_some() {
            return Err(Failure::new(format!("--cluster names {name:?} twice")));
        }
    }
    Ok(cluster)
}

#[cfg(test)]
mod tests {
    use super::parse_cluster;

    #[test]
    fn clusters_are_understood_or_refused() {
        let cluster = parse_cluster("a=h:1,b=h:2").expect("two members");
        assert_eq!(
            cluster.into_iter().collect::<Vec<_>>(),
            [("a".into(), "h:1".into()), ("b".into(), "h:2".into())]
        );
        assert!(parse_cluster("a=h:1,a=h:2").is_err());
        assert!(parse_cluster("a").is_err());
        assert!(parse_cluster("a=h").is_err());
        assert!(parse_cluster("").is_err());
    }
}
