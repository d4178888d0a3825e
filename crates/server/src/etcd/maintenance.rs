//! The Maintenance service.

use crate::call::Call;
use crate::error;
use crate::grpc::{Reply, Status};
use crate::options::{COMPATIBILITY_LEVEL, COMPATIBILITY_VERSION};
use http::HeaderValue;
use quorate_consensus::raft::Role;
use quorate_driver::RequestError;
use quorate_proto::etcdserverpb::alarm_request::AlarmAction;
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
        // Data may grow as far as the disk goes.
        db_size_quota: 0,
        downgrade_info: Some(pb::DowngradeInfo::default()),
    };
    let id = |id: SessionId| HeaderValue::try_from(id.to_string()).expect("digits");
    Ok(Reply { write_session: session.map(id), ..Reply::new(&response)? })
}

/// There are no alarms: a node that cannot go on says so in its answers.
pub(super) async fn alarm(call: Call, request: pb::AlarmRequest) -> Result<Reply, Status> {
    match AlarmAction::try_from(request.action) {
        Ok(AlarmAction::Get | AlarmAction::Deactivate) => {
            let header = Some(call.header(call.served.keyspace.local_view().revision()));
            Reply::new(&pb::AlarmResponse { header, alarms: Vec::new() })
        }
        Ok(AlarmAction::Activate) => Err(Status::unimplemented(
            "quorate has no alarms: what they would refuse is refused when it cannot be done",
        )),
        Err(_) => Err(Status::invalid_argument("the alarm's action is none of GET, ACTIVATE, DEACTIVATE")),
    }
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
