//! Puts a node on its threads, and takes it off again.

use crate::apply_thread::{self, Applier, ApplySender, Hosted};
use crate::clock::Clock;
use crate::config::{Member, NodeConfig};
use crate::executor::Executor;
use crate::handle::{Handle, HandleInner, KeyspaceInner};
use crate::inbox::{Event, Inbox, InboxReceiver, inbox};
use crate::log_thread::{self, LogJob, LogSender};
use crate::maintenance::{self, Maintained, MaintenanceJob, MaintenanceSender};
use crate::meters::Meters;
use crate::open::open;
use crate::round_trips::RoundTrips;
use crate::shared::{GroupShared, NodeFailure, NodeShared};
use crate::transport::{Accepted, Hello, Outgoing, PROTOCOL_VERSION, accept_peers};
use crate::waiters::Waiters;
use quorate_boot::{OpenError, Opened, OpenedGroup};
use quorate_consensus::raft::Role;
use quorate_node::{Input, Node, SnapshotReader};
use quorate_storage::DataDir;
use quorate_tls::{Acceptor, Connector, TlsError, TlsOptions};
use quorate_types::{GroupId, NodeId};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How long a stopping leader waits for another one to take over.
const HANDOVER_TIMEOUT: Duration = Duration::from_millis(800);
/// How often an executor looks at its sockets while its inbox is never empty, in task polls.
const SOCKET_POLL_INTERVAL: u32 = 13;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The member list does not hold this node.
    #[error("the member list does not name this node, {name:?}")]
    NotAMember {
        /// This node's name.
        name: String,
    },
    /// A name stands twice in the member list.
    #[error("the member list names {name:?} twice")]
    MemberTwice {
        /// Which.
        name: String,
    },
    /// A cluster of several needs an address for its peers.
    #[error("a cluster of several members needs an address to listen on for peers")]
    NoPeerAddress,
    /// The address for peers cannot be listened on.
    #[error("cannot listen for peers on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The files or options for TLS with peers cannot be used.
    #[error("TLS with peers: {0}")]
    Tls(#[from] TlsError),
    /// The data cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The operating system gave no randomness or no thread.
    #[error("the operating system refused: {0}")]
    System(std::io::Error),
}

/// A node that runs. Dropping it stops the node at once, as a crash would, but for joining its threads.
pub struct Running {
    handle: Handle,
    peer_address: Option<SocketAddr>,
    inboxes: Vec<Inbox>,
    apply: Vec<ApplySender>,
    log: LogSender,
    maintenance: MaintenanceSender,
    executors: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    _data_dir: Option<DataDir>,
}

/// Opens the node's data and starts its threads.
///
/// # Errors
/// [`StartError`]; nothing runs.
pub fn start(config: &NodeConfig) -> Result<Running, StartError> {
    let me = check_members(config)?;
    let tls = config.peer_tls.as_ref().map(PeerTls::new).transpose()?;
    let listener = listen(config)?;
    let peer_address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let clock = Clock::start();
    let random =
        || getrandom::u64().map_err(|error| StartError::System(std::io::Error::other(error.to_string())));
    let mut seeds = quorate_types::Rng::new(random()?);
    let opened = open(config, me, clock, || seeds.next_u64())?;
    let shared = Arc::new(NodeShared {
        waiters: Waiters::new(random()?),
        failure: watch::Sender::new(None),
        log_len_bytes: AtomicU64::new(0),
        log_syncs: AtomicU64::new(0),
        meters: Meters::new(),
    });
    let members = Arc::new(Mutex::new(config.members.clone()));
    Starter { config, me, clock, shared, peer_address, members, tls }.start(opened, listener)
}

fn check_members(config: &NodeConfig) -> Result<NodeId, StartError> {
    for (position, member) in config.members.iter().enumerate() {
        if config.members[..position].iter().any(|other| other.name == member.name || other.id == member.id) {
            return Err(StartError::MemberTwice { name: member.name.clone() });
        }
    }
    let me = config.me().ok_or_else(|| StartError::NotAMember { name: config.name.clone() })?;
    Ok(me.id)
}

fn listen(config: &NodeConfig) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = &config.listen_peer else {
        return if config.members.len() == 1 { Ok(None) } else { Err(StartError::NoPeerAddress) };
    };
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map(Some).map_err(|source| StartError::Listen { address: address.clone(), source })
}

struct Starter<'a> {
    config: &'a NodeConfig,
    me: NodeId,
    clock: Clock,
    shared: Arc<NodeShared>,
    peer_address: Option<SocketAddr>,
    members: Arc<Mutex<Vec<Member>>>,
    tls: Option<PeerTls>,
}

/// Both directions; clones share them.
#[derive(Clone)]
struct PeerTls {
    acceptor: Acceptor,
    connector: Connector,
}

impl PeerTls {
    fn new(options: &TlsOptions) -> Result<Self, TlsError> {
        Ok(PeerTls { acceptor: Acceptor::new(options, &[])?, connector: Connector::new(options, &[])? })
    }
}

/// The parts of one executor, before its threads start.
struct Slot {
    inbox: Inbox,
    receiver: InboxReceiver,
    apply: ApplySender,
    apply_receiver: std::sync::mpsc::Receiver<Option<apply_thread::ApplyJob>>,
    node: Node,
    machines: BTreeMap<GroupId, Hosted>,
    groups: BTreeMap<GroupId, Arc<GroupShared>>,
}

impl Slot {
    fn new() -> Self {
        let (inbox, receiver) = inbox();
        let (apply, apply_receiver) = apply_thread::channel();
        let (node, machines, groups) = (Node::new(), BTreeMap::new(), BTreeMap::new());
        Slot { inbox, receiver, apply, apply_receiver, node, machines, groups }
    }
}

impl Starter<'_> {
    fn start(self, opened: Opened, listener: Option<TcpListener>) -> Result<Running, StartError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut slots: Vec<Slot> = (0..cores.min(opened.groups.len())).map(|_| Slot::new()).collect();
        let mut maintained = BTreeMap::new();
        let mut keyspaces = BTreeMap::new();
        let mut inboxes = BTreeMap::new();
        for (position, parts) in opened.groups.into_iter().enumerate() {
            let slot_count = slots.len();
            let slot = &mut slots[position % slot_count];
            let shared = self.place(parts, slot, &mut maintained);
            inboxes.insert(shared.id, slot.inbox.clone());
            let keyspace =
                KeyspaceInner { group: shared.clone(), inbox: slot.inbox.clone(), apply: slot.apply.clone() };
            keyspaces.insert(shared.name.clone(), Arc::new(keyspace));
        }
        let handle = self.handle(keyspaces);
        let (log, log_receiver) = log_thread::channel();
        let (maintenance, maintenance_receiver) = maintenance::channel();
        let mut running = Running {
            handle,
            peer_address: self.peer_address,
            inboxes: slots.iter().map(|slot| slot.inbox.clone()).collect(),
            apply: slots.iter().map(|slot| slot.apply.clone()).collect(),
            log,
            maintenance,
            executors: Vec::new(),
            others: Vec::new(),
            _data_dir: opened.data_dir,
        };
        let (shared, to_log) = (self.shared.clone(), opened.log);
        let log_inboxes = inboxes.clone();
        running.others.push(self.spawn("log", move || {
            log_thread::run(to_log, &log_receiver, &log_inboxes, &shared);
        })?);
        let shared = self.shared.clone();
        running.others.push(self.spawn("tables", move || {
            maintenance::run(maintained, &maintenance_receiver, &shared);
        })?);
        let mut listener = listener;
        for slot in slots {
            let routes = listener.take().map(|listener| (listener, inboxes.clone()));
            self.start_slot(slot, &mut running, routes)?;
        }
        Ok(running)
    }

    fn place(
        &self,
        parts: OpenedGroup,
        slot: &mut Slot,
        maintained: &mut BTreeMap<GroupId, Maintained>,
    ) -> Arc<GroupShared> {
        let OpenedGroup { keyspace, group, mut machine, configuration } = parts;
        machine.set_upkeep(&self.config.upkeep);
        let view = machine.view();
        let durable = view.applied().0;
        let persist = machine.persist_handle();
        let shared =
            Arc::new(GroupShared::new(group.status(), keyspace.name, keyspace.level, view.clone(), persist));
        shared.publish(view, machine.clock_offset_ns());
        let snapshots = SnapshotReader::default();
        let inbox = slot.inbox.clone();
        maintained.insert(
            shared.id,
            Maintained { group: shared.clone(), inbox, configuration, snapshots, durable },
        );
        slot.machines.insert(shared.id, Hosted { machine, group: shared.clone() });
        slot.groups.insert(shared.id, shared.clone());
        slot.node.add(group);
        shared
    }

    fn handle(&self, keyspaces: BTreeMap<String, Arc<KeyspaceInner>>) -> Handle {
        Handle {
            inner: Arc::new(HandleInner {
                cluster: self.config.cluster_id(),
                me: self.me,
                name: self.config.name.clone(),
                members: self.members.clone(),
                timing: self.config.timing,
                quota: self.config.upkeep.quota,
                data_dir: self.config.data_dir.clone(),
                peers_use_tls: self.tls.is_some(),
                clock: self.clock,
                shared: self.shared.clone(),
                keyspaces,
            }),
        }
    }

    /// How this node introduces itself; receiver and lane are filled in for each connection.
    fn hello(&self) -> Hello {
        let client_urls = self.config.me().map(|me| me.client_urls.join(",")).unwrap_or_default();
        let cluster = self.config.cluster_id();
        Hello { version: PROTOCOL_VERSION, cluster, from: self.me, to: self.me, lane: 0, client_urls }
    }

    fn start_slot(
        &self,
        slot: Slot,
        running: &mut Running,
        routes: Option<(TcpListener, BTreeMap<GroupId, Inbox>)>,
    ) -> Result<(), StartError> {
        let Slot { inbox, receiver, apply, apply_receiver, node, machines, groups } = slot;
        let applier = Applier { machines, inbox, clock: self.clock, shared: self.shared.clone() };
        running.others.push(self.spawn("apply", move || applier.run(&apply_receiver))?);
        let hello = self.hello();
        let me = self.me;
        let (members, tls) = (self.members.clone(), self.tls.clone());
        let peers: Vec<(NodeId, String)> =
            self.config.members.iter().map(|m| (m.id, m.peer_address.clone())).collect();
        let peers: Vec<(NodeId, String)> = peers.into_iter().filter(|(id, _)| *id != me).collect();
        let (clock, shared) = (self.clock, self.shared.clone());
        let (log, maintenance) = (running.log.clone(), running.maintenance.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(SOCKET_POLL_INTERVAL)
            .build()
            .map_err(StartError::System)?;
        let body = move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                if let Some((listener, routes)) = routes {
                    listen_for_peers(listener, routes, &hello, members, tls.as_ref());
                }
                let peers = dial_all(&peers, &hello, tls.as_ref());
                let round_trips = RoundTrips::default();
                let executor =
                    Executor { node, clock, peers, round_trips, log, apply, maintenance, shared, groups };
                executor.run(receiver).await;
            });
        };
        running.executors.push(self.spawn("executor", body)?);
        Ok(())
    }
}

fn dial_all(
    peers: &[(NodeId, String)],
    hello: &Hello,
    tls: Option<&PeerTls>,
) -> BTreeMap<NodeId, [Outgoing; 2]> {
    let dial = |to: NodeId, address: &str, lane: u8| {
        Outgoing::start(
            address.to_owned(),
            Hello { to, lane, ..hello.clone() },
            tls.map(|tls| tls.connector.clone()),
        )
    };
    peers.iter().map(|(to, address)| (*to, [dial(*to, address, 0), dial(*to, address, 1)])).collect()
}

fn listen_for_peers(
    listener: TcpListener,
    routes: BTreeMap<GroupId, Inbox>,
    hello: &Hello,
    members: Arc<Mutex<Vec<Member>>>,
    tls: Option<&PeerTls>,
) {
    let (cluster, me) = (hello.cluster, hello.from);
    let tls = tls.map(|tls| tls.acceptor.clone());
    let known = members.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let peers = known.iter().map(|member| member.id).filter(|id| *id != me).collect();
    let learn = Box::new(move |from, client_urls| {
        let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(member) = members.iter_mut().find(|member| member.id == from) {
            member.client_urls = client_urls;
        }
    });
    let deliver = async move |from, group, message| {
        if let Some(inbox) = routes.get(&group) {
            // A closed inbox means that the node is being stopped.
            let _ = inbox.peers.send(Event::Input(Input::Peer { from, group, message })).await;
        }
    };
    match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => {
            tokio::task::spawn_local(accept_peers(
                listener,
                Accepted { cluster, me, tls, peers, learn, deliver },
            ));
        }
        Err(error) => tracing::error!("cannot listen for peers: {error}"),
    }
}

/// Tells everybody if its thread ends by a panic.
struct Alarm {
    part: &'static str,
    shared: Arc<NodeShared>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.failure.send_replace(Some(NodeFailure::Panicked { part: self.part }));
        }
    }
}

impl Starter<'_> {
    fn spawn(
        &self,
        part: &'static str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, StartError> {
        let alarm = Alarm { part, shared: self.shared.clone() };
        let guarded = move || {
            let _alarm = alarm;
            body();
        };
        let name = format!("{}-{part}", self.config.name);
        std::thread::Builder::new().name(name).spawn(guarded).map_err(StartError::System)
    }
}

impl Running {
    /// For requests.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where the node listens for peers.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer_address
    }

    /// Hands leaderships over, so that nobody has to wait for an election; then stops all threads and makes the tables durable.
    pub async fn shut_down(self) {
        for keyspace in self.handle.keyspaces() {
            self.hand_over(&keyspace).await;
        }
        // Joining blocks, so it is done where blocking is allowed.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn hand_over(&self, keyspace: &crate::Keyspace) {
        let mut status = keyspace.status();
        let me = self.handle.node_id();
        if status.borrow().role != Role::Leader {
            return;
        }
        for other in self.handle.members().into_iter().filter(|member| member.id != me) {
            if keyspace.transfer_leadership(other.id).is_err() {
                return;
            }
            let gone = status.wait_for(|status| status.role != Role::Leader);
            if tokio::time::timeout(HANDOVER_TIMEOUT, gone).await.is_ok() {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for inbox in &self.inboxes {
            let _ = inbox.completions.send(Event::Stop);
        }
        let join = |threads: &mut Vec<JoinHandle<()>>| {
            for thread in threads.drain(..) {
                if thread.join().is_err() {
                    tracing::error!("a thread of the node had panicked");
                }
            }
        };
        join(&mut self.executors);
        self.log.send(LogJob::Stop);
        self.apply.iter().for_each(ApplySender::stop);
        self.maintenance.send(MaintenanceJob::Stop);
        join(&mut self.others);
        self.handle.inner.shared.waiters.close();
    }
}
