//! Whether a transaction's conditions hold.

use crate::request::{Compare, CompareResult, CompareTarget, KeyValue};
use crate::state::{At, State};
use quorate_table::TableError;
use std::cmp::Ordering;

/// Whether all of `compares` hold now.
pub(crate) fn all_hold(state: &State<'_>, compares: &[Compare]) -> Result<bool, TableError> {
    for compare in compares {
        if !holds(state, compare)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether every key in the compare's range satisfies it; a range without keys is one missing key.
fn holds(state: &State<'_>, compare: &Compare) -> Result<bool, TableError> {
    let mut any = false;
    for pair in state.pairs(&compare.range, At::Now)? {
        if !satisfies(&pair?, compare) {
            return Ok(false);
        }
        any = true;
    }
    // A missing key has no value to compare with; its numbers are 0.
    let of_missing =
        || !matches!(compare.target, CompareTarget::Value(_)) && satisfies(&KeyValue::default(), compare);
    Ok(any || of_missing())
}

fn satisfies(pair: &KeyValue, compare: &Compare) -> bool {
    let order = match &compare.target {
        CompareTarget::Version(version) => pair.version.cmp(version),
        CompareTarget::Create(revision) => pair.create_revision.0.cmp(revision),
        CompareTarget::Mod(revision) => pair.mod_revision.0.cmp(revision),
        CompareTarget::Value(value) => pair.value.cmp(value),
        CompareTarget::Lease(lease) => pair.lease.map_or(0, |id| id.0).cmp(lease),
    };
    match compare.result {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}
