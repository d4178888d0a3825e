//! Answers a range: scan, filter, sort, cut, count.
//!
//! A range in key order without filters stops at its limit; the count behind it then comes from the counted pages. Any other
//! order or a filter needs the whole range.

use crate::request::{KeyValue, RangeRequest, RangeResponse, SortOrder, SortTarget};
use crate::state::{At, State};
use quorate_table::{Direction, TableError};
use quorate_types::Bytes;

/// What passes a request's filters.
fn passes(request: &RangeRequest, pair: &KeyValue) -> bool {
    let inside =
        |revision: i64, min: i64, max: i64| (min == 0 || revision >= min) && (max == 0 || revision <= max);
    inside(pair.mod_revision.0, request.min_mod_revision, request.max_mod_revision)
        && inside(pair.create_revision.0, request.min_create_revision, request.max_create_revision)
}

fn has_filter(request: &RangeRequest) -> bool {
    let bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    bounds.iter().any(|bound| *bound != 0)
}

/// Answers `request`, whose revision was checked and is `at`.
pub(crate) fn range(state: &State<'_>, request: &RangeRequest, at: At) -> Result<RangeResponse, TableError> {
    if request.count_only {
        let count = state.count(&request.range, at)? as i64;
        return Ok(RangeResponse { count, ..RangeResponse::default() });
    }
    let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let by_key = request.sort_target == SortTarget::Key && !has_filter(request);
    let mut response = match (by_key, request.sort_order, at) {
        (true, SortOrder::None | SortOrder::Ascend, _) => {
            in_key_order(state, request, at, state.pairs(&request.range, at)?, limit)?
        }
        (true, SortOrder::Descend, At::Now) => {
            let pairs =
                state.stored(&request.range, Direction::Backward).map(|item| item.map(|stored| stored.pair));
            in_key_order(state, request, at, pairs, limit)?
        }
        _ => whole(state, request, at, limit)?,
    };
    if request.keys_only {
        response.kvs.iter_mut().for_each(|pair| pair.value = Bytes::new());
    }
    Ok(response)
}

/// Takes the first pairs and counts the rest without reading it.
fn in_key_order(
    state: &State<'_>,
    request: &RangeRequest,
    at: At,
    pairs: impl Iterator<Item = Result<KeyValue, TableError>>,
    limit: usize,
) -> Result<RangeResponse, TableError> {
    let mut kvs = Vec::new();
    let mut more = false;
    for pair in pairs {
        if kvs.len() == limit {
            more = true;
            break;
        }
        kvs.push(pair?);
    }
    let count = if more { state.count(&request.range, at)? as i64 } else { kvs.len() as i64 };
    Ok(RangeResponse { kvs, more, count })
}

/// Reads the whole range, then filters, sorts and cuts.
fn whole(
    state: &State<'_>,
    request: &RangeRequest,
    at: At,
    limit: usize,
) -> Result<RangeResponse, TableError> {
    let mut kvs = Vec::new();
    let mut count = 0;
    for pair in state.pairs(&request.range, at)? {
        let pair = pair?;
        count += 1;
        if passes(request, &pair) {
            kvs.push(pair);
        }
    }
    match request.sort_target {
        SortTarget::Key => {}
        SortTarget::Version => kvs.sort_by_key(|pair| pair.version),
        SortTarget::Create => kvs.sort_by_key(|pair| pair.create_revision),
        SortTarget::Mod => kvs.sort_by_key(|pair| pair.mod_revision),
        SortTarget::Value => kvs.sort_by(|a, b| a.value.cmp(&b.value)),
    }
    if request.sort_order == SortOrder::Descend {
        kvs.reverse();
    }
    let more = kvs.len() > limit;
    kvs.truncate(limit);
    Ok(RangeResponse { kvs, more, count })
}
