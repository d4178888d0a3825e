//! `GET /v1/status`: this node as an operator sees it, keyspace by keyspace.

use crate::server::Server;
use quorate_driver::{Handle, Keyspace};
use serde_json::{Value, json};

/// The status as JSON. Ids are hexadecimal strings; sizes are bytes.
pub(super) fn status(server: &Server) -> String {
    let handle = &server.handle;
    let log = handle.log_counters();
    let members: Vec<Value> = handle
        .members()
        .iter()
        .map(|member| {
            json!({
                "id": member.id.to_string(),
                "name": member.name,
                "peer_address": member.peer_address,
                "client_urls": member.client_urls,
            })
        })
        .collect();
    let keyspaces: Vec<Value> = handle.keyspaces().map(|keyspace| of_keyspace(handle, &keyspace)).collect();
    let failure = handle.failure().borrow().as_ref().map(ToString::to_string);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cluster_id": handle.cluster_id().to_string(),
        "node_id": handle.node_id().to_string(),
        "name": handle.name(),
        "members": members,
        "keyspaces": keyspaces,
        "log": { "appended_len_bytes": log.appended_len_bytes, "syncs": log.syncs },
        "failure": failure,
    })
    .to_string()
}

fn of_keyspace(handle: &Handle, keyspace: &Keyspace) -> Value {
    let view = keyspace.local_view();
    let status = keyspace.status().borrow().clone();
    let members = handle.members();
    let name_of = |id| members.iter().find(|member| member.id == id).map(|member| member.name.clone());
    json!({
        "name": keyspace.name(),
        "level": keyspace.level().name(),
        "role": format!("{:?}", status.role).to_lowercase(),
        "term": status.term.0,
        "leader": status.leader.and_then(name_of),
        "last_index": status.last_index.0,
        "commit_index": status.commit.0,
        "applied_index": view.applied().0.0,
        "verified_index": status.agreed.0,
        "pending_requests": status.pending_requests,
        "revision": view.revision().0,
        "compacted_revision": view.compacted().0,
        "keys": view.key_count(),
        "tables_len_bytes": view.len_bytes(),
        "live_len_bytes": view.live_len_bytes(),
    })
}
