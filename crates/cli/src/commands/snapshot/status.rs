//! `quorate snapshot status`: what a backup holds.

use super::say_origin;
use crate::failure::Failure;
use crate::output::print_json;
use quorate_snapshot::{Backup, BackupError, BackupStatus};
use serde_json::json;
use std::path::PathBuf;

/// Check a backup and show what it holds
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate snapshot status backup.db
  quorate snapshot status backup.db --json
  quorate snapshot status /var/lib/etcd

The whole file is read. HASH, REVISION, TOTAL KEYS and TOTAL SIZE are those of `etcdctl snapshot status`: total keys are the entries of all \
buckets, old revisions included. OLDEST is the oldest revision at which it can be restored. With --json, names are etcdutl's.")]
pub(crate) struct Args {
    /// A saved snapshot, ours or etcd's, or the data directory of an etcd that is stopped
    file: PathBuf,
    /// Take a file without a checksum, such as a copied member/snap/db
    #[arg(long)]
    skip_hash_check: bool,
    /// Print JSON instead of lines
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let read = || -> Result<_, BackupError> {
            let backup = Backup::open(&self.file, self.skip_hash_check)?;
            let (status, compacted) = (backup.status()?, backup.compacted()?);
            Ok((backup, status, compacted))
        };
        let (backup, status, compacted) = read().map_err(|error| Failure::new(error.to_string()))?;
        say_origin(&backup);
        let BackupStatus { hash, revision, total_keys, total_len_bytes, version } = status;
        let oldest = compacted.0.max(1);
        if self.json {
            return Ok(print_json(&json!({
                "hash": hash,
                "revision": revision,
                "oldestRevision": oldest,
                "totalKey": total_keys,
                "totalSize": total_len_bytes,
                "version": version.unwrap_or_default(),
            }))?);
        }
        println!("HASH        {hash:x}");
        println!("REVISION    {revision}");
        println!("OLDEST      {oldest}");
        println!("TOTAL KEYS  {total_keys}");
        println!("TOTAL SIZE  {total_len_bytes}");
        println!("VERSION     {}", version.as_deref().unwrap_or("-"));
        Ok(())
    }
}
