//! etcd's messages to and from the machine's requests and answers. Keys and values are handed on, not copied.

use crate::error;
use crate::grpc::Status;
use quorate_kv::{
    Compare, CompareResult, CompareTarget, DeleteRequest, KeyRange, KeyValue, Operation, OperationResponse,
    PutRequest, RangeRequest, RangeResponse, Refusal, SortOrder, SortTarget, TxnRequest, TxnResponse,
};
use quorate_proto::etcdserverpb::compare::{CompareResult as Result_, CompareTarget as Target, TargetUnion};
use quorate_proto::etcdserverpb::range_request::{SortOrder as Order, SortTarget as By};
use quorate_proto::etcdserverpb::request_op::Request;
use quorate_proto::etcdserverpb::response_op::Response;
use quorate_proto::etcdserverpb::{self as pb, ResponseHeader};
use quorate_proto::mvccpb;
use quorate_types::{LeaseId, Revision};

/// 0 is no lease.
pub(crate) fn lease_id(id: i64) -> Option<LeaseId> {
    (id != 0).then_some(LeaseId(id))
}

pub(crate) fn range_request(request: pb::RangeRequest) -> Result<RangeRequest, Status> {
    let invalid = |_| error::refusal(Refusal::InvalidSort);
    let sort_order = match Order::try_from(request.sort_order).map_err(invalid)? {
        Order::None => SortOrder::None,
        Order::Ascend => SortOrder::Ascend,
        Order::Descend => SortOrder::Descend,
    };
    let sort_target = match By::try_from(request.sort_target).map_err(invalid)? {
        By::Key => SortTarget::Key,
        By::Version => SortTarget::Version,
        By::Create => SortTarget::Create,
        By::Mod => SortTarget::Mod,
        By::Value => SortTarget::Value,
    };
    Ok(RangeRequest {
        range: KeyRange { key: request.key, end: request.range_end },
        limit: request.limit,
        revision: request.revision,
        sort_order,
        sort_target,
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: request.min_mod_revision,
        max_mod_revision: request.max_mod_revision,
        min_create_revision: request.min_create_revision,
        max_create_revision: request.max_create_revision,
    })
}

pub(crate) fn put_request(request: pb::PutRequest) -> PutRequest {
    PutRequest {
        key: request.key,
        value: request.value,
        lease: lease_id(request.lease),
        prev_kv: request.prev_kv,
        ignore_value: request.ignore_value,
        ignore_lease: request.ignore_lease,
    }
}

pub(crate) fn delete_request(request: pb::DeleteRangeRequest) -> DeleteRequest {
    DeleteRequest { range: KeyRange { key: request.key, end: request.range_end }, prev_kv: request.prev_kv }
}

/// Prost reads messages that are nested at most a hundred deep, which bounds the recursion.
pub(crate) fn txn_request(request: pb::TxnRequest) -> Result<TxnRequest, Status> {
    Ok(TxnRequest {
        compare: request.compare.into_iter().map(compare).collect::<Result<_, _>>()?,
        success: request.success.into_iter().map(operation).collect::<Result<_, _>>()?,
        failure: request.failure.into_iter().map(operation).collect::<Result<_, _>>()?,
    })
}

fn operation(operation: pb::RequestOp) -> Result<Operation, Status> {
    match operation.request {
        Some(Request::RequestRange(request)) => range_request(request).map(Operation::Range),
        Some(Request::RequestPut(request)) => Ok(Operation::Put(put_request(request))),
        Some(Request::RequestDeleteRange(request)) => Ok(Operation::Delete(delete_request(request))),
        Some(Request::RequestTxn(request)) => txn_request(request).map(Operation::Txn),
        None => Err(error::refusal(Refusal::KeyNotFound)),
    }
}

/// The target decides; a value of another kind beside it counts as none given.
fn compare(compare: pb::Compare) -> Result<Compare, Status> {
    let invalid = |_| error::invalid_compare();
    let result = match Result_::try_from(compare.result).map_err(invalid)? {
        Result_::Equal => CompareResult::Equal,
        Result_::Greater => CompareResult::Greater,
        Result_::Less => CompareResult::Less,
        Result_::NotEqual => CompareResult::NotEqual,
    };
    let given = compare.target_union;
    let target = match (Target::try_from(compare.target).map_err(invalid)?, given) {
        (Target::Version, Some(TargetUnion::Version(version))) => CompareTarget::Version(version),
        (Target::Version, _) => CompareTarget::Version(0),
        (Target::Create, Some(TargetUnion::CreateRevision(revision))) => CompareTarget::Create(revision),
        (Target::Create, _) => CompareTarget::Create(0),
        (Target::Mod, Some(TargetUnion::ModRevision(revision))) => CompareTarget::Mod(revision),
        (Target::Mod, _) => CompareTarget::Mod(0),
        (Target::Value, Some(TargetUnion::Value(value))) => CompareTarget::Value(value),
        (Target::Value, _) => CompareTarget::Value(quorate_types::Bytes::new()),
        (Target::Lease, Some(TargetUnion::Lease(lease))) => CompareTarget::Lease(lease),
        (Target::Lease, _) => CompareTarget::Lease(0),
    };
    Ok(Compare { range: KeyRange { key: compare.key, end: compare.range_end }, result, target })
}

pub(crate) fn key_value(pair: KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: pair.key,
        create_revision: pair.create_revision.0,
        mod_revision: pair.mod_revision.0,
        version: pair.version,
        value: pair.value,
        lease: pair.lease.map_or(0, |lease| lease.0),
    }
}

pub(crate) fn range_response(header: ResponseHeader, response: RangeResponse) -> pb::RangeResponse {
    pb::RangeResponse {
        header: Some(header),
        kvs: response.kvs.into_iter().map(key_value).collect(),
        more: response.more,
        count: response.count,
    }
}

pub(crate) fn put_response(header: ResponseHeader, prev_kv: Option<KeyValue>) -> pb::PutResponse {
    pb::PutResponse { header: Some(header), prev_kv: prev_kv.map(key_value) }
}

pub(crate) fn delete_response(
    header: ResponseHeader,
    deleted: i64,
    prev_kvs: Vec<KeyValue>,
) -> pb::DeleteRangeResponse {
    pb::DeleteRangeResponse {
        header: Some(header),
        deleted,
        prev_kvs: prev_kvs.into_iter().map(key_value).collect(),
    }
}

/// The answers inside have headers too, with nothing but the revision that was reached when their operation was done;
/// a nested transaction's is empty.
pub(crate) fn txn_response(header: ResponseHeader, response: TxnResponse) -> pb::TxnResponse {
    let mut reached = Reached { end: Revision(header.revision), changed: false, changes: changes(&response) };
    reached.txn(header, response)
}

/// Whether the operations behind `response` changed something.
fn changes(response: &TxnResponse) -> bool {
    response.responses.iter().any(|response| match response {
        OperationResponse::Range(_) => false,
        OperationResponse::Put { .. } => true,
        OperationResponse::Delete { deleted, .. } => *deleted > 0,
        OperationResponse::Txn(nested) => changes(nested),
    })
}

/// The store's revision from operation to operation of a transaction.
struct Reached {
    /// After the last one.
    end: Revision,
    /// Whether any of them changes something.
    changes: bool,
    /// Whether one of those so far did.
    changed: bool,
}

impl Reached {
    fn header(&self) -> ResponseHeader {
        let before_change = self.changes && !self.changed;
        ResponseHeader { revision: self.end.0 - i64::from(before_change), ..ResponseHeader::default() }
    }

    fn txn(&mut self, header: ResponseHeader, response: TxnResponse) -> pb::TxnResponse {
        let responses = response.responses.into_iter().map(|response| self.operation(response)).collect();
        pb::TxnResponse { header: Some(header), succeeded: response.succeeded, responses }
    }

    fn operation(&mut self, response: OperationResponse) -> pb::ResponseOp {
        let response = match response {
            OperationResponse::Range(response) => {
                Response::ResponseRange(range_response(self.header(), response))
            }
            OperationResponse::Put { prev_kv } => {
                self.changed = true;
                Response::ResponsePut(put_response(self.header(), prev_kv))
            }
            OperationResponse::Delete { deleted, prev_kvs } => {
                self.changed |= deleted > 0;
                Response::ResponseDeleteRange(delete_response(self.header(), deleted, prev_kvs))
            }
            OperationResponse::Txn(nested) => {
                Response::ResponseTxn(self.txn(ResponseHeader::default(), nested))
            }
        };
        pb::ResponseOp { response: Some(response) }
    }
}
