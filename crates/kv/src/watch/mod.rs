//! Watching: the machine's events, sorted out to whoever asked for them.
//!
//! **Problem.** Thousands of watchers each want some keys' events from some revision on: all of them, in order, once. They
//! read at their own speed, or not at all, and none may slow down the machine or another watcher.
//!
//! **Idea.** A watcher is *synced*, *lagging* or *parked*. Synced ones stand in an index by key and are handed each new
//! event as it is committed, without a look at the history; one whose stream has no room falls to lagging and keeps nothing
//! but a revision. Lagging ones read the history in small passes, in turn, when their streams have room. Parked ones wait
//! for a revision that does not exist yet.
//!
//! **Invariants**, for every watcher that was created at revision C with start S (0 stands for C + 1):
//! 1. *Ordered, reliable, unique:* what it was sent is a prefix of its range's events from S on, by revision and, within
//!    one, in the machine's order; without a gap or a repetition.
//! 2. *Atomic:* the events of one revision are in one message, or in consecutive ones of which all but the last are marked
//!    as fragments if the watcher allowed that.
//! 3. *Bookmarkable:* a message with header revision R, save a fragment that is not the last, says that all of the
//!    watcher's events up to R were sent by then; [`WatchMessage::Progress`] for a stream says so of all its watchers.
//! 4. *Told:* a watcher ends only by request, with its stream, or with [`WatchMessage::Compacted`], and then only if the
//!    next revision that it needed is gone.
//! 5. *Resumable:* a new watcher that starts one past such an R, or past the last event, gets exactly the rest.
//! 6. *Bounded:* what waits in a stream is at most its window and one message, and answers to its requests.
//!
//! The newest view decides what happened; [`HubInput::Applied`] merely saves reading it back. Should a driver skip events,
//! or a snapshot jump over them, the synced watchers lag and find them, or learn that they are compacted.
//!
//! **Source:** etcd's watch API and the guarantees that it documents. Deviations: a stream's progress request that cannot
//! be answered yet is kept (one at most) and not dropped; a header never exceeds what has been sent; a pass over the
//! history serves all watchers near its position, whatever their streams; an overrun stream is ended and told so.

mod batch;
mod hub;
mod interval;
mod matcher;
mod message;
mod slab;
mod stream;
mod watcher;

#[cfg(test)]
mod tests;

pub use batch::{EventBatch, EventList, EventRef};
pub use hub::{HubInput, HubOptions, STREAM_WATCHERS_MAX, STREAMS_MAX, WatchHub};
pub use message::{
    MESSAGE_LEN_BYTES, StreamEnd, StreamId, WatchMessage, WatchRefusal, WatchRequest, WatchSpec,
};
pub use stream::{STREAM_ANSWERS_LEN_BYTES, STREAM_WINDOW_LEN_BYTES};
