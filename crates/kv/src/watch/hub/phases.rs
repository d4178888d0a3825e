//! How a watcher moves between being parked, synced and lagging.
//!
//! **Invariant:** each watcher stands in exactly the containers of its phase: parked ones in the hub's queue of starts,
//! synced ones in the matcher, lagging ones in the hub's order of positions and in their stream's set.

use super::WatchHub;
use crate::marks;
use crate::watch::slab::WatcherSlot;
use crate::watch::watcher::{Phase, Watcher};
use quorate_types::Revision;

impl WatchHub {
    /// Parks a watcher that stands nowhere.
    pub(super) fn park(&mut self, slot: WatcherSlot) {
        let watcher = &mut self.watchers[slot];
        assert!(watcher.next > self.revision, "only a start that lies ahead is waited for");
        watcher.phase = Phase::Parked;
        self.streams[watcher.stream].parked += 1;
        self.parked.insert((watcher.next, slot));
    }

    /// Makes a watcher that stands nowhere get events as they happen.
    pub(super) fn sync(&mut self, slot: WatcherSlot) {
        let watcher = &mut self.watchers[slot];
        watcher.phase = Phase::Synced(self.matcher.insert(&watcher.range, slot));
    }

    /// Makes a watcher that stands nowhere read the history from `next` on.
    pub(super) fn lag(&mut self, slot: WatcherSlot, next: Revision) {
        let watcher = &mut self.watchers[slot];
        assert!(next <= self.revision, "a watcher lags only behind what has happened");
        assert!(next >= watcher.next, "a watcher never goes back");
        watcher.next = next;
        watcher.phase = Phase::Lagging;
        self.lagging.insert((next, slot));
        let stream_slot = watcher.stream;
        let stream = &mut self.streams[stream_slot];
        stream.lagging.insert(slot);
        if stream.is_ready() {
            self.ready.insert(stream_slot);
        }
    }

    /// Takes a watcher out of the containers of its phase.
    pub(super) fn leave(&mut self, slot: WatcherSlot) {
        let watcher = &self.watchers[slot];
        let stream_slot = watcher.stream;
        let stream = &mut self.streams[stream_slot];
        match watcher.phase {
            Phase::Parked => {
                assert!(self.parked.remove(&(watcher.next, slot)), "a parked watcher stands in the queue");
                stream.parked -= 1;
            }
            Phase::Synced(place) => {
                if let Some(moved) = self.matcher.remove(place) {
                    self.watchers[moved].phase = Phase::Synced(place);
                }
            }
            Phase::Lagging => {
                assert!(self.lagging.remove(&(watcher.next, slot)), "a lagging watcher stands in the order");
                stream.lagging.remove(&slot);
                if !stream.is_ready() {
                    self.ready.remove(&stream_slot);
                }
            }
        }
        if stream.progress_wanted {
            self.settled.push(stream_slot);
        }
    }

    /// Moves a lagging watcher on: all before `next` was sent.
    pub(super) fn advance(&mut self, slot: WatcherSlot, next: Revision) {
        if next <= self.revision {
            let watcher = &mut self.watchers[slot];
            assert!(
                watcher.phase == Phase::Lagging && next > watcher.next,
                "a pass moves a lagging watcher forward"
            );
            self.lagging.remove(&(watcher.next, slot));
            watcher.next = next;
            self.lagging.insert((next, slot));
        } else {
            marks::WATCH_CAUGHT_UP.reach();
            self.leave(slot);
            self.watchers[slot].next = next;
            self.sync(slot);
        }
    }

    /// Ends a watcher; its last message is the caller's.
    pub(super) fn end(&mut self, slot: WatcherSlot) -> Watcher {
        self.leave(slot);
        let watcher = self.watchers.remove(slot);
        self.streams[watcher.stream].watchers.remove(&watcher.id);
        if let Some(timer) = watcher.progress {
            self.timers.remove(&(timer.deadline, slot));
        }
        watcher
    }

    /// Starts those whose start is at most `upto`, which is about to be delivered.
    pub(super) fn unpark(&mut self, upto: Revision) {
        while let Some((_, slot)) = self.parked.first().copied().filter(|(start, _)| *start <= upto) {
            self.leave(slot);
            self.sync(slot);
        }
    }
}
