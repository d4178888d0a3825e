//! etcd's services, a file each.

pub(crate) mod alarm;
mod auth;
mod cluster;
mod convert;
mod downgrade;
mod hash;
mod health;
mod kv;
mod lease;
mod maintenance;
mod range_stream;
mod snapshot;
mod watch;

use crate::answer::{Answering, refuse, streaming, unary};
use crate::counters::Method;
use crate::grpc::{Body, Status};
use crate::server::Server;
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;

const LOCK_BY_KV: &str = "build locks and elections on KV and leases, as etcdctl does";

/// Answers a call of `method`. Each arm has a future of its own, just as large as that method needs.
pub(crate) fn dispatch(server: Arc<Server>, method: Method, request: Request<Incoming>) -> Answering {
    match method {
        Method::Put => Box::pin(unary(server, method, request, kv::put)),
        Method::Range => Box::pin(unary(server, method, request, kv::range)),
        Method::Txn => Box::pin(unary(server, method, request, kv::txn)),
        Method::DeleteRange => Box::pin(unary(server, method, request, kv::delete_range)),
        Method::Compact => Box::pin(unary(server, method, request, kv::compact)),
        Method::RangeStream => Box::pin(streaming(server, method, request, range_stream::range_stream)),
        Method::Watch => Box::pin(streaming(server, method, request, watch::watch)),
        Method::LeaseGrant => Box::pin(unary(server, method, request, lease::grant)),
        Method::LeaseRevoke => Box::pin(unary(server, method, request, lease::revoke)),
        Method::LeaseKeepAlive => Box::pin(streaming(server, method, request, lease::keep_alive)),
        Method::LeaseTimeToLive => Box::pin(unary(server, method, request, lease::time_to_live)),
        Method::LeaseLeases => Box::pin(unary(server, method, request, lease::leases)),
        Method::MemberList => Box::pin(unary(server, method, request, cluster::member_list)),
        Method::Status => Box::pin(unary(server, method, request, maintenance::status)),
        Method::Alarm => Box::pin(unary(server, method, request, alarm::alarm)),
        Method::Defragment => Box::pin(unary(server, method, request, maintenance::defragment)),
        Method::MoveLeader => Box::pin(unary(server, method, request, maintenance::move_leader)),
        Method::AuthStatus => Box::pin(unary(server, method, request, auth::status)),
        Method::Authenticate => Box::pin(unary(server, method, request, auth::authenticate)),
        Method::HealthCheck => Box::pin(unary(server, method, request, health::check)),
        Method::HealthWatch => Box::pin(streaming(server, method, request, health::watch)),
        Method::MemberAdd | Method::MemberRemove | Method::MemberUpdate | Method::MemberPromote => {
            Box::pin(missing(server, method, "the members are fixed when the cluster is started"))
        }
        Method::Hash => Box::pin(unary(server, method, request, hash::whole)),
        Method::HashKv => Box::pin(unary(server, method, request, hash::history)),
        Method::Snapshot => Box::pin(streaming(server, method, request, snapshot::snapshot)),
        Method::Lock | Method::Unlock => Box::pin(missing(server, method, LOCK_BY_KV)),
        Method::Campaign | Method::Proclaim | Method::Leader | Method::Observe | Method::Resign => {
            Box::pin(missing(server, method, LOCK_BY_KV))
        }
        Method::AuthEnable
        | Method::AuthDisable
        | Method::UserAdd
        | Method::UserGet
        | Method::UserList
        | Method::UserDelete
        | Method::UserChangePassword
        | Method::UserGrantRole
        | Method::UserRevokeRole
        | Method::RoleAdd
        | Method::RoleGet
        | Method::RoleList
        | Method::RoleDelete
        | Method::RoleGrantPermission
        | Method::RoleRevokePermission => {
            Box::pin(missing(server, method, "listen on addresses that only trusted programs reach"))
        }
        Method::Downgrade => Box::pin(unary(server, method, request, downgrade::downgrade)),
    }
}

/// Refuses a call of a method that is known and not built yet.
async fn missing(server: Arc<Server>, method: Method, instead: &'static str) -> Response<Body> {
    let text = format!("quorate does not have {}/{} yet: {instead}", method.service(), method.name());
    let status = Status::unimplemented(text);
    server.counters.handled(method, status.code());
    refuse(&status)
}
