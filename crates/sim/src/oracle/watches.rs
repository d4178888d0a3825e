//! **Watches:** a watcher gets every change of its range once and in order, or is told from where on it cannot (etcd's watch API guarantees:
//! ordered, unique, reliable, atomic, resumable, bookmarkable; see `quorate_kv::watch`).
//!
//! The oracle has all changes in one list. Each watcher stands somewhere in it; what it is told must be what follows there, and whatever a
//! message promises to have been sent must lie behind it.

use super::broken::{Check, broken};
use super::machine::Machines;
use crate::violation::Invariant;
use quorate_kv::watch::{EventList, EventRef, WatchMessage, WatchRefusal, WatchRequest, WatchSpec};
use quorate_kv::{Event, EventKind};
use quorate_types::{NodeId, Revision};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

struct Watcher {
    spec: WatchSpec,
    /// The first revision of which nothing was promised to it yet.
    next: Revision,
    /// Where it stands in the list of all changes: what lies before it was sent or was not wanted.
    position: usize,
}

/// One client's stream.
struct Stream {
    node: NodeId,
    /// Asked for and not answered, oldest first.
    creating: VecDeque<WatchSpec>,
    canceling: BTreeSet<i64>,
    /// How often the stream's progress was asked for and not told yet, at most.
    progress_asked: u64,
    watchers: BTreeMap<i64, Watcher>,
    /// The watcher that was sent a fragment, so must be sent the next one.
    fragmented: Option<i64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Watches {
    streams: BTreeMap<u64, Stream>,
}

fn wrong<T>(client: u64, words: &str) -> Check<T> {
    broken(Invariant::Watches, format!("Client {client}'s stream: {words}"))
}

impl Watches {
    pub(super) fn on_asked(&mut self, node: NodeId, client: u64, request: &WatchRequest) {
        let fresh = || Stream {
            node,
            creating: VecDeque::new(),
            canceling: BTreeSet::new(),
            progress_asked: 0,
            watchers: BTreeMap::new(),
            fragmented: None,
        };
        let stream = self.streams.entry(client).or_insert_with(fresh);
        if stream.node != node {
            *stream = fresh();
        }
        match request {
            WatchRequest::Create(spec) => stream.creating.push_back(spec.clone()),
            WatchRequest::Cancel { id } => {
                stream.canceling.insert(*id);
            }
            WatchRequest::Progress => stream.progress_asked += 1,
        }
    }

    pub(super) fn on_gone(&mut self, client: u64) {
        self.streams.remove(&client);
    }

    pub(super) fn on_crashed(&mut self, node: NodeId) {
        self.streams.retain(|_, stream| stream.node != node);
    }

    /// A stream that asked for nothing, or is gone, cannot be told anything wrong.
    pub(super) fn on_told(&mut self, client: u64, message: &WatchMessage, truth: &Machines) -> Check {
        if matches!(message, WatchMessage::Ended { .. }) {
            self.streams.remove(&client);
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(&client) else { return Ok(()) };
        if let Err(words) = stream.on_told(message, truth) {
            return wrong(client, &words);
        }
        Ok(())
    }

    /// The run is over and everything was delivered: watchers on these nodes have everything.
    pub(super) fn check_all(&self, nodes: &[NodeId], truth: &Machines) -> Check {
        for (client, stream) in self.streams.iter().filter(|(_, stream)| nodes.contains(&stream.node)) {
            if let Some(spec) = stream.creating.front() {
                return wrong(*client, &format!("nobody answers that it wants a watcher: {spec:?}."));
            }
            if let Some(id) = stream.fragmented {
                return wrong(*client, &format!("watcher {id} got a fragment and never the rest."));
            }
            for (id, watcher) in &stream.watchers {
                if let Some(event) = watcher.missed(truth.revision(), truth.events()) {
                    let words = format!(
                        "watcher {id} at node {} was never sent the change of {:?} at revision {}.",
                        stream.node,
                        event.key(),
                        event.revision()
                    );
                    return wrong(*client, &words);
                }
            }
        }
        Ok(())
    }
}

impl Stream {
    fn on_told(&mut self, message: &WatchMessage, truth: &Machines) -> Result<(), String> {
        if let Some(fragmented) = self.fragmented.take()
            && !matches!(message, WatchMessage::Events { id, .. } if *id == fragmented)
        {
            return Err(format!("after a fragment for watcher {fragmented} comes {message:?}."));
        }
        let (newest, revision) = (truth.revision(), header(message));
        if let Some(revision) = revision.filter(|revision| *revision > newest) {
            return Err(format!(
                "it is told of revision {revision}, but the newest is {newest}: {message:?}."
            ));
        }
        match message {
            WatchMessage::Created { id, revision } => self.on_created(*id, *revision, truth),
            WatchMessage::Refused { reason, .. } => self.on_refused(*reason),
            WatchMessage::Events { id, revision, events, fragment } => {
                self.on_events(*id, *revision, (events, *fragment), truth)
            }
            WatchMessage::Compacted { id, compact_revision } => {
                self.on_compacted(*id, *compact_revision, truth)
            }
            WatchMessage::Canceled { id, .. } => {
                let was_asked = self.canceling.remove(id);
                match self.watchers.remove(id) {
                    Some(_) if was_asked => Ok(()),
                    _ => Err(format!("watcher {id} is canceled, but nobody asked, or it had ended.")),
                }
            }
            WatchMessage::Progress { id: Some(id), revision } => self.on_progress(*id, *revision, truth),
            WatchMessage::Progress { id: None, revision } => self.on_stream_progress(*revision, truth),
            WatchMessage::Ended { .. } => Ok(()),
        }
    }

    fn watcher(&mut self, id: i64) -> Result<&mut Watcher, String> {
        self.watchers
            .get_mut(&id)
            .ok_or_else(|| format!("watcher {id} is told something, but there is none."))
    }

    fn on_created(&mut self, id: i64, revision: Revision, truth: &Machines) -> Result<(), String> {
        let Some(spec) = self.creating.pop_front() else {
            return Err(format!("watcher {id} is created, but nobody asked."));
        };
        let wanted = spec.id.filter(|wanted| *wanted != 0);
        if wanted.is_some_and(|wanted| wanted != id) || self.watchers.contains_key(&id) {
            return Err(format!(
                "a watcher is created with the id {id}, but {wanted:?} was asked for or it is taken."
            ));
        }
        let start = if spec.start_revision == 0 { revision.next() } else { Revision(spec.start_revision) };
        let position = truth.events().partition_point(|event| event.revision() < start);
        self.watchers.insert(id, Watcher { spec, next: start, position });
        Ok(())
    }

    fn on_refused(&mut self, reason: WatchRefusal) -> Result<(), String> {
        let Some(spec) = self.creating.pop_front() else {
            return Err(format!("a watcher is refused ({reason:?}), but nobody asked."));
        };
        let is_true = match reason {
            WatchRefusal::DuplicateId => spec.id.is_some_and(|id| self.watchers.contains_key(&id)),
            WatchRefusal::EmptyRange => spec.range.is_empty(),
            WatchRefusal::Compacted => spec.start_revision < 0,
            WatchRefusal::StreamFull | WatchRefusal::HubFull => true,
        };
        if is_true {
            Ok(())
        } else {
            Err(format!("a watcher is refused as {reason:?}, which it is not: {spec:?}."))
        }
    }

    fn on_events(
        &mut self,
        id: i64,
        revision: Revision,
        (events, fragment): (&EventList, bool),
        truth: &Machines,
    ) -> Result<(), String> {
        let compacted = truth.view().compacted();
        let watcher = self.watcher(id)?;
        if fragment && !watcher.spec.fragment {
            return Err(format!("watcher {id} is sent a fragment, which it did not allow."));
        }
        for event in events.iter() {
            let at = event.kv.mod_revision;
            let Some(expected) = watcher.advance(revision, truth.events()) else {
                return Err(format!(
                    "watcher {id} is sent the change of {:?} at revision {at}, but nothing of its range is left up to {revision}.",
                    event.kv.key
                ));
            };
            if !watcher.wants(expected, event, compacted) {
                return Err(format!(
                    "watcher {id} is sent {:?} of {:?} at revision {at}, but next came {:?} of {:?} at revision {}: {event:?} against \
                     {expected:?}.",
                    event.kind,
                    event.kv.key,
                    expected.kind,
                    expected.key(),
                    expected.revision()
                ));
            }
        }
        if fragment {
            self.fragmented = Some(id);
            return Ok(());
        }
        watcher.promise(id, revision, truth.events())
    }

    fn on_compacted(&mut self, id: i64, at: Revision, truth: &Machines) -> Result<(), String> {
        let watcher = self
            .watchers
            .remove(&id)
            .ok_or_else(|| format!("watcher {id} is compacted, but there is none."))?;
        if !truth.was_compacted_at(at) {
            return Err(format!("watcher {id} is told of a compaction at revision {at}, which never was."));
        }
        if watcher.next >= at {
            return Err(format!(
                "watcher {id} is told that it is compacted at {at}, but needs only revision {} and later.",
                watcher.next
            ));
        }
        Ok(())
    }

    fn on_progress(&mut self, id: i64, revision: Revision, truth: &Machines) -> Result<(), String> {
        let watcher = self.watcher(id)?;
        if !watcher.spec.progress_notify {
            return Err(format!("watcher {id} is told its progress, which it did not ask for."));
        }
        if revision.next() < watcher.next {
            return Err(format!(
                "watcher {id} is told progress {revision}, but starts at or was told more than {}.",
                watcher.next
            ));
        }
        watcher.promise(id, revision, truth.events())
    }

    fn on_stream_progress(&mut self, revision: Revision, truth: &Machines) -> Result<(), String> {
        if self.progress_asked == 0 {
            return Err(format!("it is told progress {revision}, but nobody asked."));
        }
        self.progress_asked -= 1;
        self.watchers.iter_mut().try_for_each(|(id, watcher)| watcher.promise(*id, revision, truth.events()))
    }
}

impl Watcher {
    fn cares(&self, event: &Event) -> bool {
        let is_filtered = match event.kind {
            EventKind::Put => self.spec.no_put,
            EventKind::Delete => self.spec.no_delete,
        };
        !is_filtered && self.range_holds(event.key())
    }

    /// An empty first key stands for the lowest one.
    fn range_holds(&self, key: &[u8]) -> bool {
        let range = &self.spec.range;
        if !range.key.is_empty() {
            return range.contains(key);
        }
        range.is_open() || if range.is_one_key() { *key == [0] } else { *key < *range.end }
    }

    /// The next change that it wants, up to `upto`, of which nothing was sent yet.
    fn missed<'a>(&self, upto: Revision, events: &'a [Event]) -> Option<&'a Event> {
        let rest = events.get(self.position..).unwrap_or_default();
        rest.iter().take_while(|event| event.revision() <= upto).find(|event| self.is_due(event))
    }

    fn is_due(&self, event: &Event) -> bool {
        event.revision() >= self.next && self.cares(event)
    }

    /// As [`Watcher::missed`], and goes behind it.
    fn advance<'a>(&mut self, upto: Revision, events: &'a [Event]) -> Option<&'a Event> {
        while let Some(event) = events.get(self.position).filter(|event| event.revision() <= upto) {
            self.position += 1;
            if self.is_due(event) {
                return Some(event);
            }
        }
        None
    }

    /// It is promised that everything up to `upto` was sent.
    fn promise(&mut self, id: i64, upto: Revision, events: &[Event]) -> Result<(), String> {
        if let Some(event) = self.advance(upto, events) {
            return Err(format!(
                "watcher {id} is told that it has everything up to revision {upto}, but was not sent the change of {:?} at revision {}.",
                event.key(),
                event.revision()
            ));
        }
        self.next = self.next.max(upto.next());
        Ok(())
    }

    /// Whether it may be sent `told` for `event`. What stood before a change is given up with the history below it.
    fn wants(&self, event: &Event, told: EventRef<'_>, compacted: Revision) -> bool {
        let previous_is_right = match told.prev_kv {
            Some(previous) => self.spec.prev_kv && event.prev_kv.as_ref() == Some(previous),
            None => !self.spec.prev_kv || event.prev_kv.is_none() || event.revision() <= compacted,
        };
        event.kind == told.kind && event.kv == *told.kv && previous_is_right
    }
}

/// The revision that a message speaks of, if it is one that must exist.
fn header(message: &WatchMessage) -> Option<Revision> {
    match message {
        WatchMessage::Created { revision, .. }
        | WatchMessage::Refused { revision, .. }
        | WatchMessage::Events { revision, .. }
        | WatchMessage::Canceled { revision, .. }
        | WatchMessage::Progress { revision, .. } => Some(*revision),
        WatchMessage::Compacted { .. } | WatchMessage::Ended { .. } => None,
    }
}
