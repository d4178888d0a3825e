//! The Lease service.

use super::convert::lease_id;
use crate::call::Call;
use crate::error;
use crate::grpc::{Messages, Reply, Responses, Status, Streamed, decode, encode_into};
use bytes::BytesMut;
use hyper::body::Incoming;
use quorate_kv::{Command, Outcome, Refusal};
use quorate_proto::etcdserverpb::{self as pb, ResponseHeader};
use quorate_types::{Bytes, LeaseId};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A drawn id is taken so seldom that drawing this often is enough.
const MAX_DRAWS: usize = 3;
/// So many renewals of one stream are sent on together.
const JOINED_RENEWALS: usize = 256;
/// The time to live that says that a lease does not exist.
const NO_LEASE_TTL: i64 = -1;

pub(super) async fn grant(call: Call, request: pb::LeaseGrantRequest) -> Result<Reply, Status> {
    let mut draws = 0;
    let done = loop {
        let id = lease_id(request.id).map_or_else(draw, Ok)?;
        draws += 1;
        match call.execute(Command::LeaseGrant { id, ttl_s: request.ttl }).await {
            Err(status) if request.id == 0 && draws < MAX_DRAWS && is_taken(&status) => {}
            done => break done?,
        }
    };
    let Outcome::LeaseGranted { id, ttl_s } = done.outcome else {
        unreachable!("a grant has a grant's outcome")
    };
    let header = Some(call.header(done.revision));
    call.reply(&pb::LeaseGrantResponse { header, id: id.0, ttl: ttl_s, error: String::new() }, done.index)
}

fn is_taken(status: &Status) -> bool {
    status.message() == error::refusal(Refusal::LeaseExists).message()
}

/// A positive id.
fn draw() -> Result<LeaseId, Status> {
    let random = getrandom::u64().map_err(|_| Status::internal("the operating system gave no randomness"))?;
    Ok(LeaseId((random >> 1).max(1) as i64))
}

pub(super) async fn revoke(call: Call, request: pb::LeaseRevokeRequest) -> Result<Reply, Status> {
    let done = call.execute(Command::LeaseRevoke { id: LeaseId(request.id) }).await?;
    let header = Some(call.header(done.revision));
    call.reply(&pb::LeaseRevokeResponse { header }, done.index)
}

pub(super) async fn time_to_live(call: Call, request: pb::LeaseTimeToLiveRequest) -> Result<Reply, Status> {
    let view = call.view(false).await?;
    let now_ns = call.served.keyspace.cluster_time_ns();
    let lease =
        view.lease(LeaseId(request.id), request.keys, now_ns).map_err(|failed| error::tables(&failed))?;
    let header = Some(call.header(view.revision()));
    let gone =
        pb::LeaseTimeToLiveResponse { header, id: request.id, ttl: NO_LEASE_TTL, ..Default::default() };
    let response = lease.map_or(gone, |lease| pb::LeaseTimeToLiveResponse {
        header,
        id: request.id,
        ttl: lease.remaining_ttl_s,
        granted_ttl: lease.granted_ttl_s,
        keys: lease.keys,
    });
    call.reply(&response, view.applied().0)
}

/// Answered by this node as it stands, as etcd does; in a session, no older than what that has seen.
pub(super) async fn leases(call: Call, _: pb::LeaseLeasesRequest) -> Result<Reply, Status> {
    let view = call.view(true).await?;
    let header = Some(call.header(view.revision()));
    let leases = view.leases().into_iter().map(|id| pb::LeaseStatus { id: id.0 }).collect();
    call.reply(&pb::LeaseLeasesResponse { header, leases }, view.applied().0)
}

pub(super) async fn keep_alive(call: Call, requests: Messages<Incoming>) -> Result<Streamed, Status> {
    let (responses, streamed) = Streamed::channel();
    tokio::spawn(async move {
        let task = KeepAlive { call, requests };
        if let Err(status) = task.run(&responses).await {
            // The client may have gone.
            let _ = responses.send(Err(status)).await;
        }
    });
    Ok(streamed)
}

struct KeepAlive {
    call: Call,
    requests: Messages<Incoming>,
}

impl KeepAlive {
    async fn run(mut self, responses: &Responses) -> Result<(), Status> {
        let mut stopping = self.call.server.stopping();
        let mut leaderless = self.call.served.leadership.leaderless();
        let needs_leader = self.call.options.require_leader;
        loop {
            let first = tokio::select! {
                request = self.requests.next() => request?,
                () = responses.closed() => return Ok(()),
                () = stopping.raised() => return Err(error::stopped()),
                () = leaderless.raised(), if needs_leader => return Err(error::no_leader()),
            };
            let Some(first) = first else { return Ok(()) };
            let ids = self.gather(first)?;
            let frame = self.renew(ids).await?;
            if responses.send(Ok(frame)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The renewal that came, and those that came with it.
    fn gather(&mut self, first: Bytes) -> Result<Vec<LeaseId>, Status> {
        let mut ids = Vec::new();
        let mut next = Some(first);
        while let Some(bytes) = next {
            ids.push(LeaseId(decode::<pb::LeaseKeepAliveRequest>(bytes)?.id));
            next = match pin!(self.requests.next()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(message)) if ids.len() < JOINED_RENEWALS => message,
                _ => None,
            };
        }
        Ok(ids)
    }

    async fn renew(&self, ids: Vec<LeaseId>) -> Result<Bytes, Status> {
        // As in etcd, the header says what was before the renewal.
        let header = self.call.header(self.call.served.keyspace.local_view().revision());
        let ttls_s =
            self.call.served.renewals.renew(ids.clone()).await.map_err(|error| self.call.failed(&error))?;
        assert_eq!(ttls_s.len(), ids.len(), "each renewal is answered");
        let mut frame = BytesMut::new();
        for (id, ttl_s) in ids.into_iter().zip(ttls_s) {
            encode_into(&response(header, id, ttl_s), &mut frame)?;
        }
        Ok(frame.freeze())
    }
}

fn response(header: ResponseHeader, id: LeaseId, ttl_s: Option<i64>) -> pb::LeaseKeepAliveResponse {
    pb::LeaseKeepAliveResponse { header: Some(header), id: id.0, ttl: ttl_s.unwrap_or(0) }
}
