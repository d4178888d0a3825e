//! Into an executor: what reaches it, and how much of it may wait.

use quorate_node::{Input, PeerMessage, ReadRequest, WriteRequest};
use quorate_types::{GroupId, NodeId};
use tokio::sync::mpsc;

/// So many clients' requests may wait for an executor.
const REQUESTS_LEN: usize = 16_384;
/// So many peers' messages may wait for it. They have a queue of their own, so that no flood of requests makes a heartbeat late.
const PEERS_LEN: usize = 4096;
/// So many of each kind are taken in one round.
pub const ROUND_LEN: usize = 1024;

/// What reaches an executor.
pub enum Event {
    /// An input for the node.
    Input(Input),
    /// A client's write.
    Write(GroupId, WriteRequest),
    /// A client's read.
    Read(GroupId, ReadRequest),
    /// Log writes are durable: send what waited for them, then tell the node.
    Persisted {
        /// What waited.
        then: Vec<(NodeId, GroupId, PeerMessage)>,
        /// The node's inputs.
        inputs: Vec<Input>,
    },
    /// End the loop.
    Stop,
}

/// All ways into an executor.
#[derive(Clone)]
pub struct Inbox {
    /// Clients' requests: bounded, so whoever sends gives up when it is full.
    pub requests: mpsc::Sender<Event>,
    /// Peers' messages: bounded, so whoever sends waits.
    pub peers: mpsc::Sender<Event>,
    /// Completions of what the executor itself asked for: bounded by that.
    pub completions: mpsc::UnboundedSender<Event>,
}

/// The receiving ends.
pub struct InboxReceiver {
    /// See [`Inbox::requests`].
    pub requests: mpsc::Receiver<Event>,
    /// See [`Inbox::peers`].
    pub peers: mpsc::Receiver<Event>,
    /// See [`Inbox::completions`].
    pub completions: mpsc::UnboundedReceiver<Event>,
}

impl InboxReceiver {
    /// Takes what waits, up to a round's length of each kind.
    pub fn take_waiting(&mut self, events: &mut Vec<Event>) {
        for _ in 0..ROUND_LEN {
            let Ok(event) = self.completions.try_recv() else { break };
            events.push(event);
        }
        for _ in 0..ROUND_LEN {
            let Ok(event) = self.peers.try_recv() else { break };
            events.push(event);
        }
        for _ in 0..ROUND_LEN {
            let Ok(event) = self.requests.try_recv() else { break };
            events.push(event);
        }
    }
}

/// An inbox.
pub fn inbox() -> (Inbox, InboxReceiver) {
    let (requests, requests_receiver) = mpsc::channel(REQUESTS_LEN);
    let (peers, peers_receiver) = mpsc::channel(PEERS_LEN);
    let (completions, completions_receiver) = mpsc::unbounded_channel();
    (
        Inbox { requests, peers, completions },
        InboxReceiver {
            requests: requests_receiver,
            peers: peers_receiver,
            completions: completions_receiver,
        },
    )
}
