//! The Maintenance service.

use super::alarm;
use crate::call::Call;
use crate::error;
use crate::grpc::{Reply, Status};
use crate::options::{COMPATIBILITY_LEVEL, COMPATIBILITY_VERSION};
use http::HeaderValue;
use quorate_consensus::raft::Role;
use quorate_driver::RequestError;
use quorate_proto::etcdserverpb::{self as pb};
use quorate_types::{NodeId, SessionId};

/// About this node and the call's keyspace.
pub(super) async fn status(call: Call, _: pb::StatusRequest) -> Result<Reply, Status> {
    let session = call.open_write_session().await?;
    let view = call.served.keyspace.local_view();
    let status = call.served.status();
    let (applied, _) = view.applied();
    let mut errors: Vec<String> = Vec::new();
    if status.leader.is_none() {
        errors.push(error::no_leader().message().to_owned());
    }
    errors.extend(view.alarms().into_iter().map(alarm::text));
    errors.extend(call.server.handle.failure().borrow().as_ref().map(ToString::to_string));
    let len_bytes = |len: u64| i64::try_from(len).unwrap_or(i64::MAX);
    // What is still in memory is not counted as taken yet, but clients expect a part to be smaller than the whole.
    let db_size = len_bytes(view.len_bytes().max(view.live_len_bytes())).max(1);
    let response = pb::StatusResponse {
        header: Some(call.header(view.revision())),
        version: COMPATIBILITY_VERSION.to_owned(),
        db_size,
        leader: status.leader.map_or(0, |leader| leader.0),
        raft_index: status.commit.max(applied).0,
        raft_term: status.term.0,
        raft_applied_index: applied.0,
        errors,
        db_size_in_use: len_bytes(view.live_len_bytes()).clamp(1, db_size),
        is_learner: status.role == Role::Learner,
        storage_version: COMPATIBILITY_LEVEL.to_owned(),
        // 0: data may grow as far as the disk goes.
        db_size_quota: len_bytes(call.server.handle.quota().len_bytes),
        downgrade_info: Some(pb::DowngradeInfo::default()),
    };
    let id = |id: SessionId| HeaderValue::try_from(id.to_string()).expect("digits");
    Ok(Reply { write_session: session.map(id), ..Reply::new(&response)? })
}

/// Space is reclaimed all the time, so there is nothing to wait for.
pub(super) async fn defragment(_: Call, _: pb::DefragmentRequest) -> Result<Reply, Status> {
    Reply::new(&pb::DefragmentResponse::default())
}

/// Hands the leadership of the call's keyspace over, and answers when this node has seen it happen.
pub(super) async fn move_leader(call: Call, request: pb::MoveLeaderRequest) -> Result<Reply, Status> {
    let me = call.server.handle.node_id();
    if call.served.status().leader != Some(me) {
        return Err(error::not_leader());
    }
    let to = NodeId(request.target_id);
    if !call.server.handle.members().iter().any(|member| member.id == to) {
        return Err(error::bad_transferee());
    }
    if to != me {
        call.served.keyspace.transfer_leadership(to).map_err(|failure| call.failed(&failure))?;
        let mut status = call.served.keyspace.status();
        let moved = status.wait_for(|status| status.leader == Some(to));
        let moved = tokio::time::timeout(call.timeout(), moved).await;
        moved.map_err(|_| call.failed(&RequestError::TimedOut))?.map_err(|_| error::stopped())?;
    }
    Reply::new(&pb::MoveLeaderResponse::default())
}
