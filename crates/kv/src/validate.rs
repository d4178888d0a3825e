//! The checks of a request that need no state: front ends make them before they propose, and the machine again when it
//! applies, so that an entry from whatever source cannot break a rule.

use crate::request::{
    Command, DeleteRequest, KeyRange, Operation, PutRequest, RangeRequest, Refusal, TxnRequest,
};
use quorate_types::{Bytes, LeaseId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Compares, or operations of one branch, that a transaction may have. A nested one may have what the level above left.
pub const OPERATIONS_MAX: usize = 128;
/// The longest time to live that a lease may ask for, in seconds.
pub const LEASE_TTL_MAX_S: i64 = 9_000_000_000;
/// The longest key that can be written. The disk tables take rows with keys of up to 64 KiB, and an index row's key is at worst
/// twice the user's.
pub const KEY_LEN_MAX_BYTES: usize = 32_000;

/// Checks a write.
///
/// # Errors
/// The refusal that its client gets.
pub fn validate(command: &Command) -> Result<(), Refusal> {
    match command {
        Command::Put(put) => validate_put(put),
        Command::Delete(delete) => validate_delete(delete),
        Command::Txn(txn) => validate_txn(txn),
        Command::LeaseGrant { id: LeaseId(0), .. } => Err(Refusal::LeaseNotFound),
        Command::LeaseGrant { ttl_s, .. } if *ttl_s > LEASE_TTL_MAX_S => Err(Refusal::LeaseTtlTooLarge),
        Command::LeaseGrant { .. }
        | Command::LeaseRevoke { .. }
        | Command::LeaseRenew { .. }
        | Command::LeaseExpire { .. }
        | Command::Compact { .. }
        | Command::Tick
        | Command::SessionOpen
        | Command::SessionClose { .. }
        | Command::Alarm(_) => Ok(()),
        Command::InSession(asked) if is_for_sessions(&asked.command) => validate(&asked.command),
        Command::InSession(_) => Err(Refusal::NotForSessions),
    }
}

/// Checks a range.
///
/// # Errors
/// The refusal that its client gets.
pub fn validate_range(range: &RangeRequest) -> Result<(), Refusal> {
    if range.range.key.is_empty() { Err(Refusal::EmptyKey) } else { Ok(()) }
}

/// Checks a transaction with all that is nested in it.
///
/// # Errors
/// The refusal that its client gets.
pub fn validate_txn(txn: &TxnRequest) -> Result<(), Refusal> {
    validate_level(txn, OPERATIONS_MAX)?;
    footprint(&txn.success)?;
    footprint(&txn.failure)?;
    Ok(())
}

/// Whether neither branch writes, however deep: such a transaction needs no log entry.
#[must_use]
pub fn is_read_only(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|operation| match operation {
        Operation::Range(_) => true,
        Operation::Txn(nested) => is_read_only(nested),
        Operation::Put(_) | Operation::Delete(_) => false,
    })
}

/// Whether a session may carry it: what a client asks for, and no session inside.
fn is_for_sessions(command: &Command) -> bool {
    match command {
        Command::Put(_)
        | Command::Delete(_)
        | Command::Txn(_)
        | Command::Compact { .. }
        | Command::LeaseGrant { .. }
        | Command::LeaseRevoke { .. }
        | Command::LeaseRenew { .. } => true,
        Command::LeaseExpire { .. }
        | Command::Tick
        | Command::Alarm(_)
        | Command::SessionOpen
        | Command::SessionClose { .. }
        | Command::InSession(_) => false,
    }
}

fn validate_put(put: &PutRequest) -> Result<(), Refusal> {
    if put.key.is_empty() {
        Err(Refusal::EmptyKey)
    } else if put.ignore_value && !put.value.is_empty() {
        Err(Refusal::ValueProvided)
    } else if put.ignore_lease && put.lease.is_some() {
        Err(Refusal::LeaseProvided)
    } else if put.key.len() > KEY_LEN_MAX_BYTES {
        Err(Refusal::TooLarge)
    } else {
        Ok(())
    }
}

fn validate_delete(delete: &DeleteRequest) -> Result<(), Refusal> {
    if delete.range.key.is_empty() { Err(Refusal::EmptyKey) } else { Ok(()) }
}

/// Sizes and single operations, level by level. The recursion ends because each level with something in it lowers `allowed`.
fn validate_level(txn: &TxnRequest, allowed: usize) -> Result<(), Refusal> {
    let used = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    let left = allowed.checked_sub(used).ok_or(Refusal::TooManyOperations)?;
    if txn.compare.iter().any(|compare| compare.range.key.is_empty()) {
        return Err(Refusal::EmptyKey);
    }
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            Operation::Range(range) => validate_range(range)?,
            Operation::Put(put) => validate_put(put)?,
            Operation::Delete(delete) => validate_delete(delete)?,
            Operation::Txn(nested) => validate_level(nested, left)?,
        }
    }
    Ok(())
}

/// The keys that some operations may write.
#[derive(Default)]
struct Footprint<'a> {
    puts: BTreeSet<&'a [u8]>,
    /// Deleted ranges by first key, disjoint and not touching; `None`: without an end.
    deletes: BTreeMap<&'a [u8], Option<Bytes>>,
}

impl<'a> Footprint<'a> {
    fn deletes_contain(&self, key: &[u8]) -> bool {
        let below = self.deletes.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
        below.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| *key < **end))
    }

    fn puts_lie_in(&self, from: &[u8], end: Option<&Bytes>) -> bool {
        let next = self.puts.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).next();
        next.is_some_and(|key| end.is_none_or(|end| *key < &end[..]))
    }

    /// Whether both may write one key, other than by both deleting it.
    fn conflicts_with(&self, other: &Footprint<'_>) -> bool {
        other.puts.iter().any(|key| self.puts.contains(key) || self.deletes_contain(key))
            || other.deletes.iter().any(|(from, end)| self.puts_lie_in(from, end.as_ref()))
    }

    fn add(&mut self, other: Footprint<'a>) {
        self.puts.extend(other.puts);
        for (from, end) in other.deletes {
            self.add_delete(from, end);
        }
    }

    /// Joins a deleted range with those that it meets.
    fn add_delete(&mut self, mut from: &'a [u8], mut end: Option<Bytes>) {
        while let Some((other_from, other_end)) = self.last_not_after(end.as_ref())
            && other_end.as_ref().is_none_or(|other_end| &other_end[..] >= from)
        {
            from = from.min(other_from);
            end = end.zip(other_end).map(|(end, other_end)| end.max(other_end));
            self.deletes.remove(other_from);
        }
        self.deletes.insert(from, end);
    }

    /// The last deleted range that begins no later than `end`.
    fn last_not_after(&self, end: Option<&Bytes>) -> Option<(&'a [u8], Option<Bytes>)> {
        let upto = end.map_or(Bound::Unbounded, |end| Bound::Included(&end[..]));
        self.deletes
            .range::<[u8], _>((Bound::Unbounded, upto))
            .next_back()
            .map(|(from, end)| (*from, end.clone()))
    }
}

/// The end of a deleted range; a single key's is the next possible key.
fn end_of(range: &KeyRange) -> Option<Bytes> {
    if range.is_open() {
        None
    } else if range.is_one_key() {
        Some([&range.key[..], &[0]].concat().into())
    } else {
        Some(range.end.clone())
    }
}

/// What `operations`, all of them done, may write.
///
/// # Errors
/// [`Refusal::DuplicateKey`] if two of them may both write a key and one of the two is a put. Two branches of one nested
/// transaction exclude each other, so between them nothing conflicts.
fn footprint(operations: &[Operation]) -> Result<Footprint<'_>, Refusal> {
    let mut all = Footprint::default();
    for operation in operations {
        let mut one = Footprint::default();
        match operation {
            Operation::Range(_) => {}
            Operation::Put(put) => {
                one.puts.insert(&put.key);
            }
            Operation::Delete(delete) if delete.range.is_empty() => {}
            Operation::Delete(delete) => one.add_delete(&delete.range.key, end_of(&delete.range)),
            Operation::Txn(nested) => {
                one = footprint(&nested.success)?;
                one.add(footprint(&nested.failure)?);
            }
        }
        if all.conflicts_with(&one) {
            return Err(Refusal::DuplicateKey);
        }
        all.add(one);
    }
    Ok(all)
}
