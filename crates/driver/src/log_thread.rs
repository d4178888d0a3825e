//! The log thread: one write-ahead log for all groups of a node, and group commit.
//!
//! While one sync runs, what all groups want to append gathers in the channel; the next sync covers all of it. So the slower the disk,
//! the larger the batches.

use crate::inbox::{Event, Inbox};
use crate::shared::{NodeFailure, NodeShared};
use quorate_boot::{Log, commands_len_bytes};
use quorate_consensus::raft::{LogWrite, WriteId};
use quorate_node::{Input, PeerMessage};
use quorate_storage::WalError;
use quorate_types::{GroupId, LogIndex, NodeId};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// One sync covers at most so many appends, so that none waits for ever.
const MAX_APPENDS_PER_SYNC: usize = 4096;
/// And no further one once they hold so much: far less than the log takes at once.
const MAX_LEN_BYTES_PER_SYNC: usize = 64 << 20;

/// Under load, so many syncs are followed by one step of housekeeping.
const BATCHES_PER_STEP: u32 = 32;
/// A log without work for so long is idle.
const IDLE_BEFORE_HOUSEKEEPING: Duration = Duration::from_millis(20);

/// Work for the log.
pub enum LogJob {
    /// Make a write durable, then report it with what waited for it.
    Append {
        /// Whose log.
        group: GroupId,
        /// Names the write.
        write: WriteId,
        /// What.
        log: LogWrite,
        /// What may leave the node afterwards.
        then: Vec<(NodeId, PeerMessage)>,
    },
    /// The group's log up to this position is not needed any more.
    Compact {
        /// Whose log.
        group: GroupId,
        /// See above.
        upto: LogIndex,
    },
    /// Sync what came before, then end the thread.
    Stop,
}

impl LogJob {
    /// About how much it makes the log write.
    fn len_bytes(&self) -> usize {
        match self {
            LogJob::Append { log, .. } => commands_len_bytes(log),
            LogJob::Compact { .. } | LogJob::Stop => 0,
        }
    }
}

/// The way to the log thread.
#[derive(Clone)]
pub struct LogSender(mpsc::Sender<LogJob>);

impl LogSender {
    /// Hands work over. How much can wait is bounded by the cores: they stop proposing beyond their budget of unpersisted bytes.
    pub fn send(&self, job: LogJob) {
        // A closed channel means that the log thread has ended with its failure reported: nothing is durable any more, and nothing is told so.
        let _ = self.0.send(job);
    }
}

/// A channel to a log thread.
pub fn channel() -> (LogSender, mpsc::Receiver<LogJob>) {
    let (sender, receiver) = mpsc::channel();
    (LogSender(sender), receiver)
}

/// The log thread's body.
pub fn run(
    mut log: Log,
    jobs: &mpsc::Receiver<LogJob>,
    inboxes: &BTreeMap<GroupId, Inbox>,
    shared: &NodeShared,
) {
    if let Err(error) = write_until_stopped(&mut log, jobs, inboxes, shared).and_then(|()| log.close()) {
        fail(&error, inboxes, shared);
    }
}

fn write_until_stopped(
    log: &mut Log,
    jobs: &mpsc::Receiver<LogJob>,
    inboxes: &BTreeMap<GroupId, Inbox>,
    shared: &NodeShared,
) -> Result<(), WalError> {
    let mut batch = Vec::new();
    let mut housekeeping = Housekeeping { batches_since: 0, is_due: false };
    while let Some(job) = housekeeping.next_job(log, jobs)? {
        let mut len_bytes = job.len_bytes();
        batch.push(job);
        while batch.len() < MAX_APPENDS_PER_SYNC
            && len_bytes < MAX_LEN_BYTES_PER_SYNC
            && let Ok(job) = jobs.try_recv()
        {
            len_bytes += job.len_bytes();
            batch.push(job);
        }
        if !write_batch(log, &mut batch, inboxes, shared)? {
            break;
        }
        housekeeping.note_batch();
    }
    Ok(())
}

/// Housekeeping that is due: one step every so often under load, all of it once the log is idle.
struct Housekeeping {
    batches_since: u32,
    is_due: bool,
}

impl Housekeeping {
    fn note_batch(&mut self) {
        self.batches_since += 1;
        self.is_due = true;
    }

    /// Waits for work, and keeps house meanwhile. `None` when nobody will send any more.
    fn next_job(&mut self, log: &mut Log, jobs: &mpsc::Receiver<LogJob>) -> Result<Option<LogJob>, WalError> {
        if self.batches_since >= BATCHES_PER_STEP {
            self.batches_since = 0;
            self.is_due = log.maintain()?;
        }
        while self.is_due {
            match jobs.recv_timeout(IDLE_BEFORE_HOUSEKEEPING) {
                Ok(job) => return Ok(Some(job)),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
                Err(mpsc::RecvTimeoutError::Timeout) => self.is_due = log.maintain()?,
            }
        }
        Ok(jobs.recv().ok())
    }
}

/// Writes and syncs one batch; false once [`LogJob::Stop`] was met.
fn write_batch(
    to: &mut Log,
    batch: &mut Vec<LogJob>,
    inboxes: &BTreeMap<GroupId, Inbox>,
    shared: &NodeShared,
) -> Result<bool, WalError> {
    let mut go_on = true;
    let mut done: BTreeMap<GroupId, Done> = BTreeMap::new();
    let mut compactions = Vec::new();
    for job in batch.drain(..) {
        match job {
            LogJob::Append { group, write, log, then } => {
                to.append(group, &log)?;
                let done = done.entry(group).or_default();
                done.write = write;
                done.then.extend(then.into_iter().map(|(to, message)| (to, group, message)));
            }
            LogJob::Compact { group, upto } => compactions.push((group, upto)),
            LogJob::Stop => go_on = false,
        }
    }
    if !done.is_empty() {
        let started = Instant::now();
        let appended_len_bytes = to.sync()?;
        shared.meters.log_sync.note(started.elapsed());
        shared.log_syncs.fetch_add(1, Ordering::Relaxed);
        shared.log_len_bytes.store(appended_len_bytes, Ordering::Relaxed);
    }
    for (group, Done { write, then }) in done {
        if let Some(inbox) = inboxes.get(&group) {
            let inputs = vec![Input::Persisted { group, write }];
            let _ = inbox.completions.send(Event::Persisted { then, inputs });
        }
    }
    for (group, upto) in compactions {
        to.compact(group, upto)?;
    }
    Ok(go_on)
}

#[derive(Default)]
struct Done {
    write: WriteId,
    then: Vec<(NodeId, GroupId, PeerMessage)>,
}

fn fail(error: &WalError, inboxes: &BTreeMap<GroupId, Inbox>, shared: &NodeShared) {
    let failure = NodeFailure::Log { detail: error.to_string().into() };
    tracing::error!("{failure}");
    shared.failure.send_replace(Some(failure));
    for inbox in inboxes.values() {
        let _ = inbox.completions.send(Event::Input(Input::DiskFailed));
    }
}
