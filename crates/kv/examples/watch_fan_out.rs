//! What one event costs the watch hub, by how many watchers get it and by how many others there are.
//!
//! `cargo run --release -p quorate-kv --example watch_fan_out`

#![expect(clippy::disallowed_methods, reason = "it measures")]

use quorate_kv::watch::{HubInput, HubOptions, StreamId, WatchHub, WatchMessage, WatchRequest, WatchSpec};
use quorate_kv::{Event, EventKind, History, HistoryError, KeyRange, KeyValue};
use quorate_types::{Bytes, Revision, Rng, Time};
use std::time::Instant;

const STREAM_WATCHERS: usize = 100;
const MESSAGES: usize = 4_000_000;

/// Nobody lags, so nothing but the revision is asked for.
struct Newest(Revision);

impl History for Newest {
    fn revision(&self) -> Revision {
        self.0
    }
    fn compacted(&self) -> Revision {
        Revision(0)
    }
    fn events(&self, _: Revision, _: usize, _: usize, _: &mut Vec<Event>) -> Result<Revision, HistoryError> {
        unreachable!("nobody lags")
    }
}

fn key(n: usize) -> Bytes {
    Bytes::from(format!("/registry/pods/{n:08}"))
}

fn event(n: usize, revision: Revision) -> Event {
    let value = Bytes::from_static(&[b'v'; 256]);
    let kv = KeyValue { key: key(n), value, mod_revision: revision, ..KeyValue::default() };
    Event { kind: EventKind::Put, prev_kv: Some(kv.clone()), kv }
}

/// Nanoseconds per event, with `watchers` of the ranges that `range` gives.
fn measure(watchers: usize, receivers: usize, range: impl Fn(usize) -> KeyRange) -> f64 {
    let mut hub = WatchHub::new(HubOptions::default(), Rng::new(1));
    let (mut view, mut out) = (Newest(Revision(1)), Vec::new());
    for n in 0..watchers {
        let stream = StreamId((n / STREAM_WATCHERS) as u64);
        if n % STREAM_WATCHERS == 0 {
            hub.step(Time(0), &view, HubInput::Open { stream }, &mut out).expect("no history is read");
        }
        let spec = WatchSpec { range: range(n), ..WatchSpec::default() };
        let request = WatchRequest::Create(spec);
        hub.step(Time(0), &view, HubInput::Request { stream, request }, &mut out)
            .expect("no history is read");
    }
    consume(&mut hub, &view, &mut out);
    let events = (MESSAGES / receivers).min(400_000);
    let mut spent_ns = 0;
    for n in 0..events {
        view.0 = view.0.next();
        let applied = [event(n % watchers, view.0)];
        let start = Instant::now();
        hub.step(Time(0), &view, HubInput::Applied { events: &applied }, &mut out)
            .expect("no history is read");
        spent_ns += start.elapsed().as_nanos();
        assert_eq!(out.len(), receivers);
        consume(&mut hub, &view, &mut out);
    }
    spent_ns as f64 / events as f64
}

fn consume(hub: &mut WatchHub, view: &Newest, out: &mut Vec<(StreamId, WatchMessage)>) {
    let mut none = Vec::new();
    for of_stream in out.chunk_by(|(a, _), (b, _)| a == b) {
        let len_bytes = of_stream.iter().map(|(_, message)| message.len_bytes()).sum();
        let input = HubInput::Consumed { stream: of_stream[0].0, len_bytes };
        hub.step(Time(0), view, input, &mut none).expect("no history is read");
    }
    out.clear();
}

fn main() {
    let everything = || KeyRange { key: Bytes::from_static(b"/"), end: Bytes::from_static(b"0") };
    let one_key = |n| KeyRange { key: key(n), end: Bytes::new() };
    let a_few = |n| KeyRange { key: key(n), end: key(n + 1) };
    println!(
        "{:>9} {:>28} {:>24} {:>24}",
        "watchers", "all get it: ns (a message)", "one key each: ns", "a range each: ns"
    );
    for watchers in [1, 100, 1000, 10_000] {
        let all = measure(watchers, watchers, |_| everything());
        let each = all / watchers as f64;
        let (one, few) = (measure(watchers, 1, one_key), measure(watchers, 1, a_few));
        println!("{watchers:>9} {all:>18.0} ({each:>7.1}) {one:>24.0} {few:>24.0}");
    }
}
