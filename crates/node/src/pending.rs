//! The requests of this node's clients that are on their way through the log.
//!
//! **Problem:** a leader dies with proposals in flight, and their clients must neither lose a write nor have it done twice.
//! **Idea:** a proposal enters the log only in the term for which it was sent (the rule of
//! [`Body::Forward`](quorate_consensus::raft::Body::Forward)). So once this node has applied an entry of a later term without having met
//! the proposal, it is in no log and never will be, and can be sent again; until then its outcome is unknown. A snapshot breaks the
//! chain of that proof: it may hold a proposal's effect, but not its outcome. So what was sent before one is given up.
//! **Invariant:** a proposal that was sent is sent again only after that proof, or after a refusal that says it was not taken.

use crate::envelope::stamp;
use crate::marks;
use quorate_consensus::raft::{Proposal, ProposalId};
use quorate_types::{Bytes, Mistake, NodeId, Term, Time};
use std::collections::BTreeMap;

/// At most so many requests wait for their outcomes on one node and group.
pub const MAX_PENDING_REQUESTS: usize = 20_000;
/// And at most so many bytes of them.
pub const MAX_PENDING_LEN_BYTES: usize = 256 << 20;

struct Request {
    command: Bytes,
    deadline: Time,
    /// The term in which it may have entered the log; `None` if it is in no log.
    sent: Option<Term>,
    /// Whether the command carries a time, of the leadership in which it was sent last.
    is_stamped: bool,
}

/// See the module.
pub struct Pending {
    origin: NodeId,
    requests: BTreeMap<u64, Request>,
    len_bytes: usize,
    unsent: usize,
}

/// A request whose time is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired {
    /// Its number.
    pub sequence: u64,
    /// Whether it may still be done.
    pub may_be_done: bool,
}

impl Pending {
    /// For the requests of node `origin`.
    #[must_use]
    pub fn new(origin: NodeId) -> Self {
        Pending { origin, requests: BTreeMap::new(), len_bytes: 0, unsent: 0 }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether some are in no log and should be sent.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// Takes a request in, unsent. False, and nothing taken, if there is no room.
    pub fn insert(&mut self, sequence: u64, command: Bytes, deadline: Time) -> bool {
        if self.requests.len() >= MAX_PENDING_REQUESTS
            || self.len_bytes + command.len() > MAX_PENDING_LEN_BYTES
        {
            return false;
        }
        self.len_bytes += command.len();
        self.unsent += 1;
        let before =
            self.requests.insert(sequence, Request { command, deadline, sent: None, is_stamped: false });
        assert!(before.is_none(), "sequence {sequence} was given twice");
        true
    }

    /// Marks all unsent ones as sent in `term` and returns them in order, with the group's time if it is known.
    pub fn send_all(&mut self, term: Term, cluster_time_ns: Option<u64>) -> Vec<Proposal> {
        let mut proposals = Vec::with_capacity(self.unsent);
        if self.unsent == 0 {
            return proposals;
        }
        // Unsent requests are mostly the newest: walk from the back until all are found.
        for (sequence, request) in self.requests.iter_mut().rev() {
            if request.sent.is_none() {
                request.sent = Some(term);
                if cluster_time_ns.is_some() || request.is_stamped && !Mistake::StaleTime.is_planted() {
                    // A time from an earlier leadership must not come back: that clock may have run on while another was followed.
                    let time_ns = cluster_time_ns.unwrap_or(0);
                    request.command = stamp(std::mem::take(&mut request.command), time_ns);
                    request.is_stamped = cluster_time_ns.is_some();
                }
                let id = ProposalId { origin: self.origin, sequence: *sequence };
                proposals.push(Proposal { id, command: request.command.clone() });
                if proposals.len() == self.unsent {
                    break;
                }
            }
        }
        self.unsent = 0;
        proposals.reverse();
        proposals
    }

    /// These were refused: they are in no log.
    pub fn unsend(&mut self, sequence: u64) {
        if let Some(request) = self.requests.get_mut(&sequence)
            && request.sent.take().is_some()
        {
            self.unsent += 1;
        }
    }

    /// This node has applied an entry of `term`: what was sent in earlier terms and is still here is in no log.
    pub fn unsend_before(&mut self, term: Term) {
        for request in self.requests.values_mut() {
            if request.sent.is_some_and(|sent| sent < term) {
                marks::PROVED_LOST.reach();
                request.sent = None;
                self.unsent += 1;
            }
        }
    }

    /// This node's state was replaced by a snapshot, so it may have skipped entries: takes out all that were sent, whose outcomes can
    /// not be learned any more.
    pub fn give_up_sent(&mut self) -> Vec<u64> {
        let sent = |(_, request): &(&u64, &Request)| request.sent.is_some();
        let lost: Vec<u64> = self.requests.iter().filter(sent).map(|(sequence, _)| *sequence).collect();
        for sequence in &lost {
            self.remove(*sequence);
        }
        lost
    }

    /// Takes a request out: it was answered.
    pub fn remove(&mut self, sequence: u64) -> bool {
        let Some(request) = self.requests.remove(&sequence) else { return false };
        self.len_bytes -= request.command.len();
        self.unsent -= usize::from(request.sent.is_none());
        true
    }

    /// Takes out those whose deadline has come.
    pub fn expire(&mut self, now: Time) -> Vec<Expired> {
        let due = |request: &Request| request.deadline <= now;
        let expired: Vec<Expired> = self
            .requests
            .iter()
            .filter(|(_, request)| due(request))
            .map(|(sequence, request)| Expired { sequence: *sequence, may_be_done: request.sent.is_some() })
            .collect();
        for request in &expired {
            self.remove(request.sequence);
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::{Expired, MAX_PENDING_REQUESTS, Pending};
    use crate::envelope::Envelope;
    use quorate_consensus::raft::ProposalId;
    use quorate_kv::{Command, PutRequest, Stamped};
    use quorate_types::{Bytes, NodeId, Term, Time};

    fn sequences(pending: &mut Pending, term: u64) -> Vec<u64> {
        pending.send_all(Term(term), None).iter().map(|proposal| proposal.id.sequence).collect()
    }

    fn with(count: u64) -> Pending {
        let mut pending = Pending::new(NodeId(1));
        for sequence in 1..=count {
            assert!(pending.insert(sequence, Bytes::from_static(b"x"), Time(sequence)));
        }
        pending
    }

    #[test]
    fn what_was_sent_is_sent_again_only_after_a_later_term_was_applied() {
        let mut pending = with(3);
        assert_eq!(sequences(&mut pending, 5), [1, 2, 3]);
        pending.unsend_before(Term(5));
        assert_eq!(sequences(&mut pending, 5), [0u64; 0]);
        assert!(pending.remove(2));
        pending.unsend_before(Term(6));
        assert_eq!(sequences(&mut pending, 6), [1, 3]);
    }

    #[test]
    fn a_time_of_an_earlier_leadership_is_not_sent_again() {
        let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
        let envelope = |cluster_time_ns| Envelope {
            id: ProposalId { origin: NodeId(1), sequence: 7 },
            command: Stamped { cluster_time_ns, command: Command::Put(put.clone()) },
        };
        let mut pending = Pending::new(NodeId(1));
        assert!(pending.insert(7, envelope(0).encode(), Time(9)));
        let mut sent = |term, time_ns| {
            pending.unsend_before(Term(term));
            let proposals = pending.send_all(Term(term), time_ns);
            let envelopes = proposals.into_iter().map(|proposal| Envelope::decode(proposal.command).unwrap());
            envelopes.map(|envelope| envelope.command.cluster_time_ns).collect::<Vec<_>>()
        };
        assert_eq!(sent(1, None), [0]);
        assert_eq!(sent(2, Some(5)), [5], "this node leads and knows the time");
        assert_eq!(sent(3, None), [0], "another leads, or nobody knows the time yet");
        assert_eq!(sent(4, Some(6)), [6]);
    }

    #[test]
    fn a_refused_one_is_sent_again() {
        let mut pending = with(3);
        let _ = sequences(&mut pending, 5);
        pending.unsend(2);
        pending.unsend(2);
        assert!(pending.has_unsent());
        assert_eq!(sequences(&mut pending, 5), [2]);
        assert!(!pending.has_unsent());
    }

    #[test]
    fn what_was_sent_before_a_snapshot_is_never_sent_again() {
        let mut pending = with(2);
        let _ = sequences(&mut pending, 5);
        assert!(pending.insert(3, Bytes::new(), Time(3)));
        assert_eq!(pending.give_up_sent(), [1, 2]);
        pending.unsend_before(Term(9));
        assert_eq!(sequences(&mut pending, 9), [3]);
    }

    #[test]
    fn expiry_says_whether_it_may_still_be_done() {
        let mut pending = with(1);
        let _ = sequences(&mut pending, 5);
        assert!(pending.insert(2, Bytes::new(), Time(2)));
        assert_eq!(
            pending.expire(Time(2)),
            [Expired { sequence: 1, may_be_done: true }, Expired { sequence: 2, may_be_done: false }]
        );
        assert!(pending.is_empty() && !pending.has_unsent());
    }

    #[test]
    fn the_bound_holds() {
        let mut pending = with(MAX_PENDING_REQUESTS as u64);
        assert!(!pending.insert(u64::MAX, Bytes::new(), Time(0)));
        assert_eq!(pending.len(), MAX_PENDING_REQUESTS);
    }
}
