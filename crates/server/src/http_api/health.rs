//! `/health`, `/livez` and `/readyz`, as etcd answers them.

use super::{Page, Query};
use crate::error;
use crate::etcd::alarm;
use crate::grpc::Status;
use crate::server::Server;
use http::StatusCode;
use quorate_consensus::raft::Role;
use quorate_driver::{Freshness, RequestOptions};
use quorate_kv::AlarmKind;
use std::fmt::Write;

/// The reason that tools look for.
const NO_LEADER: &str = "RAFT NO LEADER";

/// One thing that can be checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

/// A path and what it checks.
#[derive(Clone, Copy)]
pub(super) struct Checks(&'static [Check]);

/// Whether the process should be left running.
pub(super) const LIVE: Checks = Checks(&[Check::SerializableRead]);
/// Whether it should get requests.
pub(super) const READY: Checks =
    Checks(&[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner]);

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }

    async fn run(self, server: &Server) -> Result<(), Status> {
        match self {
            Check::DataCorruption if has_alarm(server, AlarmKind::Corrupt) => {
                Err(Status::data_loss("alarm activated: CORRUPT"))
            }
            Check::DataCorruption | Check::SerializableRead => read(server, Freshness::Local).await,
            Check::LinearizableRead => read(server, Freshness::Linearizable).await,
            Check::NonLearner if server.default_keyspace().status().role == Role::Learner => {
                Err(Status::failed_precondition("etcdserver: rpc not supported for learner"))
            }
            Check::NonLearner => Ok(()),
        }
    }
}

/// Whether an alarm of this kind stands in any keyspace.
fn has_alarm(server: &Server, kind: AlarmKind) -> bool {
    server.keyspaces().any(|(_, served)| served.keyspace.local_view().has_alarm(kind))
}

/// The first alarm that stands and was not excluded.
fn alarm(server: &Server, query: Query<'_>) -> Option<String> {
    let kinds = [AlarmKind::NoSpace, AlarmKind::Corrupt].into_iter();
    let mut counted =
        kinds.filter(|kind| query.all("exclude").all(|excluded| excluded != alarm::name(*kind)));
    let stands = counted.find(|kind| has_alarm(server, *kind))?;
    Some(format!("ALARM {}", alarm::name(stands)))
}

/// Reads from every keyspace; a replica that differs from its leader refuses even a local read.
async fn read(server: &Server, freshness: Freshness) -> Result<(), Status> {
    for (_, served) in server.keyspaces() {
        let view = served.keyspace.view(freshness, RequestOptions::default()).await;
        view.map_err(|failure| error::failure(&failure, false))?;
    }
    Ok(())
}

/// One line of JSON.
pub(super) async fn health(server: &Server, query: Query<'_>) -> Page {
    let serializable = query.all("serializable").any(|value| value == "true");
    let reason = if let Some(reason) = alarm(server, query) {
        reason
    } else if !serializable && !server.default_keyspace().has_leader() {
        NO_LEADER.to_owned()
    } else {
        let freshness = if serializable { Freshness::Local } else { Freshness::Linearizable };
        let failed = read(server, freshness).await.err();
        failed.map_or_else(String::new, |status| format!("RANGE ERROR:{}", status.message()))
    };
    let is_healthy = reason.is_empty();
    let status = if is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // The reasons are our own texts, which hold nothing that JSON escapes.
    Page::json(status, format!(r#"{{"health":"{is_healthy}","reason":"{reason}"}}"#))
}

/// All checks of a path but the excluded ones, or the one that the path names.
pub(super) async fn checks(server: &Server, checks: Checks, only: Option<&str>, query: Query<'_>) -> Page {
    let only = only.filter(|name| !name.is_empty());
    if only.is_some_and(|name| checks.0.iter().all(|check| check.name() != name)) {
        return Page::text(StatusCode::NOT_FOUND, "404 page not found\n");
    }
    let mut lines = String::new();
    let mut failed = false;
    for check in checks.0.iter().filter(|check| only.is_none_or(|name| name == check.name())) {
        let name = check.name();
        let excluded = only.is_none() && query.all("exclude").any(|excluded| excluded == name);
        let _ = if excluded {
            writeln!(lines, "[+]{name} excluded: ok")
        } else {
            match check.run(server).await {
                Ok(()) => writeln!(lines, "[+]{name} ok"),
                Err(status) => {
                    failed = true;
                    writeln!(lines, "[-]{name} failed: {}", status.message())
                }
            }
        };
    }
    match failed {
        true => Page::text(StatusCode::SERVICE_UNAVAILABLE, lines),
        false if query.has("verbose") => Page::text(StatusCode::OK, lines + "ok\n"),
        false => Page::text(StatusCode::OK, "ok\n"),
    }
}
