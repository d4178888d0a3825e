//! Telling watchers how far they are although nothing happened to their keys.
//!
//! A client resumes after the last revision that it knows of; without progress, a quiet watcher's is soon compacted. Both
//! kinds of progress are sent only by way of the stream itself, behind all events up to the revision that they name.

use super::WatchHub;
use crate::marks;
use crate::watch::message::{StreamId, WatchMessage};
use crate::watch::slab::WatcherSlot;
use crate::watch::watcher::{Phase, ProgressTimer};
use quorate_types::Time;
use quorate_types::mistake::Mistake;

/// How many timers a tick looks at.
const TICK_TIMERS: usize = 4096;

impl WatchHub {
    /// Has a new or just looked-at watcher, quiet since then, looked at one interval later.
    pub(super) fn set_timer(&mut self, slot: WatcherSlot, quiet_since: Time) {
        let interval = self.options.progress_interval;
        let tenth_ns = u64::try_from(interval.as_nanos() / 10).unwrap_or(u64::MAX - 1);
        let jitter = std::time::Duration::from_nanos(self.rng.below(tenth_ns + 1));
        let deadline = quiet_since + interval + jitter;
        self.watchers[slot].progress = Some(ProgressTimer { deadline, quiet_since });
        self.timers.insert((deadline, slot));
    }

    /// Tells the progress to the watchers that asked for it, are synced and were sent nothing for an interval.
    pub(super) fn notify_progress(&mut self, out: &mut Vec<(StreamId, WatchMessage)>) {
        for _ in 0..TICK_TIMERS {
            let Some((deadline, slot)) = self.timers.first().copied().filter(|(at, _)| *at <= self.now)
            else {
                break;
            };
            self.timers.remove(&(deadline, slot));
            let watcher = &self.watchers[slot];
            let timer = watcher.progress.expect("only watchers that want it have timers");
            if self.now.since(timer.quiet_since) < self.options.progress_interval {
                self.set_timer(slot, timer.quiet_since);
                continue;
            }
            if matches!(watcher.phase, Phase::Synced(_)) && self.streams[watcher.stream].window.is_open() {
                let message = WatchMessage::Progress { id: Some(watcher.id), revision: self.revision };
                self.send(watcher.stream, message, out);
            }
            self.set_timer(slot, self.now);
        }
    }

    /// Answers the waiting progress requests of streams that may have become synced in this step.
    pub(super) fn answer_progress(&mut self, out: &mut Vec<(StreamId, WatchMessage)>) {
        for slot in std::mem::take(&mut self.settled) {
            let stream = &mut self.streams[slot];
            if !stream.progress_wanted {
                continue;
            }
            let is_told_all = stream.is_synced() && stream.window.is_open();
            if is_told_all || Mistake::WatchProgressEarly.is_planted() {
                stream.progress_wanted = false;
                self.send(slot, WatchMessage::Progress { id: None, revision: self.revision }, out);
            } else {
                marks::WATCH_PROGRESS_WAITS.reach();
            }
        }
    }
}
