//! `quorate snapshot restore`: a node of a new cluster that begins with a backup.

use super::say_origin;
use crate::commands::serve::parse_cluster;
use crate::failure::Failure;
use crate::output::counted;
use quorate_driver::{Member, NodeConfig, RESTORED, RestoreError, Timing, UpkeepOptions, node_id, restore};
use quorate_node::declaration::Declarations;
use quorate_snapshot::{Backup, FillError, Filled, LEASE_OF_UNKNOWN_TTL_S};
use quorate_types::Revision;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Make the data directory of one node of a new cluster from a backup
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate snapshot restore backup.db --cluster-token prod-2 --data /var/lib/quorate --name n1 \\
      --cluster n1=10.0.0.1:2380,n2=10.0.0.2:2380,n3=10.0.0.3:2380
  quorate snapshot restore backup.db --cluster-token prod-2 --revision 4711
  quorate snapshot restore /var/lib/etcd --cluster-token moved

Do this for every member with the same file, cluster, token and revision, then start each with `quorate serve` and the same cluster and \
token. A token that was not used before makes it another cluster than the one that the backup is of, so the two can never mix. Clients find \
the revisions that they know. Leases go on with the time that they had left.")]
pub(crate) struct Args {
    /// A saved snapshot, ours or etcd's, or the data directory of an etcd that is stopped
    file: PathBuf,
    /// Tells the new cluster apart from every other
    #[arg(long)]
    cluster_token: String,
    /// The node's name in the new cluster
    #[arg(long, default_value = "n1")]
    name: String,
    /// Where its data will lie; there must be none yet [default: quorate-data/NAME]
    #[arg(long)]
    data: Option<PathBuf>,
    /// All members of the new cluster [default: this node alone]
    #[arg(long, value_name = "NAME=HOST:PORT,…")]
    cluster: Option<String>,
    /// Leave out everything after this revision
    #[arg(long)]
    revision: Option<i64>,
    /// Take a file without a checksum, such as a copied member/snap/db
    #[arg(long)]
    skip_hash_check: bool,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let backup = Backup::open(&self.file, self.skip_hash_check);
        let backup = backup.map_err(|error| Failure::new(error.to_string()))?;
        say_origin(&backup);
        let upto = self.revision.map(Revision);
        backup.check_revision(upto).map_err(|error| Failure::new(error.to_string()))?;
        let dir = self.data.clone().unwrap_or_else(|| PathBuf::from("quorate-data").join(&self.name));
        let config = self.config(&dir)?;
        let filled = restore(&config, |tables| backup.fill(tables, upto, RESTORED))
            .map_err(|error| failure(&dir, &error))?;
        report(&dir, &filled);
        println!("start it with `quorate serve` and the same --name, --data, --cluster and --cluster-token");
        Ok(())
    }

    fn config(&self, dir: &Path) -> Result<NodeConfig, Failure> {
        let cluster = match &self.cluster {
            Some(text) => parse_cluster(text)?,
            None => BTreeMap::from([(self.name.clone(), String::new())]),
        };
        if !cluster.contains_key(&self.name) {
            return Err(Failure::Usage(format!(
                "--cluster does not name {:?}: give --name, or name it",
                self.name
            )));
        }
        let member = |(name, address): (&String, &String)| Member {
            id: node_id(&self.cluster_token, name),
            name: name.clone(),
            peer_address: address.clone(),
            client_urls: Vec::new(),
        };
        Ok(NodeConfig {
            name: self.name.clone(),
            cluster_token: self.cluster_token.clone(),
            members: cluster.iter().map(member).collect(),
            data_dir: Some(dir.to_path_buf()),
            listen_peer: None,
            declarations: Declarations::default(),
            timing: Timing::default(),
            upkeep: UpkeepOptions::default(),
            peer_tls: None,
        })
    }
}

fn failure(dir: &Path, error: &RestoreError<FillError>) -> Failure {
    let advice = match error {
        RestoreError::HasData { .. } | RestoreError::DataDir(_) => String::new(),
        _ => format!("; remove {} before you try again", dir.display()),
    };
    Failure::new(format!("{error}{advice}"))
}

fn report(dir: &Path, filled: &Filled) {
    let keys = counted(usize::try_from(filled.keys).unwrap_or(usize::MAX), "key", "keys");
    let leases = counted(filled.leases, "lease", "leases");
    println!("restored {keys} and {leases} at revision {} into {}", filled.revision, dir.display());
    if filled.unknown_leases > 0 {
        let ended = counted(usize::try_from(filled.unknown_leases).unwrap_or(usize::MAX), "lease", "leases");
        println!(
            "{ended} had ended later on and got {LEASE_OF_UNKNOWN_TTL_S} seconds, in which holders can renew"
        );
    }
}
