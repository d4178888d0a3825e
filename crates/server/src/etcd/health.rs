//! gRPC's health service: whether this node serves at all. Whether a quorum is there is what `/readyz` tells.

use crate::call::Call;
use crate::grpc::{Messages, Reply, Responses, Status, Streamed, decode, encode};
use crate::server::Server;
use hyper::body::Incoming;
use quorate_proto::health::health_check_response::ServingStatus;
use quorate_proto::health::{HealthCheckRequest, HealthCheckResponse};

pub(super) async fn check(call: Call, request: HealthCheckRequest) -> Result<Reply, Status> {
    if !is_known(&request) {
        return Err(Status::not_found("unknown service"));
    }
    Reply::new(&response(serving(&call.server)))
}

pub(super) async fn watch(call: Call, mut messages: Messages<Incoming>) -> Result<Streamed, Status> {
    let request: HealthCheckRequest = decode(messages.only().await?)?;
    let (responses, streamed) = Streamed::channel();
    tokio::spawn(async move {
        // An end of the stream says all; why it ended, the client knows.
        let _ = follow(&call.server, is_known(&request), &responses).await;
    });
    Ok(streamed)
}

async fn follow(server: &Server, is_known: bool, responses: &Responses) -> Option<()> {
    let mut failure = server.handle.failure();
    let mut stopping = server.stopping();
    loop {
        failure.mark_unchanged();
        let status = if is_known { serving(server) } else { ServingStatus::ServiceUnknown };
        responses.send(encode(&response(status))).await.ok()?;
        tokio::select! {
            changed = failure.changed() => changed.ok()?,
            () = stopping.raised() => return None,
            () = responses.closed() => return None,
        }
    }
}

/// The server as a whole is all that there is.
fn is_known(request: &HealthCheckRequest) -> bool {
    request.service.is_empty()
}

fn serving(server: &Server) -> ServingStatus {
    let has_failed = server.handle.failure().borrow().is_some();
    if has_failed { ServingStatus::NotServing } else { ServingStatus::Serving }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status as i32 }
}
