//! What clients must see, said naively: each watcher checks every message against the whole log.

use super::log::Log;
use crate::event::{Event, EventKind, History};
use crate::watch::{EventRef, StreamId, WatchMessage, WatchSpec};
use quorate_types::Revision;
use std::collections::{BTreeMap, VecDeque};

/// What happened in a run, to be sure that the runs reach it.
#[derive(Default, Debug)]
pub(super) struct Seen {
    pub(super) events: usize,
    pub(super) fragments: usize,
    pub(super) compacted: usize,
    pub(super) progress: usize,
    pub(super) stream_progress: usize,
    pub(super) refused: usize,
    pub(super) lagged: usize,
}

/// One watcher as its client knows it.
struct Client {
    spec: WatchSpec,
    start: Revision,
    /// What it has yet to get begins here: a revision and a position in it.
    next: (Revision, usize),
    /// The last message was a fragment and not the last one.
    in_fragment: bool,
}

impl Client {
    fn wants(&self, event: &Event) -> bool {
        let filtered = match event.kind {
            EventKind::Put => self.spec.no_put,
            EventKind::Delete => self.spec.no_delete,
        };
        !filtered && self.spec.range.contains(event.key())
    }

    /// The next event that it must get, and its position.
    fn missing<'a>(&self, log: &'a Log) -> Option<(Revision, usize, &'a Event)> {
        for events in log.since(self.next.0) {
            let revision = events[0].revision();
            let skip = if revision == self.next.0 { self.next.1 } else { 0 };
            let found = events.iter().enumerate().skip(skip).find(|(_, event)| self.wants(event));
            if let Some((position, event)) = found {
                return Some((revision, position, event));
            }
        }
        None
    }

    fn on_event(&mut self, log: &Log, got: EventRef<'_>) {
        let (revision, position, expected) = self.missing(log).expect("an event that is not in the log");
        assert_eq!((got.kind, got.kv), (expected.kind, &expected.kv), "a gap, a repetition or a disorder");
        assert_eq!(got.prev_kv, expected.prev_kv.as_ref().filter(|_| self.spec.prev_kv));
        self.next = (revision, position + 1);
    }

    /// Checks the promise that all up to `revision` was sent.
    fn on_promise(&mut self, log: &Log, revision: Revision) {
        assert!(revision <= log.revision(), "a promise about the future");
        if let Some((missing, ..)) = self.missing(log) {
            assert!(missing > revision, "revision {missing} was not sent before the promise of {revision}");
        }
        self.next = self.next.max((revision.next(), 0));
    }
}

/// All streams' clients, and what waits for them unread.
pub(super) struct Model {
    streams: BTreeMap<StreamId, Stream>,
    window_len_bytes: usize,
    pub(super) seen: Seen,
}

#[derive(Default)]
struct Stream {
    clients: BTreeMap<i64, Client>,
    unread: VecDeque<usize>,
    asked: VecDeque<WatchSpec>,
}

impl Model {
    pub(super) fn new(window_len_bytes: usize) -> Self {
        Model { streams: BTreeMap::new(), window_len_bytes, seen: Seen::default() }
    }

    pub(super) fn open(&mut self, stream: StreamId) {
        assert!(self.streams.insert(stream, Stream::default()).is_none());
    }

    pub(super) fn close(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    pub(super) fn ask(&mut self, stream: StreamId, spec: WatchSpec) {
        self.stream(stream).asked.push_back(spec);
    }

    /// Reads the oldest messages; says how long they were.
    pub(super) fn read(&mut self, stream: StreamId, messages: usize) -> usize {
        let unread = &mut self.stream(stream).unread;
        unread.drain(..messages.min(unread.len())).sum()
    }

    pub(super) fn open_streams(&self) -> Vec<StreamId> {
        self.streams.keys().copied().collect()
    }

    pub(super) fn watchers(&self) -> usize {
        self.streams.values().map(|stream| stream.clients.len()).sum()
    }

    fn stream(&mut self, stream: StreamId) -> &mut Stream {
        self.streams.get_mut(&stream).expect("a message to a stream that is not open")
    }

    /// Checks one message.
    pub(super) fn on_message(&mut self, log: &Log, to: StreamId, message: &WatchMessage) {
        let window_len_bytes = self.window_len_bytes;
        let mut seen = std::mem::take(&mut self.seen);
        let stream = self.stream(to);
        let has_room = stream.unread.iter().sum::<usize>() < window_len_bytes;
        stream.unread.push_back(message.len_bytes());
        let mid_fragment = stream.clients.iter().find(|(_, client)| client.in_fragment).map(|(id, _)| *id);
        match message {
            WatchMessage::Created { id, revision } => stream.on_created(*id, *revision),
            WatchMessage::Refused { .. } => {
                assert!(stream.asked.pop_front().is_some(), "a refusal that nobody asked for");
                seen.refused += 1;
            }
            WatchMessage::Events { id, revision, events, fragment } => {
                assert!(mid_fragment.is_some() || has_room, "events beyond the window");
                assert!(mid_fragment.is_none_or(|other| other == *id), "fragments of two watchers are mixed");
                let client = stream.clients.get_mut(id).expect("events of a watcher that is not there");
                assert!(!events.is_empty() && (!fragment || client.spec.fragment));
                events.iter().for_each(|event| client.on_event(log, event));
                client.in_fragment = *fragment;
                if !fragment {
                    client.on_promise(log, *revision);
                }
                seen.events += events.len();
                seen.fragments += usize::from(*fragment);
            }
            WatchMessage::Compacted { id, compact_revision } => {
                let client = stream.clients.remove(id).expect("the end of a watcher that is not there");
                assert_eq!(*compact_revision, log.compacted);
                assert!(client.next.0 < *compact_revision, "ended although nothing that it needs is gone");
                seen.compacted += 1;
            }
            WatchMessage::Canceled { id, .. } => assert!(stream.clients.remove(id).is_some()),
            WatchMessage::Progress { id, revision } => {
                assert!(has_room, "progress beyond the window");
                for (_, client) in
                    stream.clients.iter_mut().filter(|(other, _)| id.is_none_or(|id| id == **other))
                {
                    assert!(
                        *revision >= client.start || client.spec.start_revision == 0,
                        "progress before the start"
                    );
                    client.on_promise(log, *revision);
                }
                seen.progress += usize::from(id.is_some());
                seen.stream_progress += usize::from(id.is_none());
            }
            WatchMessage::Ended { .. } => panic!("no stream has a reason to end"),
        }
        let only_fragments = matches!(message, WatchMessage::Events { .. });
        assert!(mid_fragment.is_none() || only_fragments, "something stands between fragments");
        self.seen = seen;
    }

    /// Checks that everybody has everything.
    pub(super) fn check_complete(&self, log: &Log) {
        for (id, stream) in &self.streams {
            assert!(stream.asked.is_empty(), "a request without an answer");
            for (watcher, client) in &stream.clients {
                let missing = client.missing(log).map(|(revision, ..)| revision);
                assert_eq!(missing, None, "stream {}, watcher {watcher} is never sent its events", id.0);
                assert!(!client.in_fragment);
            }
        }
    }
}

impl Stream {
    fn on_created(&mut self, id: i64, revision: Revision) {
        let spec = self.asked.pop_front().expect("a watcher that nobody asked for");
        let start = if spec.start_revision == 0 { revision.next() } else { Revision(spec.start_revision) };
        let client = Client { spec, start, next: (start, 0), in_fragment: false };
        assert!(self.clients.insert(id, client).is_none(), "an id is given twice");
    }
}
