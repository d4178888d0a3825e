//! A history, read anew as operations on objects.

use super::Flaw;
use crate::history::{History, OpId};
use crate::model::{self, BadOperation, Item, Model};

/// A history with its operations parsed.
pub struct Operations<'h, M: Model> {
    /// Whole.
    pub history: &'h History,
    /// What parsed them.
    pub model: M,
    /// Those that did or may have happened, by call.
    pub items: Vec<Item<M::Call>>,
    /// By operation, its place in `items`.
    places: Vec<Option<u32>>,
    /// Some operation touches more than one object, so that there is but one.
    is_whole: bool,
}

impl<'h, M: Model> Operations<'h, M> {
    /// Reads a history.
    ///
    /// # Errors
    /// At the first operation that the model does not have.
    pub fn new(mut model: M, history: &'h History) -> Result<Self, BadOperation> {
        let items = model::parse(&mut model, history)?;
        let mut places = vec![None; history.ops.len()];
        items.iter().enumerate().for_each(|(at, item)| places[item.id.at()] = Some(at as u32));
        let is_whole = items.iter().any(|item| model.object(&item.call).is_none());
        Ok(Operations { history, model, items, places, is_whole })
    }

    /// Whether the operation did or may have happened.
    pub fn may_have_happened(&self, id: OpId) -> bool {
        self.places[id.at()].is_some()
    }

    /// The operation, parsed.
    pub fn item(&self, id: OpId) -> Result<&Item<M::Call>, Flaw> {
        self.known(id)?;
        let place = self.places[id.at()].ok_or(Flaw::Failed(id))?;
        Ok(&self.items[place as usize])
    }

    /// The object that an operation touches; 0 for all if there is but one.
    pub fn object(&self, item: &Item<M::Call>) -> u32 {
        self.model.object(&item.call).filter(|_| !self.is_whole).unwrap_or(0)
    }

    /// Whether the history has such an operation.
    pub fn known(&self, id: OpId) -> Result<(), Flaw> {
        if id.at() < self.history.ops.len() { Ok(()) } else { Err(Flaw::NoSuchOp(id)) }
    }
}
