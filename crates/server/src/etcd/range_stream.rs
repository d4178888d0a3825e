//! A range in pieces: disjoint, in key order, all from one view and so at one revision.

use super::convert;
use crate::call::Call;
use crate::error;
use crate::grpc::{Messages, Responses, Status, Streamed, decode, encode};
use crate::read_budget::SMALL_ROWS;
use hyper::body::Incoming;
use prost::Message;
use quorate_kv::{RangeRequest, SortOrder, SortTarget, View};
use quorate_proto::etcdserverpb as pb;
use quorate_types::Bytes;
use std::sync::Arc;

/// The first piece has so many rows; later ones have twice or half as many as the one before, to come near a request's size.
const FIRST_ROWS: u64 = 10;

pub(super) async fn range_stream(call: Call, mut messages: Messages<Incoming>) -> Result<Streamed, Status> {
    let request: pb::RangeRequest = decode(messages.only().await?)?;
    let serializable = request.serializable;
    let request = convert::range_request(request)?;
    quorate_kv::validate_range(&request).map_err(error::refusal)?;
    if !is_in_key_order(&request) {
        return Err(Status::unimplemented(
            "etcdserver: a stream has neither another order than by key nor filters",
        ));
    }
    let view = call.view(serializable).await?;
    let (responses, streamed) = Streamed::channel();
    let paging = Paging::new(call, view, request);
    tokio::spawn(async move {
        if let Err(status) = paging.run(&responses).await {
            // The client may have gone.
            let _ = responses.send(Err(status)).await;
        }
    });
    Ok(streamed)
}

fn is_in_key_order(request: &RangeRequest) -> bool {
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    request.sort_target == SortTarget::Key
        && request.sort_order != SortOrder::Descend
        && filters.iter().all(|bound| *bound == 0)
}

struct Paging {
    call: Call,
    view: Arc<View>,
    /// What is left to read.
    request: RangeRequest,
    /// How many rows of the limit are left.
    left: u64,
    /// How many rows the next piece has.
    rows: u64,
    /// The keys in the whole range, once known.
    count: Option<i64>,
}

impl Paging {
    fn new(call: Call, view: Arc<View>, request: RangeRequest) -> Self {
        let left = u64::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(u64::MAX);
        Paging { call, view, request, left, rows: FIRST_ROWS, count: None }
    }

    async fn run(mut self, responses: &Responses) -> Result<(), Status> {
        loop {
            let reading = tokio::task::spawn_blocking(move || {
                let piece = self.next();
                (self, piece)
            });
            let piece;
            (self, piece) = reading.await.map_err(|_| Status::internal("the read failed on this member"))?;
            let (frame, is_last) = piece?;
            if responses.send(Ok(frame)).await.is_err() || is_last {
                return Ok(());
            }
        }
    }

    /// The next piece, and whether it is the last.
    fn next(&mut self) -> Result<(Bytes, bool), Status> {
        let rows = self.rows.min(self.left);
        self.request.limit = i64::try_from(rows).unwrap_or(i64::MAX);
        let mut piece = self.view.range(&self.request).map_err(|refused| error::read(&refused))?;
        let count = *self.count.get_or_insert(piece.count);
        self.left -= (piece.kvs.len() as u64).min(self.left);
        let is_last = !piece.more || self.left == 0 || self.request.range.is_one_key();
        if let Some(last) = piece.kvs.last().filter(|_| !is_last) {
            self.request.range.key = [&last.key[..], &[0]].concat().into();
            // An open end stays open, and any other lies behind the last key.
        }
        piece.count = count;
        let header = self.call.header(self.view.revision());
        let mut response = convert::range_response(header, piece);
        if !is_last {
            response = pb::RangeResponse { header: None, more: false, count: 0, ..response };
        }
        let response = pb::RangeStreamResponse { range_response: Some(response) };
        self.adapt(response.encoded_len());
        Ok((encode(&response)?, is_last))
    }

    fn adapt(&mut self, len_bytes: usize) {
        let wanted = self.call.server.options.max_request_len_bytes;
        if len_bytes > wanted {
            self.rows = (self.rows / 2).max(1);
        } else if len_bytes < wanted / 2 {
            self.rows = (self.rows * 2).min(SMALL_ROWS);
        }
    }
}
