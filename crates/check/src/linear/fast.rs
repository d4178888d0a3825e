//! Methods that need no search.

use super::unique;
use crate::limits::Budget;
use crate::model::{Item, Model};
use crate::verdict::Verdict;

/// The verdict on one object's operations by a method that needs no search, if one applies.
pub fn decide<M: Model>(model: &M, items: &[Item<M::Call>], budget: &Budget<'_>) -> Option<Verdict> {
    unique::decide(model, items, budget)
}
