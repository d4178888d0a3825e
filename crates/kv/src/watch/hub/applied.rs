//! New events to synced watchers: the hot path.
//!
//! For each event the matcher names the groups that want it; each group's events are picked once, per kind of filter, and
//! its members get references. With m watchers hit an event costs O(log groups + m), and one event that goes to one or to
//! ten thousand watchers is copied once.

use super::WatchHub;
use crate::event::Event;
use crate::marks;
use crate::watch::batch::{EventBatch, Filter, Selector, event_len_bytes};
use crate::watch::message::{StreamId, WatchMessage};
use crate::watch::slab::{GroupSlot, WatcherSlot};
use quorate_types::Revision;
use std::sync::Arc;

/// A message holds the events of at most so many revisions.
pub(super) const MESSAGE_REVISIONS_MAX: usize = 1000;
/// A message gets no further revision once its events are this long.
pub(super) const MESSAGE_EVENTS_LEN_BYTES: usize = 1 << 20;

impl WatchHub {
    /// Delivers what follows on the hub's revision without a gap; the rest is left to be found in the history.
    pub(super) fn on_applied(&mut self, events: &[Event], out: &mut Vec<(StreamId, WatchMessage)>) {
        assert!(events.is_sorted_by_key(Event::revision), "events come in the order of their revisions");
        let seen = events.partition_point(|event| event.revision() <= self.revision);
        let mut rest = &events[seen..];
        while let Some(len) = run_len(rest, self.revision.next()) {
            let (run, after) = rest.split_at(len);
            self.deliver_run(run, out);
            rest = after;
        }
    }

    /// Delivers whole revisions that follow on the hub's.
    fn deliver_run(&mut self, run: &[Event], out: &mut Vec<(StreamId, WatchMessage)>) {
        let covered = run.last().map(Event::revision).expect("a run has an event");
        self.unpark(covered);
        let mut matches: Vec<(GroupSlot, u32)> = Vec::new();
        for (position, event) in (0..).zip(run) {
            self.matcher.search(event.key(), |group| matches.push((group, position)));
        }
        matches.sort_unstable();
        self.revision = covered;
        let mut selector = Selector::new(run);
        let mut stalled: Vec<(WatcherSlot, Revision)> = Vec::new();
        for hits in matches.chunk_by(|(a, _), (b, _)| a == b) {
            self.deliver_to_group(hits, run, &mut selector, &mut stalled, out);
        }
        for (slot, next) in stalled {
            marks::WATCH_WINDOW_FULL.reach();
            self.leave(slot);
            self.lag(slot, next);
        }
    }

    /// Delivers to one group the events at `hits`. Members without room go to `stalled`.
    fn deliver_to_group(
        &mut self,
        hits: &[(GroupSlot, u32)],
        run: &[Event],
        selector: &mut Selector<'_>,
        stalled: &mut Vec<(WatcherSlot, Revision)>,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        let (group, first) = hits[0];
        let first_revision = run[first as usize].revision();
        let mut batches: [Option<Arc<EventBatch>>; Filter::VARIANTS] = Default::default();
        for member in 0..self.matcher.members(group).len() {
            let slot = self.matcher.members(group)[member];
            let watcher = &self.watchers[slot];
            if !self.streams[watcher.stream].window.is_open() {
                stalled.push((slot, watcher.next.max(first_revision)));
                continue;
            }
            let filter = watcher.filter;
            let batch = batches[filter.variant()]
                .get_or_insert_with(|| selector.select(hits.iter().map(|(_, position)| *position), filter));
            self.deliver(slot, batch, self.revision, out);
        }
    }
}

/// How many of `events` make the next run: whole revisions from `next` on, without a gap, within the bounds of a message;
/// at least one revision. `None` if the first one is not `next`.
fn run_len(events: &[Event], next: Revision) -> Option<usize> {
    let (mut len, mut len_bytes, mut expected) = (0, 0, next);
    for revision in events.chunk_by(|a, b| a.revision() == b.revision()).take(MESSAGE_REVISIONS_MAX) {
        if revision[0].revision() != expected || len_bytes >= MESSAGE_EVENTS_LEN_BYTES {
            break;
        }
        len += revision.len();
        len_bytes += revision.iter().map(event_len_bytes).sum::<usize>();
        expected = expected.next();
    }
    (len > 0).then_some(len)
}
