//! `quorate status`: how a cluster is, node by node and keyspace by keyspace.

use crate::connection::{ConnectionArgs, block_on};
use crate::failure::Failure;
use crate::http;
use crate::output::print_json;
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Show leader, term, log and disk of each node and keyspace
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate status
  quorate status --endpoints 127.0.0.1:2379,127.0.0.1:2380,127.0.0.1:2381
  quorate status --json

LAG is how many committed entries the node has yet to apply, as far as the asked nodes know. KEYS and DATA are what is live; DISK is what \
its tables take. With one endpoint, the other nodes are found by asking it.")]
pub(crate) struct Args {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(&self) -> Result<(), Failure> {
        block_on(self.go())
    }

    async fn go(&self) -> Result<(), Failure> {
        let mut nodes = Vec::new();
        for endpoint in self.endpoints().await {
            nodes.push((endpoint.clone(), self.status_of(&endpoint).await));
        }
        let reached = nodes.iter().filter(|(_, status)| status.is_ok()).count();
        match self.json {
            true => print_json(&as_json(&nodes))?,
            false => print_table(&nodes),
        }
        match reached {
            0 => Err(Failure::new("no node answered; check --endpoints and that the servers run")),
            _ => Ok(()),
        }
    }

    /// Those that were named; for a single one, all that it knows.
    async fn endpoints(&self) -> Vec<String> {
        let named = self.connection.endpoints.clone();
        let [one] = named.as_slice() else { return named };
        let Ok(status) = self.status_of(one).await else { return named };
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let urls: Vec<String> = members
            .iter()
            .filter_map(|member| member["client_urls"][0].as_str())
            .map(|url| url.trim_start_matches("http://").to_owned())
            .collect();
        if urls.is_empty() { named } else { urls }
    }

    async fn status_of(&self, endpoint: &str) -> Result<Value, String> {
        let tls = self.connection.tls.options();
        let text = http::get(endpoint, "/v1/status", tls.as_ref(), TIMEOUT)
            .await
            .map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

fn as_json(nodes: &[(String, Result<Value, String>)]) -> Value {
    let node = |(endpoint, status): &(String, Result<Value, String>)| match status {
        Ok(status) => json!({ "endpoint": endpoint, "status": status }),
        Err(error) => json!({ "endpoint": endpoint, "error": error }),
    };
    nodes.iter().map(node).collect()
}

const COLUMNS: [&str; 11] = [
    "NODE",
    "ENDPOINT",
    "KEYSPACE",
    "LEVEL",
    "ROLE",
    "LEADER",
    "TERM",
    "APPLIED",
    "LAG",
    "KEYS",
    "DATA/DISK",
];

fn print_table(nodes: &[(String, Result<Value, String>)]) {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for status in nodes.iter().filter_map(|(endpoint, status)| Some((endpoint, status.as_ref().ok()?))) {
        rows.extend(rows_of(status, nodes));
    }
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    if rows.len() > 1 {
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            println!("{}", cells.join("  ").trim_end());
        }
    }
    for (endpoint, status) in nodes {
        match status {
            Err(error) => println!("{endpoint}  does not answer: {error}"),
            Ok(status) => {
                if let Some(failure) = status["failure"].as_str() {
                    println!("{endpoint}  {failure}");
                }
            }
        }
    }
}

fn rows_of(
    (endpoint, status): (&String, &Value),
    nodes: &[(String, Result<Value, String>)],
) -> Vec<[String; COLUMNS.len()]> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let keyspaces = status["keyspaces"].as_array().cloned().unwrap_or_default();
    let row = |keyspace: &Value| {
        let applied = number(&keyspace["applied_index"]);
        let commit = newest_commit(&keyspace["name"], nodes);
        let (live, tables) = (number(&keyspace["live_len_bytes"]), number(&keyspace["tables_len_bytes"]));
        [
            text(&status["name"]),
            endpoint.clone(),
            text(&keyspace["name"]),
            text(&keyspace["level"]),
            text(&keyspace["role"]),
            text(&keyspace["leader"]),
            number(&keyspace["term"]).to_string(),
            applied.to_string(),
            commit.saturating_sub(applied).to_string(),
            number(&keyspace["keys"]).to_string(),
            format!("{} / {}", bytes(live), bytes(tables)),
        ]
    };
    keyspaces.iter().map(row).collect()
}

/// The largest commit index that any node reports for a keyspace.
fn newest_commit(keyspace: &Value, nodes: &[(String, Result<Value, String>)]) -> u64 {
    let of_node = |status: &Value| {
        let found = status["keyspaces"].as_array()?.iter().find(|other| other["name"] == *keyspace)?;
        found["commit_index"].as_u64()
    };
    nodes.iter().filter_map(|(_, status)| of_node(status.as_ref().ok()?)).max().unwrap_or_default()
}

fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=9_999_999 => format!("{} kB", count / 1000),
        10_000_000..=9_999_999_999 => format!("{} MB", count / 1_000_000),
        _ => format!("{} GB", count / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::{newest_commit, rows_of};
    use serde_json::json;

    #[test]
    fn lag_is_measured_against_the_newest_node() {
        let node = |name: &str, commit: u64, applied: u64| {
            let keyspace = json!({ "name": "default", "commit_index": commit, "applied_index": applied });
            (name.to_owned(), Ok(json!({ "name": name, "keyspaces": [keyspace] })))
        };
        let nodes = [node("a", 10, 10), node("b", 7, 6), ("c".to_owned(), Err("gone".to_owned()))];
        assert_eq!(newest_commit(&json!("default"), &nodes), 10);
        let (endpoint, status) = &nodes[1];
        let rows = rows_of((endpoint, status.as_ref().expect("it answered")), &nodes);
        assert_eq!(rows[0][8], "4");
    }
}
