//! What passes between clients and the world.

use quorate_kv::watch::{WatchMessage, WatchRequest};
use quorate_kv::{Command, View};
use quorate_node::{Answer, RequestFailure};
use quorate_types::NodeId;
use std::sync::Arc;
use std::time::Duration;

/// Names a request of a client in a run; never 0.
pub type RequestId = u64;

/// What a client wants from a node.
#[derive(Clone, PartialEq, Debug)]
pub struct Ask {
    /// Which node.
    pub node: NodeId,
    /// What.
    pub what: Asked,
}

/// See [`Ask`].
#[derive(Clone, PartialEq, Debug)]
pub enum Asked {
    /// A write. Ends by [`Told::Answered`], [`Told::Failed`] or [`Told::Gone`].
    Write {
        /// Its name.
        request: RequestId,
        /// What.
        command: Command,
        /// How long it is waited for.
        timeout: Duration,
    },
    /// A linearizable read. Ends by [`Told::Readable`], [`Told::Failed`] or [`Told::Gone`].
    Read {
        /// Its name.
        request: RequestId,
        /// How long it is waited for.
        timeout: Duration,
    },
    /// A look at what the node has applied. Ends at once by [`Told::Readable`] or [`Told::Gone`].
    Look {
        /// Its name.
        request: RequestId,
    },
    /// Open a watch stream under this client's number. A node that crashes ends it by [`StreamTold::Gone`].
    OpenStream {
        /// Whose.
        client: u64,
    },
    /// Ask something on the client's stream.
    Watch {
        /// Whose.
        client: u64,
        /// What.
        request: WatchRequest,
    },
    /// Close the client's stream.
    CloseStream {
        /// Whose.
        client: u64,
    },
}

/// What a client hears.
#[derive(Clone, Debug)]
pub enum Told {
    /// A write's answer.
    Answered(Answer),
    /// A read may be served from this.
    Readable(Arc<View>),
    /// Neither; says whether something may have been done.
    Failed(RequestFailure),
    /// The node is down, or went down meanwhile: whether anything was done is unknown, unless nothing was sent because the node was down
    /// when asked (`sent` false).
    Gone {
        /// See above.
        sent: bool,
    },
}

/// What a watching client hears.
#[derive(Clone, Debug)]
pub enum StreamTold {
    /// A message of its stream.
    Message(WatchMessage),
    /// The node went down, and the stream with it.
    Gone,
}
