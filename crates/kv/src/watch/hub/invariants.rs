//! What must hold between any two steps.

use super::WatchHub;
use crate::watch::slab::{StreamSlot, WatcherSlot};
use crate::watch::stream::Stream;
use crate::watch::watcher::{Phase, Watcher};

impl WatchHub {
    /// Checks everything that the hub's parts believe of one another, in time O(n log n). For tests and simulators.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn check_invariants(&self) {
        self.matcher.check_invariants();
        assert!(self.settled.is_empty(), "what may be answered is answered in the same step");
        for (slot, watcher) in self.watchers.iter() {
            self.check_watcher(slot, watcher);
        }
        for (slot, stream) in self.streams.iter() {
            self.check_stream(slot, stream);
        }
        let phases = self.matcher.iter().count() + self.parked.len() + self.lagging.len();
        assert_eq!(phases, self.watchers.len(), "each watcher stands in the containers of one phase");
        let owned: usize = self.streams.iter().map(|(_, stream)| stream.watchers.len()).sum();
        assert_eq!(owned, self.watchers.len(), "each watcher has a stream");
        assert_eq!(self.stream_slots.len(), self.streams.len(), "each stream is found by its id");
        let timed = self.watchers.iter().filter(|(_, watcher)| watcher.progress.is_some()).count();
        assert_eq!(timed, self.timers.len(), "a watcher that wants progress has one timer");
        assert!(self.matcher.iter().all(|(slot, place, range)| {
            let watcher = &self.watchers[slot];
            watcher.phase == Phase::Synced(place) && watcher.range == *range
        }));
        let ready = self.streams.iter().filter(|(_, stream)| stream.is_ready()).map(|(slot, _)| slot);
        assert!(ready.eq(self.ready.iter().copied()), "exactly the ready streams take turns");
    }

    fn check_watcher(&self, slot: WatcherSlot, watcher: &Watcher) {
        let stream = &self.streams[watcher.stream];
        assert_eq!(stream.watchers.get(&watcher.id), Some(&slot));
        assert_eq!(stream.lagging.contains(&slot), watcher.phase == Phase::Lagging);
        match watcher.phase {
            Phase::Parked => {
                assert!(watcher.next > self.revision && self.parked.contains(&(watcher.next, slot)));
            }
            Phase::Synced(_) => assert!(watcher.next <= self.revision.next()),
            Phase::Lagging => {
                assert!(watcher.next <= self.revision && self.lagging.contains(&(watcher.next, slot)));
            }
        }
        if let Some(timer) = watcher.progress {
            assert!(self.timers.contains(&(timer.deadline, slot)));
        }
    }

    fn check_stream(&self, slot: StreamSlot, stream: &Stream) {
        assert_eq!(self.stream_slots.get(&stream.id), Some(&slot));
        stream.window.check_invariants();
        let phases = || stream.watchers.values().map(|watcher| self.watchers[*watcher].phase);
        assert_eq!(phases().filter(|phase| *phase == Phase::Parked).count(), stream.parked);
        assert_eq!(phases().filter(|phase| *phase == Phase::Lagging).count(), stream.lagging.len());
        let answerable = stream.is_synced() && stream.window.is_open();
        assert!(!(stream.progress_wanted && answerable), "progress is told as soon as it can be");
    }
}
