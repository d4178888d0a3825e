//! The maintenance thread: work that may take long and that nothing hurried waits for.
//!
//! It makes the tables durable from time to time, after which the log before them can be given up; and it reads snapshots for
//! followers that are far behind.

use crate::inbox::{Event, Inbox};
use crate::shared::{GroupShared, NodeFailure, NodeShared};
use quorate_consensus::raft::Configuration;
use quorate_node::{Input, SnapshotReader};
use quorate_types::{GroupId, LogIndex, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the thread looks whether there is something to make durable.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Tables are made durable once the log has grown by so much,
const PERSIST_LEN_BYTES: u64 = 16 << 20;
/// or once so long has passed and anything has changed.
const PERSIST_INTERVAL: Duration = Duration::from_secs(30);
/// A snapshot that nobody has read from for this long, or up to twice as long, is let go.
const FORGET_INTERVAL: Duration = Duration::from_secs(30);

/// Work for the thread.
pub enum MaintenanceJob {
    /// As [`quorate_node::Effect::ReadSnapshot`].
    ReadSnapshot {
        /// Of which group.
        group: GroupId,
        /// For whom.
        to: NodeId,
        /// Which snapshot.
        index: Option<LogIndex>,
        /// Which piece.
        sequence: u64,
    },
    /// End the thread.
    Stop,
}

/// The way to the thread.
#[derive(Clone)]
pub struct MaintenanceSender(mpsc::Sender<MaintenanceJob>);

impl MaintenanceSender {
    /// Hands work over; at most one piece per follower waits at a time.
    pub fn send(&self, job: MaintenanceJob) {
        // A closed channel means that the node is being stopped.
        let _ = self.0.send(job);
    }
}

/// A channel to a maintenance thread.
pub fn channel() -> (MaintenanceSender, mpsc::Receiver<MaintenanceJob>) {
    let (sender, receiver) = mpsc::channel();
    (MaintenanceSender(sender), receiver)
}

/// What the thread knows of one group.
pub struct Maintained {
    /// What all threads share.
    pub group: Arc<GroupShared>,
    /// Its executor.
    pub inbox: Inbox,
    /// Its members.
    pub configuration: Configuration,
    /// Snapshots on their way.
    pub snapshots: SnapshotReader,
    /// How far the tables are durable.
    pub durable: LogIndex,
}

/// The thread's body: runs until [`MaintenanceJob::Stop`], then makes the tables durable once more.
pub fn run(
    mut groups: BTreeMap<GroupId, Maintained>,
    jobs: &mpsc::Receiver<MaintenanceJob>,
    shared: &Arc<NodeShared>,
) {
    let (mut persisted_at, mut forgot_at) = (Instant::now(), Instant::now());
    let mut persisted_len_bytes = 0;
    loop {
        match jobs.recv_timeout(LOOK_INTERVAL) {
            Ok(MaintenanceJob::ReadSnapshot { group, to, index, sequence }) => {
                if let Some(maintained) = groups.get_mut(&group) {
                    read_snapshot(maintained, to, (index, sequence));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(MaintenanceJob::Stop) | Err(RecvTimeoutError::Disconnected) => {
                let _ = persist(&mut groups, shared);
                return;
            }
        }
        if forgot_at.elapsed() >= FORGET_INTERVAL {
            forgot_at = Instant::now();
            for Maintained { group, snapshots, .. } in groups.values_mut() {
                snapshots.forget_idle(group.view().applied().0);
            }
        }
        let log_len_bytes = shared.log_len_bytes.load(Ordering::Relaxed);
        let grown = log_len_bytes.saturating_sub(persisted_len_bytes) >= PERSIST_LEN_BYTES;
        if grown || persisted_at.elapsed() >= PERSIST_INTERVAL {
            persisted_at = Instant::now();
            persisted_len_bytes = log_len_bytes;
            if persist(&mut groups, shared).is_err() {
                return;
            }
        }
    }
}

fn read_snapshot(maintained: &mut Maintained, to: NodeId, piece: (Option<LogIndex>, u64)) {
    let view = maintained.group.view();
    let read = maintained.snapshots.read(&view, &maintained.configuration, to, piece);
    let piece = read.unwrap_or_else(|error| {
        tracing::error!(keyspace = maintained.group.name, "a snapshot cannot be read: {error}");
        None
    });
    if piece.as_ref().is_some_and(|piece| piece.last) {
        tracing::info!(keyspace = maintained.group.name, %to, "sent the last piece of a snapshot");
    }
    let input = Input::SnapshotRead { group: maintained.group.id, to, piece };
    let _ = maintained.inbox.completions.send(Event::Input(input));
}

/// Makes the tables of all groups durable that have moved.
fn persist(groups: &mut BTreeMap<GroupId, Maintained>, shared: &NodeShared) -> Result<(), ()> {
    for maintained in groups.values_mut() {
        let applied = maintained.group.view().applied().0;
        if applied <= maintained.durable {
            continue;
        }
        if let Err(error) = maintained.group.persist_handle().persist() {
            let failure = NodeFailure::Machine {
                keyspace: maintained.group.name.as_str().into(),
                detail: error.to_string().into(),
            };
            tracing::error!("{failure}");
            shared.failure.send_replace(Some(failure));
            let input = Input::MachineFailed { group: maintained.group.id };
            let _ = maintained.inbox.completions.send(Event::Input(input));
            return Err(());
        }
        maintained.durable = applied;
        let input = Input::Durable { group: maintained.group.id, index: applied };
        let _ = maintained.inbox.completions.send(Event::Input(input));
    }
    Ok(())
}
