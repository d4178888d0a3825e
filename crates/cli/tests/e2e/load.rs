//! Clients that write and read all the time, and notice at once if a read is stale.
//!
//! Each writer writes unique values to keys of their own, for [`History`], and in turn with them the numbers 1, 2, 3, … to
//! a register. Readers read the registers. **Invariant:** a read that began after number n was acknowledged, or after another
//! read had returned n, returns n or more; and the register's version is its number, because no write happens twice.

use crate::cluster::{Cluster, NODES};
use crate::history::{History, ONCE, Outcome};
use quorate_client::Client;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<History>>,
    readers: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    /// The register that each writer writes at the moment.
    registers: Vec<Mutex<Arc<Register>>>,
    writes_done: AtomicU64,
    /// On each node.
    reads_done: [AtomicU64; NODES],
}

struct Register {
    key: String,
    /// The largest number that was acknowledged or read: no later read may return less.
    known: AtomicU64,
}

impl Register {
    /// A writer goes on with another register once it does not know what became of a write: that write may happen late, and
    /// would then rightly follow larger numbers.
    fn new(writer: usize, generation: u64) -> Arc<Self> {
        Arc::new(Register { key: format!("register/{writer}/{generation}"), known: AtomicU64::new(0) })
    }

    async fn read(&self, client: &Client) -> Result<(), quorate_client::Error> {
        let known = self.known.load(Ordering::SeqCst);
        let Some(kv) = client.get(self.key.clone()).await? else {
            assert_eq!(known, 0, "a stale read: {} is missing", self.key);
            return Ok(());
        };
        let number: u64 = std::str::from_utf8(&kv.value).unwrap().parse().unwrap();
        assert!(number >= known, "a stale read: {} is {number}, and was {known} before", self.key);
        assert_eq!(kv.version, number as i64, "a write of {} was done twice", self.key);
        self.known.fetch_max(number, Ordering::SeqCst);
        Ok(())
    }
}

impl Load {
    /// Starts writers at some nodes, and readers at all of them.
    pub fn start(cluster: &Cluster, write_at: &[usize]) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            registers: (0..WRITERS).map(|writer| Mutex::new(Register::new(writer, 0))).collect(),
            writes_done: AtomicU64::new(0),
            reads_done: [const { AtomicU64::new(0) }; NODES],
        });
        let writer = |number| {
            tokio::spawn(write(cluster.client(write_at, WRITE_TIMEOUT), number, Arc::clone(&shared)))
        };
        let writers = (0..WRITERS).map(writer).collect();
        let reader = |at| tokio::spawn(read(cluster.client(&[at], READ_TIMEOUT), at, Arc::clone(&shared)));
        let readers = (0..NODES * READERS).map(|number| reader(number % NODES)).collect();
        Load { shared, writers, readers }
    }

    /// Waits until some writes have been acknowledged that were not before.
    pub async fn more_writes(&self) {
        wait_for_more(&self.shared.writes_done, "acknowledged write").await;
    }

    /// Waits until one node has answered some more reads.
    pub async fn more_reads(&self, at: usize) {
        wait_for_more(&self.shared.reads_done[at], "answered read").await;
    }

    /// Ends it, and says what the writers were told.
    ///
    /// # Panics
    /// If a read was stale.
    pub async fn stop(self) -> History {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut history = History::default();
        for writer in self.writers {
            history.merge(writer.await.unwrap());
        }
        for reader in self.readers {
            reader.await.unwrap();
        }
        history
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

async fn write(client: Client, writer: usize, shared: Arc<Shared>) -> History {
    let mut history = History::default();
    let mut register = Arc::clone(&shared.registers[writer].lock().unwrap());
    let mut generation = 0;
    let mut number = 0_u64;
    for turn in 0_u64.. {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let (key, value) = (format!("{ONCE}{writer}/{turn:08}"), format!("{writer}-{turn}"));
        let outcome = Outcome::of(&client.put(key.clone(), value.clone()).await);
        shared.count(outcome);
        history.record(key, value, outcome);

        let outcome = Outcome::of(&client.put(register.key.clone(), (number + 1).to_string()).await);
        shared.count(outcome);
        match outcome {
            Outcome::Done { .. } => {
                number += 1;
                register.known.fetch_max(number, Ordering::SeqCst);
            }
            Outcome::Refused => {}
            Outcome::Unknown => {
                (generation, number) = (generation + 1, 0);
                register = Register::new(writer, generation);
            }
        }
        *shared.registers[writer].lock().unwrap() = Arc::clone(&register);
        sleep(PAUSE).await;
    }
    history
}

async fn read(client: Client, at: usize, shared: Arc<Shared>) {
    for turn in 0.. {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let register = Arc::clone(&shared.registers[turn % WRITERS].lock().unwrap());
        if register.read(&client).await.is_ok() {
            shared.reads_done[at].fetch_add(1, Ordering::SeqCst);
        }
        sleep(PAUSE).await;
    }
}

impl Shared {
    fn count(&self, outcome: Outcome) {
        if matches!(outcome, Outcome::Done { .. }) {
            self.writes_done.fetch_add(1, Ordering::SeqCst);
        }
    }
}
