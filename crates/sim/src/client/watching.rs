//! A client's watch over all registers.
//!
//! **Problem:** a stream ends with its node, and events must neither be missed nor come twice. **Idea:** the client remembers how far it has
//! heard, and asks another node from there on, as real clients do. **Invariant:** `next` never goes back, but where history was compacted
//! away it jumps ahead.

use super::ask::{Ask, Asked, StreamTold};
use super::command::REGISTERS;
use quorate_kv::KeyRange;
use quorate_kv::watch::{WatchMessage, WatchRequest, WatchSpec};
use quorate_types::{NodeId, Revision, Rng, Time};
use std::time::Duration;

/// A client that has lost its stream waits for so long before it opens another.
const REOPEN_MS: (u64, u64) = (20, 120);

/// See the module.
#[derive(Debug)]
pub(super) struct Watching {
    client: u64,
    /// Where the stream is, or was.
    pub(super) node: u64,
    /// The first revision that it has not heard of; 0: from now on.
    pub(super) next: i64,
    /// When it opens its stream again, if it has none.
    pub(super) reopen_at: Option<Time>,
    /// Decides its waits.
    lot: u64,
    /// How often it has opened a stream.
    tries: u64,
}

/// What a watch call waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// The watcher exists.
    Created,
    /// It was refused.
    Refused,
    /// An answer to [`WatchRequest::Progress`].
    Progress,
    /// The stream is gone.
    Gone,
    /// Something else.
    Other,
}

impl Watching {
    /// Opens a stream and a watcher.
    pub(super) fn open(client: u64, node: u64, next: i64, lot: u64, out: &mut Vec<Ask>) -> Self {
        let mut watching = Watching { client, node, next, reopen_at: None, lot, tries: 0 };
        watching.ask_stream(out);
        watching
    }

    fn ask_stream(&mut self, out: &mut Vec<Ask>) {
        self.reopen_at = None;
        self.tries += 1;
        out.push(Ask { node: NodeId(self.node), what: Asked::OpenStream { client: self.client } });
        self.ask_watcher(out);
    }

    fn ask_watcher(&self, out: &mut Vec<Ask>) {
        let range = KeyRange::prefix(REGISTERS.as_bytes());
        // Every second client lets large messages be split.
        let fragment = self.client.is_multiple_of(2);
        let spec = WatchSpec { range, start_revision: self.next, fragment, ..WatchSpec::default() };
        self.ask(WatchRequest::Create(spec), out);
    }

    fn ask(&self, request: WatchRequest, out: &mut Vec<Ask>) {
        out.push(Ask { node: NodeId(self.node), what: Asked::Watch { client: self.client, request } });
    }

    /// Asks how far it is; whether it could.
    pub(super) fn ask_progress(&self, out: &mut Vec<Ask>) -> bool {
        if self.reopen_at.is_none() {
            self.ask(WatchRequest::Progress, out);
        }
        self.reopen_at.is_none()
    }

    /// Ends the stream, if there is one.
    pub(super) fn close(self, out: &mut Vec<Ask>) {
        if self.reopen_at.is_none() {
            out.push(Ask { node: NodeId(self.node), what: Asked::CloseStream { client: self.client } });
        }
    }

    /// The wait is over: opens a stream at the next node.
    pub(super) fn reopen(&mut self, nodes: u64, out: &mut Vec<Ask>) {
        self.node = self.node % nodes.max(1) + 1;
        self.ask_stream(out);
    }

    fn lose(&mut self, now: Time) -> News {
        let wait_ms = Rng::new(self.lot ^ self.tries).between(REOPEN_MS.0, REOPEN_MS.1);
        self.reopen_at = Some(now + Duration::from_millis(wait_ms));
        News::Gone
    }

    fn have(&mut self, revision: Revision) {
        self.next = self.next.max(revision.0 + 1);
    }

    /// Hears something; the revision is one that its client now knows of.
    pub(super) fn on_told(
        &mut self,
        now: Time,
        told: StreamTold,
        out: &mut Vec<Ask>,
    ) -> (News, Option<Revision>) {
        let StreamTold::Message(message) = told else { return (self.lose(now), None) };
        match message {
            WatchMessage::Created { revision, .. } => {
                if self.next == 0 {
                    self.have(revision);
                }
                (News::Created, Some(revision))
            }
            WatchMessage::Refused { revision, .. } => (News::Refused, Some(revision)),
            WatchMessage::Events { revision, fragment, events, .. } => {
                // Of a message that is not over, only the revisions before its last one are complete.
                let last = events.iter().last().map_or(revision, |event| event.kv.mod_revision);
                self.have(if fragment { Revision(last.0 - 1) } else { revision });
                (News::Other, Some(revision))
            }
            WatchMessage::Compacted { compact_revision, .. } => {
                self.next = self.next.max(compact_revision.0);
                self.ask_watcher(out);
                (News::Other, Some(compact_revision))
            }
            WatchMessage::Canceled { revision, .. } => (News::Other, Some(revision)),
            WatchMessage::Progress { revision, .. } => {
                self.have(revision);
                (News::Progress, Some(revision))
            }
            WatchMessage::Ended { .. } => (self.lose(now), None),
        }
    }
}
