//! `quorate kv put`.

use std::io::{self, Read, Write};

use bytes::Bytes;
use quorate_client::{Client, pb};

use crate::args::lease_id;
use crate::failure::Failure;
use crate::output::{print_json, put_json, revision, text};

/// Write a key
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  quorate kv put greeting hello
  quorate kv put config/app < app.toml
  quorate kv put service/a up --lease 12c8a209cc3ae709")]
pub(crate) struct Args {
    /// The key
    key: String,
    /// The value; without it, everything on standard input
    #[arg(conflicts_with = "ignore_value", allow_hyphen_values = true)]
    value: Option<String>,
    /// Delete the key when this lease ends
    #[arg(long, value_name = "ID", value_parser = lease_id, conflicts_with = "ignore_lease")]
    lease: Option<i64>,
    /// Print what was there before
    #[arg(long)]
    prev: bool,
    /// Keep the value, and change only the lease
    #[arg(long)]
    ignore_value: bool,
    /// Keep the lease, and change only the value
    #[arg(long)]
    ignore_lease: bool,
}

impl Args {
    pub(super) async fn run(self, client: &Client, json: bool) -> Result<(), Failure> {
        let request = match self.request() {
            Some(request) => request,
            None => {
                let mut value = Vec::new();
                io::stdin().lock().read_to_end(&mut value)?;
                self.with_value(value.into())
            }
        };
        let answer = client.put_with(request).await?;
        if json {
            return Ok(print_json(&put_json(&answer))?);
        }
        let mut out = io::stdout().lock();
        writeln!(out, "OK, revision {}", revision(answer.header.as_ref()))?;
        if let Some(prev) = answer.prev_kv {
            writeln!(out, "before: {}", text(&prev.value))?;
        }
        Ok(())
    }

    /// The request, if the arguments say it all.
    pub(super) fn request(&self) -> Option<pb::PutRequest> {
        match &self.value {
            Some(value) => Some(self.with_value(value.clone().into())),
            None if self.ignore_value => Some(self.with_value(Bytes::new())),
            None => None,
        }
    }

    fn with_value(&self, value: Bytes) -> pb::PutRequest {
        pb::PutRequest {
            key: self.key.clone().into(),
            value,
            lease: self.lease.unwrap_or(0),
            prev_kv: self.prev,
            ignore_value: self.ignore_value,
            ignore_lease: self.ignore_lease,
        }
    }
}
