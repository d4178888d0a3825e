//! Sending: events while the window is open, answers always.

use super::WatchHub;
use crate::marks;
use crate::watch::batch::{EventBatch, EventList};
use crate::watch::message::{StreamId, WatchMessage};
use crate::watch::slab::{StreamSlot, WatcherSlot};
use crate::watch::watcher::Phase;
use quorate_types::Revision;
use quorate_types::mistake::Mistake;
use std::sync::Arc;

impl WatchHub {
    /// Sends a watcher what `batch` has for it, or nothing if that is nothing. The batch holds all of its events from the
    /// first one not sent up to `covered`. The window is open; it may be full afterwards.
    pub(super) fn deliver(
        &mut self,
        slot: WatcherSlot,
        batch: &Arc<EventBatch>,
        covered: Revision,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        let watcher = &mut self.watchers[slot];
        // What a synced watcher caught up to stays noted in `next`.
        let skips = Mistake::WatchSkipsAtCatchUp.is_planted() && matches!(watcher.phase, Phase::Synced(_));
        let from = if skips { watcher.next.next() } else { watcher.next };
        let mut events = EventList::new(batch, from, watcher.prev_kv);
        if events.is_empty() {
            return;
        }
        if let Some(timer) = &mut watcher.progress {
            timer.quiet_since = self.now;
        }
        let limit = if watcher.fragment { self.options.fragment_len_bytes } else { usize::MAX };
        let (stream_slot, id) = (watcher.stream, watcher.id);
        assert!(self.streams[stream_slot].window.is_open(), "events are sent only while there is room");
        while events.len_bytes() > limit && events.len() > 1 {
            marks::WATCH_FRAGMENT.reach();
            let events = events.split_front(limit);
            self.send(
                stream_slot,
                WatchMessage::Events { id, revision: covered, events, fragment: true },
                out,
            );
        }
        self.send(stream_slot, WatchMessage::Events { id, revision: covered, events, fragment: false }, out);
    }

    /// Sends what its caller found room for.
    pub(super) fn send(
        &mut self,
        slot: StreamSlot,
        message: WatchMessage,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        let stream = &mut self.streams[slot];
        stream.window.take(message.len_bytes());
        if !stream.window.is_open() {
            self.ready.remove(&slot);
        }
        out.push((stream.id, message));
    }

    /// Sends what does not wait for room: an answer to a request, or the last word to a watcher.
    pub(super) fn answer(
        &mut self,
        slot: StreamSlot,
        message: WatchMessage,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        let stream = &mut self.streams[slot];
        stream.window.take_answer(message.len_bytes());
        if !stream.window.is_open() {
            self.ready.remove(&slot);
        }
        out.push((stream.id, message));
    }
}
