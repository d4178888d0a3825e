//! The KV service.

use super::convert;
use crate::call::Call;
use crate::error;
use crate::grpc::{Reply, Status};
use crate::read_budget::{answer_len_bytes, large_rows};
use quorate_kv::{Command, Operation, Outcome, RangeRequest, TxnRequest, View};
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::request_op::Request;
use quorate_types::Revision;
use std::sync::Arc;

pub(super) async fn put(call: Call, request: pb::PutRequest) -> Result<Reply, Status> {
    let done = call.execute(Command::Put(convert::put_request(request))).await?;
    let Outcome::Put { prev_kv } = done.outcome else { unreachable!("a put has a put's outcome") };
    call.reply(&convert::put_response(call.header(done.revision), prev_kv), done.index)
}

pub(super) async fn delete_range(call: Call, request: pb::DeleteRangeRequest) -> Result<Reply, Status> {
    let done = call.execute(Command::Delete(convert::delete_request(request))).await?;
    let Outcome::Delete { deleted, prev_kvs } = done.outcome else {
        unreachable!("a deletion has a deletion's outcome")
    };
    call.reply(&convert::delete_response(call.header(done.revision), deleted, prev_kvs), done.index)
}

/// Deviation: `physical` does not wait until the space is free; nothing that was compacted can be read in any case.
pub(super) async fn compact(call: Call, request: pb::CompactionRequest) -> Result<Reply, Status> {
    let done = call.execute(Command::Compact { revision: Revision(request.revision) }).await?;
    let response = pb::CompactionResponse { header: Some(call.header(done.revision)) };
    call.reply(&response, done.index)
}

pub(super) async fn range(call: Call, request: pb::RangeRequest) -> Result<Reply, Status> {
    let serializable = request.serializable;
    let request = convert::range_request(request)?;
    quorate_kv::validate_range(&request).map_err(error::refusal)?;
    let view = call.view(serializable).await?;
    let large = large_rows(&view, &request);
    read(call, view, large, move |call, view| answer_range(call, view, &request)).await
}

fn answer_range(call: &Call, view: &View, request: &RangeRequest) -> Result<Reply, Status> {
    let response = view.range(request).map_err(|refused| error::read(&refused))?;
    let response = convert::range_response(call.header(view.revision()), response);
    call.reply(&response, view.applied().0)
}

pub(super) async fn txn(call: Call, request: pb::TxnRequest) -> Result<Reply, Status> {
    let serializable = is_serializable(&request);
    let request = convert::txn_request(request)?;
    if quorate_kv::is_read_only(&request) {
        return read_txn(call, request, serializable).await;
    }
    refuse_conditions(&call, &request)?;
    let done = call.execute(Command::Txn(request)).await?;
    let Outcome::Txn(response) = done.outcome else {
        unreachable!("a transaction has a transaction's outcome")
    };
    call.reply(&convert::txn_response(call.header(done.revision), response), done.index)
}

async fn read_txn(call: Call, request: TxnRequest, serializable: bool) -> Result<Reply, Status> {
    quorate_kv::validate_txn(&request).map_err(error::refusal)?;
    let view = call.view(serializable).await?;
    let large = large_rows_of_txn(&view, &request);
    read(call, view, large, move |call, view| {
        let response = view.read_txn(&request).map_err(|refused| error::read(&refused))?;
        let response = convert::txn_response(call.header(view.revision()), response);
        call.reply(&response, view.applied().0)
    })
    .await
}

/// Reads at once, or on a thread for that if the answer is large and there is room for it.
pub(super) async fn read(
    call: Call,
    view: Arc<View>,
    large: Option<u64>,
    answer: impl FnOnce(&Call, &View) -> Result<Reply, Status> + Send + 'static,
) -> Result<Reply, Status> {
    let Some(rows) = large else { return answer(&call, &view) };
    let room = call.server.reads.take(answer_len_bytes(&view, rows));
    let permit = tokio::time::timeout(call.timeout(), room).await.map_err(|_| error::overloaded())?;
    let reading = tokio::task::spawn_blocking(move || answer(&call, &view));
    let reply = reading.await.map_err(|_| Status::internal("the read failed on this member"))?;
    reply.map(|reply| Reply { permit: Some(permit), ..reply })
}

/// Compare-and-set needs a keyspace whose reads and writes take effect at one moment.
fn refuse_conditions(call: &Call, request: &TxnRequest) -> Result<(), Status> {
    let keyspace = &call.served.keyspace;
    let level = keyspace.level();
    if level.allows_conditional_writes() || !has_compare(request) {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "keyspace {:?} is {level}: a transaction that writes on a condition needs a linearizable keyspace, because elsewhere \
         its client has decided on what may be the past",
        keyspace.name()
    )))
}

fn has_compare(request: &TxnRequest) -> bool {
    !request.compare.is_empty()
        || request.success.iter().chain(&request.failure).any(|operation| match operation {
            Operation::Txn(nested) => has_compare(nested),
            _ => false,
        })
}

/// Whether all ranges of a transaction may be stale; one that only compares says nothing of the kind.
fn is_serializable(request: &pb::TxnRequest) -> bool {
    fn ranges(request: &pb::TxnRequest, of_all: &mut Vec<bool>) {
        for operation in request.success.iter().chain(&request.failure) {
            match &operation.request {
                Some(Request::RequestRange(range)) => of_all.push(range.serializable),
                Some(Request::RequestTxn(nested)) => ranges(nested, of_all),
                _ => {}
            }
        }
    }
    let mut of_all = Vec::new();
    ranges(request, &mut of_all);
    !of_all.is_empty() && of_all.into_iter().all(|serializable| serializable)
}

fn large_rows_of_txn(view: &View, request: &TxnRequest) -> Option<u64> {
    let operations = request.success.iter().chain(&request.failure);
    let rows = operations.filter_map(|operation| match operation {
        Operation::Range(range) => large_rows(view, range),
        Operation::Txn(nested) => large_rows_of_txn(view, nested),
        Operation::Put(_) | Operation::Delete(_) => None,
    });
    rows.reduce(u64::saturating_add)
}
