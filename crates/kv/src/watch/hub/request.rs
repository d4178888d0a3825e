//! Answering requests: creating and ending watchers.

use super::WatchHub;
use crate::event::History;
use crate::marks;
use crate::watch::batch::Filter;
use crate::watch::message::{StreamEnd, StreamId, WatchMessage, WatchRefusal, WatchRequest, WatchSpec};
use crate::watch::slab::{StreamSlot, WatcherSlot};
use crate::watch::watcher::{Phase, Watcher};
use quorate_types::{Bytes, Revision};

/// How many streams a hub serves.
pub const STREAMS_MAX: usize = 1 << 17;
/// How many watchers one stream may have.
pub const STREAM_WATCHERS_MAX: usize = 1 << 16;

impl WatchHub {
    pub(super) fn on_request(
        &mut self,
        view: &dyn History,
        id: StreamId,
        request: WatchRequest,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        let Some(stream) = self.stream_slots.get(&id).copied() else { return };
        if self.streams[stream].window.is_overrun() {
            self.on_close(id);
            out.push((id, WatchMessage::Ended { reason: StreamEnd::Overrun }));
            return;
        }
        match request {
            WatchRequest::Create(spec) => self.on_create(view, stream, spec, out),
            WatchRequest::Cancel { id } => self.on_cancel(stream, id, out),
            WatchRequest::Progress => {
                self.streams[stream].progress_wanted = true;
                self.settled.push(stream);
            }
        }
    }

    fn on_create(
        &mut self,
        view: &dyn History,
        stream: StreamSlot,
        mut spec: WatchSpec,
        out: &mut Vec<(StreamId, WatchMessage)>,
    ) {
        if spec.range.key.is_empty() {
            spec.range.key = Bytes::from_static(&[0]);
        }
        let revision = self.revision;
        let id = match self.admit(stream, &spec) {
            Ok(id) => id,
            Err(reason) => return self.answer(stream, WatchMessage::Refused { reason, revision }, out),
        };
        self.answer(stream, WatchMessage::Created { id, revision }, out);
        let start = Revision(spec.start_revision);
        if start > Revision(0) && start <= revision && start < view.compacted() {
            marks::WATCH_COMPACTED.reach();
            let compact_revision = view.compacted();
            return self.answer(stream, WatchMessage::Compacted { id, compact_revision }, out);
        }
        let slot = self.insert(stream, id, spec);
        if start == Revision(0) {
            self.sync(slot);
        } else if start > revision {
            marks::WATCH_STARTS_AHEAD.reach();
            self.park(slot);
        } else {
            self.lag(slot, start);
        }
    }

    /// Checks a watcher's wishes; takes its id if they can be met.
    fn admit(&mut self, stream: StreamSlot, spec: &WatchSpec) -> Result<i64, WatchRefusal> {
        let stream = &mut self.streams[stream];
        if spec.start_revision < 0 {
            return Err(WatchRefusal::Compacted);
        }
        if spec.range.is_empty() {
            return Err(WatchRefusal::EmptyRange);
        }
        if stream.watchers.len() >= STREAM_WATCHERS_MAX {
            return Err(WatchRefusal::StreamFull);
        }
        if self.watchers.len() >= self.options.watchers_max {
            return Err(WatchRefusal::HubFull);
        }
        stream.take_id(spec.id.unwrap_or(0)).ok_or(WatchRefusal::DuplicateId)
    }

    /// Puts in a watcher that stands in none of the phases' containers yet.
    fn insert(&mut self, stream: StreamSlot, id: i64, spec: WatchSpec) -> WatcherSlot {
        let next =
            if spec.start_revision == 0 { self.revision.next() } else { Revision(spec.start_revision) };
        let slot = self.watchers.insert(Watcher {
            stream,
            id,
            range: spec.range,
            filter: Filter { no_put: spec.no_put, no_delete: spec.no_delete },
            prev_kv: spec.prev_kv,
            fragment: spec.fragment,
            next,
            phase: Phase::Parked,
            progress: None,
        });
        self.streams[stream].watchers.insert(id, slot);
        if spec.progress_notify {
            self.set_timer(slot, self.now);
        }
        slot
    }

    fn on_cancel(&mut self, stream: StreamSlot, id: i64, out: &mut Vec<(StreamId, WatchMessage)>) {
        let Some(slot) = self.streams[stream].watchers.get(&id).copied() else { return };
        self.end(slot);
        self.answer(stream, WatchMessage::Canceled { id, revision: self.revision }, out);
    }
}
