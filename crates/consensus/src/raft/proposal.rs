//! From a client's command to the leader's log.
//!
//! Problem: a client asks any member; the command must reach the leader and enter the log at most once, though messages may be
//! repeated and rejected commands are proposed again. Idea: a follower forwards under a number that is used once. The leader
//! takes a number at most once and only in the term it was forwarded in; the origin heeds a rejection at most once and only
//! in that term. So a repeated message is never taken for a new attempt.
//!
//! **Invariant:** a rejected proposal is in nobody's log and never will be through that attempt.
//!
//! Source: ours; dissertation §6.2 leaves the routing of requests open.

use super::Raft;
use super::input::Effect;
use super::log::ENTRY_OVERHEAD_BYTES;
use super::marks;
use super::message::{Body, ForwardId, Payload, Proposal, ProposalId, Rejection};
use quorate_types::{Mistake, NodeId, Rng};
use std::collections::VecDeque;

/// How far attempts may overtake one another; one that is later than that is dropped, its outcome unknown.
const WINDOW: u64 = 128;
/// Restarts of one follower within one leadership that are told apart; the oldest is forgotten.
const MAX_LIVES: usize = 4;

/// Which numbers were seen, of a sequence that mostly counts up.
#[derive(Clone, Copy, Default)]
struct SeenNumbers {
    /// The number after the highest that was seen.
    end: u64,
    /// Bit n: whether `end - 1 - n` was seen.
    recent: u128,
}

impl SeenNumbers {
    /// Notes `number`; whether it is certainly new.
    fn insert(&mut self, number: u64) -> bool {
        if number >= self.end {
            let shift = number + 1 - self.end;
            self.recent = if shift >= WINDOW { 0 } else { self.recent << shift };
            self.end = number + 1;
            self.recent |= 1;
            return true;
        }
        let age = self.end - 1 - number;
        if age >= WINDOW || self.recent >> age & 1 == 1 {
            return false;
        }
        self.recent |= 1 << age;
        true
    }
}

/// What a leader has seen of one member's forwarding.
#[derive(Default)]
pub(super) struct SeenForwards {
    lives: VecDeque<(u64, SeenNumbers)>,
}

impl SeenForwards {
    fn insert(&mut self, forward: ForwardId) -> bool {
        if let Some((_, seen)) = self.lives.iter_mut().find(|(life, _)| *life == forward.life) {
            return seen.insert(forward.number);
        }
        if self.lives.len() == MAX_LIVES {
            self.lives.pop_front();
        }
        let mut seen = SeenNumbers::default();
        seen.insert(forward.number);
        self.lives.push_back((forward.life, seen));
        true
    }
}

/// What this member has forwarded.
pub(super) struct Forwards {
    life: u64,
    next: u64,
    /// The first number of the present term.
    floor: u64,
    rejected: SeenNumbers,
}

impl Forwards {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Forwards { life: rng.next_u64(), next: 0, floor: 0, rejected: SeenNumbers::default() }
    }

    pub(super) fn on_new_term(&mut self) {
        self.floor = self.next;
    }

    /// Whether a rejection of `forward` is of this term and the first one.
    fn heeds_rejection(&mut self, forward: ForwardId) -> bool {
        let is_current = forward.life == self.life && (self.floor..self.next).contains(&forward.number);
        is_current && self.rejected.insert(forward.number)
    }
}

impl Raft {
    pub(super) fn on_propose(&mut self, proposals: Vec<Proposal>, out: &mut Vec<Effect>) {
        if proposals.is_empty() {
            return;
        }
        if self.disk.has_failed() {
            out.push(Effect::Rejected { ids: ids(&proposals), reason: Rejection::DiskFailed });
        } else if self.leadership.is_some() {
            if let Some((ids, reason)) = self.take_proposals(proposals, out) {
                out.push(Effect::Rejected { ids, reason });
            }
        } else if let Some(leader) = self.leader {
            let forward = ForwardId { life: self.forwards.life, number: self.forwards.next };
            self.forwards.next += 1;
            self.send(leader, Body::Forward { forward, proposals }, out);
        } else {
            let reason = Rejection::NotLeader { leader: None };
            out.push(Effect::Rejected { ids: ids(&proposals), reason });
        }
    }

    /// Appends as many as the leader has room for; answers which it refuses.
    fn take_proposals(
        &mut self,
        mut proposals: Vec<Proposal>,
        out: &mut Vec<Effect>,
    ) -> Option<(Vec<ProposalId>, Rejection)> {
        let leadership = self.leadership.as_ref().expect("only a leader takes proposals");
        if leadership.transfer.is_some() {
            marks::PROPOSALS_DURING_TRANSFER.reach();
            return Some((ids(&proposals), Rejection::Transferring));
        }
        let mut total = leadership.uncommitted_bytes;
        let fitting = proposals.iter().take_while(|proposal| {
            let is_first = total == 0;
            total += ENTRY_OVERHEAD_BYTES + proposal.command.len();
            is_first || total <= self.config.max_uncommitted_bytes
        });
        let refused = proposals.split_off(fitting.count());
        if !proposals.is_empty() {
            let commands = proposals.into_iter().map(|proposal| Payload::Command(proposal.command));
            self.append_as_leader(commands, out);
        }
        if refused.is_empty() {
            return None;
        }
        marks::PROPOSALS_OVERLOADED.reach();
        Some((ids(&refused), Rejection::Overloaded))
    }

    /// A member handed over proposals, in this member's present term.
    pub(super) fn on_forward(
        &mut self,
        from: NodeId,
        forward: ForwardId,
        proposals: Vec<Proposal>,
        out: &mut Vec<Effect>,
    ) {
        let refusal = match &mut self.leadership {
            Some(leadership) => {
                let is_new = leadership.forwards.entry(from).or_default().insert(forward);
                if !is_new && !Mistake::TakeForwardTwice.is_planted() {
                    marks::FORWARD_REPEATED.reach();
                    return;
                }
                self.take_proposals(proposals, out)
            }
            // It may have led in this term, before it restarted, and taken this very attempt: then nothing can be said.
            None if self.hard_state.vote == Some(self.config.id) => {
                marks::FORWARD_UNKNOWN.reach();
                None
            }
            None => Some((ids(&proposals), Rejection::NotLeader { leader: self.leader })),
        };
        if let Some((ids, reason)) = refusal {
            self.send(from, Body::ForwardRejected { forward, ids, reason }, out);
        }
    }

    pub(super) fn on_forward_rejected(
        &mut self,
        forward: ForwardId,
        ids: Vec<ProposalId>,
        reason: Rejection,
        out: &mut Vec<Effect>,
    ) {
        if self.forwards.heeds_rejection(forward) {
            marks::FORWARD_REJECTED.reach();
            out.push(Effect::Rejected { ids, reason });
        }
    }
}

fn ids(proposals: &[Proposal]) -> Vec<ProposalId> {
    proposals.iter().map(|proposal| proposal.id).collect()
}

#[cfg(test)]
mod tests {
    use super::{ForwardId, MAX_LIVES, SeenForwards, SeenNumbers, WINDOW};

    #[test]
    fn a_number_is_new_once_and_never_once_it_is_too_old() {
        let mut seen = SeenNumbers::default();
        let mut check = |number, expect| assert_eq!(seen.insert(number), expect, "{number}");
        check(0, true);
        check(0, false);
        check(3, true);
        check(1, true);
        check(1, false);
        check(2 + WINDOW, true);
        check(3, false);
        check(2, false);
        check(4, true);
        check(10 * WINDOW, true);
        check(9 * WINDOW, false);
        check(9 * WINDOW + 1, true);
    }

    #[test]
    fn a_restarted_member_starts_over() {
        let mut seen = SeenForwards::default();
        for life in 0..2 * MAX_LIVES as u64 {
            assert!(seen.insert(ForwardId { life, number: 0 }));
            assert!(!seen.insert(ForwardId { life, number: 0 }));
        }
        assert_eq!(seen.lives.len(), MAX_LIVES);
    }
}
