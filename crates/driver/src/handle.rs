//! What front ends and embedding programs hold: requests in, answers out, from any thread.

use crate::apply_thread::{ApplyJob, ApplySender};
use crate::clock::Clock;
use crate::config::{Member, Timing};
use crate::inbox::{Event, Inbox};
use crate::meters::Meters;
use crate::shared::{GroupShared, NodeFailure, NodeShared};
use crate::waiters::End;
use quorate_kv::watch::{StreamId, WatchMessage, WatchRequest};
use quorate_kv::{Command, Quota, View};
use quorate_node::declaration::Level;
use quorate_node::{Answer, GroupStatus, Input, MachineInput, ReadRequest, RequestFailure, WriteRequest};
use quorate_types::{ClusterId, LogIndex, NodeId, Time};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How much later than its deadline a request is given up here if the node did not do so.
const GRACE: Duration = Duration::from_millis(500);

/// A running node.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Arc<HandleInner>,
}

pub(crate) struct HandleInner {
    pub cluster: ClusterId,
    pub me: NodeId,
    pub name: String,
    pub members: Arc<Mutex<Vec<Member>>>,
    pub timing: Timing,
    pub quota: Quota,
    pub data_dir: Option<PathBuf>,
    pub peers_use_tls: bool,
    pub clock: Clock,
    pub shared: Arc<NodeShared>,
    pub keyspaces: BTreeMap<String, Arc<KeyspaceInner>>,
}

pub(crate) struct KeyspaceInner {
    pub group: Arc<GroupShared>,
    pub inbox: Inbox,
    pub apply: ApplySender,
}

/// Counters of the node's log since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogCounters {
    /// Bytes appended.
    pub appended_len_bytes: u64,
    /// Syncs done for them.
    pub syncs: u64,
}

impl Handle {
    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        self.inner.cluster
    }

    /// This node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.inner.me
    }

    /// This node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// All members, this one included. The others' client URLs are known once they have connected to this node.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.inner.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where its data lies; `None` if it keeps everything in memory.
    #[must_use]
    pub fn data_dir(&self) -> Option<&Path> {
        self.inner.data_dir.as_deref()
    }

    /// Whether the node speaks TLS with its peers.
    #[must_use]
    pub fn peers_use_tls(&self) -> bool {
        self.inner.peers_use_tls
    }

    /// The timing that the node runs with.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.inner.timing
    }

    /// How long things take on it.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.inner.shared.meters
    }

    /// How much room each keyspace may take.
    #[must_use]
    pub fn quota(&self) -> Quota {
        self.inner.quota
    }

    /// The keyspace called `name`, if it is declared.
    #[must_use]
    pub fn keyspace(&self, name: &str) -> Option<Keyspace> {
        let inner = self.inner.keyspaces.get(name)?.clone();
        Some(Keyspace { node: self.inner.clone(), inner })
    }

    /// All keyspaces, by name.
    pub fn keyspaces(&self) -> impl Iterator<Item = Keyspace> + '_ {
        self.inner.keyspaces.values().map(|inner| Keyspace { node: self.inner.clone(), inner: inner.clone() })
    }

    /// Why the node had to stop serving, once it has.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<NodeFailure>> {
        self.inner.shared.failure.subscribe()
    }

    /// Counters of its log.
    #[must_use]
    pub fn log_counters(&self) -> LogCounters {
        LogCounters {
            appended_len_bytes: self.inner.shared.log_len_bytes.load(Ordering::Relaxed),
            syncs: self.inner.shared.log_syncs.load(Ordering::Relaxed),
        }
    }
}

/// One keyspace on a running node.
#[derive(Clone)]
pub struct Keyspace {
    node: Arc<HandleInner>,
    inner: Arc<KeyspaceInner>,
}

/// How long a request may wait, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestOptions {
    /// How long from now; `None`: the node's request timeout.
    pub timeout: Option<Duration>,
    /// Fail at once while no leader is known.
    pub require_leader: bool,
}

/// How fresh a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// Not older than the moment at which it was asked for.
    Linearizable,
    /// Not older than this log position, which the client's session has seen.
    Session(LogIndex),
    /// Whatever this node has.
    Local,
}

/// Why a request has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nothing was done: no leader is known.
    #[error("no leader is known")]
    NoLeader,
    /// Nothing was done in time: the request entered no log.
    #[error("the request timed out before it was taken")]
    TimedOutUnsent,
    /// A write **may have been done, or may still be**: its answer did not come in time.
    #[error("the request timed out; a write may have been done")]
    TimedOut,
    /// Nothing was done: a bounded queue is full.
    #[error("the node is overloaded: try again later")]
    Overloaded,
    /// Nothing was done: this node's disk takes no more writes.
    #[error("the node's disk takes no more writes")]
    DiskFailed,
    /// Nothing was done: this replica differs from its leader.
    #[error("this replica differs from its leader and serves nothing")]
    Corrupt,
    /// The node is being stopped. A write that was on its way may have been done.
    #[error("the node is stopping")]
    Stopped,
}

impl From<RequestFailure> for RequestError {
    fn from(failure: RequestFailure) -> Self {
        match failure {
            RequestFailure::NoLeader => RequestError::NoLeader,
            RequestFailure::TimedOutUnsent => RequestError::TimedOutUnsent,
            RequestFailure::TimedOut => RequestError::TimedOut,
            RequestFailure::Overloaded => RequestError::Overloaded,
            RequestFailure::DiskFailed => RequestError::DiskFailed,
            RequestFailure::Corrupt => RequestError::Corrupt,
        }
    }
}

impl Keyspace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.group.name
    }

    /// What it declares.
    #[must_use]
    pub fn level(&self) -> Level {
        self.inner.group.level
    }

    /// Role, leader and indexes, and their changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<GroupStatus> {
        self.inner.group.status.subscribe()
    }

    /// The newest view of this node, however old.
    #[must_use]
    pub fn local_view(&self) -> Arc<View> {
        self.inner.group.view()
    }

    /// The group's clock by this node's reckoning, in ns; what lease expiries are measured by.
    #[must_use]
    pub fn cluster_time_ns(&self) -> u64 {
        self.node.clock.now().0.saturating_add_signed(self.inner.group.clock_offset_ns())
    }

    /// How many watchers on this node have yet to be sent events that have happened.
    #[must_use]
    pub fn slow_watchers(&self) -> u64 {
        self.inner.group.slow_watchers()
    }

    fn deadline(&self, options: RequestOptions) -> Time {
        let timeout = options.timeout.unwrap_or_else(|| self.node.timing.request_timeout());
        self.node.clock.now() + timeout.min(self.node.timing.request_timeout())
    }

    fn check_serving(&self) -> Result<(), RequestError> {
        if self.inner.group.diverged().is_some() { Err(RequestError::Corrupt) } else { Ok(()) }
    }

    /// Does `command`, which must have passed [`quorate_kv::validate`], once, and waits for its outcome.
    ///
    /// # Errors
    /// [`RequestError`], each saying whether the command may have been done.
    pub async fn execute(&self, command: Command, options: RequestOptions) -> Result<Answer, RequestError> {
        self.check_serving()?;
        let deadline = self.deadline(options);
        let (waiting, end) = self.node.shared.waiters.register();
        let write = WriteRequest {
            sequence: waiting.sequence,
            command,
            deadline,
            require_leader: options.require_leader,
        };
        self.send(Event::Write(self.inner.group.id, write))?;
        match self.wait(end, deadline).await? {
            // What a replica that differs answers may be wrong, though the write itself stands in the log.
            End::Answered(_) if self.inner.group.diverged().is_some() => Err(RequestError::TimedOut),
            End::Answered(answer) => Ok(answer),
            End::Failed(failure) => Err(failure.into()),
            End::Readable => unreachable!("a write's number never names a read"),
        }
    }

    /// A view that is as fresh as asked for. The caller reads from it as long as it likes; it does not change.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was read.
    pub async fn view(
        &self,
        freshness: Freshness,
        options: RequestOptions,
    ) -> Result<Arc<View>, RequestError> {
        self.check_serving()?;
        match freshness {
            Freshness::Local => Ok(self.local_view()),
            Freshness::Session(at_least) => self.view_at(at_least, options).await,
            Freshness::Linearizable => {
                let deadline = self.deadline(options);
                let (waiting, end) = self.node.shared.waiters.register();
                let read = ReadRequest {
                    sequence: waiting.sequence,
                    deadline,
                    require_leader: options.require_leader,
                };
                let asked_at = self.node.clock.now();
                self.send(Event::Read(self.inner.group.id, read))?;
                let end = self.wait(end, deadline).await;
                self.node.shared.meters.read_confirmed(self.node.clock.now().since(asked_at));
                match end? {
                    End::Readable => self.check_serving().map(|()| self.local_view()),
                    End::Failed(failure) => Err(failure.into()),
                    End::Answered(_) => unreachable!("a read's number never names a write"),
                }
            }
        }
    }

    async fn view_at(&self, at_least: LogIndex, options: RequestOptions) -> Result<Arc<View>, RequestError> {
        let view = self.local_view();
        if view.applied().0 >= at_least {
            return Ok(view);
        }
        let wait = self.node.clock.until(self.deadline(options));
        let mut applied = self.inner.group.applied.subscribe();
        match tokio::time::timeout(wait, applied.wait_for(|applied| *applied >= at_least)).await {
            Ok(Ok(_)) => Ok(self.local_view()),
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::TimedOutUnsent),
        }
    }

    fn send(&self, event: Event) -> Result<(), RequestError> {
        self.inner.inbox.requests.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RequestError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => RequestError::Stopped,
        })
    }

    async fn wait(
        &self,
        end: tokio::sync::oneshot::Receiver<End>,
        deadline: Time,
    ) -> Result<End, RequestError> {
        let wait = self.node.clock.until(deadline) + GRACE;
        match tokio::time::timeout(wait, end).await {
            Ok(Ok(end)) => Ok(end),
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::TimedOut),
        }
    }

    /// Opens a watch stream.
    #[must_use]
    pub fn watch(&self) -> WatchStream {
        let (stream, messages) = self.inner.group.open_stream();
        let sender = WatchSender { stream, keyspace: self.inner.clone() };
        sender.send(MachineInput::OpenStream { stream });
        WatchStream { sender, messages }
    }

    /// Asks the group's leader, if this node is it, to hand over to `to`.
    ///
    /// # Errors
    /// [`RequestError::Overloaded`] or [`RequestError::Stopped`].
    pub fn transfer_leadership(&self, to: NodeId) -> Result<(), RequestError> {
        self.send(Event::Input(Input::TransferLeadership { group: self.inner.group.id, to }))
    }
}

/// A stream of watchers.
pub struct WatchStream {
    /// Requests in; may be used from another task.
    pub sender: WatchSender,
    messages: mpsc::UnboundedReceiver<WatchMessage>,
}

impl WatchStream {
    /// The next message. Its length must be reported by [`WatchSender::consumed`] once the client has it, or the stream stalls
    /// when its window is full. `None` when the node stops.
    pub async fn next(&mut self) -> Option<WatchMessage> {
        self.messages.recv().await
    }
}

/// The requesting half of a watch stream. Dropping it ends the stream.
pub struct WatchSender {
    stream: StreamId,
    keyspace: Arc<KeyspaceInner>,
}

impl WatchSender {
    /// Asks something; what comes of it arrives as messages.
    pub fn request(&self, request: WatchRequest) {
        self.send(MachineInput::Watch { stream: self.stream, request });
    }

    /// The client has taken messages of this length.
    pub fn consumed(&self, len_bytes: usize) {
        self.send(MachineInput::Consumed { stream: self.stream, len_bytes });
    }

    fn send(&self, input: MachineInput) {
        self.keyspace.apply.send(ApplyJob { group: self.keyspace.group.id, input });
    }
}

impl Drop for WatchSender {
    fn drop(&mut self) {
        self.keyspace.group.close_stream(self.stream);
        self.send(MachineInput::CloseStream { stream: self.stream });
    }
}
