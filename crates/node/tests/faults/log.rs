//! A member's log: what its disk would give back, and the work that is on its way there.

use quorate_consensus::raft::{LogWrite, WriteId};
use quorate_node::{PeerMessage, RecoveredLog};
use quorate_types::{LogIndex, NodeId};
use std::collections::VecDeque;

pub enum LogJob {
    Append { write: WriteId, log: LogWrite, then: Vec<(NodeId, PeerMessage)> },
    Compact { upto: LogIndex },
}

#[derive(Default)]
pub struct MemberLog {
    /// What is durable.
    pub image: RecoveredLog,
    /// What is not, oldest first.
    pub queue: VecDeque<LogJob>,
}

impl MemberLog {
    /// Carries out the oldest job.
    pub fn finish_oldest(&mut self) -> Option<LogJob> {
        let job = self.queue.pop_front()?;
        match &job {
            LogJob::Append { log, .. } => write(&mut self.image, log),
            LogJob::Compact { upto } => compact(&mut self.image, *upto),
        }
        Some(job)
    }

    /// The power fails; the first `survivors` jobs were done in time.
    pub fn crash(&mut self, survivors: usize) {
        for _ in 0..survivors {
            self.finish_oldest();
        }
        self.queue.clear();
    }
}

pub fn write(image: &mut RecoveredLog, log: &LogWrite) {
    if let Some(meta) = &log.reset {
        image.snapshot = meta.clone();
        image.entries.clear();
    }
    if let Some(hard_state) = log.hard_state {
        image.hard_state = hard_state;
    }
    if let Some(first) = log.entries.first() {
        assert!(first.index > image.snapshot.index, "the log is written after its start");
        let keep = (first.index.0 - image.snapshot.index.0 - 1) as usize;
        assert!(
            keep <= image.entries.len(),
            "the log has no gaps: {} entries after {} and then {}",
            image.entries.len(),
            image.snapshot.index,
            first.index
        );
        image.entries.truncate(keep);
        image.entries.extend(log.entries.iter().cloned());
    }
}

fn compact(image: &mut RecoveredLog, upto: LogIndex) {
    let count = upto.0.saturating_sub(image.snapshot.index.0) as usize;
    if count == 0 || count > image.entries.len() {
        return;
    }
    let last = image.entries.drain(..count).next_back().expect("something was drained");
    (image.snapshot.index, image.snapshot.term) = (last.index, last.term);
}
