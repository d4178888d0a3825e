//! Transactions, said as they are read: when these hold, then do this, or else that.

use bytes::Bytes;
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use quorate_proto::etcdserverpb::request_op::Request;

use crate::Keys;

/// A transaction in the making: it takes effect as a whole, at one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Txn {
    request: pb::TxnRequest,
}

impl Txn {
    /// A transaction that does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Txn::default()
    }

    /// Adds a condition; all of them must hold.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Self {
        self.request.compare.push(compare.0);
        self
    }

    /// Adds what to do if they hold.
    #[must_use]
    pub fn then(mut self, op: Op) -> Self {
        self.request.success.push(op.0);
        self
    }

    /// Adds what to do if one does not.
    #[must_use]
    pub fn or_else(mut self, op: Op) -> Self {
        self.request.failure.push(op.0);
        self
    }

    /// Whether it can change nothing, whichever branch is taken.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        only_reads(&self.request)
    }
}

fn only_reads(txn: &pb::TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| match &op.request {
        Some(Request::RequestRange(_)) | None => true,
        Some(Request::RequestTxn(nested)) => only_reads(nested),
        Some(Request::RequestPut(_) | Request::RequestDeleteRange(_)) => false,
    })
}

impl From<Txn> for pb::TxnRequest {
    fn from(txn: Txn) -> Self {
        txn.request
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Op(pb::RequestOp);

impl Op {
    /// Writes a key.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }.into()
    }

    /// Reads keys.
    pub fn get(keys: impl Into<Keys>) -> Self {
        let Keys { key, range_end } = keys.into();
        pb::RangeRequest { key, range_end, ..Default::default() }.into()
    }

    /// Deletes keys.
    pub fn delete(keys: impl Into<Keys>) -> Self {
        let Keys { key, range_end } = keys.into();
        pb::DeleteRangeRequest { key, range_end, ..Default::default() }.into()
    }
}

impl From<pb::PutRequest> for Op {
    fn from(request: pb::PutRequest) -> Self {
        Op(pb::RequestOp { request: Some(Request::RequestPut(request)) })
    }
}

impl From<pb::RangeRequest> for Op {
    fn from(request: pb::RangeRequest) -> Self {
        Op(pb::RequestOp { request: Some(Request::RequestRange(request)) })
    }
}

impl From<pb::DeleteRangeRequest> for Op {
    fn from(request: pb::DeleteRangeRequest) -> Self {
        Op(pb::RequestOp { request: Some(Request::RequestDeleteRange(request)) })
    }
}

impl From<Txn> for Op {
    fn from(txn: Txn) -> Self {
        Op(pb::RequestOp { request: Some(Request::RequestTxn(txn.request)) })
    }
}

/// A condition on one key, or on every key of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare(pb::Compare);

/// The left side of a [`Compare`]: a property of keys, still to be compared with something.
#[derive(Clone, Debug)]
pub struct Subject<V> {
    keys: Keys,
    target: CompareTarget,
    wrap: fn(V) -> TargetUnion,
}

impl Compare {
    /// The key's value. A missing key satisfies no comparison of values.
    pub fn value(keys: impl Into<Keys>) -> Subject<Bytes> {
        Subject { keys: keys.into(), target: CompareTarget::Value, wrap: TargetUnion::Value }
    }

    /// How often the key was changed since it was created; 0 if it does not exist.
    pub fn version(keys: impl Into<Keys>) -> Subject<i64> {
        Subject { keys: keys.into(), target: CompareTarget::Version, wrap: TargetUnion::Version }
    }

    /// The revision that created the key; 0 if it does not exist.
    pub fn create_revision(keys: impl Into<Keys>) -> Subject<i64> {
        Subject { keys: keys.into(), target: CompareTarget::Create, wrap: TargetUnion::CreateRevision }
    }

    /// The revision that last changed the key; 0 if it does not exist.
    pub fn mod_revision(keys: impl Into<Keys>) -> Subject<i64> {
        Subject { keys: keys.into(), target: CompareTarget::Mod, wrap: TargetUnion::ModRevision }
    }

    /// The key's lease; 0 if it has none.
    pub fn lease(keys: impl Into<Keys>) -> Subject<i64> {
        Subject { keys: keys.into(), target: CompareTarget::Lease, wrap: TargetUnion::Lease }
    }
}

impl<V> Subject<V> {
    /// Equal to it.
    pub fn eq(self, value: impl Into<V>) -> Compare {
        self.compare(CompareResult::Equal, value.into())
    }

    /// Different from it.
    pub fn ne(self, value: impl Into<V>) -> Compare {
        self.compare(CompareResult::NotEqual, value.into())
    }

    /// Less than it.
    pub fn lt(self, value: impl Into<V>) -> Compare {
        self.compare(CompareResult::Less, value.into())
    }

    /// Greater than it.
    pub fn gt(self, value: impl Into<V>) -> Compare {
        self.compare(CompareResult::Greater, value.into())
    }

    fn compare(self, result: CompareResult, value: V) -> Compare {
        Compare(pb::Compare {
            result: result.into(),
            target: self.target.into(),
            key: self.keys.key,
            range_end: self.keys.range_end,
            target_union: Some((self.wrap)(value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Compare, Op, Txn};

    #[test]
    fn a_transaction_reads_only_if_both_branches_and_all_nested_ones_do() {
        let read = Txn::new().when(Compare::version("k").eq(1)).then(Op::get("k")).or_else(Op::get("l"));
        assert!(read.only_reads());
        assert!(!read.clone().or_else(Op::put("k", "v")).only_reads());
        let nested = Txn::new().then(Op::delete("k"));
        assert!(!read.then(nested.into()).only_reads());
    }
}
