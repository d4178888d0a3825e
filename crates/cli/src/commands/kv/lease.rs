//! `quorate kv lease`.

use std::io::{self, Write};

use clap::Subcommand;
use quorate_client::{Client, pb};
use serde_json::json;

use crate::args::lease_id;
use crate::failure::Failure;
use crate::output::{print_json, text};

/// Grant, keep and end leases; a lease deletes its keys when nobody renews it in time
#[derive(clap::Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Grant a lease, and print its id
    #[command(after_help = "\
Examples:
  quorate kv lease grant 60
  quorate kv put service/a up --lease $(quorate kv lease grant 60)")]
    Grant {
        /// Its life in seconds, from now and from each renewal on
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        ttl_s: i64,
        /// The id it should have; without it, the server chooses
        #[arg(long, value_parser = lease_id)]
        id: Option<i64>,
    },
    /// End a lease, and delete its keys
    #[command(after_help = "Examples:\n  quorate kv lease revoke 12c8a209cc3ae709")]
    Revoke {
        /// Its id
        #[arg(value_parser = lease_id)]
        id: i64,
    },
    /// Renew a lease until this command is stopped
    #[command(after_help = "\
Examples:
  quorate kv lease keep-alive 12c8a209cc3ae709
  quorate kv lease keep-alive 12c8a209cc3ae709 --once")]
    KeepAlive {
        /// Its id
        #[arg(value_parser = lease_id)]
        id: i64,
        /// Renew it just once
        #[arg(long)]
        once: bool,
    },
    /// Print how long a lease has left
    #[command(after_help = "Examples:\n  quorate kv lease ttl 12c8a209cc3ae709 --keys")]
    Ttl {
        /// Its id
        #[arg(value_parser = lease_id)]
        id: i64,
        /// Print its keys, too
        #[arg(long)]
        keys: bool,
    },
    /// Print the ids of all leases
    #[command(after_help = "Examples:\n  quorate kv lease list")]
    List,
}

impl Args {
    pub(super) async fn run(self, client: &Client, json: bool) -> Result<(), Failure> {
        match self.command {
            Command::Grant { ttl_s, id } => grant(client, ttl_s, id, json).await,
            Command::Revoke { id } => {
                client.lease_revoke(id).await?;
                say(json, &json!({ "id": hex(id), "revoked": true }), "revoked")
            }
            Command::KeepAlive { id, once } => keep_alive(client, id, once, json).await,
            Command::Ttl { id, keys } => print_ttl(&client.lease_ttl(id, keys).await?, json),
            Command::List => {
                let ids: Vec<_> =
                    client.lease_list().await?.leases.iter().map(|lease| hex(lease.id)).collect();
                if json {
                    return Ok(print_json(&json!({ "leases": ids }))?);
                }
                let mut out = io::stdout().lock();
                ids.iter().try_for_each(|id| Ok(writeln!(out, "{id}")?))
            }
        }
    }
}

async fn grant(client: &Client, ttl_s: i64, id: Option<i64>, json: bool) -> Result<(), Failure> {
    let granted = client.lease_grant(ttl_s, id.unwrap_or(0)).await?;
    if granted.ttl != ttl_s && !json {
        eprintln!("quorate: the server made it {} seconds", granted.ttl);
    }
    say(json, &json!({ "id": hex(granted.id), "ttl_s": granted.ttl }), &hex(granted.id))
}

async fn keep_alive(client: &Client, id: i64, once: bool, json: bool) -> Result<(), Failure> {
    let mut keeper = client.keep_alive(id);
    let renewed =
        |ttl_s: i64| say(json, &json!({ "id": hex(id), "ttl_s": ttl_s }), &format!("renewed, {ttl_s} s"));
    if once {
        return renewed(keeper.renew().await?);
    }
    // What cannot be printed must not end the lease; it is renewed silently then.
    let lost = keeper.run(|ttl_s| drop(renewed(ttl_s))).await;
    match lost {
        Err(error) => Err(error.into()),
    }
}

fn print_ttl(answer: &pb::LeaseTimeToLiveResponse, json: bool) -> Result<(), Failure> {
    if answer.ttl < 0 {
        return Err(Failure::NoSuchLease(answer.id));
    }
    let keys: Vec<_> = answer.keys.iter().map(|key| text(key)).collect();
    if json {
        let value = json!({ "id": hex(answer.id), "ttl_s": answer.ttl, "granted_ttl_s": answer.granted_ttl, "keys": keys });
        return Ok(print_json(&value)?);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{} of {} s left", answer.ttl, answer.granted_ttl)?;
    keys.iter().try_for_each(|key| Ok(writeln!(out, "{key}")?))
}

fn hex(id: i64) -> String {
    format!("{id:x}")
}

/// Prints one fact either way.
fn say(json: bool, value: &serde_json::Value, line: &str) -> Result<(), Failure> {
    let printed = if json { print_json(value) } else { writeln!(io::stdout().lock(), "{line}") };
    Ok(printed?)
}
