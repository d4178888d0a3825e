//! Random machines, clients and drivers against the model.

use super::log::{Change, Log};
use super::model::{Model, Seen};
use crate::event::{Event, History, HistoryError};
use crate::request::KeyRange;
use crate::watch::{HubInput, HubOptions, StreamId, WatchHub, WatchRequest, WatchSpec};
use quorate_types::{Bytes, Revision, Rng, Time};
use std::time::Duration;

const SEEDS: u64 = 400;
const STEPS: usize = 250;
const STREAMS_OPEN_MAX: usize = 4;
const WATCHERS_MADE_MAX: usize = 24;

struct Run {
    rng: Rng,
    hub: WatchHub,
    log: Log,
    model: Model,
    now: Time,
    streams_opened: u64,
    /// All before this was told to the hub.
    told: Revision,
}

fn key(rng: &mut Rng) -> Bytes {
    Bytes::from(vec![b'a' + rng.below(8) as u8])
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let window_len_bytes = rng.between(1, 3000) as usize;
        let options = HubOptions {
            progress_interval: Duration::from_millis(rng.between(1, 30)),
            fragment_len_bytes: rng.between(1, 400) as usize,
            window_len_bytes,
            ..HubOptions::default()
        };
        Run {
            hub: WatchHub::new(options, rng.fork()),
            rng,
            log: Log::default(),
            model: Model::new(window_len_bytes),
            now: Time::default(),
            streams_opened: 0,
            told: Revision(2),
        }
    }

    fn step(&mut self, input: HubInput<'_>) {
        let mut out = Vec::new();
        match self.hub.step(self.now, &self.log, input, &mut out) {
            Ok(()) | Err(HistoryError::Tables(_)) => {}
            Err(HistoryError::Compacted { .. }) => panic!("a compaction is an answer, not an error"),
        }
        for (stream, message) in &out {
            self.model.on_message(&self.log, *stream, message);
        }
        self.hub.check_invariants();
        assert_eq!(self.hub.watchers(), self.model.watchers());
        self.model.seen.lagged += self.hub.slow_watchers();
    }

    fn write(&mut self) {
        for _ in 0..self.rng.between(1, 4) {
            let changes = (0..self.rng.between(1, 4)).map(|_| self.change());
            let changes: Vec<Change> = changes.collect();
            self.log.write(changes);
        }
        match self.rng.below(20) {
            // A driver that tells things late, never or twice.
            0 => return,
            1 => self.told = self.log.revision(),
            2 => self.told = Revision(self.told.0 - self.rng.below(5) as i64),
            _ => {}
        }
        let events: Vec<Event> = self.log.since(self.told).concat();
        self.told = self.log.revision().next();
        self.step(HubInput::Applied { events: &events });
    }

    fn change(&mut self) -> Change {
        let value = self.rng.chance(2, 3).then(|| Bytes::from(vec![b'v'; self.rng.below(60) as usize]));
        (key(&mut self.rng), value)
    }

    fn create(&mut self, stream: StreamId) {
        let rng = &mut self.rng;
        let first = key(rng);
        let end = match rng.below(4) {
            0 => Bytes::from_static(&[0]),
            1 => key(rng),
            2 => Bytes::from(vec![first[0] + 2]),
            _ => Bytes::new(),
        };
        let newest = self.log.revision().0;
        let start_revision = match rng.below(4) {
            0 => 0,
            1 => newest + rng.between(0, 6) as i64,
            _ => newest - rng.below(newest.unsigned_abs() + 1) as i64,
        };
        let spec = WatchSpec {
            id: rng.chance(1, 8).then(|| rng.below(10) as i64),
            range: KeyRange { key: first, end },
            start_revision,
            prev_kv: rng.chance(1, 2),
            no_put: rng.chance(1, 5),
            no_delete: rng.chance(1, 5),
            progress_notify: rng.chance(1, 2),
            fragment: rng.chance(1, 2),
        };
        self.model.ask(stream, spec.clone());
        self.step(HubInput::Request { stream, request: WatchRequest::Create(spec) });
    }

    fn client(&mut self) {
        let streams = self.model.open_streams();
        let opens = streams.is_empty() || (streams.len() < STREAMS_OPEN_MAX && self.rng.chance(1, 10));
        if opens {
            self.streams_opened += 1;
            let stream = StreamId(self.streams_opened);
            self.model.open(stream);
            return self.step(HubInput::Open { stream });
        }
        let stream = streams[self.rng.below(streams.len() as u64) as usize];
        match self.rng.below(20) {
            0..6 if self.model.watchers() < WATCHERS_MADE_MAX => self.create(stream),
            6 => {
                let id = self.rng.below(10) as i64;
                self.step(HubInput::Request { stream, request: WatchRequest::Cancel { id } });
            }
            7..10 => self.step(HubInput::Request { stream, request: WatchRequest::Progress }),
            10 if self.rng.chance(1, 5) => {
                self.model.close(stream);
                self.step(HubInput::Close { stream });
            }
            _ => self.read(stream, 4),
        }
    }

    fn read(&mut self, stream: StreamId, messages_max: u64) {
        let messages = self.rng.between(1, messages_max) as usize;
        let len_bytes = self.model.read(stream, messages);
        self.step(HubInput::Consumed { stream, len_bytes });
    }

    fn act(&mut self) {
        match self.rng.below(10) {
            0..3 => self.write(),
            3..7 => self.client(),
            7 if self.rng.chance(1, 4) => {
                let newest = self.log.revision().0;
                let at = newest - self.rng.below(newest.unsigned_abs().min(10)) as i64;
                self.log.compacted = self.log.compacted.max(Revision(at));
            }
            _ => {
                self.now = self.now + Duration::from_millis(self.rng.below(4));
                self.log.broken.set(self.rng.chance(1, 10));
                self.step(HubInput::Tick);
                self.log.broken.set(false);
            }
        }
    }

    /// Everybody reads: then everybody gets everything.
    fn heal(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "the hub is never done");
            for stream in self.model.open_streams() {
                let len_bytes = self.model.read(stream, usize::MAX);
                self.step(HubInput::Consumed { stream, len_bytes });
            }
            if self.hub.next_deadline().is_none_or(|at| at > self.now) && self.hub.slow_watchers() == 0 {
                break;
            }
            self.step(HubInput::Tick);
        }
        self.model.check_complete(&self.log);
    }
}

fn run(seed: u64) -> Seen {
    let mut run = Run::new(seed);
    for _ in 0..STEPS {
        run.act();
    }
    run.heal();
    run.model.seen
}

/// Names the seed of a run that panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}; again: WATCH_SEED={0} cargo test -p quorate-kv clients_see", self.0);
        }
    }
}

#[test]
fn clients_see_what_the_model_allows() {
    if let Ok(seed) = std::env::var("WATCH_SEED") {
        run(seed.parse().expect("WATCH_SEED is a number"));
        return;
    }
    let seeds = std::env::var("WATCH_SEEDS").map_or(SEEDS, |n| n.parse().expect("WATCH_SEEDS is a number"));
    let mut total = Seen::default();
    for seed in 0..seeds {
        let named = Named(seed);
        let seen = run(seed);
        drop(named);
        total.events += seen.events;
        total.fragments += seen.fragments;
        total.compacted += seen.compacted;
        total.progress += seen.progress;
        total.stream_progress += seen.stream_progress;
        total.refused += seen.refused;
        total.lagged += seen.lagged;
    }
    let Seen { events, fragments, compacted, progress, stream_progress, refused, lagged } = total;
    let reached = [events, fragments, compacted, progress, stream_progress, refused, lagged];
    assert!(reached.iter().all(|times| *times > 100), "the runs miss something: {total:?}");
}
