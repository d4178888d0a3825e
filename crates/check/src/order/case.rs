//! One history as the deciders of this directory see it: operations by number, each with its session and its place there.

use crate::history::{History, OpId};
use crate::limits::Budget;
use crate::model::{Item, Model};
use crate::verdict::{Cause, Unknown, Verdict};

/// What is decided. Operations are numbered as in `items`.
pub(super) struct Case<'a, M: Model> {
    pub model: &'a M,
    pub items: &'a [Item<M::Call>],
    pub history: &'a History,
    pub budget: &'a Budget<'a>,
    pub sessions: Sessions,
}

/// The order within sessions.
pub(super) struct Sessions {
    /// Each session's operations, in its order. Only sessions that have some, in the order of their first.
    pub ops: Vec<Vec<u32>>,
    /// By operation, its session in `ops`.
    pub of: Vec<u32>,
    /// By operation, its index within its session.
    pub place: Vec<u32>,
}

impl<'a, M: Model> Case<'a, M> {
    /// Sorts the operations into sessions.
    pub fn new(
        model: &'a M,
        items: &'a [Item<M::Call>],
        history: &'a History,
        budget: &'a Budget<'a>,
    ) -> Self {
        let mut dense: Vec<Option<u32>> = vec![None; history.sessions.len()];
        let mut sessions = Sessions { ops: Vec::new(), of: Vec::new(), place: Vec::new() };
        for (at, item) in items.iter().enumerate() {
            let session = *dense[item.session.0 as usize].get_or_insert_with(|| {
                sessions.ops.push(Vec::new());
                sessions.ops.len() as u32 - 1
            });
            let ops = &mut sessions.ops[session as usize];
            sessions.of.push(session);
            sessions.place.push(ops.len() as u32);
            ops.push(at as u32);
        }
        Case { model, items, history, budget, sessions }
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// An operation's id in the history.
    pub fn id(&self, op: u32) -> OpId {
        self.items[op as usize].id
    }

    /// An operation in words.
    pub fn words(&self, op: u32) -> String {
        self.history.describe(self.id(op))
    }

    /// These operations' ids, in the same order.
    pub fn ids(&self, ops: impl IntoIterator<Item = u32>) -> Vec<OpId> {
        ops.into_iter().map(|op| self.id(op)).collect()
    }
}

/// No verdict.
pub(super) fn unknown(cause: Cause, progress: impl Into<String>) -> Verdict {
    Verdict::Unknown(Unknown { cause, progress: progress.into() })
}
