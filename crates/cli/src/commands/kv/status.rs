//! `quorate kv status`.

use std::io::{self, Write};

use quorate_client::pb;
use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::output::print_json;

/// Print what each endpoint says of itself
///
/// Asks every one of --endpoints. Fails if one gives no answer, after printing the others.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate kv status --endpoints n1:2379,n2:2379,n3:2379
  quorate kv status --json | jq -r 'select(.leader).endpoint'")]
pub(crate) struct Args {}

impl Args {
    pub(super) async fn run(self, connection: &ConnectionArgs, json: bool) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for endpoint in &connection.endpoints {
            match connection.client_of(endpoint)?.status().await {
                Ok(status) if json => print_json(&status_json(endpoint, &status))?,
                Ok(status) => writeln!(io::stdout().lock(), "{}", line(endpoint, &status))?,
                Err(error) => outcome = Err(error.into()),
            }
        }
        outcome
    }
}

fn member_id(status: &pb::StatusResponse) -> u64 {
    status.header.as_ref().map_or(0, |header| header.member_id)
}

fn is_leader(status: &pb::StatusResponse) -> bool {
    status.leader != 0 && status.leader == member_id(status)
}

fn status_json(endpoint: &str, status: &pb::StatusResponse) -> Value {
    json!({
        "endpoint": endpoint,
        "member_id": format!("{:x}", member_id(status)),
        "version": status.version,
        "leader": is_leader(status),
        "learner": status.is_learner,
        "raft_term": status.raft_term,
        "raft_index": status.raft_index,
        "raft_applied_index": status.raft_applied_index,
        "db_size_bytes": status.db_size,
        "errors": status.errors,
    })
}

fn line(endpoint: &str, status: &pb::StatusResponse) -> String {
    let role = match (is_leader(status), status.is_learner) {
        (true, _) => "leader",
        (false, true) => "learner",
        (false, false) => "follower",
    };
    let errors: String = status.errors.iter().map(|error| format!(", {error}")).collect();
    format!(
        "{endpoint}\t{role}\tmember {:x}, version {}, term {}, index {}, applied {}, {} KiB{errors}",
        member_id(status),
        status.version,
        status.raft_term,
        status.raft_index,
        status.raft_applied_index,
        status.db_size / 1024,
    )
}
