//! Puts violations together.

use super::gather::Event;
use crate::verdict::{Edge, Refutation, Relation, Violation};

/// A violation by these operations, in whatever order and however often they are named.
pub(super) fn violation<'a>(
    anomaly: &'static str,
    events: impl IntoIterator<Item = &'a Event>,
    reason: impl Into<String>,
    refutation: Refutation,
) -> Box<Violation> {
    let mut ops: Vec<_> = events.into_iter().map(|event| event.id).collect();
    ops.sort_unstable();
    ops.dedup();
    Box::new(Violation { anomaly, ops, reason: reason.into(), refutation })
}

/// `from` must come before `to`.
pub(super) fn edge(from: &Event, to: &Event, relation: Relation, why: &str) -> Edge {
    Edge { from: from.id, to: to.id, relation, why: why.to_owned() }
}

/// `from` returned before `to` was called.
pub(super) fn by_time(from: &Event, to: &Event) -> Edge {
    debug_assert!(from.precedes(to));
    edge(from, to, Relation::RealTime, "it had returned before the other was called")
}
