//! What a node must be told before it starts.

use quorate_node::UpkeepOptions;
use quorate_node::declaration::Declarations;
use quorate_tls::TlsOptions;
use quorate_types::{ClusterId, NodeId, RowHash, StateHash};
use std::path::PathBuf;
use std::time::Duration;

/// One member of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its id; see [`node_id`].
    pub id: NodeId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// `host:port` where its peers reach it. Empty in a cluster of one.
    pub peer_address: String,
    /// URLs where clients reach it, as far as this node was told.
    pub client_urls: Vec<String>,
}

/// Everything about one node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name; one of `members`.
    pub name: String,
    /// Distinguishes clusters whose members have the same names.
    pub cluster_token: String,
    /// All members, this one included.
    pub members: Vec<Member>,
    /// Where its data lies; `None` keeps everything in memory and forgets it at the end.
    pub data_dir: Option<PathBuf>,
    /// Where it listens for peers, `host:port`; `None` in a cluster of one.
    pub listen_peer: Option<String>,
    /// How it speaks TLS with its peers, both ways; plain text without. All members must agree.
    pub peer_tls: Option<TlsOptions>,
    /// The keyspaces.
    pub declarations: Declarations,
    /// Raft's timing.
    pub timing: Timing,
    /// What a leader does by itself. Should be the same on all members: whoever leads goes by its own.
    pub upkeep: UpkeepOptions,
}

/// How fast failures are noticed, against how often a slow moment is mistaken for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// How often a leader says that it leads.
    pub heartbeat: Duration,
    /// A follower waits for it between this long
    pub election_min: Duration,
    /// and this long, at random.
    pub election_max: Duration,
    /// Reads without asking a quorum, on the word that no clock runs faster than another by more than so many
    /// millionths; `None` asks.
    pub lease_read_drift_ppm: Option<u32>,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            lease_read_drift_ppm: None,
        }
    }
}

impl Timing {
    /// How long a request may take before its client hears that it timed out: five seconds and two elections, as in etcd.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election_max
    }
}

impl NodeConfig {
    /// This node.
    #[must_use]
    pub fn me(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.name == self.name)
    }

    /// The cluster's id: a hash of its token and its members' names and ids, so nodes that were told different clusters never talk.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        let mut names: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        let row = names
            .iter()
            .fold(RowHash::new().part(self.cluster_token.as_bytes()), |row, name| row.part(name.as_bytes()));
        ClusterId(hash(&row))
    }
}

/// The id of the member called `name` in the cluster with this token.
#[must_use]
pub fn node_id(cluster_token: &str, name: &str) -> NodeId {
    NodeId(hash(&RowHash::new().part(cluster_token.as_bytes()).part(b"member").part(name.as_bytes())))
}

/// Never 0, and below 2^63 so that clients which read ids as signed numbers show them as we do.
fn hash(row: &RowHash) -> u64 {
    let mut hash = StateHash::default();
    hash.add(row);
    (hash.0 as u64 >> 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::node_id;

    #[test]
    fn ids_depend_on_token_and_name() {
        assert_eq!(node_id("t", "a"), node_id("t", "a"));
        assert_ne!(node_id("t", "a"), node_id("t", "b"));
        assert_ne!(node_id("t", "a"), node_id("u", "a"));
    }
}
