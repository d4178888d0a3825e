//! What happened, in order: for comparing runs and for explaining them.
//!
//! Every event goes into a digest, so two runs are compared at the cost of one number; the events themselves are kept only when somebody
//! wants to look at them. **Invariant:** the same scenario gives the same events, and the same text of them, byte for byte.

use crate::scenario::Scenario;
use quorate_consensus::raft::Role;
use quorate_types::{LogIndex, NodeId, Term, Time};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When, in true time from the run's start.
    pub at: Time,
    /// Where or to whom.
    pub actor: Actor,
    /// What.
    pub what: What,
}

/// Whom an event is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Actor {
    /// A node.
    Node(NodeId),
    /// A client.
    Client(u64),
    /// The cluster as a whole: partitions, phases.
    World,
}

/// What happened. Message numbers are unique in a run: the same number in `Sent` and `Delivered` is the same message, and a message that is
/// delivered twice was duplicated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A node sent a message.
    Sent {
        /// Its number.
        message: u64,
        /// To whom.
        to: NodeId,
        /// `Append`, `Vote`, …
        kind: &'static str,
        /// Its term.
        term: Term,
        /// Its contents in a few words.
        words: String,
    },
    /// A message arrived.
    Delivered {
        /// Its number.
        message: u64,
        /// From whom.
        from: NodeId,
    },
    /// A message was lost.
    Lost {
        /// Its number.
        message: u64,
        /// Why: `cut`, `loss`, `down`.
        why: &'static str,
    },
    /// Role, term or known leader changed.
    Became {
        /// What it is now.
        role: Role,
        /// In which term.
        term: Term,
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// Writes to the log are durable.
    Persisted {
        /// The log's end on disk.
        last: LogIndex,
    },
    /// Entries were applied.
    Applied {
        /// The last of them.
        index: LogIndex,
        /// Its term.
        term: Term,
    },
    /// A snapshot was installed.
    Installed {
        /// Where it stands.
        index: LogIndex,
    },
    /// A node started.
    Started {
        /// What it found, in words.
        words: String,
    },
    /// A node ended.
    Crashed {
        /// How, in words.
        how: &'static str,
    },
    /// A node refused to start.
    Refused {
        /// Why, in its own words.
        words: String,
    },
    /// A fault began; its position in the scenario.
    FaultBegan {
        /// See above.
        fault: usize,
        /// It, in words.
        words: String,
    },
    /// A fault ended.
    FaultEnded {
        /// As in `FaultBegan`.
        fault: usize,
    },
    /// A client called.
    Invoked {
        /// Its position in the scenario.
        operation: usize,
        /// What, in words.
        words: String,
    },
    /// A client's call ended.
    Returned {
        /// As in `Invoked`.
        operation: usize,
        /// How.
        outcome: CallOutcome,
        /// With what, in words.
        words: String,
    },
    /// Anything else worth a word: a phase begins, an invariant breaks.
    Note {
        /// The words.
        words: String,
    },
}

/// How a call ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallOutcome {
    /// It was done.
    Done,
    /// It was not done.
    Failed,
    /// It may have been done.
    Unknown,
}

/// The events of one run.
pub struct Trace {
    digest: DefaultHasher,
    events: Option<Vec<Event>>,
    count: u64,
}

impl Trace {
    /// Nothing has happened. Events are kept if `keep`.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Trace { digest: DefaultHasher::new(), events: keep.then(Vec::new), count: 0 }
    }

    /// Whether events are kept: if not, words need not be made.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.events.is_some()
    }

    /// Takes an event in. Words do not count for the digest, because they are made only where events are kept.
    pub fn push(&mut self, event: Event) {
        self.count += 1;
        event.at.hash(&mut self.digest);
        event.actor.hash(&mut self.digest);
        event.what.hash_facts(&mut self.digest);
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    /// A number that differs, almost certainly, if anything did.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// How many events there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The events, if they were kept.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.events.as_deref().unwrap_or_default()
    }

    /// The events as text, one a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for event in self.events() {
            writeln!(text, "{event}").expect("a string takes everything");
        }
        text
    }
}

impl What {
    /// All but words.
    fn hash_facts(&self, to: &mut impl Hasher) {
        std::mem::discriminant(self).hash(to);
        match self {
            What::Sent { message, to: node, kind, term, .. } => (message, node, kind, term).hash(to),
            What::Delivered { message, from } => (message, from).hash(to),
            What::Lost { message, why } => (message, why).hash(to),
            What::Became { role, term, leader } => (*role as u8, term, leader).hash(to),
            What::Persisted { last } => last.hash(to),
            What::Applied { index, term } => (index, term).hash(to),
            What::Installed { index } => index.hash(to),
            What::Crashed { how } => how.hash(to),
            What::FaultBegan { fault, .. } | What::FaultEnded { fault } => fault.hash(to),
            What::Invoked { operation, .. } => operation.hash(to),
            What::Returned { operation, outcome, .. } => (operation, outcome).hash(to),
            What::Started { .. } | What::Refused { .. } | What::Note { .. } => {}
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Node(id) => write!(f, "node {id}"),
            Actor::Client(client) => write!(f, "client {client}"),
            Actor::World => write!(f, "world"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>14} {:<9} ", self.at.to_string(), self.actor.to_string())?;
        match &self.what {
            What::Sent { message, to, kind, term, words } => {
                write!(f, "sends #{message} to {to}: {kind} in term {term} {words}")
            }
            What::Delivered { message, from } => write!(f, "gets #{message} from {from}"),
            What::Lost { message, why } => write!(f, "#{message} is lost: {why}"),
            What::Became { role, term, leader: Some(leader) } => {
                write!(f, "is {role:?} in term {term}, leader {leader}")
            }
            What::Became { role, term, leader: None } => write!(f, "is {role:?} in term {term}, no leader"),
            What::Persisted { last } => write!(f, "has its log on disk up to {last}"),
            What::Applied { index, term } => write!(f, "applied up to {index} of term {term}"),
            What::Installed { index } => write!(f, "installed a snapshot at {index}"),
            What::Started { words } => write!(f, "starts: {words}"),
            What::Crashed { how } => write!(f, "crashes: {how}"),
            What::Refused { words } => write!(f, "refuses to start: {words}"),
            What::FaultBegan { fault, words } => write!(f, "fault {fault} begins: {words}"),
            What::FaultEnded { fault } => write!(f, "fault {fault} ends"),
            What::Invoked { operation, words } => write!(f, "calls {operation}: {words}"),
            What::Returned { operation, outcome, words } => {
                write!(f, "call {operation} ends {outcome:?}: {words}")
            }
            What::Note { words } => f.write_str(words),
        }
    }
}

/// Everything that a page about one run needs.
pub struct Story<'a> {
    /// What was run.
    pub scenario: &'a Scenario,
    /// What was broken, if anything.
    pub violation: Option<&'a crate::Violation>,
    /// The events.
    pub events: &'a [Event],
    /// The command that runs it again.
    pub command: &'a str,
    /// How often each mark was reached.
    pub marks: &'a BTreeMap<&'static str, u64>,
}
