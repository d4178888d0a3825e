//! One watcher, and how far it is.

use super::batch::Filter;
use super::matcher::Place;
use super::slab::StreamSlot;
use crate::request::KeyRange;
use quorate_types::{Revision, Time};

/// How far a watcher is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Its start lies ahead.
    Parked,
    /// It was sent all up to the hub's revision and gets the next event at once.
    Synced(Place),
    /// It has yet to be sent events that have happened.
    Lagging,
}

/// When a watcher that wants to hear of progress is looked at next.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProgressTimer {
    pub(super) deadline: Time,
    /// When it was last sent something.
    pub(super) quiet_since: Time,
}

/// A watcher.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) stream: StreamSlot,
    pub(super) id: i64,
    pub(super) range: KeyRange,
    pub(super) filter: Filter,
    pub(super) prev_kv: bool,
    pub(super) fragment: bool,
    /// No event before this is to be sent: its start, or what it was sent up to. A synced one's is not kept up.
    pub(super) next: Revision,
    pub(super) phase: Phase,
    pub(super) progress: Option<ProgressTimer>,
}
