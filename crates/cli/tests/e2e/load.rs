//! Clients that write and read all the time.
//!
//! Each writer writes unique values to keys of their own and, in turn with them, the numbers 1, 2, 3, … to a register. Readers read the
//! registers through every node. All of it is recorded, for [`History`] to judge.

use crate::cluster::{Cluster, NODES};
use crate::history::{Caller, History, RECORDED};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const WRITERS: usize = 4;
/// On each node.
const READERS: usize = 2;
/// A short one, because a write's answer may be lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// A long one: a read that waits for a node to come back is the one that may be stale.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two calls of a client, so that a small machine can keep up.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a number of calls may take.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Clients at work.
pub struct Load {
    history: History,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    writes_done: AtomicU64,
    /// On each node.
    reads_done: [AtomicU64; NODES],
}

impl Load {
    /// Starts writers at some nodes, and readers at all of them.
    pub fn start(cluster: &Cluster, write_at: &[usize]) -> Self {
        let history = History::new();
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            writes_done: AtomicU64::new(0),
            reads_done: [const { AtomicU64::new(0) }; NODES],
        });
        let writer = |number: usize| {
            let client = cluster.client(write_at, WRITE_TIMEOUT);
            let caller = history.caller(&format!("writer {number}"), client);
            tokio::spawn(write(caller, number, Arc::clone(&shared)))
        };
        let reader = |number: usize| {
            let at = number % NODES;
            let client = cluster.client(&[at], READ_TIMEOUT);
            let caller = history.caller(&format!("reader {number} of node {at}"), client);
            tokio::spawn(read(caller, at, Arc::clone(&shared)))
        };
        let clients = (0..WRITERS).map(writer).chain((0..NODES * READERS).map(reader)).collect();
        Load { history, shared, clients }
    }

    /// Where the calls are recorded.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Waits until some writes have been acknowledged that were not before.
    pub async fn more_writes(&self) {
        wait_for_more(&self.shared.writes_done, "acknowledged write").await;
    }

    /// Waits until one node has answered some more reads.
    pub async fn more_reads(&self, at: usize) {
        wait_for_more(&self.shared.reads_done[at], "answered read").await;
    }

    /// Ends it, and gives what was recorded.
    pub async fn stop(self) -> History {
        self.shared.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        self.history
    }
}

async fn wait_for_more(count: &AtomicU64, what: &str) {
    const MORE: u64 = 50;
    let wanted = count.load(Ordering::SeqCst) + MORE;
    let deadline = Instant::now() + PROGRESS_TIMEOUT;
    while count.load(Ordering::SeqCst) < wanted {
        assert!(Instant::now() < deadline, "not one more {what} in time");
        sleep(LOOK_INTERVAL).await;
    }
}

fn register(writer: usize) -> String {
    format!("{RECORDED}register/{writer}")
}

async fn write(mut caller: Caller, writer: usize, shared: Arc<Shared>) {
    for turn in 1_u64.. {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let (key, value) = (format!("{RECORDED}once/{writer}/{turn:08}"), format!("{writer}-{turn}"));
        for (key, value) in [(key, value), (register(writer), turn.to_string())] {
            if caller.put(&key, &value).await.is_ok() {
                shared.writes_done.fetch_add(1, Ordering::SeqCst);
            }
        }
        sleep(PAUSE).await;
    }
}

async fn read(mut caller: Caller, at: usize, shared: Arc<Shared>) {
    for turn in 0.. {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        if caller.get(&register(turn % WRITERS)).await.is_ok() {
            shared.reads_done[at].fetch_add(1, Ordering::SeqCst);
        }
        sleep(PAUSE).await;
    }
}
