//! Transactions: decide, check, then do.
//!
//! All conditions, those of nested transactions too, are decided on the state before the first write (as etcd does), which
//! leaves one path of operations. All of the path's checks come next, and only then its writes: so a transaction is refused
//! whole or done whole.

use crate::apply::check_put;
use crate::kv::Kv;
use crate::marks;
use crate::request::{
    DeleteRequest, Operation, OperationResponse, PutRequest, RangeRequest, TxnRequest, TxnResponse,
};
use crate::state::{ReadError, State};
use crate::write::Writing;
use crate::{compare, range};
use quorate_table::TableError;

/// The branch that a transaction takes, with those of the transactions nested in it.
pub(crate) struct Path<'a> {
    succeeded: bool,
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Range(&'a RangeRequest),
    Put(&'a PutRequest),
    Delete(&'a DeleteRequest),
    Nested(Path<'a>),
}

/// Decides all conditions of `request` on `state`.
fn decide<'a>(state: &State<'_>, request: &'a TxnRequest) -> Result<Path<'a>, TableError> {
    let succeeded = compare::all_hold(state, &request.compare)?;
    if !succeeded {
        marks::TXN_ELSE.reach();
    }
    let branch = if succeeded { &request.success } else { &request.failure };
    let mut steps = Vec::with_capacity(branch.len());
    for operation in branch {
        steps.push(match operation {
            Operation::Range(range) => Step::Range(range),
            Operation::Put(put) => Step::Put(put),
            Operation::Delete(delete) => Step::Delete(delete),
            Operation::Txn(nested) => Step::Nested(decide(state, nested)?),
        });
    }
    Ok(Path { succeeded, steps })
}

/// Makes all checks on the way that can refuse the transaction.
fn check(state: &State<'_>, path: &Path<'_>) -> Result<(), ReadError> {
    for step in &path.steps {
        match step {
            Step::Range(range) => {
                state.at(range.revision, true)?;
            }
            Step::Put(put) => check_put(state, put)?,
            Step::Delete(_) => {}
            Step::Nested(nested) => check(state, nested)?,
        }
    }
    Ok(())
}

/// Decides and checks.
pub(crate) fn plan<'a>(state: &State<'_>, request: &'a TxnRequest) -> Result<Path<'a>, ReadError> {
    let path = decide(state, request)?;
    check(state, &path)?;
    Ok(path)
}

fn answer_range(state: &State<'_>, request: &RangeRequest) -> Result<OperationResponse, TableError> {
    let at =
        state.at(request.revision, true).expect("the path's revisions were checked, and revisions only grow");
    Ok(OperationResponse::Range(range::range(state, request, at)?))
}

/// Answers a path without writes.
///
/// # Panics
/// If there is a write on it.
pub(crate) fn read(state: &State<'_>, path: &Path<'_>) -> Result<TxnResponse, TableError> {
    let mut responses = Vec::with_capacity(path.steps.len());
    for step in &path.steps {
        responses.push(match step {
            Step::Range(request) => answer_range(state, request)?,
            Step::Nested(nested) => OperationResponse::Txn(read(state, nested)?),
            Step::Put(_) | Step::Delete(_) => panic!("a read-only transaction has no write"),
        });
    }
    Ok(TxnResponse { succeeded: path.succeeded, responses })
}

impl Kv {
    /// Applies a transaction that passed validation.
    pub(crate) fn apply_txn(&mut self, request: &TxnRequest) -> Result<TxnResponse, ReadError> {
        let path = self.read(self.meta.revision, |state| plan(state, request))?;
        let mut writing = self.begin();
        let response = self.execute(&mut writing, &path)?;
        self.end(&writing);
        Ok(response)
    }

    fn execute(&mut self, writing: &mut Writing, path: &Path<'_>) -> Result<TxnResponse, TableError> {
        let mut responses = Vec::with_capacity(path.steps.len());
        for step in &path.steps {
            responses.push(match step {
                Step::Range(request) => {
                    self.read(writing.readable(), |state| answer_range(state, request))?
                }
                Step::Put(request) => OperationResponse::Put { prev_kv: self.write_put(writing, request)? },
                Step::Delete(request) => {
                    let (deleted, prev_kvs) = self.write_delete(writing, request)?;
                    OperationResponse::Delete { deleted, prev_kvs }
                }
                Step::Nested(nested) => OperationResponse::Txn(self.execute(writing, nested)?),
            });
        }
        Ok(TxnResponse { succeeded: path.succeeded, responses })
    }
}
