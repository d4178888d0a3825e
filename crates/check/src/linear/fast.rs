//! Methods that need no search.

use crate::limits::Budget;
use crate::model::{Item, Model};
use crate::verdict::Verdict;

/// The verdict on one object's operations by a method that needs no search, if one applies.
pub fn decide<M: Model>(_model: &M, _items: &[Item<M::Call>], _budget: &Budget<'_>) -> Option<Verdict> {
    None
}
