//! What the threads of a node share about one group.

use crate::meters::Meters;
use crate::waiters::Waiters;
use arc_swap::ArcSwap;
use quorate_kv::View;
use quorate_kv::watch::{StreamId, WatchMessage};
use quorate_node::GroupStatus;
use quorate_node::declaration::Level;
use quorate_table::Persist;
use quorate_types::{GroupId, LogIndex};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{mpsc, watch};

/// One group, as seen from every thread.
pub struct GroupShared {
    /// Which.
    pub id: GroupId,
    /// Its keyspace's name.
    pub name: String,
    /// What the keyspace declares.
    pub level: Level,
    view: ArcSwap<View>,
    clock_offset_ns: AtomicI64,
    /// The applied index; moves after the view.
    pub applied: watch::Sender<LogIndex>,
    /// Role, leader, indexes.
    pub status: watch::Sender<GroupStatus>,
    persist: Mutex<Arc<dyn Persist>>,
    streams: Mutex<HashMap<StreamId, mpsc::UnboundedSender<WatchMessage>>>,
    next_stream: AtomicU64,
    slow_watchers: AtomicU64,
    diverged: OnceLock<LogIndex>,
}

impl GroupShared {
    /// A group that stands at `view`.
    pub fn new(
        status: GroupStatus,
        name: String,
        level: Level,
        view: Arc<View>,
        persist: Arc<dyn Persist>,
    ) -> Self {
        GroupShared {
            id: status.group,
            name,
            level,
            applied: watch::Sender::new(view.applied().0),
            view: ArcSwap::new(view),
            clock_offset_ns: AtomicI64::new(0),
            status: watch::Sender::new(status),
            persist: Mutex::new(persist),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(1),
            slow_watchers: AtomicU64::new(0),
            diverged: OnceLock::new(),
        }
    }

    /// The newest view.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Cluster time minus this node's time, in ns.
    pub fn clock_offset_ns(&self) -> i64 {
        self.clock_offset_ns.load(Ordering::Relaxed)
    }

    /// Makes `view` the newest.
    pub fn publish(&self, view: Arc<View>, clock_offset_ns: i64) {
        let applied = view.applied().0;
        self.view.store(view);
        self.clock_offset_ns.store(clock_offset_ns, Ordering::Relaxed);
        self.applied.send_replace(applied);
    }

    /// What makes the group's tables durable.
    pub fn persist_handle(&self) -> Arc<dyn Persist> {
        self.persist.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The tables were replaced.
    pub fn set_persist_handle(&self, persist: Arc<dyn Persist>) {
        *self.persist.lock().unwrap_or_else(PoisonError::into_inner) = persist;
    }

    /// How many watchers have yet to be sent events that have happened, as of the machine's last step.
    pub fn slow_watchers(&self) -> u64 {
        self.slow_watchers.load(Ordering::Relaxed)
    }

    /// See [`GroupShared::slow_watchers`].
    pub fn set_slow_watchers(&self, watchers: usize) {
        self.slow_watchers.store(watchers as u64, Ordering::Relaxed);
    }

    /// Where this replica was found to differ from the leader, if it was.
    pub fn diverged(&self) -> Option<LogIndex> {
        self.diverged.get().copied()
    }

    /// This replica differs from the leader.
    pub fn set_diverged(&self, index: LogIndex) {
        let _ = self.diverged.set(index);
    }

    /// Makes a stream whose messages arrive at the receiver. The hub bounds what is outstanding on it.
    pub fn open_stream(&self) -> (StreamId, mpsc::UnboundedReceiver<WatchMessage>) {
        let stream = StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = mpsc::unbounded_channel();
        self.streams().insert(stream, sender);
        (stream, receiver)
    }

    /// Forgets a stream.
    pub fn close_stream(&self, stream: StreamId) {
        self.streams().remove(&stream);
    }

    /// Hands messages to their streams; those of closed ones are dropped.
    pub fn deliver(&self, messages: impl Iterator<Item = (StreamId, WatchMessage)>) {
        let streams = self.streams();
        for (stream, message) in messages {
            if let Some(sender) = streams.get(&stream) {
                let _ = sender.send(message);
            }
        }
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<StreamId, mpsc::UnboundedSender<WatchMessage>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the threads of a node share beside its groups.
pub struct NodeShared {
    /// Requests that wait for their end.
    pub waiters: Waiters,
    /// Why the node had to stop serving, once it has.
    pub failure: watch::Sender<Option<NodeFailure>>,
    /// Bytes appended to the write-ahead log since the start.
    pub log_len_bytes: AtomicU64,
    /// Syncs of the write-ahead log since the start.
    pub log_syncs: AtomicU64,
    /// How long things take.
    pub meters: Meters,
}

/// Why a node stopped serving.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NodeFailure {
    /// The write-ahead log takes no more writes. Reads from this node's own state go on.
    #[error("this node's log can no longer be written, so it takes no writes: {detail}")]
    Log {
        /// What the disk said.
        detail: Arc<str>,
    },
    /// A group's state can no longer be changed or trusted. The node must be stopped.
    #[error("keyspace {keyspace} had to stop on this node: {detail}")]
    Machine {
        /// Which keyspace.
        keyspace: Arc<str>,
        /// What happened.
        detail: Arc<str>,
    },
    /// A thread met a broken assertion. The node must be stopped: what else it does may be wrong too.
    #[error("this node's {part} thread ended by a bug; see its message above, and restart the node")]
    Panicked {
        /// Which thread.
        part: &'static str,
    },
    /// A replica differs from its leader. The node serves nothing of that keyspace.
    #[error(
        "keyspace {keyspace} on this node differs from its leader at log index {index}: remove the node's data and let it join again"
    )]
    Diverged {
        /// Which keyspace.
        keyspace: Arc<str>,
        /// Where.
        index: LogIndex,
    },
}
