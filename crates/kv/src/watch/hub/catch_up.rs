//! Old events to lagging watchers, a little at each tick.
//!
//! The ready streams take turns, and in each stream its lagging watchers. A turn is one pass: it reads the history from
//! the watcher's position on, and then also serves the lagging watchers that stand inside of what was read, of whatever
//! stream: after a reconnect, thousands of them stand at the same place. The pass is sorted by key once, so that a rider
//! costs a binary search and its hits.
//!
//! **Invariant:** a tick reads at most [`TICK_LEN_BYTES`] and one revision, and serves at most [`TICK_PASSES`] times
//! [`PASS_WATCHERS`]; each pass moves its watcher forward, so that every ready watcher is synced after finitely many ticks
//! if it reads faster than the machine writes.

use super::WatchHub;
use super::applied::{MESSAGE_EVENTS_LEN_BYTES, MESSAGE_REVISIONS_MAX};
use crate::event::{Event, History, HistoryError};
use crate::request::KeyRange;
use crate::watch::batch::{EventBatch, Filter, Selector, event_len_bytes};
use crate::watch::message::{StreamId, WatchMessage};
use crate::watch::slab::{Slot, WatcherSlot};
use quorate_types::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many passes a tick makes.
const TICK_PASSES: usize = 4;
/// How much a tick reads before it ends.
const TICK_LEN_BYTES: usize = 1 << 20;
/// How many watchers a pass looks at.
const PASS_WATCHERS: usize = 512;

/// What one pass read.
struct Pass<'a> {
    events: &'a [Event],
    /// Positions in `events`, by key and then by revision.
    by_key: Vec<u32>,
    selector: Selector<'a>,
    /// What was picked, for the next watcher that wants the same.
    picked: BTreeMap<(KeyRange, Filter), Arc<EventBatch>>,
}

impl<'a> Pass<'a> {
    fn new(events: &'a [Event]) -> Self {
        let mut by_key: Vec<u32> = (0..).zip(events).map(|(position, _)| position).collect();
        by_key.sort_by(|a, b| events[*a as usize].key().cmp(events[*b as usize].key()));
        Pass { events, by_key, selector: Selector::new(events), picked: BTreeMap::new() }
    }

    fn select(&mut self, range: &KeyRange, filter: Filter) -> Arc<EventBatch> {
        let wanted = (range.clone(), filter);
        if let Some(batch) = self.picked.get(&wanted) {
            return Arc::clone(batch);
        }
        let key = |position: &u32| self.events[*position as usize].key();
        let from = self.by_key.partition_point(|position| key(position) < &range.key);
        let inside = self.by_key[from..].partition_point(|position| range.contains(key(position)));
        let mut positions = self.by_key[from..from + inside].to_vec();
        positions.sort_unstable();
        let batch = self.selector.select(positions.into_iter(), filter);
        self.picked.insert(wanted, Arc::clone(&batch));
        batch
    }
}

impl WatchHub {
    /// Spends one tick's work on the lagging watchers.
    pub(super) fn catch_up(
        &mut self,
        view: &dyn History,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) -> Result<(), HistoryError> {
        let mut budget = TICK_LEN_BYTES;
        for _ in 0..TICK_PASSES {
            let Some(target) = self.next_in_turn().filter(|_| budget > 0) else { break };
            let from = self.watchers[target].next;
            let mut events = Vec::new();
            let limit = budget.min(MESSAGE_EVENTS_LEN_BYTES);
            match view.events(from, MESSAGE_REVISIONS_MAX, limit, &mut events) {
                Ok(next) => self.serve(target, next, &events, out),
                Err(HistoryError::Compacted { at }) => {
                    assert!(at > from, "only what lies before it is compacted");
                    self.end_compacted(target, at, out);
                }
                Err(error) => return Err(error),
            }
            budget = budget.saturating_sub(events.iter().map(event_len_bytes).sum());
        }
        Ok(())
    }

    /// The watcher whose turn it is: of the ready stream after the one served last, the lagging one after the last.
    fn next_in_turn(&mut self) -> Option<WatcherSlot> {
        let after = self.ready.range(self.served.successor()..).next();
        self.served = *after.or(self.ready.first())?;
        let stream = &mut self.streams[self.served];
        let after = stream.lagging.range(stream.served.successor()..).next();
        stream.served = *after.or(stream.lagging.first()).expect("a ready stream has a lagging watcher");
        Some(stream.served)
    }

    /// Hands out the events from `target`'s position up to `next`: to it, then to others whose position lies between.
    fn serve(
        &mut self,
        target: WatcherSlot,
        next: Revision,
        events: &[Event],
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        let from = self.watchers[target].next;
        assert!(next > from, "history gives at least one revision");
        let near =
            self.lagging.range((from, WatcherSlot::MIN)..(next, WatcherSlot::MIN)).map(|(_, slot)| *slot);
        let riders: Vec<WatcherSlot> = near.take(PASS_WATCHERS).filter(|slot| *slot != target).collect();
        let covered = Revision(next.0 - 1).min(self.revision);
        let mut pass = Pass::new(events);
        for slot in std::iter::once(target).chain(riders) {
            let watcher = &self.watchers[slot];
            if !self.streams[watcher.stream].window.is_open() {
                continue;
            }
            let batch = pass.select(&watcher.range, watcher.filter);
            self.deliver(slot, &batch, covered, out);
            self.advance(slot, covered.next());
        }
    }
}
