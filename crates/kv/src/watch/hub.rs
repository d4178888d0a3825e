//! The hub: all streams and watchers of one machine, driven by one call.

mod applied;
mod catch_up;
mod deliver;
mod invariants;
mod phases;
mod progress;
mod request;

pub use request::{STREAM_WATCHERS_MAX, STREAMS_MAX};

use super::matcher::Matcher;
use super::message::{StreamEnd, StreamId, WatchMessage, WatchRequest};
use super::slab::{Slab, Slot, StreamSlot, WatcherSlot};
use super::stream::{STREAM_WINDOW_LEN_BYTES, Stream};
use super::watcher::{Phase, Watcher};
use crate::event::{Event, History, HistoryError};
use crate::marks;
use quorate_types::{Revision, Rng, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What can be set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HubOptions {
    /// How long a watcher that asked for it stays quiet before it is told the progress; up to a tenth is added at random.
    /// Not zero.
    pub progress_interval: Duration,
    /// Messages beyond this are split for watchers that allow it. A single event is never split.
    pub fragment_len_bytes: usize,
    /// What may wait unread in one stream. Not zero.
    pub window_len_bytes: usize,
    /// How many watchers there may be in all.
    pub watchers_max: usize,
}

impl Default for HubOptions {
    fn default() -> Self {
        HubOptions {
            progress_interval: Duration::from_secs(600),
            fragment_len_bytes: 2 << 20,
            window_len_bytes: STREAM_WINDOW_LEN_BYTES,
            watchers_max: 1 << 20,
        }
    }
}

/// What the hub is told.
#[derive(Debug)]
pub enum HubInput<'a> {
    /// A client opened a stream. An id is used once.
    Open {
        /// The stream.
        stream: StreamId,
    },
    /// A client asked for something. Ignored if the stream is gone.
    Request {
        /// On which stream.
        stream: StreamId,
        /// What.
        request: WatchRequest,
    },
    /// The front end wrote messages out whose [`WatchMessage::len_bytes`] sum up to this. Ignored if the stream is gone.
    Consumed {
        /// Of which stream.
        stream: StreamId,
        /// How much.
        len_bytes: usize,
    },
    /// The client is gone; nothing is sent to it any more.
    Close {
        /// The stream.
        stream: StreamId,
    },
    /// The machine committed; the view includes it.
    Applied {
        /// All events since the last such input, in order.
        events: &'a [Event],
    },
    /// The deadline was reached. Only this reads history, a bounded amount.
    Tick,
}

/// Turns a machine's events into its watchers' messages. See the module for what it guarantees.
#[derive(Debug)]
pub struct WatchHub {
    options: HubOptions,
    rng: Rng,
    /// The latest moment that it was told; never goes back.
    now: Time,
    /// All up to here has been delivered or is remembered to be lagged behind; never goes back.
    revision: Revision,
    streams: Slab<StreamSlot, Stream>,
    stream_slots: BTreeMap<StreamId, StreamSlot>,
    watchers: Slab<WatcherSlot, Watcher>,
    /// The synced watchers.
    matcher: Matcher,
    /// The parked watchers by start; all starts lie ahead.
    parked: BTreeSet<(Revision, WatcherSlot)>,
    /// The lagging watchers by the first revision that they have yet to read.
    lagging: BTreeSet<(Revision, WatcherSlot)>,
    /// The streams with lagging watchers and an open window.
    ready: BTreeSet<StreamSlot>,
    /// The ready stream that was served last.
    served: StreamSlot,
    /// The watchers that want to hear of progress.
    timers: BTreeSet<(Time, WatcherSlot)>,
    /// Streams whose progress request may have become answerable in this step; empty between steps.
    settled: Vec<StreamSlot>,
}

impl WatchHub {
    /// A hub without streams. `rng` only spreads timers and balances trees.
    ///
    /// # Panics
    /// If an option is zero that must not be.
    #[must_use]
    pub fn new(options: HubOptions, mut rng: Rng) -> Self {
        assert!(!options.progress_interval.is_zero(), "an interval of progress takes some time");
        assert!(options.window_len_bytes > 0, "a window holds something");
        WatchHub {
            options,
            matcher: Matcher::new(rng.fork()),
            rng,
            now: Time::default(),
            revision: Revision::default(),
            streams: Slab::new(),
            stream_slots: BTreeMap::new(),
            watchers: Slab::new(),
            parked: BTreeSet::new(),
            lagging: BTreeSet::new(),
            ready: BTreeSet::new(),
            served: StreamSlot::default(),
            timers: BTreeSet::new(),
            settled: Vec::new(),
        }
    }

    /// Takes `input` in and appends what it leads to. `view` is the newest one and never older than in an earlier step.
    /// Messages to one stream are to be written in the order in which they stand in `out`.
    ///
    /// # Errors
    /// [`HistoryError`] if a tick could not read the history. What is in `out` holds; the watchers that it was read for keep
    /// their positions, and a later tick tries again.
    ///
    /// # Panics
    /// If the driver breaks the rules above, or consumes more than was sent.
    pub fn step(
        &mut self,
        now: Time,
        view: &dyn History,
        input: HubInput<'_>,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) -> Result<(), HistoryError> {
        assert!(view.revision() >= self.revision, "views never go back");
        self.now = self.now.max(now);
        match input {
            HubInput::Applied { events } => {
                let newest = events.last().map_or(self.revision, Event::revision);
                assert!(newest <= view.revision(), "the view includes what was applied");
                self.on_applied(events, out);
            }
            HubInput::Close { stream } => self.on_close(stream),
            _ => {}
        }
        self.follow(view, out);
        let mut result = Ok(());
        match input {
            HubInput::Applied { .. } | HubInput::Close { .. } => {}
            HubInput::Open { stream } => self.on_open(stream, out),
            HubInput::Request { stream, request } => self.on_request(view, stream, request, out),
            HubInput::Consumed { stream, len_bytes } => self.on_consumed(stream, len_bytes),
            HubInput::Tick => {
                result = self.catch_up(view, out);
                self.notify_progress(out);
            }
        }
        self.answer_progress(out);
        result
    }

    /// When a [`HubInput::Tick`] is due; a moment that has passed: as soon as there is time.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        self.timers.first().map(|(deadline, _)| *deadline)
    }

    /// How many watchers there are.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.len()
    }

    /// How many of them have yet to be sent events that have happened.
    #[must_use]
    pub fn slow_watchers(&self) -> usize {
        self.lagging.len()
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Makes up for what the view has and no input told, and ends the watchers whose next revision is gone.
    fn follow(&mut self, view: &dyn History, out: &mut Vec<(StreamId, WatchMessage)>) {
        if view.revision() > self.revision {
            self.fall_behind(view.revision());
        }
        while let Some((_, slot)) = self.lagging.first().copied().filter(|(next, _)| *next < view.compacted())
        {
            self.end_compacted(slot, view.compacted(), out);
        }
    }

    /// Makes all synced watchers lag, because events up to `revision` have happened unseen.
    fn fall_behind(&mut self, revision: Revision) {
        let unseen = self.revision.next();
        self.revision = revision;
        let synced: Vec<WatcherSlot> = self.matcher.iter().map(|(slot, ..)| slot).collect();
        let started = self.parked.range(..=(revision, WatcherSlot::MAX)).map(|(_, slot)| *slot);
        for slot in synced.into_iter().chain(started.collect::<Vec<_>>()) {
            marks::WATCH_FELL_BEHIND.reach();
            self.leave(slot);
            self.lag(slot, self.watchers[slot].next.max(unseen));
        }
    }

    /// Ends a watcher that cannot go on, and tells it.
    fn end_compacted(
        &mut self,
        slot: WatcherSlot,
        compact_revision: Revision,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        assert_eq!(self.watchers[slot].phase, Phase::Lagging, "a synced watcher needs nothing of the past");
        marks::WATCH_COMPACTED.reach();
        let ended = self.end(slot);
        self.answer(ended.stream, WatchMessage::Compacted { id: ended.id, compact_revision }, out);
    }

    fn on_open(&mut self, id: StreamId, out: &mut Vec<(StreamId, WatchMessage)>) {
        assert!(!self.stream_slots.contains_key(&id), "a stream's id is used once");
        if self.streams.len() == STREAMS_MAX {
            out.push((id, WatchMessage::Ended { reason: StreamEnd::TooManyStreams }));
            return;
        }
        let slot = self.streams.insert(Stream::new(id, self.options.window_len_bytes));
        self.stream_slots.insert(id, slot);
    }

    fn on_consumed(&mut self, id: StreamId, len_bytes: usize) {
        let Some(slot) = self.stream_slots.get(&id).copied() else { return };
        let stream = &mut self.streams[slot];
        stream.window.give_back(len_bytes);
        if stream.is_ready() {
            self.ready.insert(slot);
        }
        if stream.progress_wanted {
            self.settled.push(slot);
        }
    }

    fn on_close(&mut self, id: StreamId) {
        let Some(slot) = self.stream_slots.remove(&id) else { return };
        let watchers: Vec<WatcherSlot> = self.streams[slot].watchers.values().copied().collect();
        for watcher in watchers {
            self.end(watcher);
        }
        self.streams.remove(slot);
        self.settled.retain(|settled| *settled != slot);
    }
}
