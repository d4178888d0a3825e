//! What is going to happen.

use quorate_consensus::raft::{LogWrite, WriteId};
use quorate_kv::watch::{StreamId, WatchMessage};
use quorate_node::{Input, PeerMessage};
use quorate_types::{Bytes, LogIndex, NodeId, Time};
use std::collections::BTreeMap;

/// Something that is going to happen.
#[derive(Debug)]
pub enum Event {
    /// A message arrives.
    Message {
        /// At whom.
        to: NodeId,
        /// From whom.
        from: NodeId,
        /// Its number.
        message: u64,
        /// Its bytes.
        bytes: Bytes,
    },
    /// Something inside one life of a node; void in a later one.
    Local {
        /// Which node.
        node: NodeId,
        /// Which life.
        life: u64,
        /// What.
        what: Local,
    },
    /// A node is to start, if it is down.
    Restart {
        /// Which.
        node: NodeId,
    },
    /// A fault of the scenario begins.
    Strike {
        /// Its position.
        fault: usize,
    },
    /// It ends.
    Cease {
        /// Its position.
        fault: usize,
    },
    /// A clock jumps, forth or back, as long as the fault lasts.
    Strobe {
        /// Its position.
        fault: usize,
        /// Whether the last jump was forth.
        forth: bool,
    },
    /// Some client is due.
    Clients,
}

/// Something inside one life of a node.
#[derive(Debug)]
pub enum Local {
    /// The node wants to be called; void if another call has been scheduled since.
    Tick {
        /// When.
        at: Time,
    },
    /// The machine wants to be called; void if another call has been scheduled since.
    MachineTick {
        /// When.
        at: Time,
    },
    /// The log has written its batch of so many jobs.
    LogDone {
        /// See above.
        count: usize,
    },
    /// The log says what is durable, and what may leave now.
    LogReport {
        /// The newest write.
        write: WriteId,
        /// What waited for it.
        then: Vec<(NodeId, PeerMessage)>,
    },
    /// The requests that were gathered are taken in.
    Round,
    /// The log keeps house.
    Housekeeping,
    /// The machine has done its oldest job.
    MachineDone,
    /// The node hears something from its log or its machine.
    Report(Input),
    /// The tables are to be made durable.
    Persist,
    /// They are.
    Persisted {
        /// What they held when it began.
        index: LogIndex,
    },
    /// A piece of a snapshot is to be read.
    ReadSnapshot {
        /// For whom.
        to: NodeId,
        /// Of which snapshot.
        index: Option<LogIndex>,
        /// Which piece.
        sequence: u64,
    },
    /// A message of a watch stream arrives at its client.
    Watched {
        /// Whose.
        client: u64,
        /// Which stream of the node.
        stream: StreamId,
        /// The message.
        message: WatchMessage,
    },
}

/// A write to the log that waits.
#[derive(Debug)]
pub enum LogJob {
    /// Make this durable.
    Append {
        /// Its name.
        write: WriteId,
        /// What.
        log: LogWrite,
        /// What may leave afterwards.
        then: Vec<(NodeId, PeerMessage)>,
    },
    /// Give this up.
    Compact {
        /// Up to and including.
        upto: LogIndex,
    },
}

/// Events in order of time, and in order of their scheduling at one moment.
#[derive(Default)]
pub struct Agenda {
    events: BTreeMap<(Time, u64), Event>,
    next: u64,
}

impl Agenda {
    /// Takes an event in.
    pub fn put(&mut self, at: Time, event: Event) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// Takes the next event out that is due by `until`.
    pub fn take(&mut self, until: Time) -> Option<(Time, Event)> {
        let entry = self.events.first_entry()?;
        (entry.key().0 <= until).then(|| {
            let ((at, _), event) = entry.remove_entry();
            (at, event)
        })
    }

    /// Drops the events for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(&Event) -> bool) {
        self.events.retain(|_, event| keep(event));
    }
}
