//! Every bound, reached.

use super::log::Log;
use super::script::changes;
use crate::event::{Event, History};
use crate::request::KeyRange;
use crate::watch::{
    HubInput, HubOptions, STREAM_ANSWERS_LEN_BYTES, STREAM_WATCHERS_MAX, STREAM_WINDOW_LEN_BYTES,
    STREAMS_MAX, StreamEnd, StreamId, WatchHub, WatchMessage, WatchRefusal, WatchRequest, WatchSpec,
};
use quorate_types::{Bytes, Revision, Rng, Time};
use std::time::Duration;

struct Bench {
    hub: WatchHub,
    log: Log,
    now: Time,
}

impl Bench {
    fn new() -> Self {
        let hub = WatchHub::new(HubOptions::default(), Rng::new(1));
        Bench { hub, log: Log::default(), now: Time::default() }
    }

    /// A bench whose log has `revisions`, each a value of `len_bytes`.
    fn written(revisions: usize, len_bytes: usize) -> Self {
        let mut bench = Bench::new();
        for _ in 0..revisions {
            bench.log.write(changes(&format!("a=*{len_bytes}")));
        }
        bench
    }

    fn step(&mut self, input: HubInput<'_>) -> Vec<(StreamId, WatchMessage)> {
        let mut out = Vec::new();
        self.hub.step(self.now, &self.log, input, &mut out).unwrap();
        out
    }

    fn open(&mut self, stream: u64) -> Option<WatchMessage> {
        self.step(HubInput::Open { stream: StreamId(stream) }).pop().map(|(_, message)| message)
    }

    fn create(&mut self, stream: u64, start_revision: i64) -> WatchMessage {
        let range = KeyRange { key: Bytes::from_static(b"a"), end: Bytes::new() };
        let spec = WatchSpec { range, start_revision, progress_notify: true, ..WatchSpec::default() };
        let request = WatchRequest::Create(spec);
        let mut out = self.step(HubInput::Request { stream: StreamId(stream), request });
        assert_eq!(out.len(), 1, "one answer to one request");
        out.remove(0).1
    }

    fn refused(&self, reason: WatchRefusal) -> WatchMessage {
        WatchMessage::Refused { reason, revision: self.log.revision() }
    }
}

/// How many events each message holds.
fn event_counts(out: &[(StreamId, WatchMessage)]) -> Vec<usize> {
    let count = |(_, message): &(StreamId, WatchMessage)| match message {
        WatchMessage::Events { events, .. } => events.len(),
        other => panic!("not events: {other:?}"),
    };
    out.iter().map(count).collect()
}

#[test]
fn a_message_holds_a_thousand_revisions() {
    let mut bench = Bench::new();
    bench.open(1);
    bench.create(1, 0);
    bench.log = Bench::written(2500, 1).log;
    let events: Vec<Event> = bench.log.since(Revision(2)).concat();
    let out = bench.step(HubInput::Applied { events: &events });
    assert_eq!(event_counts(&out), [1000, 1000, 500]);
}

#[test]
fn a_tick_makes_four_passes_of_a_thousand_revisions() {
    let mut bench = Bench::written(5500, 1);
    bench.open(1);
    bench.create(1, 2);
    assert_eq!(event_counts(&bench.step(HubInput::Tick)), [1000, 1000, 1000, 1000]);
    assert_eq!(bench.hub.next_deadline(), Some(bench.now), "there is more to do at once");
    assert_eq!(event_counts(&bench.step(HubInput::Tick)), [1000, 500]);
    assert!(bench.hub.next_deadline() > Some(bench.now));
}

#[test]
fn a_tick_reads_a_mebibyte_and_one_revision() {
    let mut bench = Bench::written(5, 400 << 10);
    bench.open(1);
    bench.create(1, 2);
    assert_eq!(event_counts(&bench.step(HubInput::Tick)), [3]);
    assert_eq!(event_counts(&bench.step(HubInput::Tick)), [2]);
    let events: Vec<Event> = {
        bench.log = Bench::written(10, 400 << 10).log;
        bench.log.since(Revision(7)).concat()
    };
    assert_eq!(event_counts(&bench.step(HubInput::Applied { events: &events })), [3, 2]);
}

#[test]
fn a_pass_serves_five_hundred_watchers_of_any_stream() {
    let mut bench = Bench::written(1, 1);
    for stream in 0..3000 {
        bench.open(stream);
        bench.create(stream, 2);
    }
    assert_eq!(event_counts(&bench.step(HubInput::Tick)), [1; 4 * 512]);
    assert_eq!(event_counts(&bench.step(HubInput::Tick)), [1; 3000 - 4 * 512]);
    assert_eq!(bench.hub.slow_watchers(), 0);
}

#[test]
fn a_stream_with_one_lagging_watcher_does_not_wait_for_one_with_many() {
    let mut bench = Bench::written(9000, 1);
    bench.open(1);
    bench.open(2);
    for start in 2..9 {
        bench.create(1, start * 1000);
    }
    bench.create(2, 2);
    let out = bench.step(HubInput::Tick);
    assert!(out.iter().filter(|(stream, _)| *stream == StreamId(2)).count() >= 2, "half of the passes");
}

#[test]
fn a_tick_tells_the_progress_of_four_thousand() {
    let mut bench = Bench::new();
    bench.open(1);
    for _ in 0..5000 {
        bench.create(1, 0);
    }
    bench.step(HubInput::Consumed { stream: StreamId(1), len_bytes: 5000 * 128 });
    bench.now = bench.now + Duration::from_secs(660);
    assert_eq!(bench.step(HubInput::Tick).len(), 4096);
    assert!(bench.hub.next_deadline() <= Some(bench.now), "there is more to do at once");
    assert_eq!(bench.step(HubInput::Tick).len(), 5000 - 4096);
}

#[test]
fn a_client_that_asks_without_reading_is_cut_off() {
    let mut bench = Bench::new();
    bench.open(1);
    let answers = (STREAM_WINDOW_LEN_BYTES + STREAM_ANSWERS_LEN_BYTES) / 128;
    for _ in 0..answers {
        assert_eq!(bench.create(1, -1), bench.refused(WatchRefusal::Compacted));
    }
    assert_eq!(bench.create(1, -1), WatchMessage::Ended { reason: StreamEnd::Overrun });
    assert_eq!(bench.hub.streams(), 0);
}

#[test]
fn a_client_that_reads_may_ask_for_ever() {
    let mut bench = Bench::new();
    bench.open(1);
    for _ in 0..1 << 16 {
        bench.create(1, -1);
    }
    for _ in 0..1 << 18 {
        assert_eq!(bench.create(1, -1), bench.refused(WatchRefusal::Compacted));
        bench.step(HubInput::Consumed { stream: StreamId(1), len_bytes: 128 });
    }
}

#[test]
fn the_numbers_of_watchers_and_streams_are_bounded() {
    let mut bench = Bench::new();
    let options = HubOptions { watchers_max: STREAM_WATCHERS_MAX + 1, ..HubOptions::default() };
    bench.hub = WatchHub::new(options, Rng::new(1));
    bench.open(0);
    for _ in 0..STREAM_WATCHERS_MAX {
        assert!(matches!(bench.create(0, 0), WatchMessage::Created { .. }));
    }
    assert_eq!(bench.create(0, 0), bench.refused(WatchRefusal::StreamFull));
    bench.open(1);
    assert!(matches!(bench.create(1, 0), WatchMessage::Created { .. }));
    assert_eq!(bench.create(1, 0), bench.refused(WatchRefusal::HubFull));
    for stream in 2..STREAMS_MAX as u64 {
        assert_eq!(bench.open(stream), None);
    }
    let refused = WatchMessage::Ended { reason: StreamEnd::TooManyStreams };
    assert_eq!(bench.open(STREAMS_MAX as u64), Some(refused));
}
