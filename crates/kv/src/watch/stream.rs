//! One client's stream: its watchers, and the window that bounds what waits for it.
//!
//! Every message takes its length from the window until the front end has written it out. Events are sent only while the
//! window is open: below its limit, and once full, not before half of it is free again, so that a slow reader is
//! served by few large messages and not by many small ones.

use super::message::StreamId;
use super::slab::WatcherSlot;
use std::collections::{BTreeMap, BTreeSet};

/// What may wait unread in a stream before its watchers lag. One message more may go beyond it: a revision is never split
/// to fit.
pub const STREAM_WINDOW_LEN_BYTES: usize = 4 << 20;
/// What may wait beyond the window in answers to requests; a client that goes on asking without reading is cut off.
pub const STREAM_ANSWERS_LEN_BYTES: usize = 16 << 20;

/// Bytes sent and not yet consumed.
#[derive(Debug)]
pub(super) struct Window {
    limit_len_bytes: usize,
    unread_len_bytes: usize,
    /// How much of it are answers that were given although it was full; at most.
    answers_len_bytes: usize,
    full: bool,
}

impl Window {
    pub(super) fn new(limit_len_bytes: usize) -> Self {
        Window { limit_len_bytes, unread_len_bytes: 0, answers_len_bytes: 0, full: false }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.full
    }

    pub(super) fn is_overrun(&self) -> bool {
        self.answers_len_bytes >= STREAM_ANSWERS_LEN_BYTES
    }

    /// Takes the room of a message that is sent only while the window is open.
    pub(super) fn take(&mut self, len_bytes: usize) {
        self.unread_len_bytes += len_bytes;
        self.full |= self.unread_len_bytes >= self.limit_len_bytes;
    }

    /// Takes the room of an answer, which does not wait.
    pub(super) fn take_answer(&mut self, len_bytes: usize) {
        if self.full {
            self.answers_len_bytes += len_bytes;
        }
        self.take(len_bytes);
    }

    pub(super) fn give_back(&mut self, len_bytes: usize) {
        assert!(len_bytes <= self.unread_len_bytes, "a stream consumes only what it was sent");
        self.unread_len_bytes -= len_bytes;
        self.answers_len_bytes = self.answers_len_bytes.min(self.unread_len_bytes);
        self.full &= self.unread_len_bytes > self.limit_len_bytes / 2;
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.full || self.unread_len_bytes < self.limit_len_bytes);
        assert!(!self.full || self.unread_len_bytes > self.limit_len_bytes / 2);
    }
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// By the ids that the client knows.
    pub(super) watchers: BTreeMap<i64, WatcherSlot>,
    /// The next id that the hub gives, unless the client took it.
    pub(super) next_id: i64,
    pub(super) window: Window,
    /// Those of the watchers that lag.
    pub(super) lagging: BTreeSet<WatcherSlot>,
    /// How many of the watchers are parked.
    pub(super) parked: usize,
    /// The lagging watcher that was served last.
    pub(super) served: WatcherSlot,
    /// A progress request waits for its answer.
    pub(super) progress_wanted: bool,
}

impl Stream {
    pub(super) fn new(id: StreamId, window_len_bytes: usize) -> Self {
        Stream {
            id,
            watchers: BTreeMap::new(),
            next_id: 0,
            window: Window::new(window_len_bytes),
            lagging: BTreeSet::new(),
            parked: 0,
            served: WatcherSlot::default(),
            progress_wanted: false,
        }
    }

    /// Whether all watchers were sent all that has happened.
    pub(super) fn is_synced(&self) -> bool {
        self.lagging.is_empty() && self.parked == 0
    }

    /// Whether a pass over the history can be of use.
    pub(super) fn is_ready(&self) -> bool {
        self.window.is_open() && !self.lagging.is_empty()
    }

    /// Takes the id that the client asked for or, for none, a free one; `None` if it is taken.
    pub(super) fn take_id(&mut self, wanted: i64) -> Option<i64> {
        if wanted != 0 {
            return (!self.watchers.contains_key(&wanted)).then_some(wanted);
        }
        while self.watchers.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        Some(self.next_id - 1)
    }
}
