//! Scenarios as text: commands after `>`, below each what the hub says to it.
//!
//! ```text
//! > open S | close S            a stream
//! > watch S RANGE [OPTION…]     RANGE: a, a..c, a.. ; OPTION: from=N id=N prev no_put no_delete progress fragment
//! > cancel S ID | progress S    the other requests
//! > write a=1 -b …              one revision, told to the hub; several: write a=1 / b=2
//! > hide a=1 …                  the same, but the hub is not told
//! > again N                     the events of revision N on are told once more
//! > compact N
//! > read S [N]                  the client reads N messages, or all
//! > tick | wait MS              a tick, now or later; `settle`: ticks until none is due
//! > fail                        the next read of history fails
//! ```

use super::log::{Change, Log};
use crate::event::{Event, EventKind, History};
use crate::request::KeyRange;
use crate::watch::{
    EventRef, HubInput, HubOptions, StreamId, WatchHub, WatchMessage, WatchRequest, WatchSpec,
};
use quorate_types::{Bytes, Revision, Rng, Time};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// Runs the commands of `scenario` and compares what the hub says with what stands there.
pub(super) fn check(options: HubOptions, scenario: &str) {
    let mut scene = Scene::new(options);
    let mut expected = String::new();
    for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty()) {
        expected.push_str(line);
        expected.push('\n');
        if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(scene.said, "{line}");
            scene.run(command);
        }
    }
    assert_eq!(expected, scene.said, "left: the scenario; right: what happened:\n{}", scene.said);
}

pub(super) fn changes(words: &str) -> Vec<Change> {
    let change = |word: &str| match word.strip_prefix('-') {
        Some(key) => (Bytes::from(key.to_owned()), None),
        None => {
            let (key, value) = word.split_once('=').expect("key=value");
            // `a=*900` is a value of 900 bytes.
            let value = match value.strip_prefix('*') {
                Some(len) => vec![b'x'; len.parse().unwrap()],
                None => value.as_bytes().to_vec(),
            };
            (Bytes::from(key.to_owned()), Some(Bytes::from(value)))
        }
    };
    words.split_whitespace().map(change).collect()
}

struct Scene {
    hub: WatchHub,
    log: Log,
    now: Time,
    unread: BTreeMap<StreamId, VecDeque<usize>>,
    said: String,
}

impl Scene {
    fn new(options: HubOptions) -> Self {
        let hub = WatchHub::new(options, Rng::new(1));
        let unread = BTreeMap::new();
        Scene { hub, log: Log::default(), now: Time::default(), unread, said: String::new() }
    }

    fn step(&mut self, input: HubInput<'_>) {
        let mut out = Vec::new();
        if let Err(error) = self.hub.step(self.now, &self.log, input, &mut out) {
            let _ = writeln!(self.said, "error: {error:?}");
        }
        self.hub.check_invariants();
        for (stream, message) in out {
            self.unread.entry(stream).or_default().push_back(message.len_bytes());
            let _ = writeln!(self.said, "{}: {}", stream.0, rendered(&message));
        }
    }

    fn request(&mut self, stream: StreamId, request: WatchRequest) {
        self.step(HubInput::Request { stream, request });
    }

    fn run(&mut self, command: &str) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word: &&str| word.parse::<i64>().ok());
        let stream = StreamId(number(0).unwrap_or(0).unsigned_abs());
        match verb {
            "open" => self.step(HubInput::Open { stream }),
            "close" => self.step(HubInput::Close { stream }),
            "watch" => self.request(stream, WatchRequest::Create(spec(words[1], &words[2..]))),
            "cancel" => self.request(stream, WatchRequest::Cancel { id: number(1).unwrap() }),
            "progress" => self.request(stream, WatchRequest::Progress),
            "write" => {
                let from = self.log.revision().next();
                self.write(rest);
                self.apply_since(from);
            }
            "hide" => self.write(rest),
            "again" => self.apply_since(Revision(number(0).unwrap())),
            "compact" => self.log.compacted = Revision(number(0).unwrap()),
            "read" => self.read(stream, number(1).map_or(usize::MAX, |n| n as usize)),
            "tick" => self.step(HubInput::Tick),
            "wait" => {
                self.now = self.now + Duration::from_millis(number(0).unwrap().unsigned_abs());
                self.step(HubInput::Tick);
            }
            "settle" => {
                while self.hub.next_deadline().is_some_and(|at| at <= self.now) {
                    self.step(HubInput::Tick);
                }
            }
            "fail" => self.log.broken.set(true),
            _ => panic!("no such command: {command}"),
        }
    }

    fn write(&mut self, words: &str) {
        for revision in words.split('/') {
            self.log.write(changes(revision));
        }
    }

    fn apply_since(&mut self, from: Revision) {
        let events: Vec<Event> = self.log.since(from).concat();
        self.step(HubInput::Applied { events: &events });
    }

    fn read(&mut self, stream: StreamId, messages: usize) {
        let unread = self.unread.entry(stream).or_default();
        let len_bytes = unread.drain(..messages.min(unread.len())).sum();
        self.step(HubInput::Consumed { stream, len_bytes });
    }
}

fn spec(range: &str, options: &[&str]) -> WatchSpec {
    let bytes = |word: &str| Bytes::from(word.to_owned());
    let (key, end) = match range.split_once("..") {
        None => (bytes(range), Bytes::new()),
        Some((key, "")) => (bytes(key), Bytes::from_static(&[0])),
        Some((key, end)) => (bytes(key), bytes(end)),
    };
    let mut spec = WatchSpec { range: KeyRange { key, end }, ..WatchSpec::default() };
    for option in options {
        match option.split_once('=').unwrap_or((option, "")) {
            ("from", n) => spec.start_revision = n.parse().unwrap(),
            ("id", n) => spec.id = Some(n.parse().unwrap()),
            ("prev", _) => spec.prev_kv = true,
            ("no_put", _) => spec.no_put = true,
            ("no_delete", _) => spec.no_delete = true,
            ("progress", _) => spec.progress_notify = true,
            ("fragment", _) => spec.fragment = true,
            _ => panic!("no such option: {option}"),
        }
    }
    spec
}

fn rendered(message: &WatchMessage) -> String {
    match message {
        WatchMessage::Created { id, revision } => format!("created {id} @{revision}"),
        WatchMessage::Refused { reason, revision } => format!("refused {reason:?} @{revision}"),
        WatchMessage::Events { id, revision, events, fragment } => {
            let events: Vec<String> = events.iter().map(rendered_event).collect();
            format!("{id} @{revision}: {}{}", events.join(" "), if *fragment { " …" } else { "" })
        }
        WatchMessage::Compacted { id, compact_revision } => format!("compacted {id} at {compact_revision}"),
        WatchMessage::Canceled { id, revision } => format!("canceled {id} @{revision}"),
        WatchMessage::Progress { id: Some(id), revision } => format!("progress {id} @{revision}"),
        WatchMessage::Progress { id: None, revision } => format!("progress * @{revision}"),
        WatchMessage::Ended { reason } => format!("ended {reason:?}"),
    }
}

/// `2a=1` for a put at revision 2, `3-a` for a deletion at 3, then the value before in brackets.
fn rendered_event(event: EventRef<'_>) -> String {
    let text = |bytes: &[u8]| match bytes.len() {
        0..10 => String::from_utf8_lossy(bytes).into_owned(),
        len => format!("*{len}"),
    };
    let (revision, key) = (event.kv.mod_revision, text(&event.kv.key));
    let before = event.prev_kv.map_or(String::new(), |prev| format!("[{}]", text(&prev.value)));
    match event.kind {
        EventKind::Put => format!("{revision}{key}={}{before}", text(&event.kv.value)),
        EventKind::Delete => format!("{revision}-{key}{before}"),
    }
}
