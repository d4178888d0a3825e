//! The events of a run that matter for what broke.
//!
//! **Problem:** the last events before a violation are mostly heartbeats, and what led there lies far before them. **Idea:** three kinds are picked
//! apart, each within a bound of its own: what changed the cluster (roles, crashes, faults, snapshots), how calls ended, and what was
//! sent, persisted and applied right before.

use crate::trace::{Event, What};
use quorate_consensus::raft::Role;
use std::collections::{BTreeMap, BTreeSet};

/// Messages, persisted and applied entries, right before.
const MAX_RECENT: usize = 25;
/// How far back those are looked for before heartbeats count, too.
const RECENT_WINDOW: usize = 600;
/// Ends of calls.
const MAX_CALLS: usize = 5;
/// What changed the cluster.
const MAX_CHANGES: usize = 14;

/// How much an event says about what led to the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Changes the cluster: kept however long ago.
    Change,
    /// The like, of which there are many.
    SmallChange,
    /// The end of a call.
    Call,
    /// What happens all the time.
    Bulk,
    /// What another event says better.
    Nothing,
}

/// See [`Weight`].
pub fn weight(what: &What) -> Weight {
    match what {
        What::Became { role: Role::Leader, .. }
        | What::Installed { .. }
        | What::Crashed { .. }
        | What::Refused { .. }
        | What::FaultBegan { .. }
        | What::FaultEnded { .. }
        | What::Note { .. } => Weight::Change,
        What::Became { .. } | What::Started { .. } => Weight::SmallChange,
        What::Returned { .. } => Weight::Call,
        What::Sent { .. }
        | What::Delivered { .. }
        | What::Lost { .. }
        | What::Persisted { .. }
        | What::Applied { .. } => Weight::Bulk,
        What::Invoked { .. } => Weight::Nothing,
    }
}

/// By number, where each message was sent.
pub fn sent_at(events: &[Event]) -> BTreeMap<u64, usize> {
    let mut sent = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if let What::Sent { message, .. } = event.what {
            sent.insert(message, at);
        }
    }
    sent
}

/// The positions of what matters, in order. `events` end where the promise was found broken.
pub fn picked(events: &[Event], sent: &BTreeMap<u64, usize>) -> BTreeSet<usize> {
    let last = |most: usize, wanted: Weight| {
        let all = events.iter().enumerate().rev().filter(move |(_, event)| weight(&event.what) == wanted);
        all.map(|(at, _)| at).take(most).collect::<Vec<usize>>()
    };
    let mut picked: BTreeSet<usize> = last(MAX_CHANGES, Weight::Change).into_iter().collect();
    let room = MAX_CHANGES - picked.len();
    picked.extend(last(room, Weight::SmallChange));
    picked.extend(last(MAX_CALLS, Weight::Call));
    picked.extend(recent(events, sent));
    picked
}

/// The last bulk; without heartbeats, and what is sent over and over into a cut link, if there is enough else near the end.
fn recent(events: &[Event], sent: &BTreeMap<u64, usize>) -> Vec<usize> {
    let cut: BTreeSet<u64> = events
        .iter()
        .filter_map(|event| match event.what {
            What::Lost { message, why: "cut" } => Some(message),
            _ => None,
        })
        .collect();
    let is_cut = |event: &Event| match event.what {
        What::Sent { message, .. } | What::Lost { message, .. } => cut.contains(&message),
        _ => false,
    };
    let is_heartbeat = |event: &Event| match &event.what {
        What::Sent { kind, .. } => kind.starts_with("Heartbeat"),
        What::Delivered { message, .. } | What::Lost { message, .. } => sent.get(message).is_some_and(
            |at| matches!(&events[*at].what, What::Sent { kind, .. } if kind.starts_with("Heartbeat")),
        ),
        _ => false,
    };
    let bulk = || events.iter().enumerate().rev().filter(|(_, event)| weight(&event.what) == Weight::Bulk);
    let telling: Vec<usize> = bulk()
        .take(RECENT_WINDOW)
        .filter(|(_, event)| !is_heartbeat(event) && !is_cut(event))
        .map(|(at, _)| at)
        .take(MAX_RECENT)
        .collect();
    if telling.len() == MAX_RECENT {
        return telling;
    }
    bulk().map(|(at, _)| at).take(MAX_RECENT).collect()
}
