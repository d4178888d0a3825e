//! The requests that wait on this node for their end, found again by number.
//!
//! Requests are registered by whatever thread took them in, and ended by the apply thread (outcomes) or an executor
//! (reads and failures). The numbers run over 16 shards, so these threads seldom meet.

use quorate_node::{Answer, RequestFailure};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

const SHARDS: usize = 16;

/// How a request ended.
#[derive(Debug)]
pub enum End {
    /// A write, with its answer.
    Answered(Answer),
    /// A read: the newest view may serve it.
    Readable,
    /// Neither.
    Failed(RequestFailure),
}

/// See the module.
pub struct Waiters {
    next: AtomicU64,
    shards: [Mutex<HashMap<u64, oneshot::Sender<End>>>; SHARDS],
}

impl Waiters {
    /// Nobody waits. Numbers start at `first`, which must be drawn anew at each start of the node so that no number comes twice.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Waiters { next: AtomicU64::new(first), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn shard(&self, sequence: u64) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<End>>> {
        // A thread that died inside left a map that is whole: every change is one call.
        self.shards[sequence as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a request: its number, and where its end will arrive. Dropping the returned guard forgets the request.
    pub fn register(&self) -> (Waiting<'_>, oneshot::Receiver<End>) {
        let mut sequence = self.next.fetch_add(1, Ordering::Relaxed);
        if sequence == quorate_node::envelope::UNANSWERED {
            sequence = self.next.fetch_add(1, Ordering::Relaxed);
        }
        let (sender, receiver) = oneshot::channel();
        self.shard(sequence).insert(sequence, sender);
        (Waiting { waiters: self, sequence }, receiver)
    }

    /// The node stops: whoever still waits hears that its sender is gone.
    pub fn close(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Ends a request, if it still waits.
    pub fn end(&self, sequence: u64, end: End) {
        let waiter = self.shard(sequence).remove(&sequence);
        if let Some(waiter) = waiter {
            // The client may have gone in this very moment; then nobody wants to know.
            let _ = waiter.send(end);
        }
    }
}

/// A registered request.
pub struct Waiting<'a> {
    waiters: &'a Waiters,
    /// Its number.
    pub sequence: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waiters.shard(self.sequence).remove(&self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Waiters};
    use quorate_node::RequestFailure;

    #[test]
    fn an_end_finds_its_request_and_a_dropped_one_is_forgotten() {
        let waiters = Waiters::new(u64::MAX);
        let (first, mut receiver) = waiters.register();
        let (second, mut gone) = waiters.register();
        assert_ne!(second.sequence, 0, "0 names no request");
        let sequence = second.sequence;
        drop(second);
        waiters.end(sequence, End::Readable);
        assert!(gone.try_recv().is_err());
        waiters.end(first.sequence, End::Failed(RequestFailure::Overloaded));
        assert!(matches!(receiver.try_recv(), Ok(End::Failed(RequestFailure::Overloaded))));
    }
}
