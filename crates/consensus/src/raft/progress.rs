//! What a leader knows of one other member.
//!
//! Problem: a follower must be kept busy without waiting for each answer, yet what is on its way must stay bounded, and a leader
//! that guessed wrong must find the right position quickly. Idea: three states. *Probe*: one message at a time until one
//! is accepted. *Replicate*: guess that everything arrives, within a window of messages and bytes. *Snapshot*: the entries it
//! needs are gone.
//!
//! **Invariant:** `matched < next`; `matched` never falls within one leadership.
//!
//! Source: dissertation §10.2.1 (pipelining), §10.2.2 (flow control).

use super::config::Config;
use super::message::SnapshotMeta;
use quorate_types::{Bytes, LogIndex, Time};
use std::collections::VecDeque;

/// How a leader sends to one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressState {
    /// One `Append` at a time: where the logs part is not known.
    Probe,
    /// Many `Append`s at a time.
    Replicate,
    /// A snapshot, piece by piece.
    Snapshot,
}

/// A snapshot on its way to one member.
#[derive(Clone, Debug)]
pub(super) struct OutgoingSnapshot {
    /// Known once the first piece is read.
    pub(super) meta: Option<SnapshotMeta>,
    /// The piece that is being read or is unanswered.
    pub(super) sequence: u64,
    /// The piece itself, once read, so that it can be sent again.
    pub(super) piece: Option<(Bytes, bool)>,
}

/// What a leader knows of one other member.
#[derive(Clone, Debug)]
pub struct Progress {
    matched: LogIndex,
    next: LogIndex,
    state: ProgressState,
    /// Unanswered `Append`s: each one's last entry and bytes.
    in_flight: VecDeque<(LogIndex, usize)>,
    in_flight_bytes: usize,
    /// Whether the one message of `Probe` is unanswered.
    is_probing: bool,
    /// When the last thing was sent that, unanswered, must be sent again; or when the last answer came.
    pub(super) waiting_since: Time,
    /// The commit index that it was last told.
    pub(super) commit_sent: LogIndex,
    /// When it was last heard from.
    pub(super) heard_at: Time,
    /// The newest round of heartbeats that it confirmed…
    pub(super) confirmed_round: u64,
    /// …and when that round was sent; before the first: the start of time.
    pub(super) confirmed_sent_at: Time,
    /// The snapshot on its way, in state `Snapshot` only.
    pub(super) snapshot: Option<OutgoingSnapshot>,
}

impl Progress {
    pub(super) fn new(next: LogIndex, now: Time) -> Self {
        Progress {
            matched: LogIndex(0),
            next,
            state: ProgressState::Probe,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            is_probing: false,
            waiting_since: now,
            commit_sent: LogIndex(0),
            heard_at: now,
            confirmed_round: 0,
            confirmed_sent_at: Time(0),
            snapshot: None,
        }
    }

    /// Its log equals the leader's, durably, up to here.
    #[must_use]
    pub fn matched(&self) -> LogIndex {
        self.matched
    }

    /// The next entry to send.
    #[must_use]
    pub fn next(&self) -> LogIndex {
        self.next
    }

    /// How it is sent to.
    #[must_use]
    pub fn state(&self) -> ProgressState {
        self.state
    }

    /// `Append`s that are unanswered.
    #[must_use]
    pub fn in_flight_appends(&self) -> usize {
        self.in_flight.len()
    }

    /// When it was last heard from.
    #[must_use]
    pub fn heard_at(&self) -> Time {
        self.heard_at
    }

    /// Whether one more `Append` may leave now.
    pub(super) fn may_send(&self, config: &Config) -> bool {
        match self.state {
            ProgressState::Probe => !self.is_probing,
            ProgressState::Replicate => {
                self.in_flight.len() < config.max_inflight_appends
                    && self.in_flight_bytes < config.max_inflight_bytes
            }
            ProgressState::Snapshot => false,
        }
    }

    /// Whether something is unanswered.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_probing || !self.in_flight.is_empty()
    }

    pub(super) fn on_sent(&mut self, last: LogIndex, len_bytes: usize, now: Time) {
        match self.state {
            ProgressState::Probe => {
                self.is_probing = true;
                self.waiting_since = now;
            }
            ProgressState::Replicate => {
                if self.in_flight.is_empty() {
                    self.waiting_since = now;
                }
                self.next = last.next();
                self.in_flight.push_back((last, len_bytes));
                self.in_flight_bytes += len_bytes;
            }
            ProgressState::Snapshot => panic!("no entries are sent beside a snapshot"),
        }
    }

    /// The probe was lost; another may be sent.
    pub(super) fn forget_probe(&mut self) {
        self.is_probing = false;
    }

    /// Its log is equal and durable up to `matched`.
    pub(super) fn on_accepted(&mut self, matched: LogIndex, now: Time) {
        let is_news = matched > self.matched;
        self.matched = self.matched.max(matched);
        match self.state {
            ProgressState::Probe if is_news || matched.next() >= self.next => self.become_replicate(),
            ProgressState::Probe => {}
            ProgressState::Snapshot => self.next = self.next.max(matched.next()),
            ProgressState::Replicate => {
                self.next = self.next.max(matched.next());
                while self.in_flight.front().is_some_and(|(last, _)| *last <= matched) {
                    let (_, len_bytes) = self.in_flight.pop_front().expect("it was there a moment ago");
                    self.in_flight_bytes -= len_bytes;
                }
            }
        }
        if is_news {
            self.waiting_since = now;
        }
    }

    /// The entry before `next` did not match the last time. Whether this answer is news: an old one must not undo what is known.
    pub(super) fn heeds_rejection(&self, rejected: LogIndex) -> bool {
        match self.state {
            ProgressState::Probe => self.is_probing && rejected.next() == self.next,
            ProgressState::Replicate => rejected > self.matched,
            ProgressState::Snapshot => false,
        }
    }

    /// Entries from `next` on are sent one message at a time.
    pub(super) fn become_probe(&mut self, next: LogIndex) {
        self.enter(ProgressState::Probe);
        self.next = next.max(self.matched.next());
    }

    /// All before `matched` is known to be equal: send freely.
    pub(super) fn become_replicate(&mut self) {
        self.enter(ProgressState::Replicate);
        self.next = self.matched.next();
    }

    /// The entries that it needs are gone.
    pub(super) fn become_snapshot(&mut self, now: Time) {
        self.enter(ProgressState::Snapshot);
        self.waiting_since = now;
        self.snapshot = Some(OutgoingSnapshot { meta: None, sequence: 0, piece: None });
    }

    /// Whether the snapshot on its way brings nothing new any more.
    pub(super) fn has_outgrown_snapshot(&self) -> bool {
        let snapshot = self.snapshot.as_ref().and_then(|snapshot| snapshot.meta.as_ref());
        snapshot.is_some_and(|meta| meta.index <= self.matched)
    }

    fn enter(&mut self, state: ProgressState) {
        self.state = state;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.is_probing = false;
        self.snapshot = None;
    }

    pub(super) fn check_invariants(&self, last_index: LogIndex) {
        assert!(
            self.matched < self.next && self.matched <= last_index,
            "what matched is behind what comes next"
        );
        assert!(self.next <= last_index.next(), "nothing is sent that is not there");
        assert_eq!(
            self.in_flight.iter().map(|(_, len)| len).sum::<usize>(),
            self.in_flight_bytes,
            "bytes are counted"
        );
        assert_eq!(
            self.snapshot.is_some(),
            self.state == ProgressState::Snapshot,
            "a snapshot belongs to its state"
        );
    }
}
