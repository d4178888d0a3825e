//! One connection's place in the load: the calls on it share it, and replace it together when it breaks.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::Mutex;

use super::target::Target;
use super::wire::{self, Failure};

/// How long to leave an endpoint alone that could not be reached.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// A connection, or the wish for one.
pub(super) struct Lane {
    targets: Vec<Target>,
    /// Which of them is next.
    turn: Cell<usize>,
    /// Goes up with every connection, so that one break is not counted against its successor.
    generation: Cell<u64>,
    sender: RefCell<Option<SendRequest<Bytes>>>,
    connecting: Mutex<()>,
}

impl Lane {
    /// A lane whose first connection goes to target number `first`, modulo their number.
    pub(super) fn new(targets: Vec<Target>, first: usize) -> Self {
        Lane {
            targets,
            turn: Cell::new(first),
            generation: Cell::new(0),
            sender: RefCell::new(None),
            connecting: Mutex::new(()),
        }
    }

    /// Where the next connection goes.
    pub(super) fn target(&self) -> &Target {
        &self.targets[self.turn.get() % self.targets.len()]
    }

    /// Connects once.
    pub(super) async fn connect(&self) -> std::io::Result<()> {
        let sender = wire::connect(self.target()).await?;
        self.generation.set(self.generation.get() + 1);
        *self.sender.borrow_mut() = Some(sender);
        Ok(())
    }

    /// The connection and its generation; connects first if need be, and tries the targets in turn only once each
    /// time it is asked.
    pub(super) async fn sender(&self) -> Result<(SendRequest<Bytes>, u64), Failure> {
        if let Some(sender) = self.sender.borrow().clone() {
            return Ok((sender, self.generation.get()));
        }
        let _alone = self.connecting.lock().await;
        if self.sender.borrow().is_none() && self.connect().await.is_err() {
            self.turn.set(self.turn.get() + 1);
            tokio::time::sleep(RECONNECT_PAUSE).await;
            return Err(Failure::Transport);
        }
        let sender = self.sender.borrow().clone().ok_or(Failure::Transport)?;
        Ok((sender, self.generation.get()))
    }

    /// Gives up the connection of that generation; the next one goes elsewhere.
    pub(super) fn give_up(&self, generation: u64) {
        if self.generation.get() == generation && self.sender.borrow_mut().take().is_some() {
            self.turn.set(self.turn.get() + 1);
        }
    }
}
