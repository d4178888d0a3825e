//! What all connections of one front end share.

use crate::counters::Counters;
use crate::flag::Flag;
use crate::leadership::Leadership;
use crate::options::ServerOptions;
use crate::read_budget::ReadBudget;
use crate::renewals::Renewals;
use quorate_driver::{Handle, Keyspace, RequestOptions};
use quorate_kv::Command;
use quorate_node::GroupStatus;
use quorate_node::declaration::DEFAULT_KEYSPACE;
use quorate_types::Term;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// So many backups of one member are made at a time; another one is refused.
const SNAPSHOTS_MAX: usize = 2;

/// See the module.
pub(crate) struct Server {
    pub(crate) handle: Handle,
    pub(crate) options: ServerOptions,
    pub(crate) counters: Arc<Counters>,
    pub(crate) reads: ReadBudget,
    /// A permit for each backup that may be made at a time.
    pub(crate) snapshots: Arc<Semaphore>,
    default: Arc<Served>,
    keyspaces: BTreeMap<String, Arc<Served>>,
    stopping: watch::Sender<bool>,
}

/// One keyspace, as it is served here.
pub(crate) struct Served {
    pub(crate) keyspace: Keyspace,
    pub(crate) leadership: Arc<Leadership>,
    pub(crate) renewals: Renewals,
    status: watch::Receiver<GroupStatus>,
    /// Whether an alarm is being raised from here.
    is_raising: AtomicBool,
}

/// Is dropped when the alarm stands or its raising was given up.
struct Raising<'a>(&'a AtomicBool);

impl Drop for Raising<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Server {
    /// A front end of `handle`'s node; `tasks` gets what runs beside the connections.
    pub(crate) fn new(handle: Handle, options: ServerOptions, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let election = handle.timing().election_max;
        let mut keyspaces = BTreeMap::new();
        for keyspace in handle.keyspaces() {
            let leadership = Arc::new(Leadership::new());
            let (renewals, gathering) = Renewals::new(keyspace.clone());
            let status = keyspace.status();
            tasks.spawn(gathering);
            let (following, seen) = (leadership.clone(), status.clone());
            tasks.spawn(async move { following.follow(seen, election).await });
            let name = keyspace.name().to_owned();
            keyspaces.insert(name, Arc::new(Served::new(keyspace, leadership, renewals, status)));
        }
        let default = keyspaces.get(DEFAULT_KEYSPACE).expect("every node has the default keyspace").clone();
        let reads = ReadBudget::new(options.read_budget_len_bytes);
        let snapshots = Arc::new(Semaphore::new(SNAPSHOTS_MAX));
        let stopping = watch::Sender::new(false);
        let counters = Arc::new(Counters::new());
        Arc::new(Server { handle, options, counters, reads, snapshots, default, keyspaces, stopping })
    }

    /// The keyspace of requests that name none.
    pub(crate) fn default_keyspace(&self) -> &Arc<Served> {
        &self.default
    }

    /// The keyspace called `name`.
    pub(crate) fn keyspace(&self, name: &str) -> Option<&Arc<Served>> {
        self.keyspaces.get(name)
    }

    /// All of them, by name.
    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = (&str, &Arc<Served>)> {
        self.keyspaces.iter().map(|(name, served)| (name.as_str(), served))
    }

    /// Turns true when the server is told to stop.
    pub(crate) fn stopping(&self) -> Flag {
        Flag::of(&self.stopping)
    }

    /// Tells connections and streams to end.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

impl Served {
    fn new(
        keyspace: Keyspace,
        leadership: Arc<Leadership>,
        renewals: Renewals,
        status: watch::Receiver<GroupStatus>,
    ) -> Self {
        Served { keyspace, leadership, renewals, status, is_raising: AtomicBool::new(false) }
    }

    /// Raises an alarm and waits until it stands, unless another call is at it. An alarm that could not be raised is raised by the next
    /// write that is refused.
    pub(crate) async fn raise_once(&self, alarm: Command, options: RequestOptions) {
        if self.is_raising.swap(true, Ordering::Acquire) {
            return;
        }
        let _raising = Raising(&self.is_raising);
        if let Err(failure) = self.keyspace.execute(alarm, options).await {
            tracing::warn!(
                keyspace = self.keyspace.name(),
                "the alarm for lack of room is not raised yet: {failure}"
            );
        }
    }

    /// Role, leader and indexes as of now.
    pub(crate) fn status(&self) -> GroupStatus {
        self.status.borrow().clone()
    }

    /// The newest term that this node knows.
    pub(crate) fn term(&self) -> Term {
        self.status.borrow().term
    }

    /// Whether a leader is known.
    pub(crate) fn has_leader(&self) -> bool {
        self.status.borrow().leader.is_some()
    }
}
