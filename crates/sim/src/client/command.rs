//! Keys and commands that calls become, and what they make of views.
//!
//! **Invariant:** every command passes `quorate_kv::validate` unless the scenario itself asks for what is refused, such as a lease 0.

use quorate_kv::{
    Command, Compare, CompareResult, CompareTarget, DeleteRequest, KeyRange, KeyValue, Operation, PutRequest,
    RangeRequest, TxnRequest, View,
};
use quorate_types::{Bytes, LeaseId, Revision};
use std::collections::BTreeMap;

/// What all registers' keys begin with.
pub(super) const REGISTERS: &str = "register/";

pub(super) fn register(key: u64) -> Bytes {
    format!("{REGISTERS}{key}").into()
}

fn list(list: u64) -> Bytes {
    format!("list/{list}").into()
}

fn counter(counter: u64) -> Bytes {
    format!("counter/{counter}").into()
}

fn lock(lock: u64) -> Bytes {
    format!("lock/{lock}").into()
}

/// The registers from `key` to before `end`. Keys are texts, so they stand in the order of texts.
pub(super) fn registers(key: u64, end: u64) -> KeyRange {
    KeyRange { key: register(key), end: register(end) }
}

pub(super) fn lease_id(lease: u64) -> LeaseId {
    LeaseId(i64::try_from(lease).unwrap_or(i64::MAX))
}

fn put(key: Bytes, value: String, lease: Option<LeaseId>) -> PutRequest {
    PutRequest { key, value: value.into(), lease, ..PutRequest::default() }
}

fn equal(key: Bytes, target: CompareTarget) -> Compare {
    Compare { range: KeyRange::one(key), result: CompareResult::Equal, target }
}

/// A value as text. Every fourth is filled up to a length that follows from the value alone, because a compare names the text as well.
fn filled(value: u64, value_bytes: u64) -> String {
    let width = if value.is_multiple_of(4) { value_bytes * (value / 4 % 8) / 8 } else { 0 };
    format!("{value:<width$}", width = usize::try_from(width).unwrap_or_default())
}

pub(super) fn put_register(key: u64, value: u64, value_bytes: u64) -> Command {
    Command::Put(put(register(key), filled(value, value_bytes), None))
}

pub(super) fn delete_registers(key: u64, end: u64) -> Command {
    Command::Delete(DeleteRequest { range: registers(key, end), prev_kv: false })
}

pub(super) fn compare_and_set(key: u64, (from, to): (u64, u64), value_bytes: u64) -> Command {
    let target = match from {
        0 => CompareTarget::Create(0),
        from => CompareTarget::Value(filled(from, value_bytes).into()),
    };
    Command::Txn(TxnRequest {
        compare: vec![equal(register(key), target)],
        success: vec![Operation::Put(put(register(key), filled(to, value_bytes), None))],
        failure: Vec::new(),
    })
}

/// Puts a key on a lease.
pub(super) fn put_on_lease(lease: u64) -> Command {
    Command::Put(put(format!("lease/{lease}").into(), lease.to_string(), Some(lease_id(lease))))
}

pub(super) fn grant(lease: u64, ttl_s: u64) -> Command {
    Command::LeaseGrant { id: lease_id(lease), ttl_s: i64::try_from(ttl_s).unwrap_or(i64::MAX) }
}

pub(super) fn take_lock(of: u64, lease: u64) -> Command {
    Command::Txn(TxnRequest {
        compare: vec![equal(lock(of), CompareTarget::Create(0))],
        success: vec![Operation::Put(put(lock(of), lease.to_string(), Some(lease_id(lease))))],
        failure: Vec::new(),
    })
}

pub(super) fn give_lock_back(of: u64, token: Revision) -> Command {
    Command::Txn(TxnRequest {
        compare: vec![equal(lock(of), CompareTarget::Create(token.0))],
        success: vec![Operation::Delete(DeleteRequest { range: KeyRange::one(lock(of)), prev_kv: false })],
        failure: Vec::new(),
    })
}

pub(super) fn increment(of: u64, seen: Revision) -> Command {
    Command::Txn(TxnRequest {
        compare: vec![equal(counter(of), CompareTarget::Mod(seen.0))],
        success: vec![Operation::Put(put(counter(of), String::new(), None))],
        failure: Vec::new(),
    })
}

/// The pair at a key: nothing if there is none. An error if the view cannot be read.
fn pair(view: &View, key: Bytes) -> Result<Option<KeyValue>, Unreadable> {
    let request = RangeRequest { range: KeyRange::one(key), ..RangeRequest::default() };
    view.range(&request).map(|mut response| response.kvs.pop()).map_err(|_| Unreadable)
}

/// The tables under a view failed: the node can tell its client nothing.
#[derive(Debug)]
pub(super) struct Unreadable;

/// A register's value.
pub(super) fn register_in(view: &View, key: u64) -> Result<Option<Bytes>, Unreadable> {
    Ok(pair(view, register(key))?.map(|pair| pair.value))
}

/// (version, mod revision) of a counter; its version counts its increments.
pub(super) fn counter_in(view: &View, of: u64) -> Result<(i64, Revision), Unreadable> {
    Ok(pair(view, counter(of))?.map_or((0, Revision(0)), |pair| (pair.version, pair.mod_revision)))
}

/// A list as somebody saw it.
#[derive(Clone, Default, Debug)]
pub(super) struct SeenList {
    /// When it was written last; 0: never.
    mod_revision: Revision,
    /// Its elements, in order, as text.
    pub(super) elements: Vec<String>,
}

/// All these lists at one moment.
pub(super) fn lists_in(
    view: &View,
    which: impl IntoIterator<Item = u64>,
) -> Result<BTreeMap<u64, SeenList>, Unreadable> {
    let mut seen = BTreeMap::new();
    for of in which {
        let list = pair(view, list(of))?.map_or_else(SeenList::default, |pair| {
            let text = String::from_utf8_lossy(&pair.value);
            let elements = text.split(',').filter(|element| !element.is_empty()).map(str::to_owned).collect();
            SeenList { mod_revision: pair.mod_revision, elements }
        });
        seen.insert(of, list);
    }
    Ok(seen)
}

/// Appends on condition that none of the lists has changed.
pub(super) fn append(seen: &BTreeMap<u64, SeenList>, appends: &[(u64, u64)]) -> Command {
    let compare =
        seen.iter().map(|(of, list_seen)| equal(list(*of), CompareTarget::Mod(list_seen.mod_revision.0)));
    let mut longer: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (of, element) in appends {
        let elements = longer.entry(*of).or_insert_with(|| seen[of].elements.clone());
        elements.push(element.to_string());
    }
    let puts =
        longer.into_iter().map(|(of, elements)| Operation::Put(put(list(of), elements.join(","), None)));
    Command::Txn(TxnRequest { compare: compare.collect(), success: puts.collect(), failure: Vec::new() })
}
