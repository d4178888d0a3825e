//! Walking the rows of one table.

use quorate_table::{Direction, Row, Rows, TableError};
use quorate_types::Bytes;
use std::ops::Bound;

/// Whether any key can lie between the bounds.
pub(super) fn spans(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(low), Bound::Included(high)) => low <= high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
            low < high
        }
        _ => true,
    }
}

/// The rows of `iter` in `direction`.
pub(super) fn walk<'a>(iter: fjall::Iter, direction: Direction) -> Rows<'a> {
    match direction {
        Direction::Forward => Box::new(iter.map(row)),
        Direction::Backward => Box::new(iter.rev().map(row)),
    }
}

fn row(guard: fjall::Guard) -> Result<Row, TableError> {
    let (key, value) = guard.into_inner().map_err(super::generation::error)?;
    Ok((Bytes::from(key), Bytes::from(value)))
}
