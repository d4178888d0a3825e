//! What streams ask of the hub and what it tells them.

use super::batch::EventList;
use crate::request::KeyRange;
use quorate_types::Revision;

/// What a message takes of its stream's window beside its events: what is unread never exceeds window / this messages.
pub const MESSAGE_LEN_BYTES: usize = 128;

/// One client's stream of requests and messages. Chosen by the driver; never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// What a client asks on its stream. Answers come in the order of the requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchRequest {
    /// Make a watcher: answered by [`WatchMessage::Created`] or [`WatchMessage::Refused`].
    Create(WatchSpec),
    /// End a watcher: answered by [`WatchMessage::Canceled`], or by nothing if there is none with this id.
    Cancel {
        /// Which.
        id: i64,
    },
    /// Tell how far the whole stream is: answered by one [`WatchMessage::Progress`] without an id as soon as all watchers
    /// of the stream are synced. Until then further ones of these requests are the same request.
    Progress,
}

/// What to watch, and how.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WatchSpec {
    /// The watcher's id in its stream; `None` or 0: the hub takes the lowest one not given yet, from 0.
    pub id: Option<i64>,
    /// Which keys. An empty first key stands for the lowest one.
    pub range: KeyRange,
    /// The first revision wanted; 0: the next one. Before a later one nothing is sent, neither events nor progress.
    pub start_revision: i64,
    /// Send the pairs before the change, where history has them.
    pub prev_kv: bool,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletions out.
    pub no_delete: bool,
    /// Tell the progress when the watcher is synced and nothing was sent for an interval.
    pub progress_notify: bool,
    /// Split large messages.
    pub fragment: bool,
}

/// What a stream is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchMessage {
    /// The watcher exists; its first message.
    Created {
        /// Its id.
        id: i64,
        /// The revision now; a watcher without a start gets what comes after it.
        revision: Revision,
    },
    /// The watcher could not be made; nothing changed.
    Refused {
        /// Why.
        reason: WatchRefusal,
        /// The revision now.
        revision: Revision,
    },
    /// What happened to the watcher's keys.
    Events {
        /// Whose.
        id: i64,
        /// All of the watcher's events up to here were sent with this message; if it is a fragment, with the last one.
        revision: Revision,
        /// In order; never empty.
        events: EventList,
        /// More of the same message follows at once.
        fragment: bool,
    },
    /// The watcher's next events are gone; its last message.
    Compacted {
        /// Whose.
        id: i64,
        /// The oldest revision that can still be watched from.
        compact_revision: Revision,
    },
    /// The watcher was ended by request; its last message.
    Canceled {
        /// Whose.
        id: i64,
        /// The revision now.
        revision: Revision,
    },
    /// All events up to `revision` were sent.
    Progress {
        /// Of this watcher; `None`: of all of the stream.
        id: Option<i64>,
        /// See above.
        revision: Revision,
    },
    /// The stream and its watchers are gone; its last message.
    Ended {
        /// Why.
        reason: StreamEnd,
    },
}

/// Why a watcher was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchRefusal {
    /// The id is taken.
    DuplicateId,
    /// No key can lie in the range.
    EmptyRange,
    /// A negative start: lies before all history.
    Compacted,
    /// The stream has [`STREAM_WATCHERS_MAX`](super::STREAM_WATCHERS_MAX) watchers.
    StreamFull,
    /// The hub has [`HubOptions::watchers_max`](super::HubOptions::watchers_max) watchers.
    HubFull,
}

/// Why the hub ended a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEnd {
    /// There are [`STREAMS_MAX`](super::STREAMS_MAX) already.
    TooManyStreams,
    /// It went on asking while more than [`STREAM_ANSWERS_LEN_BYTES`](super::STREAM_ANSWERS_LEN_BYTES) beyond its window
    /// were unread.
    Overrun,
}

impl WatchMessage {
    /// What the message takes of its stream's window, and gives back by [`HubInput::Consumed`](super::HubInput::Consumed).
    /// At most a little more than its protobuf encoding.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match self {
            WatchMessage::Events { events, .. } => MESSAGE_LEN_BYTES + events.len_bytes(),
            _ => MESSAGE_LEN_BYTES,
        }
    }
}
