//! The sending side: one connection to one peer for one lane.
//!
//! The executor appends frames and, once a round of its loop is done, flushes: what the socket takes at once leaves without waking any
//! task; the rest is left to the lane's own task. While there is no connection, messages are dropped: they would be stale.

use super::frame;
use super::handshake::{HandshakeError, Hello, dial};
use super::link::Link;
use quorate_node::PeerMessage;
use quorate_tls::Connector;
use quorate_types::GroupId;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// So much may wait for a slow peer; what comes beyond is dropped.
const MAX_QUEUED_LEN_BYTES: usize = 96 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// With TLS there are more messages to exchange.
const SECURE_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// A buffer that once grew larger than this is given back when it is empty.
const KEPT_LEN_BYTES: usize = 1 << 20;

struct Shared {
    connection: RefCell<Option<Rc<Link>>>,
    queued: RefCell<Vec<u8>>,
    /// Whether the lane's task is writing; then a flush must not write between its pieces.
    task_writes: Cell<bool>,
    wake: Notify,
    dropped: Cell<u64>,
}

/// See the module. Lives on one thread, inside a `LocalSet`.
pub struct Outgoing {
    shared: Rc<Shared>,
}

impl Outgoing {
    /// Starts to connect to `address`, and goes on doing so for ever; by TLS if there is a connector.
    #[must_use]
    pub fn start(address: String, hello: Hello, tls: Option<Connector>) -> Self {
        let shared = Rc::new(Shared {
            connection: RefCell::default(),
            queued: RefCell::default(),
            task_writes: Cell::new(false),
            wake: Notify::new(),
            dropped: Cell::new(0),
        });
        tokio::task::spawn_local(keep_connected(address, hello, tls, shared.clone()));
        Outgoing { shared }
    }

    /// Queues a message, or drops it if there is no connection or no room.
    pub fn send(&self, group: GroupId, message: &PeerMessage) {
        let mut queued = self.shared.queued.borrow_mut();
        let room = self.shared.connection.borrow().is_some() && queued.len() < MAX_QUEUED_LEN_BYTES;
        if !room || !frame::append(group, message, &mut queued) {
            self.shared.dropped.set(self.shared.dropped.get() + 1);
        }
    }

    /// Writes what the socket takes now; the rest follows by itself.
    pub fn flush(&self) {
        let mut queued = self.shared.queued.borrow_mut();
        if queued.is_empty() || self.shared.task_writes.get() {
            return;
        }
        let Some(connection) = self.shared.connection.borrow().clone() else { return };
        let mut written = 0;
        while written < queued.len() {
            match connection.try_write(&queued[written..]) {
                Ok(len) => written += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Full or broken: the lane's task waits for room, or meets the error itself.
                Err(_) => break,
            }
        }
        queued.drain(..written);
        if queued.is_empty() && connection.try_flush().is_ok() {
            give_back(&mut queued);
        } else {
            self.shared.task_writes.set(true);
            self.shared.wake.notify_one();
        }
    }
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_LEN_BYTES {
        *buffer = Vec::new();
    }
}

async fn keep_connected(address: String, hello: Hello, tls: Option<Connector>, shared: Rc<Shared>) {
    let mut pause = RETRY_PAUSE;
    let mut last_error = String::new();
    loop {
        match connect(&address, &hello, tls.as_ref()).await {
            Ok(link) => {
                tracing::info!(peer = %hello.to, address, lane = hello.lane, "connected to a peer");
                pause = RETRY_PAUSE;
                last_error.clear();
                *shared.connection.borrow_mut() = Some(Rc::new(link));
                let error = write_queued(&shared).await;
                *shared.connection.borrow_mut() = None;
                shared.queued.borrow_mut().clear();
                shared.task_writes.set(false);
                tracing::info!(peer = %hello.to, address, lane = hello.lane, "lost the connection to a peer: {error}");
            }
            Err(error) => {
                let error = error.to_string();
                if error != last_error {
                    tracing::info!(peer = %hello.to, address, "cannot connect to a peer, trying on: {error}");
                    last_error = error;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_RETRY_PAUSE);
    }
}

async fn connect(address: &str, hello: &Hello, tls: Option<&Connector>) -> Result<Link, HandshakeError> {
    let attempt = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let Some(connector) = tls else {
            dial(&mut stream, hello).await?;
            return Ok(Link::Plain(stream));
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let mut stream = connector.connect(host, stream).await?;
        dial(&mut stream, hello).await?;
        Ok(Link::from(stream))
    };
    let limit = if tls.is_some() { SECURE_CONNECT_TIMEOUT } else { CONNECT_TIMEOUT };
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Writes what flushes left over, until the connection breaks.
async fn write_queued(shared: &Shared) -> io::Error {
    let Some(connection) = shared.connection.borrow().clone() else {
        return io::ErrorKind::NotConnected.into();
    };
    let mut chunk = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = shared.wake.notified() => {}
            error = connection.closed() => return error,
        }
        loop {
            std::mem::swap(&mut chunk, &mut shared.queued.borrow_mut());
            // With nothing to write, this still waits for what the connection has taken and not sent.
            if let Err(error) = write_all(&connection, &chunk).await {
                return error;
            }
            if chunk.is_empty() && shared.queued.borrow().is_empty() {
                break;
            }
            chunk.clear();
            give_back(&mut chunk);
        }
        shared.task_writes.set(false);
    }
}

async fn write_all(connection: &Link, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let written = match bytes {
            [] => connection.try_flush().map(|()| 0),
            bytes => connection.try_write(bytes),
        };
        match written {
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::timeout(WRITE_TIMEOUT, connection.writable())
                    .await
                    .map_err(|_| io::ErrorKind::TimedOut)??;
            }
            Err(error) => return Err(error),
        }
    }
}
