//! Events that many messages share.
//!
//! One event may go to thousands of watchers. Its events are put once into an immutable [`EventBatch`]; a message holds one
//! counted reference to it and says which part of it is meant, so that a further watcher costs no copy and no allocation.

use crate::event::{Event, EventKind};
use crate::request::KeyValue;
use quorate_types::Revision;
use std::fmt;
use std::sync::Arc;

/// What the numbers and frames of an event and its pair take at most in protobuf, beside key and value.
const EVENT_LEN_BYTES: usize = 72;
/// The same for the pair before the change.
const PREV_KV_LEN_BYTES: usize = 64;

/// Events in order, with their lengths.
#[derive(PartialEq, Eq)]
pub struct EventBatch {
    events: Box<[Event]>,
    len_bytes: usize,
    prev_len_bytes: usize,
}

impl EventBatch {
    pub(super) fn new(events: Box<[Event]>) -> Self {
        let len_bytes = events.iter().map(event_len_bytes).sum();
        let prev_len_bytes = events.iter().map(prev_len_bytes).sum();
        EventBatch { events, len_bytes, prev_len_bytes }
    }
}

/// An upper bound on an event's encoding without the pair before the change.
pub(super) fn event_len_bytes(event: &Event) -> usize {
    EVENT_LEN_BYTES + event.kv.key.len() + event.kv.value.len()
}

fn prev_len_bytes(event: &Event) -> usize {
    event.prev_kv.as_ref().map_or(0, |prev| PREV_KV_LEN_BYTES + prev.key.len() + prev.value.len())
}

/// The events of one message: a part of a shared batch.
#[derive(Clone)]
pub struct EventList {
    batch: Arc<EventBatch>,
    start: u32,
    end: u32,
    with_prev_kv: bool,
}

/// One event as its watcher wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventRef<'a> {
    /// What.
    pub kind: EventKind,
    /// The pair after the change; of a deletion only key and `mod_revision`.
    pub kv: &'a KeyValue,
    /// The pair before the change, if asked for and known.
    pub prev_kv: Option<&'a KeyValue>,
}

impl EventList {
    /// The events of `batch` from revision `from` on.
    pub(super) fn new(batch: &Arc<EventBatch>, from: Revision, with_prev_kv: bool) -> Self {
        let start = match batch.events.first() {
            Some(first) if first.revision() < from => {
                batch.events.partition_point(|event| event.revision() < from)
            }
            _ => 0,
        };
        let position = |n: usize| u32::try_from(n).expect("a batch is far smaller than 2^32 events");
        EventList {
            batch: Arc::clone(batch),
            start: position(start),
            end: position(batch.events.len()),
            with_prev_kv,
        }
    }

    fn events(&self) -> &[Event] {
        &self.batch.events[self.start as usize..self.end as usize]
    }

    /// In order of revision, then of the machine's doing.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'_>> {
        self.events().iter().map(|event| EventRef {
            kind: event.kind,
            kv: &event.kv,
            prev_kv: event.prev_kv.as_ref().filter(|_| self.with_prev_kv),
        })
    }

    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none; never so in a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// An upper bound on the length of the events' protobuf encoding.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        if self.len() == self.batch.events.len() {
            return self.batch.len_bytes + if self.with_prev_kv { self.batch.prev_len_bytes } else { 0 };
        }
        self.events().iter().map(|event| self.one_len_bytes(event)).sum()
    }

    fn one_len_bytes(&self, event: &Event) -> usize {
        event_len_bytes(event) + if self.with_prev_kv { prev_len_bytes(event) } else { 0 }
    }

    /// Takes events off the front: as many as `limit_len_bytes` holds, at least one.
    pub(super) fn split_front(&mut self, limit_len_bytes: usize) -> EventList {
        assert!(!self.is_empty(), "a list is split only while something is left");
        let mut len_bytes = 0;
        let taken = self.events().iter().take_while(|event| {
            len_bytes += self.one_len_bytes(event);
            len_bytes <= limit_len_bytes
        });
        let taken = u32::try_from(taken.count()).expect("not more than the list has").max(1);
        let front = EventList { end: self.start + taken, ..self.clone() };
        self.start = front.end;
        front
    }
}

impl PartialEq for EventList {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for EventList {}

impl fmt::Debug for EventList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for EventBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events.iter()).finish()
    }
}

/// Which kinds of events a watcher leaves out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Filter {
    pub(super) no_put: bool,
    pub(super) no_delete: bool,
}

impl Filter {
    /// How many different ones there are.
    pub(super) const VARIANTS: usize = 4;

    pub(super) fn variant(self) -> usize {
        usize::from(self.no_put) * 2 + usize::from(self.no_delete)
    }

    pub(super) fn passes(self, event: &Event) -> bool {
        match event.kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        }
    }
}

/// Makes batches out of one run of events. All selections that take everything share one batch.
pub(super) struct Selector<'a> {
    events: &'a [Event],
    whole: Option<Arc<EventBatch>>,
    picks: Vec<u32>,
}

impl<'a> Selector<'a> {
    pub(super) fn new(events: &'a [Event]) -> Self {
        Selector { events, whole: None, picks: Vec::new() }
    }

    /// The events at `positions` (ascending) that pass `filter`.
    pub(super) fn select(&mut self, positions: impl Iterator<Item = u32>, filter: Filter) -> Arc<EventBatch> {
        let events = self.events;
        self.picks.clear();
        self.picks.extend(positions.filter(|p| filter.passes(&events[*p as usize])));
        debug_assert!(self.picks.is_sorted());
        if self.picks.len() == events.len() {
            let whole = self.whole.get_or_insert_with(|| Arc::new(EventBatch::new(events.into())));
            return Arc::clone(whole);
        }
        Arc::new(EventBatch::new(self.picks.iter().map(|p| events[*p as usize].clone()).collect()))
    }
}
